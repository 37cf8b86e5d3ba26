//! One `compact` message for one session: head, symbols, records.

use crate::cursor::{low_byte, put_little, put_varint};
use crate::frame::Kind;

/// Extended head flag: the whole tick (48 bits) and frame counter (32 bits) follow.
pub const HEAD_TICK: u8 = 1;
/// Extended head flag: the time of the flush in ns (64 bits) follows.
pub const HEAD_TIME: u8 = 4;

/// What a message says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Kind of its records.
    pub kind: Kind,
    /// The session's slot of this interval, 0–15.
    pub slot: u8,
    /// The session's frame counter; the low four bits are sent.
    pub frame: u32,
    /// Number of the lane's interval.
    pub tick: u64,
    /// From the interval's begin to the flush, µs; up to 1.016 s.
    pub lag_us: u32,
    /// Time of the flush, ns, when the receiver cannot know the whole tick from what it had before.
    pub whole_ns: Option<u64>,
}

/// Appends a whole message. `items` are (rank within the wire set, record bytes) by rising rank; `set_size` is the
/// number of ids in the wire set.
#[inline]
pub fn message<'a>(
    out: &mut Vec<u8>,
    head: &Head,
    set_size: usize,
    items: impl Iterator<Item = (usize, &'a [u8])> + Clone,
) {
    let gaps = set_size > 1 && gaps_are_shorter(set_size, items.clone().map(|(rank, _)| rank));
    put_head(out, head, gaps);
    if gaps {
        let mut next = 0;
        for (rank, record) in items {
            put_varint(out, (rank - next) as u64);
            out.extend_from_slice(record);
            next = rank + 1;
        }
        return;
    }
    if set_size > 1 {
        let at = out.len();
        out.resize(at + set_size.div_ceil(8), 0);
        for (rank, _) in items.clone() {
            out[at + rank / 8] |= 1 << (rank % 8);
        }
    }
    for (_, record) in items {
        out.extend_from_slice(record);
    }
}

fn put_head(out: &mut Vec<u8>, head: &Head, gaps: bool) {
    let plain = head.kind == Kind::Quote && head.slot == 0;
    let time = if head.whole_ns.is_some() { 3 } else { 1 };
    let counter = low_byte(u64::from(head.frame)) << 4;
    out.push(u8::from(gaps) | time << 1 | u8::from(!plain) << 3 | counter);
    if !plain {
        out.push(head.kind as u8 | head.slot << 4);
    }
    out.push(low_byte(head.tick));
    match head.whole_ns {
        None => out.push(lag_code(head.lag_us)),
        Some(time_ns) => {
            out.extend_from_slice(&[19, HEAD_TICK | HEAD_TIME]);
            put_little(out, head.tick, 6);
            put_little(out, u64::from(head.frame), 4);
            put_little(out, time_ns, 8);
        }
    }
}

/// The lag as one byte, rounded down: `((16 + (c & 15)) << (c >> 4)) − 16` µs.
#[must_use]
#[inline]
pub const fn lag_code(lag_us: u32) -> u8 {
    let shifted = if lag_us > LAG_US_MAX { LAG_US_MAX } else { lag_us } + 16;
    let power = shifted.ilog2() - 4;
    low_byte((power << 4 | ((shifted >> power) & 15)) as u64)
}

/// The lag that a code stands for, µs.
#[must_use]
#[inline]
pub const fn lag_us(code: u8) -> u32 {
    ((16 + (code as u32 & 15)) << (code >> 4)) - 16
}

/// The largest lag that a code can say.
pub const LAG_US_MAX: u32 = (31 << 15) - 16;

#[inline]
fn gaps_are_shorter(set_size: usize, ranks: impl Iterator<Item = usize>) -> bool {
    let bitmap = set_size.div_ceil(8);
    let (mut next, mut bytes) = (0, 0);
    for rank in ranks {
        bytes += match rank - next {
            0..0x80 => 1,
            0x80..0x4000 => 2,
            _ => 3,
        };
        if bytes >= bitmap {
            return false;
        }
        next = rank + 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_matches_the_worked_dump() {
        let mut head = Head { kind: Kind::Quote, slot: 0, frame: 5, tick: 0x34, lag_us: 310, whole_ns: None };
        let records: [(usize, &[u8]); 3] =
            [(0, &[0x02, 0xc7]), (3, &[0xf9, 0x0f, 0xa3, 0x80, 0x32, 0x02]), (5, &[0x41, 0x58])];
        let mut out = Vec::new();
        message(&mut out, &head, 6, records.into_iter());
        let dump = [0x52, 0x34, 0x44, 0x29, 0x02, 0xc7, 0xf9, 0x0f, 0xa3, 0x80, 0x32, 0x02, 0x41, 0x58];
        assert_eq!(out, dump);
        out.clear();
        (head.frame, head.tick) = (6, 0x35);
        let far = [(0, records[0].1), (150, records[1].1)];
        message(&mut out, &head, 200, far.into_iter());
        let dump = [0x63, 0x35, 0x44, 0x00, 0x02, 0xc7, 0x95, 0x01, 0xf9, 0x0f, 0xa3, 0x80, 0x32, 0x02];
        assert_eq!(out, dump);
    }

    #[test]
    fn a_lag_code_is_within_six_percent() {
        for lag in [0, 1, 15, 16, 310, 999, 12_345, 1_000_000, LAG_US_MAX] {
            let back = lag_us(lag_code(lag));
            assert!(back <= lag && lag - back <= lag / 16 + 1, "{lag} {back}");
        }
        assert_eq!(lag_us(lag_code(u32::MAX)), LAG_US_MAX);
    }
}
