//! What the engine costs without a socket: taking an event, flushing and encoding a record, picking and copying a
//! record for a session, sweeping a session. 1,000 sessions × 20 of 500 symbols at 50 ms: 10 phases of 100.
//! Run it with `cargo run --release -p gateway --example core_cost`.

use bytes::Bytes;
use gateway::bars::Bars;
use gateway::bits::Bits;
use gateway::books::Books;
use gateway::directory::Directory;
use gateway::engine::{Engine, EngineConfig};
use gateway::flush::Flush;
use gateway::lane::{Lanes, Sources, Touched};
use gateway::outbox::{Socket, Write};
use gateway::pending::Join;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wire::batch::{BatchWriter, Header, SnapshotRow, snapshot_message};
use wire::control::{Channel, View};
use wire::frame::Form;
use wire::instrument::{Definitions, Instrument, InstrumentId};
use wire::tick::{Aggressor, Change, Event, Quote, Trade};

const SYMBOLS: u32 = 500;
const SESSIONS: u32 = 1_000;
const EACH: u32 = 20;
/// Index of 50 ms in the rates.
const CLASS: usize = 3;
/// 10,000 events a second in batches of 1 ms.
const BATCH_EVENTS: u32 = 10;
const BATCH_US: i64 = 1_000;
const SECONDS: i64 = 10;
const BEGIN_US: i64 = 1_700_000_000_000_000;

/// A socket that takes everything.
#[derive(Debug, Default)]
struct Sink;

impl Socket for Sink {
    fn try_write(&mut self, bytes: &[u8]) -> Write {
        Write::Wrote(black_box(bytes).len())
    }
}

/// A seeded feed of one shard.
struct Feed {
    seed: u64,
    rows: Vec<SnapshotRow>,
    next: u64,
    writer: BatchWriter,
}

impl Feed {
    fn new() -> Self {
        let rows = vec![SnapshotRow::default(); SYMBOLS as usize];
        Self { seed: 7, rows, next: 1, writer: BatchWriter::default() }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.seed >> 33) % u64::from(bound)).unwrap_or(0)
    }

    fn header(&self, now_us: i64) -> Header {
        let time = (now_us * 1_000).into();
        let (feed_epoch, first) = (1.into(), self.next.into());
        Header { feed_epoch, first, complete_through: time, ts_publish: time, ..Header::default() }
    }

    /// One event in ten is a print.
    fn batch(&mut self, events: u32, now_us: i64) -> Bytes {
        let header = self.header(now_us);
        for _ in 0..events {
            let index = self.below(SYMBOLS);
            let price = 6_000_000 + i64::from(self.below(400));
            let size = 1 + i64::from(self.below(90_000));
            let row = &self.rows[index as usize];
            let (number, change) = if self.seed.is_multiple_of(10) {
                let trade_id = row.tc.get() + 1;
                let trade = Trade { price, qty: size, trade_id, aggressor: Aggressor::Buy };
                (row.tc.get() + 1, Change::Trade(trade))
            } else {
                let quote = Quote { bid: price, ask: price + 1, bid_size: size, ask_size: size / 2 };
                (row.ver.get() + 1, Change::Quote(quote))
            };
            let event = Event { index, number, ts_event: now_us * 1_000, change };
            self.rows[index as usize].apply(&event);
            self.writer.push(&event);
        }
        self.next += u64::from(events);
        self.writer.finish(header).into()
    }

    fn definitions() -> Definitions {
        let instrument = |number| Instrument {
            symbol: format!("SYM{number:03}.TEST"),
            price_exponent: -2,
            qty_exponent: -3,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: true,
            has_size: true,
        };
        let instruments = (0..SYMBOLS).map(instrument).collect();
        Definitions { shard: 0, feed_epoch: 1, revision: 0, instruments }
    }
}

fn engine(feed: &Feed) -> Engine<Sink> {
    let mut engine = Engine::new(EngineConfig { shards: 1, ..EngineConfig::default() }, BEGIN_US);
    engine.define(Feed::definitions(), BEGIN_US);
    let snapshot = snapshot_message(feed.header(BEGIN_US), feed.rows.iter());
    let whole = engine.snapshot(0, &snapshot, BEGIN_US);
    assert!(matches!(whole, Ok(true)), "the first snapshot is taken");
    engine
}

fn subscribe(engine: &mut Engine<Sink>, feed: &mut Feed, form: Form) {
    for _ in 0..SESSIONS {
        let session = engine.open(Sink, form, BEGIN_US);
        let Ok(slot) = engine.slot(session, CLASS, &View::default(), false, BEGIN_US) else { continue };
        let mut ids = Bits::default();
        while ids.iter().count() < EACH as usize {
            ids.insert(InstrumentId(feed.below(SYMBOLS)));
        }
        for channel in Channel::MARKET {
            let (head, tail, ids) = ("\"op\":\"subscribed\"".to_owned(), String::new(), ids.iter().collect());
            engine.join(
                session,
                Join { head, tail, channel, slot, ids, max_age_ms: None, resume: None },
                BEGIN_US,
            );
        }
    }
}

/// Events of full batches into the table: ns an event.
fn ingest_cost(clock: fn() -> Instant) -> f64 {
    let mut feed = Feed::new();
    let mut engine = engine(&feed);
    let batches: Vec<Bytes> = (0..2_000).map(|_| feed.batch(64, BEGIN_US)).collect();
    let begin = clock();
    for batch in &batches {
        assert!(engine.batch(0, batch, BEGIN_US).is_ok(), "a batch in order is taken");
    }
    per(begin.elapsed(), 2_000 * 64)
}

/// One lane that wants all symbols: ns a record to compare with the table, and ns to encode.
fn flush_cost(form: Form, clock: fn() -> Instant) -> (f64, f64) {
    let mut feed = Feed::new();
    let mut engine = engine(&feed);
    let mut directory = Directory::default();
    let ids = directory.define(Feed::definitions());
    let (mut lanes, mut flush, mut touched) = (Lanes::default(), Flush::default(), Bits::default());
    let lane = lanes.join(CLASS, &View::default(), (0, 0), form, BEGIN_US).unwrap_or(0);
    let (books, bars, none) = (Books::default(), Bars::default(), Bits::default());
    let sources = Sources { table: &engine.table, directory: &directory, books: &books, bars: &bars };
    for id in ids {
        touched.insert(id);
        for channel in Channel::MARKET {
            lanes.get_mut(lane).want(id, channel, &sources);
        }
    }
    let (mut compare, mut encode, mut records) = (Duration::ZERO, Duration::ZERO, 0);
    for round in 0..400 {
        let now_us = BEGIN_US + round * 50_000;
        let batch = feed.batch(500, now_us);
        assert!(engine.batch(0, &batch, now_us).is_ok(), "a batch in order is taken");
        let begin = clock();
        lanes.touch(&Touched { rows: &touched, books: &none, bars: [&none; 2] });
        let sources = Sources { table: &engine.table, directory: &directory, books: &books, bars: &bars };
        lanes.get_mut(lane).flush(&sources, now_us, None, false, &mut flush);
        compare += begin.elapsed();
        let begin = clock();
        records += flush.encode(&lanes.get(lane).forms, &directory);
        encode += begin.elapsed();
    }
    (per(compare, records), per(encode, records))
}

/// The whole engine for some seconds of core time.
struct Whole {
    run: Duration,
    records: u64,
    encoded: u64,
    writes: u64,
    bytes: u64,
    catch_ups: u64,
}

fn whole(form: Form, clock: fn() -> Instant) -> Whole {
    let mut feed = Feed::new();
    let mut engine = engine(&feed);
    subscribe(&mut engine, &mut feed, form);
    let mut now_us = BEGIN_US;
    let mut wake_us = BEGIN_US;
    let mut run = Duration::ZERO;
    let before = engine.counters();
    while now_us < BEGIN_US + SECONDS * 1_000_000 {
        now_us += BATCH_US;
        let batch = feed.batch(BATCH_EVENTS, now_us);
        assert!(engine.batch(0, &batch, now_us).is_ok(), "a batch in order is taken");
        if now_us >= wake_us {
            let begin = clock();
            wake_us = engine.run_due(|| now_us);
            run += begin.elapsed();
        }
    }
    let after = engine.counters();
    Whole {
        run,
        records: after.records - before.records,
        encoded: after.encoded - before.encoded,
        writes: after.writes - before.writes,
        bytes: after.bytes - before.bytes,
        catch_ups: after.catch_ups - before.catch_ups,
    }
}

#[expect(clippy::cast_precision_loss, clippy::float_arithmetic, reason = "figures for people")]
fn per(took: Duration, count: u64) -> f64 {
    took.as_nanos() as f64 / count.max(1) as f64
}

#[expect(clippy::float_arithmetic, reason = "figures for people")]
#[expect(clippy::disallowed_methods, reason = "a stopwatch is what this is")]
#[expect(clippy::print_stdout, reason = "its result")]
fn main() -> ExitCode {
    let clock: fn() -> Instant = Instant::now;
    println!("ingest: {:.1} ns an event", ingest_cost(clock));
    for form in Form::ALL {
        let (compare, encode) = flush_cost(form, clock);
        let whole = whole(form, clock);
        let own = per(whole.run, whole.encoded) * 1.0 - (compare + encode);
        let gather = own * per(Duration::from_nanos(whole.encoded), whole.records);
        println!(
            "{form:?}: {compare:.1} ns to compare and {encode:.1} ns to encode a record; {gather:.1} ns a gathered record, all else of its \
             session included; {:.0} ns a session and write; {} records in {} writes of {:.0} B, {} encoded, {} catch-ups",
            per(whole.run, whole.writes),
            whole.records,
            whole.writes,
            per(Duration::from_nanos(whole.bytes), whole.writes),
            whole.encoded,
            whole.catch_ups,
        );
    }
    ExitCode::SUCCESS
}
