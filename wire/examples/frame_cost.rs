//! What a record costs, in nanoseconds: encode, gather, read. Run with
//! `cargo run --release -p tickgate-wire --example frame_cost`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement by hand: reads a clock, prints"
)]

use std::hint::black_box;
use std::time::Instant;
use tickgate_wire::cursor::Reader;
use tickgate_wire::frame::compact::{decode, encode, head};
use tickgate_wire::frame::view::{Joined, QUOTE, View};
use tickgate_wire::frame::{Form, Kind, QuoteImage, State, fixed};

/// Symbols of the wire set, and records of one message.
const SET: u32 = 500;
const RECORDS: u32 = 50;
const MESSAGES: u32 = 20_000;

/// Best of five runs, per record.
fn measure(name: &str, mut run: impl FnMut()) {
    let mut best = u128::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..MESSAGES {
            run();
        }
        best = best.min(start.elapsed().as_nanos());
    }
    let tenths = best * 10 / u128::from(MESSAGES * RECORDS);
    println!("{name:<44} {:>4}.{} ns a record", tenths / 10, tenths % 10);
}

/// Images before and after: what 50 ms of Binance look like. Most prices stay, sizes change, about eight events.
fn changes() -> Vec<(QuoteImage, QuoteImage)> {
    let mut seed = 1_u64;
    let mut random = |bound: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(seed >> 40).unwrap_or(0) % bound
    };
    let mut changes = Vec::new();
    for _ in 0..RECORDS {
        let mut base =
            QuoteImage { state: State::Live, feed_epoch: 1_723_075_200_000, ..QuoteImage::default() };
        base.ver = 1_000;
        base.quote.bid = 6_100_000 + random(1_000);
        base.quote.ask = base.quote.bid + 1;
        (base.quote.bid_size, base.quote.ask_size) = (random(1 << 20), random(1 << 20));
        let mut now = base;
        now.ver += 1 + random(12).unsigned_abs();
        if random(10) == 0 {
            let step = random(9) - 4;
            (now.quote.bid, now.quote.ask) = (base.quote.bid + step, base.quote.ask + step);
        }
        now.quote.bid_size = random(1 << 18);
        if random(3) > 0 {
            now.quote.ask_size = random(1 << 18);
        }
        changes.push((base, now));
    }
    changes
}

fn main() {
    let changes = changes();
    let mut arena = Vec::with_capacity(1 << 16);
    measure("compact: encode a delta", || {
        arena.clear();
        for (base, now) in &changes {
            encode::quote(&mut arena, base, now);
        }
        black_box(&arena);
    });
    measure("compact: encode a full", || {
        arena.clear();
        for (_, now) in &changes {
            encode::quote_full(&mut arena, now);
        }
        black_box(&arena);
    });
    let mut records = Vec::new();
    for (base, now) in &changes {
        let mut record = Vec::new();
        encode::quote(&mut record, base, now);
        records.push(record);
    }
    let bytes: usize = records.iter().map(Vec::len).sum();
    println!("{:<44} {:>6} bytes in {RECORDS}", "compact: records without symbols", bytes);
    let ranks: Vec<usize> = (0..RECORDS).map(|n| (n * SET / RECORDS) as usize).collect();
    let plain = |kind, frame| head::Head { kind, slot: 0, frame, tick: 7, lag_us: 310, whole_ns: None };
    let items = ranks.iter().copied().zip(records.iter().map(Vec::as_slice));
    let mut out = Vec::with_capacity(1 << 16);
    measure("compact: gather a message of 50 in 500", || {
        out.clear();
        head::message(&mut out, &plain(Kind::Quote, 1), SET as usize, items.clone());
        black_box(&out);
    });
    measure("compact: read changes", || {
        let mut reader = Reader::new(black_box(&out));
        let Ok(head) = decode::Head::read(&mut reader) else { return };
        let Ok(mut items) = decode::Items::read(reader, head.gaps, SET as usize) else { return };
        let mut sum = 0_i64;
        while let Ok(Some(rank)) = items.next_rank() {
            let Ok(change) = decode::QuoteChange::read(&mut items.records) else { break };
            sum += change.bid + change.ask + change.bid_size + change.ask_size + rank.cast_signed() as i64;
        }
        black_box(sum);
    });
    view(Form::Compact, &out, &changes, &ranks);
    let mut fixed_message = Vec::new();
    let head =
        |kind, frame| fixed::Head { kind, listed: false, slot: 0, frame, ts_flush: 1, watermark: None };
    fixed::header(&mut fixed_message, &head(Kind::Quote, 1));
    for ((_, now), rank) in changes.iter().zip(&ranks) {
        fixed::quote(&mut fixed_message, u32::try_from(*rank).unwrap_or(0), 3, now, true);
    }
    view(Form::Fixed, &fixed_message, &changes, &ranks);
    measure("fixed: encode a quote", || {
        out.clear();
        for (_, now) in &changes {
            fixed::quote(&mut out, 7, 3, now, true);
        }
        black_box(&out);
    });
}

/// A whole view: continuity, state, accounts. The message comes again and again under rising frame numbers.
fn view(form: Form, message: &[u8], changes: &[(QuoteImage, QuoteImage)], ranks: &[usize]) {
    let mut view = View::new(form);
    view.joined(QUOTE, 0, 50, 0, (0..SET).map(|id| Joined { id, has_aggressor: true, has_size: true }));
    let mut full = Vec::new();
    let mut records = Vec::new();
    for ((base, _), rank) in changes.iter().zip(ranks) {
        let mut record = Vec::new();
        match form {
            Form::Compact => encode::quote_full(&mut record, base),
            _ => fixed::quote(&mut record, u32::try_from(*rank).unwrap_or(0), base.ver, base, true),
        }
        records.push(record);
    }
    match form {
        Form::Compact => {
            let head =
                head::Head { kind: Kind::QuoteFull, slot: 0, frame: 1, tick: 7, lag_us: 310, whole_ns: None };
            let items = ranks.iter().copied().zip(records.iter().map(Vec::as_slice));
            head::message(&mut full, &head, SET as usize, items);
        }
        _ => {
            let head = fixed::Head {
                kind: Kind::QuoteFull,
                listed: false,
                slot: 0,
                frame: 1,
                ts_flush: 1,
                watermark: None,
            };
            fixed::header(&mut full, &head);
            records.iter().for_each(|record| full.extend_from_slice(record));
        }
    }
    let mut updates = 0_u64;
    assert!(view.message(&full, &mut |_| {}).is_ok());
    let (mut message, mut frame) = (message.to_vec(), 1_u32);
    measure(&format!("{}: view.message", form.subprotocol()), || {
        frame += 1;
        match form {
            Form::Compact => message[0] = message[0] & 15 | u8::try_from(frame % 16).unwrap_or(0) << 4,
            _ => message[8..12].copy_from_slice(&frame.to_le_bytes()),
        }
        assert!(view.message(black_box(&message), &mut |_| updates += 1).is_ok());
    });
    assert_eq!(updates, u64::from(MESSAGES * RECORDS) * 5, "every record was applied");
}
