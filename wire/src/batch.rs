//! The bus: batches of events, beats and snapshots of a shard. Fixed-size little-endian records read in place.
//!
//! A batch is a 48-byte header and `count` records of 56 bytes. A batch with `count` 0 is a **beat**; its `first` is
//! the sequence that the next event will have. A snapshot is the same header (`kind` 1) and `count` rows of 160 bytes.

use crate::tick::{Aggressor, BookLevel, BookSide, Change, Event, Quote, Status, Trade};
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Version of this layout.
pub const BATCH_VERSION: u8 = 1;

/// Most events of one batch: 28 KiB, well below the bus' limit.
pub const BATCH_EVENTS_MAX: usize = 512;

/// Header of every message of a shard.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// [`BATCH_VERSION`].
    pub version: u8,
    /// 0 batch or beat, 1 snapshot, 2 book page.
    pub kind: u8,
    /// Shard.
    pub shard: U16,
    /// Records that follow.
    pub count: U16,
    /// Bytes of one record; a reader skips what it does not know at its end.
    pub record_bytes: U16,
    /// Revision of the definitions that the indices below refer to.
    pub revision: U32,
    /// Zero.
    pub reserved: U32,
    /// Publisher's epoch; a new one voids all state.
    pub feed_epoch: U64,
    /// Sequence of the first event (batch), of the next one (beat, snapshot). The first of an epoch is 1.
    pub first: U64,
    /// Everything due up to here has been published, ns, publisher's clock.
    pub complete_through: I64,
    /// When this was published, ns, publisher's clock.
    pub ts_publish: I64,
}

/// One event. `a`–`d`: quote bid, ask, bid size, ask size; trade price, qty, id, 0; level price, qty, 0, 0.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Record {
    /// Index within the shard's definitions.
    pub index: U32,
    /// 0 quote, 1 trade, 2 level, 3 status; others are skipped and counted.
    pub kind: u8,
    /// Aggressor, book side or status.
    pub detail: u8,
    /// Level: bit 0 snapshot begins, bit 1 update ends.
    pub flags: u8,
    /// Zero.
    pub reserved: u8,
    /// Running number of the event in its channel.
    pub number: U64,
    /// Due time, ns.
    pub ts_event: I64,
    /// See the type.
    pub a: I64,
    /// See the type.
    pub b: I64,
    /// See the type.
    pub c: I64,
    /// See the type.
    pub d: I64,
}

/// Whole state of one instrument within its epoch.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SnapshotRow {
    /// Quote and status events so far.
    pub ver: U64,
    /// Trade events so far.
    pub tc: U64,
    /// Level events so far.
    pub lver: U64,
    /// Best bid.
    pub bid: I64,
    /// Best ask.
    pub ask: I64,
    /// Size at the bid.
    pub bid_size: I64,
    /// Size at the ask.
    pub ask_size: I64,
    /// Sum of quantities.
    pub volume: I64,
    /// Sum of quantities taken by buyers.
    pub buy_volume: I64,
    /// Sum of price × qty mod 2^96 as a signed 128-bit number: low half.
    pub notional_low: U64,
    /// High half.
    pub notional_high: I64,
    /// Last print's price.
    pub last_price: I64,
    /// Last print's quantity.
    pub last_qty: I64,
    /// Last print's id.
    pub last_id: U64,
    /// Last print's due time, ns.
    pub ts_trade: I64,
    /// Last quote or status event's due time, ns.
    pub ts_quote: I64,
    /// [`Status`] as a number.
    pub status: u8,
    /// Last print's aggressor.
    pub last_aggressor: u8,
    /// Zero.
    pub reserved: [u8; 6],
    /// Best bid and ask have been seen (1) or not yet (0).
    pub has_quote: U64,
    /// High, then low of all prints so far, 0 if none.
    pub high: I64,
    /// Low of all prints so far, 0 if none.
    pub low: I64,
}

const _: () = assert!(size_of::<Header>() == 48);
const _: () = assert!(size_of::<Record>() == 56);
const _: () = assert!(size_of::<SnapshotRow>() == 160);

/// Why a bus message is refused. The message is dropped and counted; the shard's symbols go stale until re-sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BatchError {
    /// Shorter than its header or than its records.
    #[error("truncated bus message")]
    Truncated,
    /// Not [`BATCH_VERSION`].
    #[error("bus message of an unknown version")]
    Version,
    /// Of another shard than the subject's.
    #[error("bus message of another shard")]
    Shard,
    /// Not the kind that this subject carries.
    #[error("bus message of an unexpected kind")]
    Kind,
    /// Records shorter than this version's.
    #[error("bus message with short records")]
    RecordSize,
    /// A book whose levels are too many, out of order or empty, or bytes behind the last one.
    #[error("book page with impossible levels")]
    Levels,
}

/// A checked message, borrowed from its payload. `R` is [`Record`] or [`SnapshotRow`].
#[derive(Debug, Clone, Copy)]
pub struct Message<'a, R> {
    /// The header.
    pub header: &'a Header,
    records: &'a [u8],
    record: std::marker::PhantomData<R>,
}

/// A batch or beat.
pub type Batch<'a> = Message<'a, Record>;
/// A snapshot.
pub type Snapshot<'a> = Message<'a, SnapshotRow>;

impl<'a, R: FromBytes + Immutable + KnownLayout + Unaligned + 'a> Message<'a, R> {
    fn parse_kind(payload: &'a [u8], shard: u16, kind: u8) -> Result<Self, BatchError> {
        let (header, rest) = Header::ref_from_prefix(payload).map_err(|_| BatchError::Truncated)?;
        if header.version != BATCH_VERSION {
            return Err(BatchError::Version);
        }
        if header.kind != kind {
            return Err(BatchError::Kind);
        }
        if header.shard.get() != shard {
            return Err(BatchError::Shard);
        }
        let size = usize::from(header.record_bytes.get());
        let count = usize::from(header.count.get());
        if count > 0 && size < size_of::<R>() {
            return Err(BatchError::RecordSize);
        }
        let records = rest.get(..size * count).ok_or(BatchError::Truncated)?;
        Ok(Self { header, records, record: std::marker::PhantomData })
    }

    /// The records in order.
    pub fn records(&self) -> impl Iterator<Item = &'a R> + use<'a, R> {
        let size = usize::from(self.header.record_bytes.get()).max(1);
        self.records
            .chunks_exact(size)
            .filter_map(|chunk| R::ref_from_prefix(chunk).ok().map(|(record, _)| record))
    }

    /// Sequence after the last event (equal to `first` in beats and snapshots).
    #[must_use]
    pub fn next(&self) -> u64 {
        let count = if self.header.kind == 0 { u64::from(self.header.count.get()) } else { 0 };
        self.header.first.get().saturating_add(count)
    }
}

impl<'a> Batch<'a> {
    /// Checks a payload of `tick.<shard>`.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub fn parse(payload: &'a [u8], shard: u16) -> Result<Self, BatchError> {
        Self::parse_kind(payload, shard, 0)
    }
}

impl<'a> Snapshot<'a> {
    /// Checks an answer of `snap.<shard>`.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub fn parse(payload: &'a [u8], shard: u16) -> Result<Self, BatchError> {
        Self::parse_kind(payload, shard, 1)
    }
}

impl Record {
    /// The event, or `None` for a kind of a newer publisher.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        let (a, b, c, d) = (self.a.get(), self.b.get(), self.c.get(), self.d.get());
        let change = match self.kind {
            0 => Change::Quote(Quote { bid: a, ask: b, bid_size: c, ask_size: d }),
            1 => Change::Trade(Trade {
                price: a,
                qty: b,
                trade_id: u64::try_from(c).unwrap_or(0), // below 0 nobody writes; as an id that has no room
                aggressor: Aggressor::from_u8(self.detail),
            }),
            2 => Change::Level(BookLevel {
                side: if self.detail == 0 { BookSide::Bid } else { BookSide::Ask },
                price: a,
                qty: b,
                snapshot_begins: self.flags & 1 != 0,
                update_ends: self.flags & 2 != 0,
            }),
            3 => Change::Status(Status::from_u8(self.detail)?),
            _ => return None,
        };
        Some(Event {
            index: self.index.get(),
            number: self.number.get(),
            ts_event: self.ts_event.get(),
            change,
        })
    }
}

impl From<&Event> for Record {
    fn from(event: &Event) -> Self {
        let signed = |id: u64| i64::try_from(id).unwrap_or(0);
        let (kind, detail, flags, [a, b, c, d]) = match event.change {
            Change::Quote(q) => (0, 0, 0, [q.bid, q.ask, q.bid_size, q.ask_size]),
            Change::Trade(t) => (1, t.aggressor as u8, 0, [t.price, t.qty, signed(t.trade_id), 0]),
            Change::Level(l) => {
                let flags = u8::from(l.snapshot_begins) | u8::from(l.update_ends) << 1;
                (2, l.side as u8, flags, [l.price, l.qty, 0, 0])
            }
            Change::Status(s) => (3, s as u8, 0, [0; 4]),
        };
        Self {
            index: event.index.into(),
            kind,
            detail,
            flags,
            reserved: 0,
            number: event.number.into(),
            ts_event: event.ts_event.into(),
            a: a.into(),
            b: b.into(),
            c: c.into(),
            d: d.into(),
        }
    }
}

/// When a payload of a shard was published, ns, publisher's clock; `None` where it is too short for a header.
#[must_use]
pub fn ts_publish(payload: &[u8]) -> Option<i64> {
    Header::ref_from_prefix(payload).ok().map(|(header, _)| header.ts_publish.get())
}

/// Builds a batch in one buffer.
#[derive(Debug)]
pub struct BatchWriter {
    bytes: Vec<u8>,
    count: u16,
}

impl Default for BatchWriter {
    fn default() -> Self {
        Self { bytes: vec![0; size_of::<Header>()], count: 0 }
    }
}

impl BatchWriter {
    /// Adds an event. At [`BATCH_EVENTS_MAX`] the batch is full and must be finished.
    pub fn push(&mut self, event: &Event) {
        self.bytes.extend_from_slice(Record::from(event).as_bytes());
        self.count += 1;
    }

    /// Events so far.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether no event is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it must be finished before the next event.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= BATCH_EVENTS_MAX
    }

    /// Puts the header in front and hands the message out; the writer is empty again. Sets `version`, `kind`,
    /// `count` and `record_bytes`; the rest of `header` is taken as given. With no event it is a beat.
    pub fn finish(&mut self, header: Header) -> Vec<u8> {
        let header = Header {
            version: BATCH_VERSION,
            kind: 0,
            count: self.count.into(),
            record_bytes: 56.into(),
            ..header
        };
        let mut bytes = std::mem::take(self).bytes;
        bytes[..size_of::<Header>()].copy_from_slice(header.as_bytes());
        bytes
    }
}

/// Builds a snapshot message. `header.first` is the sequence of the next event.
///
/// # Panics
/// With more rows than [`crate::SHARD_INSTRUMENTS_MAX`].
#[must_use]
pub fn snapshot_message<'a>(header: Header, rows: impl ExactSizeIterator<Item = &'a SnapshotRow>) -> Vec<u8> {
    assert!(rows.len() <= crate::SHARD_INSTRUMENTS_MAX, "too many instruments in a shard");
    let header = Header {
        version: BATCH_VERSION,
        kind: 1,
        count: u16::try_from(rows.len()).unwrap_or(u16::MAX).into(),
        record_bytes: 160.into(),
        ..header
    };
    let mut bytes = header.as_bytes().to_vec();
    for row in rows {
        bytes.extend_from_slice(row.as_bytes());
    }
    bytes
}

impl SnapshotRow {
    /// Applies one event, as publisher and readers do alike. Numbers are taken from the event.
    pub fn apply(&mut self, event: &Event) {
        match event.change {
            Change::Quote(quote) => {
                self.ver = event.number.into();
                (self.bid, self.ask) = (quote.bid.into(), quote.ask.into());
                (self.bid_size, self.ask_size) = (quote.bid_size.into(), quote.ask_size.into());
                self.has_quote = 1.into();
                self.ts_quote = event.ts_event.into();
            }
            Change::Trade(trade) => self.print(event, trade),
            Change::Level(_) => self.lver = event.number.into(),
            Change::Status(status) => {
                self.ver = event.number.into();
                self.status = status as u8;
                self.ts_quote = event.ts_event.into();
            }
        }
    }

    fn print(&mut self, event: &Event, trade: Trade) {
        if self.tc.get() == 0 {
            (self.high, self.low) = (trade.price.into(), trade.price.into());
        }
        self.high = self.high.get().max(trade.price).into();
        self.low = self.low.get().min(trade.price).into();
        self.tc = event.number.into();
        self.volume = self.volume.get().wrapping_add(trade.qty).into();
        if trade.aggressor == Aggressor::Buy {
            self.buy_volume = self.buy_volume.get().wrapping_add(trade.qty).into();
        }
        self.set_notional(self.notional().wrapping_add(i128::from(trade.price) * i128::from(trade.qty)));
        (self.last_price, self.last_qty) = (trade.price.into(), trade.qty.into());
        self.last_id = trade.trade_id.into();
        self.last_aggressor = trade.aggressor as u8;
        self.ts_trade = event.ts_event.into();
    }

    /// Sum of price × qty over all prints.
    #[must_use]
    pub fn notional(&self) -> i128 {
        i128::from(self.notional_high.get()) << 64 | i128::from(self.notional_low.get())
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "splits 128 bits into two halves"
    )]
    fn set_notional(&mut self, notional: i128) {
        self.notional_low = (notional as u64).into();
        self.notional_high = ((notional >> 64) as i64).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(first: u64) -> Header {
        let mut header = Header::read_from_bytes(&[0; 48]).unwrap();
        (header.shard, header.feed_epoch, header.first) = (3.into(), 9.into(), first.into());
        header
    }

    fn trade(number: u64, price: i64, qty: i64) -> Event {
        let change = Change::Trade(Trade { price, qty, trade_id: number + 7, aggressor: Aggressor::Buy });
        Event { index: 2, number, ts_event: 5, change }
    }

    #[test]
    fn a_batch_round_trips() {
        let mut writer = BatchWriter::default();
        let events = [trade(1, -5, 3), Event { change: Change::Status(Status::Halted), ..trade(2, 0, 0) }];
        events.iter().for_each(|e| writer.push(e));
        let bytes = writer.finish(header(40));
        let batch = Batch::parse(&bytes, 3).unwrap();
        assert_eq!(batch.records().filter_map(Record::event).collect::<Vec<_>>(), events);
        assert_eq!(batch.next(), 42);
        assert!(writer.is_empty());
        assert_eq!(Batch::parse(&bytes, 2).err(), Some(BatchError::Shard));
        assert_eq!(Snapshot::parse(&bytes, 3).err(), Some(BatchError::Kind));
    }

    #[test]
    fn an_id_below_zero_is_no_id() {
        for (written, read) in [(7, 7), (0, 0), (-1, 0), (i64::MIN, 0), (i64::MAX, i64::MAX.unsigned_abs())] {
            let record = Record { c: written.into(), ..Record::from(&trade(1, 1, 1)) };
            let Some(Event { change: Change::Trade(told), .. }) = record.event() else {
                panic!("{record:?}")
            };
            assert_eq!(told.trade_id, read);
            assert_eq!(Record::from(&record.event().unwrap()).event(), record.event());
        }
    }

    #[test]
    fn every_cut_is_refused() {
        let mut writer = BatchWriter::default();
        writer.push(&trade(1, 1, 1));
        let bytes = writer.finish(header(1));
        for end in 0..bytes.len() {
            assert_eq!(Batch::parse(&bytes[..end], 3).err(), Some(BatchError::Truncated));
        }
    }

    #[test]
    fn totals_add_up_with_negative_prices() {
        let mut row = SnapshotRow::read_from_bytes(&[0; 160]).unwrap();
        row.apply(&trade(1, -5, 3));
        row.apply(&trade(2, i64::MAX / 2, 1 << 40));
        assert_eq!(row.notional(), -15 + i128::from(i64::MAX / 2) * (1 << 40));
        assert_eq!((row.high.get(), row.low.get(), row.tc.get()), (i64::MAX / 2, -5, 2));
        let bytes = snapshot_message(header(3), [row].iter());
        let snapshot = Snapshot::parse(&bytes, 3).unwrap();
        assert_eq!(snapshot.next(), 3);
        assert_eq!(snapshot.records().next().unwrap().notional(), row.notional());
    }
}
