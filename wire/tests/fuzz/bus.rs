//! Batches, beats and snapshots of a shard.

use crate::mutate::{Case, Random, fuzz};
use tickgate_wire::batch::{Batch, BatchWriter, Header, Record, Snapshot, SnapshotRow, snapshot_message};
use tickgate_wire::tick::{Aggressor, BookLevel, BookSide, Change, Event, Quote, Status, Trade};
use zerocopy::{FromZeros, IntoBytes};

pub(crate) const SHARD: u16 = 3;

pub(crate) fn header(epoch: u64, first: u64) -> Header {
    let mut header = Header::new_zeroed();
    (header.shard, header.feed_epoch, header.first) = (SHARD.into(), epoch.into(), first.into());
    header
}

fn event(random: &mut Random) -> Event {
    let change = match random.below(4) {
        0 => Change::Quote(Quote {
            bid: random.signed(53),
            ask: random.signed(53),
            bid_size: random.spread(53),
            ask_size: random.spread(53),
        }),
        1 => Change::Trade(Trade {
            price: random.signed(53),
            qty: random.spread(53),
            trade_id: random.spread(53).unsigned_abs(),
            aggressor: random.pick(&[Aggressor::None, Aggressor::Buy, Aggressor::Sell]),
        }),
        2 => Change::Level(BookLevel {
            side: random.pick(&[BookSide::Bid, BookSide::Ask]),
            price: random.signed(53),
            qty: random.spread(53),
            snapshot_begins: random.chance(2),
            update_ends: random.chance(2),
        }),
        _ => {
            Change::Status(random.pick(&[Status::Open, Status::Halted, Status::Closed, Status::SourceStale]))
        }
    };
    let index = u32::try_from(random.spread(32)).unwrap();
    Event { index, number: random.next(), ts_event: random.next().cast_signed(), change }
}

pub(crate) fn batch(header: Header, events: &[Event]) -> Vec<u8> {
    let mut writer = BatchWriter::default();
    events.iter().for_each(|event| writer.push(event));
    writer.finish(header)
}

fn rows(events: &[Event]) -> Vec<SnapshotRow> {
    let mut rows = vec![SnapshotRow::new_zeroed(); 3];
    events.iter().for_each(|event| rows[event.index as usize % 3].apply(event));
    rows
}

/// Two batches, a beat, a batch of longer records and a snapshot.
fn corpus() -> Vec<Vec<u8>> {
    let mut random = Random(11);
    let events: Vec<Event> = (0..9).map(|_| event(&mut random)).collect();
    let mut longer = header(7, 30);
    (longer.version, longer.count, longer.record_bytes) = (1, 2.into(), 64.into());
    let mut newer = longer.as_bytes().to_vec();
    for event in &events[..2] {
        newer.extend_from_slice(Record::from(event).as_bytes());
        newer.extend_from_slice(&[0xaa; 8]);
    }
    vec![
        batch(header(7, 1), &events),
        batch(header(7, 10), &events[..1]),
        batch(header(7, 11), &[]),
        newer,
        snapshot_message(header(7, 11), rows(&events).iter()),
    ]
}

fn read(bytes: &[u8]) -> (bool, bool) {
    let batch = Batch::parse(bytes, SHARD);
    if let Ok(batch) = &batch {
        let count = usize::from(batch.header.count.get());
        assert!(count == 0 || batch.records().count() == count);
        assert!(count * size_of::<Record>() <= bytes.len());
        let events: Vec<Event> = batch.records().filter_map(Record::event).collect();
        let again = crate::bus::batch(*batch.header, &events);
        let again = Batch::parse(&again, SHARD).unwrap();
        assert_eq!(again.records().filter_map(Record::event).collect::<Vec<_>>(), events);
        assert_eq!(again.header.feed_epoch, batch.header.feed_epoch);
        if events.len() == count {
            assert_eq!(again.next(), batch.next());
        }
        let mut row = SnapshotRow::new_zeroed();
        events.iter().for_each(|event| row.apply(event));
    }
    let snapshot = Snapshot::parse(bytes, SHARD);
    if let Ok(snapshot) = &snapshot {
        let rows: Vec<SnapshotRow> = snapshot.records().copied().collect();
        assert!(rows.len() * size_of::<SnapshotRow>() <= bytes.len());
        let again = snapshot_message(*snapshot.header, rows.iter());
        let again = Snapshot::parse(&again, SHARD).unwrap();
        assert!(again.records().map(IntoBytes::as_bytes).eq(rows.iter().map(IntoBytes::as_bytes)));
        assert_eq!(again.next(), snapshot.next());
    }
    assert!(batch.is_err() || snapshot.is_err(), "both a batch and a snapshot");
    (batch.is_ok(), snapshot.is_ok())
}

#[test]
fn bus_messages() {
    let corpus = corpus();
    assert!(corpus.iter().all(|bytes| read(bytes) != (false, false)));
    let (mut batches, mut snapshots) = (0_u64, 0_u64);
    fuzz("bus_messages", 800_000, |case| {
        let bytes = case.mutated(&corpus);
        let (batch, snapshot) = read(&bytes);
        batches += u64::from(batch);
        snapshots += u64::from(snapshot);
        assert_eq!(read(&bytes[..bytes.len() / 2]), read(&bytes[..bytes.len() / 2]));
    });
    assert!(batches + snapshots < 200 || (batches > 100 && snapshots > 100), "{batches} {snapshots}");
}

#[test]
fn bus_events_round_trip() {
    fuzz("bus_events_round_trip", 80_000, |case: &mut Case| {
        let events: Vec<Event> = (0..case.random.below(6)).map(|_| event(&mut case.random)).collect();
        let bytes = batch(header(case.random.next(), case.random.next()), &events);
        case.keep(&bytes);
        let read = Batch::parse(&bytes, SHARD).unwrap();
        assert_eq!(read.records().filter_map(Record::event).collect::<Vec<_>>(), events);
        for end in 0..bytes.len() {
            assert!(Batch::parse(&bytes[..end], SHARD).is_err());
        }
    });
}
