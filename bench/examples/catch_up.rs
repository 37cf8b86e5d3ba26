//! What a session on a byte budget holds while a recording runs: catch-up by value beside catch-up in turn, at equal bytes.
//! In virtual time, without a socket. Each instrument is replayed from several places of the recording at once, as so many
//! instruments, so that there is more to tell than the budget allows.
//!
//!     cargo run --release -p bench --example catch_up -- ../shared/data/binance-2024-08-08
#![expect(
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a tool that prints means"
)]

use bytes::Bytes;
use feed_sim::event::{Item, Source};
use feed_sim::replay;
use feed_sim::shards::Shards;
use gateway::bits::Bits;
use gateway::engine::{Engine, EngineConfig};
use gateway::offer::CatchUp;
use gateway::outbox::{Socket, Write};
use gateway::pending::Join;
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use tickgate_client::{Form, Message, View, follow};
use wire::control::{Channel, View as Shown};
use wire::instrument::{Instrument, InstrumentId};
use wire::tick::{Change, Quote};

/// Copies of each instrument.
const COPIES: usize = 40;
/// Each copy begins so much later in the recording than the one before, ns.
const APART_NS: i64 = 5_000_000_000;
/// What is measured of the recording, ns.
const RUN_NS: i64 = 60_000_000_000;
const STEP_NS: i64 = 10_000_000;
const BEGIN_US: i64 = 1_723_161_600_000_000;
/// Rows on screen in the last comparison.
const ROWS: u32 = 20;

type Kept = Rc<RefCell<Vec<u8>>>;

/// A socket that keeps all, or takes nothing.
#[derive(Default)]
struct Pipe {
    bytes: Kept,
    full: Rc<Cell<bool>>,
}

impl Socket for Pipe {
    fn try_write(&mut self, bytes: &[u8]) -> Write {
        if self.full.get() {
            return Write::WouldBlock;
        }
        self.bytes.borrow_mut().extend_from_slice(bytes);
        Write::Wrote(bytes.len())
    }
}

/// The recording as many instruments: items by time.
struct Market {
    instruments: Vec<Instrument>,
    items: Vec<Item>,
}

fn market(path: &str) -> Result<Market, String> {
    let mut source = replay::open(Path::new(path), None)?;
    let originals = source.instruments().to_vec();
    let mut read = Vec::new();
    let last_ns = APART_NS * i64::try_from(COPIES).unwrap_or(0) + RUN_NS;
    source.items_until(last_ns, &mut read)?;
    read.retain(|item| matches!(item.change, Change::Quote(_) | Change::Trade(_)));
    let mut market = Market { instruments: Vec::new(), items: Vec::new() };
    for copy in 0..COPIES {
        let from_ns = APART_NS * i64::try_from(copy).unwrap_or(0);
        let first = u32::try_from(copy * originals.len()).unwrap_or(0);
        market.instruments.extend(
            originals
                .iter()
                .map(|one| Instrument { symbol: format!("{}-{copy}", one.symbol), ..one.clone() }),
        );
        let here = read.iter().filter(|item| (from_ns..from_ns + RUN_NS).contains(&item.due_ns));
        market.items.extend(here.map(|item| Item {
            due_ns: item.due_ns - from_ns,
            instrument: first + item.instrument,
            change: item.change,
        }));
    }
    market.items.sort_by_key(|item| item.due_ns);
    Ok(market)
}

/// What a run comes to.
#[derive(Default, Clone, Copy)]
struct Score {
    /// Mean distance of the held from the true middle price, ticks.
    ticks: f64,
    /// The same × how long the held one had been wrong, tick · s.
    tick_seconds: f64,
    /// Of the rows on screen alone.
    shown_ticks: f64,
    /// Longest time that a symbol stood wrong, s.
    longest_s: f64,
    bytes_per_s: f64,
}

fn fill(engine: &mut Engine<Pipe>, market: &Market) -> Result<Shards, String> {
    let shards = Shards::new(&market.instruments, 1, 1)?;
    let definitions = shards.definitions(0).ok_or("no shard")?;
    engine.define(definitions, BEGIN_US);
    let snapshot = shards.snapshot(0, BEGIN_US * 1_000).ok_or("no shard")?;
    engine.snapshot(0, &snapshot, BEGIN_US).map_err(|error| error.to_string())?;
    Ok(shards)
}

fn subscribe(engine: &mut Engine<Pipe>, session: u32, channel: Channel) -> Result<(), String> {
    let slot = engine.slot(session, 3, &Shown::default(), false, BEGIN_US).map_err(|code| code.code())?;
    let head = format!("\"op\":\"subscribed\",\"channel\":\"{}\",\"slot\":{slot}", channel.word());
    let ids = engine.directory.iter().map(|(id, _)| id).collect();
    engine.join(
        session,
        Join { head, tail: String::new(), channel, slot, ids, max_age_ms: None, resume: None },
        BEGIN_US,
    );
    Ok(())
}

/// Pushes what is due up to `now_ns` and lets the engine do what is due by then.
fn step(
    engine: &mut Engine<Pipe>,
    shards: &mut Shards,
    items: &mut std::iter::Peekable<std::slice::Iter<'_, Item>>,
    now_ns: i64,
    mut each: impl FnMut(&Item),
) -> Result<(), String> {
    let (now_us, mut out) = (BEGIN_US + now_ns / 1_000, Vec::new());
    while let Some(item) = items.next_if(|item| item.due_ns <= now_ns) {
        each(item);
        shards.push(item, BEGIN_US * 1_000 + item.due_ns, now_us * 1_000, &mut out);
    }
    shards.flush(now_us * 1_000, now_us * 1_000, &mut out);
    for outgoing in out {
        engine.batch(0, &Bytes::from(outgoing.payload), now_us).map_err(|error| error.to_string())?;
    }
    engine.run_due(|| now_us);
    Ok(())
}

fn run(market: &Market, catch_up: CatchUp, budget: Option<u32>, rows: u32) -> Result<Score, String> {
    let mut engine = Engine::new(EngineConfig { shards: 1, catch_up, ..EngineConfig::default() }, BEGIN_US);
    let mut shards = fill(&mut engine, market)?;
    let bytes = Kept::default();
    let session = engine.open(Pipe { bytes: Rc::clone(&bytes), ..Pipe::default() }, Form::Compact, BEGIN_US);
    subscribe(&mut engine, session, Channel::Quote)?;
    engine.set_budget(session, budget, BEGIN_US);
    let mut visible = Bits::default();
    // Rows spread over the instruments, so that they are no better than the others.
    let every = u32::try_from(market.instruments.len()).unwrap_or(0) / ROWS;
    let shown: Vec<usize> = (0..ROWS).map(|row| (row * every + row % 6) as usize).collect();
    shown.iter().take(rows as usize).for_each(|row| {
        visible.insert(InstrumentId(u32::try_from(*row).unwrap_or(0)));
    });
    engine.set_visible(session, visible);
    let mut view = View::new(Form::Compact);
    let mut truth = vec![Quote::default(); market.instruments.len()];
    let mut wrong_since = vec![None::<i64>; truth.len()];
    let (mut score, mut samples, mut total) = (Score::default(), 0.0, 0_usize);
    let mut items = market.items.iter().peekable();
    for now_ns in (1..=RUN_NS / STEP_NS).map(|step| step * STEP_NS) {
        step(&mut engine, &mut shards, &mut items, now_ns, |item| {
            if let Change::Quote(quote) = item.change {
                truth[item.instrument as usize] = quote;
            }
        })?;
        total += bytes.borrow().len();
        take(&mut view, &mut bytes.borrow_mut())?;
        // The first seconds are the snapshot, which is the same for all.
        let counts = now_ns > RUN_NS / 4 && now_ns % 50_000_000 == 0;
        for (at, id) in (0..truth.len()).zip(0_u32..) {
            let held = view.quote(id).map(|view| view.quote).unwrap_or_default();
            let tick = market.instruments[at].tick_size.max(1) as f64;
            let ticks = ((held.bid + held.ask) - (truth[at].bid + truth[at].ask)).abs() as f64 / 2.0 / tick;
            if ticks == 0.0 {
                wrong_since[at] = None;
                samples += f64::from(u8::from(counts));
                continue;
            }
            let age_s = (now_ns - *wrong_since[at].get_or_insert(now_ns)) as f64 / 1e9;
            if counts {
                samples += 1.0;
                score.ticks += ticks;
                score.tick_seconds += ticks * age_s;
                score.shown_ticks += if shown.contains(&at) { ticks } else { 0.0 };
                score.longest_s = score.longest_s.max(age_s);
            }
        }
    }
    let shown_samples = samples * f64::from(ROWS) / truth.len() as f64;
    Ok(Score {
        ticks: score.ticks / samples,
        tick_seconds: score.tick_seconds / samples,
        shown_ticks: score.shown_ticks / shown_samples,
        bytes_per_s: total as f64 / (RUN_NS as f64 / 1e9),
        ..score
    })
}

/// Takes all frames that have come.
fn take(view: &mut View, bytes: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = bytes.as_slice();
    while let [first, length, tail @ ..] = rest {
        let (length, tail) = match length {
            126 => (usize::from(u16::from_be_bytes([tail[0], tail[1]])), &tail[2..]),
            length => (usize::from(*length), tail),
        };
        let (payload, after) = tail.split_at(length);
        rest = after;
        if first & 15 == 2 {
            view.message(payload, &mut |_| ()).map_err(|_| "a damaged frame")?;
        } else if let Ok(message) = serde_json::from_slice::<Message>(payload) {
            follow(view, &message);
        }
    }
    bytes.clear();
    Ok(())
}

/// Memory of this process, KiB.
fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// What a session costs that holds all instruments in both channels, reading and stalled, KiB.
fn memory(market: &Market) -> Result<(f64, f64), String> {
    const SESSIONS: u32 = 1_000;
    let mut engine = Engine::new(EngineConfig { shards: 1, ..EngineConfig::default() }, BEGIN_US);
    let mut shards = fill(&mut engine, market)?;
    let mut items = market.items.iter().peekable();
    let (before, full) = (resident_kib(), Rc::new(Cell::new(false)));
    for _ in 0..SESSIONS {
        let pipe = Pipe { full: Rc::clone(&full), ..Pipe::default() };
        let bytes = Rc::clone(&pipe.bytes);
        let session = engine.open(pipe, Form::Compact, BEGIN_US);
        subscribe(&mut engine, session, Channel::Quote)?;
        subscribe(&mut engine, session, Channel::Trade)?;
        drop(bytes.take());
    }
    let reading = resident_kib();
    full.set(true);
    for now_ns in (1..=500).map(|step| step * STEP_NS) {
        step(&mut engine, &mut shards, &mut items, now_ns, |_| ())?;
    }
    let stalled = resident_kib();
    let each = |kib: i64| kib as f64 / f64::from(SESSIONS);
    Ok((each(reading - before), each(stalled - reading)))
}

fn main() -> Result<(), String> {
    let path = std::env::args().nth(1).ok_or("name a folder of recordings")?;
    let market = market(&path)?;
    println!(
        "{} instruments, {} events in {} s",
        market.instruments.len(),
        market.items.len(),
        RUN_NS / 1_000_000_000
    );
    let (reading, stalled) = memory(&market)?;
    println!(
        "{reading:.1} KiB a session of all in both channels, {stalled:.1} KiB more while it is stalled\n"
    );
    println!(
        "| budget B/s | order | sent B/s | mean error, ticks | × age, tick·s | rows on screen, ticks | longest wrong, s |"
    );
    println!("|---|---|---|---|---|---|---|");
    let by_value = CatchUp::default();
    for budget in [Some(2_000), Some(4_000), Some(6_000), Some(8_000), Some(10_000), None] {
        for (name, catch_up, rows) in [
            ("in turn", CatchUp::InTurn, 0),
            ("by value", by_value, 0),
            ("by value, no bound", CatchUp::ByValue { ripe_after_us: i64::MAX }, 0),
            ("by value, 20 rows", by_value, ROWS),
        ] {
            let score = run(&market, catch_up, budget, rows)?;
            println!(
                "| {} | {name} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} |",
                budget.map_or_else(|| "none".to_owned(), |budget| budget.to_string()),
                score.bytes_per_s,
                score.ticks,
                score.tick_seconds,
                score.shown_ticks,
                score.longest_s
            );
        }
    }
    Ok(())
}
