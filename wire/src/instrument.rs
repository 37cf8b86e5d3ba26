//! Symbols, ids, shards and definitions of instruments.

use crate::num::EXPONENT_MIN;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Longest symbol in bytes.
pub const SYMBOL_BYTES_MAX: usize = 48;

/// A gateway's number for an instrument: dense, growing, never reused within one run of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstrumentId(pub u32);

impl InstrumentId {
    /// As an index into dense tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a feed says of one instrument. Prices and quantities everywhere are mantissas in these exponents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    /// `NAME.VENUE`, see [`valid_symbol`].
    #[serde(deserialize_with = "symbol")]
    pub symbol: String,
    /// Power of ten of prices, −18..=0.
    #[serde(deserialize_with = "exponent")]
    pub price_exponent: i8,
    /// Power of ten of quantities, −18..=0.
    #[serde(deserialize_with = "exponent")]
    pub qty_exponent: i8,
    /// Smallest price step as a mantissa, ≥ 1.
    #[serde(deserialize_with = "step")]
    pub tick_size: i64,
    /// Smallest quantity step as a mantissa, ≥ 1.
    #[serde(deserialize_with = "step")]
    pub lot_size: i64,
    /// Whether prints tell which side took.
    pub has_aggressor: bool,
    /// Whether quotes tell sizes.
    pub has_size: bool,
}

// What is read is in its range: writers of decimals and checks of steps rely on it without looking again.

fn symbol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if valid_symbol(&text) { Ok(text) } else { Err(D::Error::custom("no symbol")) }
}

fn exponent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i8, D::Error> {
    let exponent = i8::deserialize(deserializer)?;
    if (EXPONENT_MIN..=0).contains(&exponent) {
        Ok(exponent)
    } else {
        Err(D::Error::custom("an exponent from -18 to 0"))
    }
}

fn step<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let step = i64::deserialize(deserializer)?;
    if (1..=crate::MANTISSA_MAX).contains(&step) {
        Ok(step)
    } else {
        Err(D::Error::custom("a step from 1 to 2^53 - 1"))
    }
}

/// Answer on `inst.<shard>`: every instrument of a shard, by its index within `feed_epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definitions {
    /// Shard that this describes.
    pub shard: u16,
    /// Epoch within which the indices hold.
    pub feed_epoch: u64,
    /// Grows with each added instrument; batches carry it, so that a reader knows when to ask again.
    pub revision: u32,
    /// Position = index in events.
    pub instruments: Vec<Instrument>,
}

/// Whether a text can be a symbol: 1..=48 bytes of `A-Z a-z 0-9 . - _ / : +`, so that it never holds a wildcard, a
/// space, a quote or a control character. Symbols never become part of a NATS subject.
#[must_use]
pub fn valid_symbol(text: &str) -> bool {
    (1..=SYMBOL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/:+".contains(&b))
}

/// Whether a text can be a pattern: a symbol in which `*` stands for any text; at most four stars.
#[must_use]
pub fn valid_pattern(text: &str) -> bool {
    (1..=SYMBOL_BYTES_MAX).contains(&text.len())
        && text.bytes().filter(|b| *b == b'*').count() <= 4
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/:+*".contains(&b))
}

/// Whether `symbol` matches `pattern`, where `*` stands for any text, the empty one included.
///
/// ```
/// use tickgate_wire::instrument::matches;
/// assert!(matches("BTC*.BINANCE", "BTCUSDT.BINANCE"));
/// assert!(!matches("BTC*", "ETHUSDT.BINANCE"));
/// ```
#[must_use]
pub fn matches(pattern: &str, symbol: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == symbol;
    };
    let Some(mut tail) = symbol.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return tail.ends_with(part);
        }
        match tail.find(part) {
            Some(at) => tail = &tail[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// The shard of a symbol: FNV-1a, 64 bit, modulo the number of shards. Stable for ever.
///
/// # Panics
/// When `shards` is zero.
#[must_use]
pub fn shard_of(symbol: &str, shards: u16) -> u16 {
    let remainder = stable_hash(symbol.as_bytes()) % u64::from(shards);
    u16::try_from(remainder).unwrap_or(0)
}

/// FNV-1a, 64 bit (<http://www.isthe.com/chongo/tech/comp/fnv/>): the hash of shards and partitions.
#[must_use]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_matches_the_published_vector() {
        assert_eq!(stable_hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn definitions_out_of_their_ranges_are_not_read() {
        let text = r#"{"shard":0,"feed_epoch":1,"revision":1,"instruments":[{"symbol":"A.X","price_exponent":-2,"qty_exponent":0,"tick_size":1,"lot_size":1,"has_aggressor":true,"has_size":true}]}"#;
        assert!(serde_json::from_str::<Definitions>(text).is_ok());
        for (from, to) in [
            (r#""price_exponent":-2"#, r#""price_exponent":-100"#),
            (r#""price_exponent":-2"#, r#""price_exponent":1"#),
            (r#""qty_exponent":0"#, r#""qty_exponent":-19"#),
            (r#""tick_size":1"#, r#""tick_size":0"#),
            (r#""lot_size":1"#, r#""lot_size":9007199254740992"#),
            ("A.X", "A*"),
        ] {
            assert!(serde_json::from_str::<Definitions>(&text.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn stars_stand_for_any_text() {
        assert!(matches("*", "A"));
        assert!(matches("*USD*.X", "BTCUSDT.X"));
        assert!(matches("A*", "A"));
        assert!(!matches("A*B", "AC"));
        assert!(!matches("AB*B", "AB"));
        assert!(matches("*.*", "A.B"));
    }

    #[test]
    fn subject_wildcards_are_no_symbols() {
        for bad in ["", ">", "*", "A B", "$SYS.x", "A\r\n", "é"] {
            assert!(!valid_symbol(bad), "{bad}");
        }
        assert!(valid_symbol("BTC-31DEC21-300000-C.DERIBIT"));
    }
}
