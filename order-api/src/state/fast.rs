//! A short hash for keys that nobody outside can choose freely: order numbers, accounts, symbols, hashes of ids.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds [`Fast`].
pub(crate) type BuildFast = BuildHasherDefault<Fast>;

/// Multiply and fold, eight bytes at a time. Not for keys that a client could make collide.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fast(u64);

impl Fast {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        let low = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0);
        self.0 = low ^ u64::try_from(product >> 64).unwrap_or(0);
    }
}

impl Hasher for Fast {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
