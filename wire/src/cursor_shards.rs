//! Where a client stands in the feed: the cursor that heartbeats carry and `subscribe` takes back on any gateway.
//!
//! To clients it is opaque text. Inside: version u8; bits of shards, varint; for each of these, rising, the feed epoch as
//! the difference to the one before and the next sequence; then four bytes of a hash, so that a damaged cursor is found.

use crate::SHARDS_MAX;
use crate::cursor::{Reader, put_signed, put_varint};
use crate::instrument::stable_hash;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longest cursor as text. Shards that would not fit are left out: their symbols come in full.
pub const CURSOR_TEXT_MAX: usize = 1_024;

const VERSION: u8 = 1;
const CHECK_BYTES: usize = 4;
/// Bytes that fit the text, without the check.
const BODY_MAX: usize = CURSOR_TEXT_MAX / 4 * 3 - CHECK_BYTES;
/// A shard's two numbers at their longest.
const ENTRY_MAX: usize = 20;

/// A place in a shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// The publisher's epoch; 0 = none.
    pub epoch: u64,
    /// Everything numbered below this is behind.
    pub next: u64,
}

impl Position {
    /// What both have behind them; none unless both are of one epoch.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        if self.epoch == other.epoch {
            Self { epoch: self.epoch, next: self.next.min(other.next) }
        } else {
            Self::default()
        }
    }
}

/// A place in each of some shards.
///
/// ```
/// use tickgate_wire::cursor_shards::{Position, ShardCursor};
/// let mut cursor = ShardCursor::default();
/// cursor.set(2, Position { epoch: 1_723_075_200_000, next: 9_000 });
/// let read = ShardCursor::parse(&cursor.text()).unwrap();
/// assert_eq!(read.get(2).next, 9_000);
/// assert_eq!(read.get(0), Position::default());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardCursor([Position; SHARDS_MAX as usize]);

impl Default for ShardCursor {
    fn default() -> Self {
        Self([Position::default(); SHARDS_MAX as usize])
    }
}

impl ShardCursor {
    /// The place in a shard; epoch 0 = none.
    #[must_use]
    pub fn get(&self, shard: u16) -> Position {
        self.0.get(usize::from(shard)).copied().unwrap_or_default()
    }

    /// Sets the place in a shard; beyond [`SHARDS_MAX`] nothing happens.
    pub fn set(&mut self, shard: u16, position: Position) {
        if let Some(place) = self.0.get_mut(usize::from(shard)) {
            *place = position;
        }
    }

    /// As text of at most [`CURSOR_TEXT_MAX`] characters of A–Z, a–z, 0–9, `-` and `_`.
    #[must_use]
    pub fn text(&self) -> String {
        let (mut body, mut shards, mut before) = (Vec::new(), 0_u64, 0_u64);
        for (shard, position) in self.0.iter().enumerate().filter(|(_, position)| position.epoch != 0) {
            if body.len() + ENTRY_MAX + ENTRY_MAX / 2 > BODY_MAX {
                break;
            }
            shards |= 1 << shard;
            put_signed(&mut body, position.epoch.wrapping_sub(before).cast_signed());
            put_varint(&mut body, position.next);
            before = position.epoch;
        }
        let mut bytes = vec![VERSION];
        put_varint(&mut bytes, shards);
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&check(&bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`ShardCursor::text`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > CURSOR_TEXT_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, told) = bytes.split_last_chunk::<CHECK_BYTES>()?;
        if check(body) != *told {
            return None;
        }
        let mut reader = Reader::new(body);
        if reader.u8().ok()? != VERSION {
            return None;
        }
        let (shards, mut before) = (reader.varint().ok()?, 0_u64);
        let mut cursor = Self::default();
        for shard in (0..SHARDS_MAX).filter(|shard| shards & 1 << shard != 0) {
            let epoch = before.wrapping_add(reader.signed().ok()?.cast_unsigned());
            cursor.set(shard, Position { epoch, next: reader.varint().ok()? });
            before = epoch;
        }
        reader.is_empty().then_some(cursor)
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = stable_hash(bytes).to_le_bytes();
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(positions: impl Iterator<Item = (u16, u64, u64)>) -> ShardCursor {
        let mut cursor = ShardCursor::default();
        positions.for_each(|(shard, epoch, next)| cursor.set(shard, Position { epoch, next }));
        cursor
    }

    #[test]
    fn a_cursor_of_every_shard_fits_and_reads_back() {
        let epoch = 1_723_075_200_000_u64;
        let all = cursor((0..SHARDS_MAX).map(|shard| (shard, epoch + u64::from(shard) * 77, 1 << 40)));
        assert!(all.text().len() <= CURSOR_TEXT_MAX, "{}", all.text().len());
        assert_eq!(ShardCursor::parse(&all.text()), Some(all));
        let four = cursor((0..4).map(|shard| (shard, epoch, 1_000_000)));
        assert!(four.text().len() <= 48, "{}", four.text());
        assert_eq!(ShardCursor::parse(&ShardCursor::default().text()), Some(ShardCursor::default()));
    }

    #[test]
    fn numbers_that_do_not_fit_are_left_out_and_those_kept_are_right() {
        let wide = cursor((0..SHARDS_MAX).map(|shard| (shard, u64::MAX >> (shard & 1), u64::MAX)));
        let text = wide.text();
        assert!(text.len() <= CURSOR_TEXT_MAX, "{}", text.len());
        let read = ShardCursor::parse(&text).unwrap();
        assert_eq!((read.get(0), read.get(SHARDS_MAX - 1)), (wide.get(0), Position::default()));
    }

    #[test]
    fn anything_else_is_no_cursor() {
        let good = cursor([(0, 5, 7), (3, 9, 1)].into_iter()).text();
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(ShardCursor::parse(std::str::from_utf8(&bytes).unwrap()), None, "{at}");
            assert_eq!(ShardCursor::parse(&good[..at]), None);
        }
        assert_eq!(ShardCursor::parse(&"A".repeat(CURSOR_TEXT_MAX + 1)), None);
        assert_eq!(ShardCursor::parse("not base64!"), None);
    }
}
