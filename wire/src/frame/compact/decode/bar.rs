//! Kinds 5 and 6.

use super::{notional, size, state_and_more};
use crate::cursor::{Damaged, Reader};
use crate::frame::compact::encode::{BAR_CLOSED, BAR_MORE, BAR_PARTIAL};
use crate::frame::{Bar, State};
use crate::tick::Status;

/// Begin of a kind 5 record. [`BarsHead::count`] times [`BarsHead::bar`] follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BarsHead {
    /// Feed epoch.
    pub feed_epoch: u64,
    /// Freshness.
    pub state: State,
    /// Bars that follow, oldest first.
    pub count: u64,
    /// Begin (s) and last price of the bar before.
    before: (i64, i64),
}

impl BarsHead {
    /// Reads the record up to its bars.
    ///
    /// # Errors
    /// [`Damaged`] on cut bytes or a count that they cannot hold.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let (feed_epoch, state, count) = (reader.varint()?, state_and_more(reader)?, reader.varint()?);
        // Every bar takes a byte, so that a false count cannot make a reader loop.
        if count > reader.rest().len() as u64 {
            return Err(Damaged);
        }
        Ok(Self { feed_epoch, state, count, before: (0, 0) })
    }

    /// Reads the next bar.
    ///
    /// # Errors
    /// [`Damaged`] on cut bytes or a number out of range.
    pub fn bar(&mut self, reader: &mut Reader<'_>) -> Result<Bar, Damaged> {
        let flags = reader.u8()?;
        let add = |a: i64, b: i64| a.checked_add(b).ok_or(Damaged);
        let start = add(self.before.0, reader.signed()?)?;
        let open = add(self.before.1, reader.signed()?)?;
        let close = add(open, reader.signed()?)?;
        let high = add(open.max(close), size(reader)?)?;
        let low = open.min(close).checked_sub(size(reader)?).ok_or(Damaged)?;
        let bar = Bar {
            start_us: start.checked_mul(1_000_000).ok_or(Damaged)?,
            open,
            high,
            low,
            close,
            volume: size(reader)?,
            buy_volume: size(reader)?,
            notional: notional(reader.varint()?, reader.varint()?)?,
            count: reader.varint()?,
            tc: reader.varint()?,
            closed: flags & BAR_CLOSED != 0,
            partial: flags & BAR_PARTIAL != 0,
        };
        if flags & BAR_MORE != 0 {
            let len = usize::from(reader.u8()?);
            reader.take(len)?;
        }
        self.before = (start, close);
        Ok(bar)
    }
}

/// A kind 6 record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusRecord {
    /// Feed epoch.
    pub feed_epoch: u64,
    /// Freshness.
    pub state: State,
    /// What the source says.
    pub status: Status,
    /// Due time of the newest status, µs.
    pub ts_event_us: i64,
}

impl StatusRecord {
    /// Reads a record. A status of a newer version is [`Status::SourceStale`]: nothing else is safe.
    ///
    /// # Errors
    /// [`Damaged`] on a cut record.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let (feed_epoch, state) = (reader.varint()?, state_and_more(reader)?);
        let status = Status::from_u8(reader.u8()?).unwrap_or(Status::SourceStale);
        Ok(Self { feed_epoch, state, status, ts_event_us: reader.signed()? })
    }
}
