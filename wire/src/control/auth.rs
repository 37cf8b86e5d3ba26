//! Tokens as a client sends them, and what a session may see and do: the claim `tickgate` of a token, told back in
//! `welcome` and `authenticated`.

use crate::SESSION_SYMBOLS_MAX;
use crate::instrument::{matches, valid_pattern};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest token that is taken.
pub const TOKEN_BYTES_MAX: usize = 8_192;

/// Most symbols and patterns over all grants of a token: each instrument of a request may be held against each.
pub const GRANT_SYMBOLS_MAX: usize = 32;

/// Names of channels that a grant may hold.
const CHANNELS: [&str; 5] = ["quote", "trade", "book", "bar", "status"];

/// A token as it was sent. It shows itself nowhere: `Debug` tells its length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token<'a>(pub &'a str);

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}

/// What a session may see and do. What is not granted is refused.
///
/// ```
/// use tickgate_wire::control::Entitlements;
/// let text = r#"{"data":[{"channels":["quote"],"symbols":["BTC*"]}],"trade":true}"#;
/// let granted: Entitlements = serde_json::from_str(text).unwrap();
/// assert!(granted.check().is_ok());
/// assert!(granted.may_see("quote", "BTCUSDT.BINANCE") && !granted.may_see("trade", "BTCUSDT.BINANCE"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entitlements {
    /// Market data; each grant counts by itself.
    #[serde(default)]
    pub data: Vec<Grant>,
    /// Whether orders are taken and reports told.
    #[serde(default)]
    pub trade: bool,
    /// Whether it is an operator's.
    #[serde(default)]
    pub operator: bool,
    /// Most symbols of a session over all channels, at most [`SESSION_SYMBOLS_MAX`].
    #[serde(default = "all_symbols")]
    pub symbols_max: usize,
}

/// Symbols in channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Of `quote`, `trade`, `book`, `bar`, `status`.
    pub channels: Vec<String>,
    /// Names, and patterns with `*`.
    pub symbols: Vec<String>,
}

const fn all_symbols() -> usize {
    SESSION_SYMBOLS_MAX
}

impl Entitlements {
    /// Market data of these symbols in all channels, and nothing else.
    #[must_use]
    pub fn to_see(symbols: Vec<String>) -> Self {
        let channels = CHANNELS.map(str::to_owned).to_vec();
        let data = if symbols.is_empty() { Vec::new() } else { vec![Grant { channels, symbols }] };
        Self { data, trade: false, operator: false, symbols_max: SESSION_SYMBOLS_MAX }
    }

    /// Checks what their types cannot tell.
    ///
    /// # Errors
    /// The member that is wrong.
    pub fn check(&self) -> Result<(), &'static str> {
        let mut symbols = 0;
        for grant in &self.data {
            if grant.channels.is_empty()
                || !grant.channels.iter().all(|name| CHANNELS.contains(&name.as_str()))
            {
                return Err("data.channels");
            }
            symbols += grant.symbols.len();
            if grant.symbols.is_empty() || !grant.symbols.iter().all(|name| valid_pattern(name)) {
                return Err("data.symbols");
            }
        }
        if symbols > GRANT_SYMBOLS_MAX {
            return Err("data.symbols");
        }
        if self.symbols_max > SESSION_SYMBOLS_MAX { Err("symbols_max") } else { Ok(()) }
    }

    /// Whether a symbol may be seen in a channel.
    #[must_use]
    pub fn may_see(&self, channel: &str, symbol: &str) -> bool {
        let in_channel = self.data.iter().filter(|grant| grant.channels.iter().any(|name| name == channel));
        in_channel.flat_map(|grant| &grant.symbols).any(|pattern| matches(pattern, symbol))
    }

    /// Whether a symbol may be seen in any channel.
    #[must_use]
    pub fn may_see_any(&self, symbol: &str) -> bool {
        self.data.iter().flat_map(|grant| &grant.symbols).any(|pattern| matches(pattern, symbol))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Entitlements, String> {
        let read: Entitlements = serde_json::from_str(text).map_err(|error| error.to_string())?;
        read.check().map_err(str::to_owned)?;
        Ok(read)
    }

    #[test]
    fn what_is_not_granted_is_not_there() {
        let none = read("{}").unwrap();
        assert!(!none.trade && !none.operator && !none.may_see("quote", "A") && !none.may_see_any("A"));
        let two = r#"{"data":[{"channels":["quote","book"],"symbols":["*.X"]},{"channels":["trade"],"symbols":["A.X"]}]}"#;
        let two = read(two).unwrap();
        for (channel, symbol, may) in [
            ("quote", "A.X", true),
            ("book", "B.X", true),
            ("trade", "A.X", true),
            ("trade", "B.X", false),
            ("quote", "A.Y", false),
            ("bar", "A.X", false),
        ] {
            assert_eq!(two.may_see(channel, symbol), may, "{channel} {symbol}");
        }
        assert!(two.may_see_any("B.X") && !two.may_see_any("B.Y"));
    }

    #[test]
    fn a_claim_that_cannot_be_kept_to_is_refused() {
        let many = vec![r#""A""#; GRANT_SYMBOLS_MAX + 1].join(",");
        for text in [
            r#"{"limits":1}"#,
            r#"{"trade":"yes"}"#,
            r#"{"trade":true,"trade":false}"#,
            r#"{"symbols_max":16385}"#,
            r#"{"symbols_max":-1}"#,
            r#"{"data":[{"channels":["quotes"],"symbols":["A"]}]}"#,
            r#"{"data":[{"channels":[],"symbols":["A"]}]}"#,
            r#"{"data":[{"channels":["quote"],"symbols":[]}]}"#,
            r#"{"data":[{"channels":["quote"],"symbols":["A\r\n"]}]}"#,
            r#"{"data":[{"channels":["quote"],"symbols":["A.>"]}]}"#,
            r#"{"data":[{"channels":["quote"],"symbols":["A"],"until":1}]}"#,
            &format!(r#"{{"data":[{{"channels":["quote"],"symbols":[{many}]}}]}}"#),
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_shows_itself_nowhere() {
        assert_eq!(format!("{:?}", Some(Token("secret"))), "Some(Token(6 bytes))");
    }
}
