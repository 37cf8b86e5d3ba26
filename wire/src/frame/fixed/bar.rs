//! Kinds 5 and 6.

use super::low32;
use crate::frame::{Bar, State, StatusImage};
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bar flag: the period is over.
pub const BAR_CLOSED: u16 = 1;
/// Bar flag: prints are missing.
pub const BAR_PARTIAL: u16 = 2;
/// Bar flag: no bar at all, only the state.
pub const BAR_NONE: u16 = 4;

/// Kind 5.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BarRecord {
    /// Instrument id.
    pub symbol: U32,
    /// Prints in it.
    pub count: U32,
    /// Begin of the period, µs since the Unix epoch.
    pub start_us: I64,
    /// Price of the first print.
    pub open: I64,
    /// Highest price.
    pub high: I64,
    /// Lowest price.
    pub low: I64,
    /// Price of the last print.
    pub close: I64,
    /// Sum of quantities.
    pub volume: I64,
    /// Of these taken by buyers.
    pub buy_volume: I64,
    /// Sum of price × qty, low half of 128 bits.
    pub notional_low: U64,
    /// High half.
    pub notional_high: I64,
    /// Prints of the instrument so far, after the bar's last one, mod 2^32.
    pub tc: U32,
    /// [`BAR_CLOSED`], [`BAR_PARTIAL`], [`BAR_NONE`].
    pub flags: U16,
    /// Freshness.
    pub state: u8,
    /// Feed epochs seen, mod 256.
    pub epoch: u8,
}

/// Kind 6.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct StatusRecord {
    /// Instrument id.
    pub symbol: U32,
    /// 0 open, 1 halted, 2 closed, 3 source stale.
    pub status: u8,
    /// Freshness.
    pub state: u8,
    /// Feed epochs seen, mod 256.
    pub epoch: u8,
    /// Zero.
    pub pad: u8,
    /// Due time of the newest status, ns, publisher's clock.
    pub ts_event: I64,
    /// When the gateway received it, ns.
    pub ts_recv: I64,
}

const _: () = assert!(size_of::<BarRecord>() == 88);
const _: () = assert!(size_of::<StatusRecord>() == 24);

/// Appends bars of one symbol, oldest first, one record each; without any, one record that tells only the state.
pub fn bars(out: &mut Vec<u8>, symbol: u32, epoch: u8, state: State, bars: &[Bar]) {
    bars.iter().for_each(|one| bar(out, symbol, epoch, state, one, 0));
    if bars.is_empty() {
        bar(out, symbol, epoch, state, &Bar::default(), BAR_NONE);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "splits 128 bits into two halves"
)]
fn bar(out: &mut Vec<u8>, symbol: u32, epoch: u8, state: State, bar: &Bar, flags: u16) {
    let bit = |on: bool, flag: u16| if on { flag } else { 0 };
    let flags = flags | bit(bar.closed, BAR_CLOSED) | bit(bar.partial, BAR_PARTIAL);
    let record = BarRecord {
        symbol: symbol.into(),
        count: low32(bar.count).into(),
        start_us: bar.start_us.into(),
        open: bar.open.into(),
        high: bar.high.into(),
        low: bar.low.into(),
        close: bar.close.into(),
        volume: bar.volume.into(),
        buy_volume: bar.buy_volume.into(),
        notional_low: (bar.notional as u64).into(),
        notional_high: ((bar.notional >> 64) as i64).into(),
        tc: low32(bar.tc).into(),
        flags: flags.into(),
        state: state as u8,
        epoch,
    };
    out.extend_from_slice(record.as_bytes());
}

/// Appends a status.
pub fn status(out: &mut Vec<u8>, symbol: u32, now: &StatusImage) {
    let record = StatusRecord {
        symbol: symbol.into(),
        status: now.status as u8,
        state: now.state as u8,
        epoch: now.epoch_count,
        pad: 0,
        ts_event: now.ts_event.into(),
        ts_recv: now.ts_recv.into(),
    };
    out.extend_from_slice(record.as_bytes());
}
