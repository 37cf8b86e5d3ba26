//! The reader of a shard against a naive model of its rules. Garbage with a valid head is taken at its word, as nothing
//! on the bus signs a payload; so the model counts places in the sequence, which is what the reader vouches for.

use crate::bus::{SHARD, batch, header};
use crate::mutate::{Case, fuzz};
use bytes::Bytes;
use tickgate_wire::batch::{Batch, Snapshot, SnapshotRow, snapshot_message};
use tickgate_wire::shard::{BUFFER_BATCHES_MAX, ShardCounters, ShardReader, ShardSink, StaleReason};
use tickgate_wire::tick::{Change, Event, Quote};
use zerocopy::FromZeros;

/// What the reader handed on.
#[derive(Default)]
struct Seen {
    events: Vec<Event>,
    snapshots: Vec<(u64, bool)>,
}

impl ShardSink for Seen {
    fn event(&mut self, event: &Event) {
        self.events.push(*event);
    }
    fn snapshot(&mut self, rows: &mut dyn Iterator<Item = &SnapshotRow>, epoch: u64, _: u32, new: bool) {
        self.events.clear();
        self.snapshots.push((epoch, new));
        rows.for_each(drop);
    }
}

/// What must come out: the sequence that is due, or nothing while syncing.
#[derive(Debug, Default)]
struct Model {
    epoch: u64,
    next: u64,
    synced: bool,
    kept: Vec<Vec<u8>>,
}

impl Model {
    /// Numbers of records that a batch adds. `adopted` = the reader has given up a newer epoch that fell silent.
    fn batch(&mut self, bytes: &[u8]) -> u64 {
        let Ok(batch) = Batch::parse(bytes, SHARD) else {
            self.synced = false;
            return 0;
        };
        let (epoch, first) = (batch.header.feed_epoch.get(), batch.header.first.get());
        if epoch < self.epoch {
            return 0;
        }
        if epoch > self.epoch {
            *self = Self { epoch, ..Self::default() };
        }
        if self.synced && first <= self.next {
            let end = first.saturating_add(batch.header.count.get().into());
            let known = usize::try_from(self.next - first).unwrap_or(usize::MAX);
            self.next = self.next.max(end);
            return batch.records().skip(known).count() as u64;
        }
        self.synced = false;
        if self.kept.len() == BUFFER_BATCHES_MAX {
            self.kept.remove(0);
        }
        self.kept.push(bytes.to_vec());
        0
    }

    fn snapshot(&mut self, bytes: &[u8]) -> u64 {
        let Ok(snapshot) = Snapshot::parse(bytes, SHARD) else { return 0 };
        let (epoch, next) = (snapshot.header.feed_epoch.get(), snapshot.header.first.get());
        if self.synced || (epoch, next) < (self.epoch, self.next) || epoch < self.epoch {
            return 0;
        }
        if epoch > self.epoch {
            self.next = 0;
        }
        (self.epoch, self.next, self.synced) = (epoch, next, true);
        let kept = std::mem::take(&mut self.kept);
        kept.iter().map(|bytes| self.batch(bytes)).sum()
    }
}

fn grows(old: ShardCounters, new: ShardCounters) {
    let all = |c: ShardCounters| {
        [
            c.events_lost,
            c.events_repeated,
            c.batches_old_epoch,
            c.records_unknown,
            c.payloads_bad,
            c.resyncs,
            c.events,
            c.batches,
        ]
    };
    assert!(all(old).iter().zip(all(new)).all(|(old, new)| *old <= new), "{old:?} {new:?}");
}

fn quote(number: u64) -> Event {
    let bid = i64::try_from(number % 1_000_000).unwrap();
    let quote = Quote { bid, ask: bid + 1, bid_size: 1, ask_size: 2 };
    Event { index: 0, number, ts_event: number.cast_signed(), change: Change::Quote(quote) }
}

fn events(from: u64, count: u64) -> Vec<u8> {
    let events: Vec<Event> = (from..from + count).map(quote).collect();
    batch(header(5, from), &events)
}

fn snapshot(epoch: u64, next: u64) -> Vec<u8> {
    let mut row = SnapshotRow::new_zeroed();
    row.ver = (next - 1).into();
    snapshot_message(header(epoch, next), [row].iter())
}

#[test]
fn shard_reader_of_any_bytes() {
    let mut taken = 0;
    fuzz("shard_reader_of_any_bytes", 12_000, |case| {
        let corpus: Vec<Vec<u8>> = (0..6)
            .map(|at| events(1 + at * 3, at % 4))
            .chain([snapshot(5, 1), snapshot(5, 7), snapshot(6, 2), batch(header(6, 2), &[quote(2)])])
            .collect();
        let (mut reader, mut seen, mut model) =
            (ShardReader::new(SHARD, 0), Seen::default(), Model::default());
        let mut now_us = 0;
        for _ in 0..60 {
            // Within this time no older epoch is adopted, which the model does not know.
            now_us += case.random.spread(14);
            let before = (reader.counters(), reader.epoch(), seen.snapshots.len());
            let bytes = if case.random.chance(2) { case.mutated(&corpus) } else { case.picked(&corpus) };
            case.keep(&bytes);
            let expected = if case.random.chance(3) {
                let _refused = reader.snapshot(&bytes, now_us, &mut seen);
                model.snapshot(&bytes)
            } else if case.random.chance(20) {
                reader.suspect(StaleReason::BusLost);
                model.synced = false;
                0
            } else {
                let _refused = reader.batch(&Bytes::from(bytes.clone()), now_us, &mut seen);
                model.batch(&bytes)
            };
            grows(before.0, reader.counters());
            assert_eq!(reader.counters().events - before.0.events, expected, "events handed on");
            assert_eq!((reader.epoch(), reader.wants_snapshot()), (model.epoch, !model.synced));
            assert!(reader.epoch() >= before.1);
            assert!(seen.snapshots.len() <= before.2 + 1);
            assert!(reader.watermark_ns().is_none() || !reader.wants_snapshot());
            assert!(reader.age_us(now_us) >= 0);
            taken += expected;
        }
    });
    assert!(taken > 0);
}

/// Bytes of the payload changed, but not what its head says; or the payload is refused.
fn hurt(case: &mut Case, payload: &[u8]) -> Option<Vec<u8>> {
    let bytes = case.mutated(&[payload.to_vec()]);
    let same = bytes.len() == payload.len() && bytes[..48] == payload[..48];
    (same || Batch::parse(&bytes, SHARD).is_err()).then_some(bytes)
}

/// A publisher over a bus that loses, repeats, delays and damages.
#[test]
fn shard_reader_over_a_bad_bus() {
    fuzz("shard_reader_over_a_bad_bus", 12_000, |case| {
        let (mut reader, mut seen) = (ShardReader::new(SHARD, 0), Seen::default());
        let (mut next, mut late): (u64, Vec<Vec<u8>>) = (1, Vec::new());
        for step in 0..80 {
            let count = case.random.below(4);
            let payload = events(next, count);
            next += count;
            match case.random.below(12) {
                0 => {} // lost
                1 => late.push(payload),
                2 => {
                    if let Some(bytes) = hurt(case, &payload) {
                        let _refused = reader.batch(&bytes.into(), step, &mut seen);
                    }
                }
                3 if !late.is_empty() => {
                    let old = late.remove(case.random.index(late.len()));
                    let _late = reader.batch(&old.into(), step, &mut seen);
                    reader.batch(&payload.into(), step, &mut seen).unwrap();
                }
                repeats => {
                    for _ in 0..=repeats / 11 {
                        reader.batch(&payload.clone().into(), step, &mut seen).unwrap();
                    }
                }
            }
            if reader.wants_snapshot() && case.random.chance(3) {
                let before = next - case.random.below(next.min(9));
                reader.snapshot(&snapshot(5, before), step, &mut seen).unwrap();
            }
            in_order(&seen.events, reader.counters().records_unknown);
        }
        reader.suspect(StaleReason::BusLost); // a lost tail shows only with the next batch
        assert!(reader.snapshot(&snapshot(5, next), 80, &mut seen).unwrap());
        seen.events.clear();
        reader.batch(&events(next, 3).into(), 81, &mut seen).unwrap();
        reader.batch(&events(next + 1, 4).into(), 82, &mut seen).unwrap();
        assert!(!reader.wants_snapshot());
        assert!(seen.events.iter().map(|event| event.number).eq(next..next + 5));
    });
}

/// Events since the last snapshot: those that were not damaged rise by one, and a damaged one stands in its place. Only
/// a record whose kind was damaged is counted as unknown and leaves a hole.
fn in_order(events: &[Event], unknown: u64) {
    let numbers: Vec<(u64, u64)> = (0..)
        .zip(events)
        .filter(|(_, event)| **event == quote(event.number))
        .map(|(at, event)| (at, event.number))
        .collect();
    for pair in numbers.windows(2) {
        let ((a, first), (b, second)) = (pair[0], pair[1]);
        let holes = second.checked_sub(first).and_then(|numbers| numbers.checked_sub(b - a));
        assert!(holes.is_some_and(|holes| holes <= unknown), "{first} at {a}, then {second} at {b}");
    }
}
