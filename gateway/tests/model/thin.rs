//! A session whose budget is far below what moves: nobody starves, and what is on screen comes first.

use super::client::{Client, Truth, Wire};
use super::feed::{Publisher, symbol};
use bytes::Bytes;
use gateway::bits::Bits;
use gateway::engine::{Engine, EngineConfig};
use gateway::pending::Join;
use std::collections::HashMap;
use wire::control::{Channel, View};
use wire::frame::Form;
use wire::instrument::InstrumentId;
use wire::tick::Quote;

const SIZE: usize = 150;
const STEP_US: i64 = 50_000;

/// Times that each symbol was told within `seconds`, and the longest time between two of them, µs. All but symbol 0 move
/// their price at every step; of symbol 0 only the size changes. Rows from 100 to 104 move less, and may be on screen.
pub(crate) fn told(bytes_per_s: u32, visible: &[u32], seconds: i64) -> (Vec<u64>, Vec<i64>) {
    let begun_us = 1_700_000_000_000_000;
    let (mut now_us, mut histories) = (begun_us, HashMap::new());
    let mut publisher = Publisher::new(0, 100, SIZE);
    let mut engine = Engine::new(EngineConfig { shards: 1, ..EngineConfig::default() }, now_us);
    let wire = Wire::default();
    wire.0.borrow_mut().room = usize::MAX;
    let session = engine.open(wire.clone(), Form::Compact, now_us);
    let mut client = Client::new(Form::Compact, wire, session);
    engine.define(publisher.definitions(), now_us);
    assert!(engine.snapshot(0, &publisher.snapshot(now_us), now_us).unwrap());
    let slot = engine.slot(session, 3, &View::default(), false, now_us).unwrap();
    let head = format!("\"op\":\"subscribed\",\"channel\":\"quote\",\"slot\":{slot}");
    let (ids, channel) = (engine.directory.iter().map(|(id, _)| id).collect(), Channel::Quote);
    engine.join(
        session,
        Join { head, tail: String::new(), channel, slot, ids, max_age_ms: None, resume: None },
        now_us,
    );
    engine.set_budget(session, Some(bytes_per_s), now_us);
    let mut rows = Bits::default();
    for id in visible {
        rows.insert(InstrumentId(*id));
    }
    engine.set_visible(session, rows);
    let symbols = (0_u32..).zip((0..SIZE).map(|index| symbol(0, index))).collect();
    let epochs = HashMap::new();
    let (mut times, mut gaps) = (vec![0; SIZE], vec![0; SIZE]);
    let (mut totals, mut told_us) = (vec![0; SIZE], vec![now_us; SIZE]);
    for step in 1..=seconds * 1_000_000 / STEP_US {
        now_us = begun_us + step * STEP_US;
        for index in 0..SIZE {
            let moved = match index {
                0 => 0,
                100..105 => step,
                _ => step * 20,
            };
            let bid = 100_000 + moved;
            publisher.quote(
                index,
                Quote { bid, ask: bid + 2, bid_size: step, ask_size: 1 },
                now_us,
                &mut histories,
            );
        }
        engine.batch(0, &Bytes::from(publisher.batch(now_us)), now_us).unwrap();
        let mut at_us = now_us;
        while at_us < now_us + STEP_US {
            let due_us = engine.run_due(|| at_us);
            assert!(due_us > at_us, "a wake that brings nothing");
            at_us = due_us;
        }
        client.read(&Truth { histories: &histories, symbols: &symbols, epochs: &epochs, calm: true });
        for (index, id) in (0..SIZE).zip(0_u32..) {
            let total = client.view.quote(id).map_or(0, |view| view.total);
            if total != totals[index] {
                (totals[index], times[index]) = (total, times[index] + 1);
                told_us[index] = now_us;
            }
            gaps[index] = gaps[index].max(now_us - told_us[index]);
        }
    }
    client.check_accounts();
    (times, gaps)
}

/// What is worth least is told within two seconds and the time in which half the budget brings everything once.
pub(crate) fn starves_nobody() {
    let (times, gaps) = told(2_000, &[], 60);
    let longest_us = gaps.iter().max().unwrap();
    assert!(*longest_us < 9_000_000, "untold for {longest_us} µs: {gaps:?}");
    assert!(times.iter().all(|times| *times >= 6), "{times:?}");
}

/// Rows on screen are told more often than those that move twenty times as much.
pub(crate) fn looks_at_the_screen_first() {
    let sum = |times: &[u64]| times.iter().sum::<u64>();
    let (hidden, _) = told(3_000, &[], 30);
    let (shown, gaps) = told(3_000, &[100, 101, 102, 103, 104], 30);
    let (before, after) = (sum(&hidden[100..105]), sum(&shown[100..105]));
    assert!(after >= 2 * before, "{after} times on screen, {before} before");
    assert!(gaps.iter().all(|gap| *gap < 9_000_000), "{gaps:?}");
}
