//! Kinds 5 and 6: bars and trading status. Both are absolute.

use super::notional_halves;
use crate::cursor::{put_signed, put_varint};
use crate::frame::{Bar, State, StatusImage};

/// Bar flag: the period is over.
pub const BAR_CLOSED: u8 = 1;
/// Bar flag: prints are missing.
pub const BAR_PARTIAL: u8 = 2;
/// Bar flag: a length and as many bytes to skip end the bar.
pub const BAR_MORE: u8 = 0x80;

/// Appends a kind 5 record: bars of one symbol, oldest first; none = only the state.
pub fn bars(out: &mut Vec<u8>, feed_epoch: u64, state: State, bars: &[Bar]) {
    put_varint(out, feed_epoch);
    out.push(state as u8);
    put_varint(out, bars.len() as u64);
    let mut before = (0, 0);
    for bar in bars {
        out.push(if bar.closed { BAR_CLOSED } else { 0 } | if bar.partial { BAR_PARTIAL } else { 0 });
        let start = bar.start_us.div_euclid(1_000_000);
        put_signed(out, start - before.0);
        put_signed(out, bar.open - before.1);
        put_signed(out, bar.close - bar.open);
        put_varint(out, (bar.high - bar.open.max(bar.close)).unsigned_abs());
        put_varint(out, (bar.open.min(bar.close) - bar.low).unsigned_abs());
        put_varint(out, bar.volume.unsigned_abs());
        put_varint(out, bar.buy_volume.unsigned_abs());
        let (high, low) = notional_halves(bar.notional);
        put_varint(out, high);
        put_varint(out, low);
        put_varint(out, bar.count);
        put_varint(out, bar.tc);
        before = (start, bar.close);
    }
}

/// Appends a kind 6 record.
pub fn status(out: &mut Vec<u8>, now: &StatusImage) {
    put_varint(out, now.feed_epoch);
    out.extend_from_slice(&[now.state as u8, now.status as u8]);
    put_signed(out, now.ts_event.div_euclid(1_000));
}
