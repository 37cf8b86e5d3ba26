//! The rules that keep a reader of one shard complete: sequence, gap, epoch and re-sync. Pure; shared by the gateway
//! and order-api.
//!
//! Feed every payload of `tick.<shard>` to [`ShardReader::batch`] and every answer of `snap.<shard>` to
//! [`ShardReader::snapshot`]. When [`ShardReader::wants_snapshot`] is true, ask for one (and ask again after a
//! while when no answer comes). While it is true, the shard's instruments are stale.

use crate::batch::{Batch, BatchError, Snapshot, SnapshotRow};
use crate::tick::Event;
use bytes::Bytes;
use std::collections::VecDeque;

/// Most batches kept while a snapshot is awaited; beyond it the oldest is dropped (the replay then finds the gap and
/// asks again).
pub const BUFFER_BATCHES_MAX: usize = 4_096;

/// How long an older epoch must be the only one heard until it is taken as the new one, in µs.
pub const OLD_EPOCH_ADOPTED_US: i64 = 2_000_000;

/// What a reader does with what the rules let through.
pub trait ShardSink {
    /// The shard's sequence of what is handed out next: an event's own, or that of the last event in a snapshot.
    fn sequence(&mut self, _sequence: u64) {}
    /// The next event, in order, exactly once.
    fn event(&mut self, event: &Event);
    /// The whole state of the shard. With `new_epoch` everything known before is void, and indices mean what the
    /// definitions of this epoch say; else events between the old counts and the snapshot's are lost.
    fn snapshot(
        &mut self,
        rows: &mut dyn Iterator<Item = &SnapshotRow>,
        epoch: u64,
        revision: u32,
        new_epoch: bool,
    );
}

/// Why a shard is not proven current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleReason {
    /// Nothing has come yet.
    Starting,
    /// Events never came.
    SequenceGap,
    /// The bus was lost, or dropped something.
    BusLost,
    /// Another publisher, or one that lost its memory.
    PublisherChanged,
    /// A payload could not be read.
    BadPayload,
    /// Neither a batch nor a beat.
    FeedSilent,
    /// The publisher itself is behind its sources.
    FeedBehind,
}

impl StaleReason {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::SequenceGap => "sequence_gap",
            Self::BusLost => "bus_lost",
            Self::PublisherChanged => "publisher_changed",
            Self::BadPayload => "bad_payload",
            Self::FeedSilent => "feed_silent",
            Self::FeedBehind => "feed_behind",
        }
    }
}

/// Counters of what went wrong; each only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShardCounters {
    /// Events that never came and were found missing by sequence.
    pub events_lost: u64,
    /// Events that came twice.
    pub events_repeated: u64,
    /// Batches of an epoch that is over.
    pub batches_old_epoch: u64,
    /// Records of a kind that this version does not know.
    pub records_unknown: u64,
    /// Payloads that were refused.
    pub payloads_bad: u64,
    /// Re-syncs begun.
    pub resyncs: u64,
    /// Events applied.
    pub events: u64,
    /// Batches and beats taken.
    pub batches: u64,
}

/// State of one shard's reader.
#[derive(Debug)]
pub struct ShardReader {
    shard: u16,
    epoch: u64,
    next: u64,
    syncing: Option<StaleReason>,
    revision: u32,
    buffer: VecDeque<Bytes>,
    watermark_ns: Option<i64>,
    lag_us: i64,
    heard_us: i64,
    old_epoch_since_us: Option<i64>,
    counters: ShardCounters,
}

impl ShardReader {
    /// A reader that has heard nothing; it wants a snapshot.
    #[must_use]
    pub fn new(shard: u16, now_us: i64) -> Self {
        Self {
            shard,
            epoch: 0,
            next: 0,
            syncing: Some(StaleReason::Starting),
            revision: 0,
            buffer: VecDeque::new(),
            watermark_ns: None,
            lag_us: 0,
            heard_us: now_us,
            old_epoch_since_us: None,
            counters: ShardCounters::default(),
        }
    }

    /// Whether a snapshot is needed; until it comes the shard is stale.
    #[must_use]
    pub fn wants_snapshot(&self) -> bool {
        self.syncing.is_some()
    }

    /// Why the shard is not proven current; a proof holds for `bound_us`.
    #[must_use]
    pub fn stale(&self, now_us: i64, bound_us: i64) -> Option<StaleReason> {
        let silent = (now_us - self.heard_us > bound_us).then_some(StaleReason::FeedSilent);
        let behind = (self.age_us(now_us) > bound_us).then_some(StaleReason::FeedBehind);
        self.syncing.or(silent).or(behind)
    }

    /// Epoch in force, 0 before the first snapshot.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Sequence of the first event that is not applied yet.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Highest revision of the definitions that the publisher has named in this epoch.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Everything due up to here has arrived, ns, publisher's clock; `None` while syncing.
    #[must_use]
    pub fn watermark_ns(&self) -> Option<i64> {
        if self.wants_snapshot() { None } else { self.watermark_ns }
    }

    /// Age of the last proof that nothing is missing, in µs: time since the last in-order batch or beat, plus the
    /// publisher's own lag.
    #[must_use]
    pub fn age_us(&self, now_us: i64) -> i64 {
        (now_us - self.heard_us).max(0).saturating_add(self.lag_us)
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> ShardCounters {
        self.counters
    }

    /// Something may be missing (reconnect, slow consumer, a shard that was not followed): ask anew.
    pub fn suspect(&mut self, why: StaleReason) {
        if self.syncing.is_none() {
            self.resync(why);
        }
    }

    /// Takes one payload of `tick.<shard>`.
    ///
    /// # Errors
    /// [`BatchError`] for a payload that is refused; it is counted, and the shard re-syncs.
    pub fn batch(
        &mut self,
        payload: &Bytes,
        now_us: i64,
        sink: &mut impl ShardSink,
    ) -> Result<(), BatchError> {
        let batch = Batch::parse(payload, self.shard).inspect_err(|_| {
            self.counters.payloads_bad += 1;
            self.suspect(StaleReason::BadPayload);
        })?;
        let epoch = batch.header.feed_epoch.get();
        if epoch < self.epoch {
            self.old_epoch(now_us);
            return Ok(());
        }
        self.old_epoch_since_us = None;
        if epoch > self.epoch {
            self.forget(epoch);
        }
        if self.wants_snapshot() {
            self.keep(payload);
            return Ok(());
        }
        if batch.header.first.get() > self.next {
            // A damaged head may claim any distance; the count stays at its end rather than going round.
            let lost = batch.header.first.get() - self.next;
            self.counters.events_lost = self.counters.events_lost.saturating_add(lost);
            self.resync(StaleReason::SequenceGap);
            self.keep(payload);
            return Ok(());
        }
        self.apply(&batch, now_us, sink);
        Ok(())
    }

    /// Takes one answer of `snap.<shard>`. Returns whether the shard is whole again.
    ///
    /// # Errors
    /// [`BatchError`] for an answer that is refused; it is counted.
    pub fn snapshot(
        &mut self,
        payload: &[u8],
        now_us: i64,
        sink: &mut impl ShardSink,
    ) -> Result<bool, BatchError> {
        let snapshot =
            Snapshot::parse(payload, self.shard).inspect_err(|_| self.counters.payloads_bad += 1)?;
        if !self.wants_snapshot() {
            return Ok(true);
        }
        let epoch = snapshot.header.feed_epoch.get();
        if epoch < self.epoch || (epoch == self.epoch && snapshot.next() < self.next) {
            return Ok(false);
        }
        let new_epoch = epoch > self.epoch || self.next == 0;
        self.epoch = epoch;
        self.next = snapshot.next();
        self.revision = self.revision.max(snapshot.header.revision.get());
        self.syncing = None;
        self.heard(snapshot.header, now_us);
        sink.sequence(self.next.saturating_sub(1));
        sink.snapshot(&mut snapshot.records(), epoch, snapshot.header.revision.get(), new_epoch);
        for payload in std::mem::take(&mut self.buffer) {
            if self.wants_snapshot() {
                self.keep(&payload);
            } else {
                // Checked when it was kept; an older epoch among them is dropped by the same rule as ever.
                let _checked = self.batch(&payload, now_us, sink);
            }
        }
        Ok(!self.wants_snapshot())
    }

    fn apply(&mut self, batch: &Batch<'_>, now_us: i64, sink: &mut impl ShardSink) {
        let first = batch.header.first.get();
        let known = usize::try_from(self.next - first).unwrap_or(usize::MAX);
        let mut count = 0;
        for record in batch.records().skip(known) {
            sink.sequence(self.next + count);
            match record.event() {
                Some(event) => sink.event(&event),
                None => self.counters.records_unknown += 1,
            }
            count += 1;
        }
        let published = u64::from(batch.header.count.get());
        self.counters.events += count;
        self.counters.events_repeated += published - count;
        self.counters.batches += 1;
        if batch.next() < self.next {
            return; // an old copy proves nothing new
        }
        self.next = batch.next();
        self.revision = self.revision.max(batch.header.revision.get());
        self.heard(batch.header, now_us);
    }

    fn heard(&mut self, header: &crate::batch::Header, now_us: i64) {
        let through = header.complete_through.get();
        self.watermark_ns = Some(self.watermark_ns.map_or(through, |old| old.max(through)));
        self.lag_us = header.ts_publish.get().saturating_sub(through).max(0) / 1_000;
        self.heard_us = now_us;
    }

    fn resync(&mut self, why: StaleReason) {
        self.syncing = Some(why);
        self.counters.resyncs += 1;
    }

    fn keep(&mut self, payload: &Bytes) {
        if self.buffer.len() == BUFFER_BATCHES_MAX {
            self.buffer.pop_front();
        }
        self.buffer.push_back(payload.clone());
    }

    /// A publisher whose clock or memory was lost may come back with an older epoch: when nothing else has been heard
    /// for [`OLD_EPOCH_ADOPTED_US`], it is adopted as new.
    fn old_epoch(&mut self, now_us: i64) {
        self.counters.batches_old_epoch += 1;
        let since = *self.old_epoch_since_us.get_or_insert(now_us);
        if now_us - since >= OLD_EPOCH_ADOPTED_US && now_us - self.heard_us >= OLD_EPOCH_ADOPTED_US {
            self.old_epoch_since_us = None;
            self.forget(0);
        }
    }

    fn forget(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.next = 0;
        self.revision = 0;
        self.buffer.clear();
        self.watermark_ns = None;
        self.resync(if self.syncing == Some(StaleReason::Starting) {
            StaleReason::Starting
        } else {
            StaleReason::PublisherChanged
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchWriter, Header, snapshot_message};
    use crate::tick::{Change, Quote};
    use zerocopy::FromBytes;

    #[derive(Default)]
    struct Seen {
        numbers: Vec<u64>,
        snapshots: Vec<(u64, bool)>,
    }

    impl ShardSink for Seen {
        fn event(&mut self, event: &Event) {
            self.numbers.push(event.number);
        }
        fn snapshot(&mut self, rows: &mut dyn Iterator<Item = &SnapshotRow>, epoch: u64, _: u32, new: bool) {
            self.numbers.clear();
            self.numbers.extend(rows.map(|r| r.ver.get()));
            self.snapshots.push((epoch, new));
        }
    }

    fn header(epoch: u64, first: u64) -> Header {
        let mut header = Header::read_from_bytes(&[0; 48]).unwrap();
        (header.feed_epoch, header.first) = (epoch.into(), first.into());
        header
    }

    fn batch(epoch: u64, numbers: std::ops::Range<u64>) -> Bytes {
        let mut writer = BatchWriter::default();
        let first = numbers.start;
        for number in numbers {
            writer.push(&Event { index: 0, number, ts_event: 0, change: Change::Quote(Quote::default()) });
        }
        writer.finish(header(epoch, first)).into()
    }

    fn snapshot(epoch: u64, next: u64) -> Vec<u8> {
        let mut row = SnapshotRow::read_from_bytes(&[0; 160]).unwrap();
        row.ver = (next - 1).into();
        snapshot_message(header(epoch, next), [row].iter())
    }

    #[test]
    fn what_comes_while_syncing_joins_the_snapshot_without_a_hole() {
        let (mut reader, mut seen) = (ShardReader::new(0, 0), Seen::default());
        reader.batch(&batch(5, 3..6), 1, &mut seen).unwrap();
        reader.batch(&batch(5, 6..8), 2, &mut seen).unwrap();
        assert!(reader.snapshot(&snapshot(5, 5), 3, &mut seen).unwrap());
        assert_eq!(seen.numbers, [4, 5, 6, 7]);
    }

    #[test]
    fn a_gap_makes_the_reader_ask_and_an_older_snapshot_is_refused() {
        let (mut reader, mut seen) = (ShardReader::new(0, 0), Seen::default());
        assert!(reader.snapshot(&snapshot(5, 5), 0, &mut seen).unwrap());
        reader.batch(&batch(5, 5..7), 0, &mut seen).unwrap();
        assert_eq!(reader.stale(0, 400), None);
        reader.batch(&batch(5, 9..10), 0, &mut seen).unwrap();
        assert_eq!(reader.stale(0, 400), Some(StaleReason::SequenceGap));
        assert_eq!(reader.counters().events_lost, 2);
        assert!(!reader.snapshot(&snapshot(5, 6), 0, &mut seen).unwrap());
        assert!(reader.snapshot(&snapshot(5, 9), 0, &mut seen).unwrap());
        assert_eq!(seen.numbers, [8, 9]);
        assert_eq!(seen.snapshots.last(), Some(&(5, false)));
    }

    #[test]
    fn a_beat_with_a_later_sequence_shows_a_lost_tail() {
        let (mut reader, mut seen) = (ShardReader::new(0, 0), Seen::default());
        reader.snapshot(&snapshot(5, 5), 0, &mut seen).unwrap();
        reader.batch(&batch(5, 7..7), 0, &mut seen).unwrap();
        assert!(reader.wants_snapshot());
    }

    #[test]
    fn a_repeated_batch_is_skipped() {
        let (mut reader, mut seen) = (ShardReader::new(0, 0), Seen::default());
        reader.snapshot(&snapshot(5, 1), 0, &mut seen).unwrap();
        seen.numbers.clear();
        reader.batch(&batch(5, 1..4), 0, &mut seen).unwrap();
        reader.batch(&batch(5, 1..4), 0, &mut seen).unwrap();
        reader.batch(&batch(5, 3..6), 0, &mut seen).unwrap();
        assert_eq!(seen.numbers, [1, 2, 3, 4, 5]);
        assert_eq!(reader.counters().events_repeated, 4);
    }

    #[test]
    fn heads_that_claim_any_distance_never_turn_a_count_round() {
        let (mut reader, mut seen) = (ShardReader::new(0, 0), Seen::default());
        for _ in 0..2 {
            reader.snapshot(&snapshot(5, 2), 0, &mut seen).unwrap();
            reader.batch(&batch(5, u64::MAX..u64::MAX), 0, &mut seen).unwrap();
        }
        assert!(reader.wants_snapshot());
        assert_eq!(reader.counters().events_lost, u64::MAX);
    }

    #[test]
    fn a_new_epoch_voids_and_an_old_one_is_adopted_only_after_silence() {
        let (mut reader, mut seen) = (ShardReader::new(0, 0), Seen::default());
        reader.snapshot(&snapshot(5, 5), 0, &mut seen).unwrap();
        reader.batch(&batch(6, 1..2), 0, &mut seen).unwrap();
        assert_eq!(reader.stale(0, 400), Some(StaleReason::PublisherChanged));
        assert!(reader.wants_snapshot() && !reader.snapshot(&snapshot(5, 9), 0, &mut seen).unwrap());
        assert!(reader.snapshot(&snapshot(6, 1), 0, &mut seen).unwrap());
        assert_eq!(seen.snapshots.last(), Some(&(6, true)));
        reader.batch(&batch(4, 1..2), 10, &mut seen).unwrap();
        assert!(!reader.wants_snapshot());
        reader.batch(&batch(4, 2..3), 2_000_010, &mut seen).unwrap();
        assert!(reader.wants_snapshot());
        assert!(reader.snapshot(&snapshot(4, 3), 2_000_011, &mut seen).unwrap());
    }

    #[test]
    fn a_refused_payload_is_counted_and_makes_the_shard_suspect() {
        let (mut reader, mut seen) = (ShardReader::new(0, 0), Seen::default());
        reader.snapshot(&snapshot(5, 5), 0, &mut seen).unwrap();
        assert!(reader.batch(&Bytes::from_static(b"x"), 0, &mut seen).is_err());
        assert_eq!(reader.stale(0, 400), Some(StaleReason::BadPayload));
        assert_eq!(reader.counters().payloads_bad, 1);
    }

    #[test]
    fn a_silent_publisher_and_one_that_is_behind_are_told_apart() {
        let (mut reader, mut seen) = (ShardReader::new(0, 0), Seen::default());
        assert_eq!(reader.stale(0, 400), Some(StaleReason::Starting));
        reader.snapshot(&snapshot(5, 5), 0, &mut seen).unwrap();
        assert_eq!((reader.stale(400, 400), reader.stale(401, 400)), (None, Some(StaleReason::FeedSilent)));
        let late = Header { complete_through: 0.into(), ts_publish: 900_000.into(), ..header(5, 5) };
        reader.batch(&BatchWriter::default().finish(late).into(), 500, &mut seen).unwrap();
        assert_eq!(reader.stale(500, 400), Some(StaleReason::FeedBehind));
        reader.suspect(StaleReason::BusLost);
        assert_eq!(reader.stale(500, 400), Some(StaleReason::BusLost));
    }
}
