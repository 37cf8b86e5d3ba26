//! Short texts of the order path, held in place: ids, accounts, sessions, symbols.

use std::fmt;

/// Why a text is no name of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Empty or too long.
    #[error("length out of range")]
    Length,
    /// A byte outside `A-Z a-z 0-9 . - _ / : + # @ =` (symbols: outside `A-Z a-z 0-9 . - _ / : +`).
    #[error("character not allowed")]
    Character,
}

const fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/' | b':' | b'+')
}

const fn wide(byte: u8) -> bool {
    plain(byte) || matches!(byte, b'#' | b'@' | b'=')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $min:literal..=$max:literal, $allowed:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name {
            bytes: [u8; $max],
            len: u8,
        }

        impl $name {
            /// Longest in bytes.
            pub const BYTES_MAX: usize = $max;

            /// Checks and copies.
            ///
            /// # Errors
            /// [`TextError`] when the length or a character is out of range.
            pub fn new(text: &str) -> Result<Self, TextError> {
                Self::from_bytes(text.as_bytes())
            }

            /// Checks and copies.
            ///
            /// # Errors
            /// [`TextError`] when the length or a character is out of range.
            pub fn from_bytes(text: &[u8]) -> Result<Self, TextError> {
                if !($min..=$max).contains(&text.len()) {
                    return Err(TextError::Length);
                }
                if !text.iter().all(|byte| $allowed(*byte)) {
                    return Err(TextError::Character);
                }
                let mut bytes = [0; $max];
                bytes[..text.len()].copy_from_slice(text);
                Ok(Self { bytes, len: u8::try_from(text.len()).map_err(|_| TextError::Length)? })
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(self.as_bytes()).unwrap_or_default()
            }

            /// The text's bytes, all ASCII.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.bytes[..usize::from(self.len)]
            }
        }

        impl std::str::FromStr for $name {
            type Err = TextError;
            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    };
}

name! {
    /// Client's id of an order or act (FIX 11), 1–36 bytes: unique within the account for ever, the idempotency key.
    ClOrdId, 1..=36, wide
}
name! {
    /// Who trades, 1–32 bytes. Never part of a bus subject.
    AccountId, 1..=32, wide
}
name! {
    /// A session's name, 0–32 bytes; empty = unnamed.
    SessionName, 0..=32, wide
}
name! {
    /// An instrument's symbol, 1–48 bytes; see [`crate::instrument::valid_symbol`].
    Symbol, 1..=48, plain
}

impl SessionName {
    /// No name.
    pub const UNNAMED: Self = Self { bytes: [0; 32], len: 0 };
}

impl Default for SessionName {
    fn default() -> Self {
        Self::UNNAMED
    }
}
