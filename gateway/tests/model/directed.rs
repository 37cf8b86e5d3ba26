//! What random histories meet too rarely, made to happen.

use super::client::{Client, Truth, Wire};
use super::feed::{Publisher, symbol};
use super::random::Random;
use bytes::Bytes;
use gateway::engine::{Engine, EngineConfig};
use gateway::offer::CatchUp;
use gateway::pending::Join;
use std::collections::HashMap;
use wire::control::{Channel, View};
use wire::frame::{Form, State};
use wire::tick::Status;

const SIZE: u32 = 150;

/// A socket fills in the middle of a catch-up; meanwhile low ids move, which that catch-up had already told.
pub(crate) fn a_catch_up_goes_on_from_the_middle() {
    let now_us = 1_700_000_000_000_000;
    let (mut random, mut histories) = (Random(1), HashMap::new());
    let mut publisher = Publisher::new(0, 100, SIZE as usize);
    let config = EngineConfig { shards: 1, catch_up: CatchUp::InTurn, ..EngineConfig::default() };
    let mut engine = Engine::new(config, now_us);
    let wire = Wire::default();
    wire.0.borrow_mut().room = usize::MAX;
    let session = engine.open(wire.clone(), Form::Compact, now_us);
    let mut client = Client::new(Form::Compact, wire.clone(), session);
    engine.define(publisher.definitions(), now_us);
    for _ in 0..10 {
        (0..400).for_each(|_| publisher.event(&mut random, now_us, &mut histories));
        publisher.batch(now_us);
    }
    assert!(engine.snapshot(0, &publisher.snapshot(now_us), now_us).unwrap());
    let slot = engine.slot(session, 0, &View::default(), false, now_us).unwrap();
    for channel in Channel::MARKET {
        let head = format!("\"op\":\"subscribed\",\"channel\":\"{}\",\"slot\":{slot}", channel.word());
        let ids = engine.directory.iter().map(|(id, _)| id).collect();
        engine.join(
            session,
            Join { head, tail: String::new(), channel, slot, ids, max_age_ms: None, resume: None },
            now_us,
        );
    }
    client.keeps_up = false;
    wire.0.borrow_mut().room = 2_000;
    engine.repair(session, None, now_us);
    assert!(engine.outbox(session).unwrap().slots[usize::from(slot)].cursor > 20);
    for _ in 0..200 {
        publisher.event(&mut random, now_us, &mut histories);
    }
    engine.batch(0, &Bytes::from(publisher.batch(now_us)), now_us).unwrap();
    engine.run_due(|| now_us + 1_000);
    wire.0.borrow_mut().room = usize::MAX;
    engine.drain(session, now_us + 1_000);
    engine.run_due(|| now_us + 2_000_000); // settles what came without a change
    let symbols = (0..SIZE).map(|id| (id, symbol(0, id as usize))).collect();
    let epochs = HashMap::new();
    client.read(&Truth { histories: &histories, symbols: &symbols, epochs: &epochs, calm: true });
    for (id, _) in engine.directory.iter() {
        let image = engine.table.row(id).unwrap().image;
        let (quote, trade) = (client.view.quote(id.0).unwrap(), client.view.trade(id.0).unwrap());
        assert_eq!((quote.total, trade.total), (image.quote.ver, image.trade.tc));
    }
    client.check_accounts();
}

/// A client of all symbols of one shard at 50 ms, joined at a moment when all is told.
fn held_by_one(publisher: &mut Publisher, now_us: i64) -> (Engine<Wire>, Client) {
    let mut engine = Engine::new(EngineConfig { shards: 1, ..EngineConfig::default() }, now_us);
    let wire = Wire::default();
    wire.0.borrow_mut().room = usize::MAX;
    let session = engine.open(wire.clone(), Form::Compact, now_us);
    let client = Client::new(Form::Compact, wire, session);
    engine.define(publisher.definitions(), now_us);
    assert!(engine.snapshot(0, &publisher.snapshot(now_us), now_us).unwrap());
    let slot = engine.slot(session, 3, &View::default(), false, now_us).unwrap();
    let head = format!("\"op\":\"subscribed\",\"channel\":\"quote\",\"slot\":{slot}");
    let ids = engine.directory.iter().map(|(id, _)| id).collect();
    engine.join(
        session,
        Join {
            head,
            tail: String::new(),
            channel: Channel::Quote,
            slot,
            ids,
            max_age_ms: Some(200),
            resume: None,
        },
        now_us,
    );
    (engine, client)
}

/// P3: in a quiet market nothing is ever called stale, but a client that asked for it is told of late beats; when the beats end everything is, within the bound.
pub(crate) fn quiet_is_not_stale_for_half_an_hour() {
    const BEAT_US: i64 = 50_000;
    const LATE_US: usize = 300_000; // what a busy machine may add, short of the 400 ms that make it stale
    let begun_us = 1_700_000_000_000_000;
    let (mut random, mut histories) = (Random(7), HashMap::new());
    let mut publisher = Publisher::new(0, 100, 12);
    (0..2_000).for_each(|_| publisher.event(&mut random, begun_us, &mut histories));
    publisher.batch(begun_us);
    let (mut engine, mut client) = held_by_one(&mut publisher, begun_us);
    let symbols = (0..12).map(|id| (id, symbol(0, id as usize))).collect();
    let truth = Truth { histories: &histories, symbols: &symbols, epochs: &HashMap::new(), calm: true };
    let end_us = begun_us + 30 * 60 * 1_000_000;
    let (mut now_us, mut beat_us, mut looks) = (begun_us, begun_us, 0_u64);
    let stale =
        |client: &Client| (0..12).filter(|id| client.view.quote(*id).unwrap().state == State::Stale).count();
    // The source's own silence is a status event of the publisher, not this shard's age.
    let source_stale = |id: u32| {
        let statuses = &truth.histories[&(symbol(0, id as usize), 100)].statuses;
        statuses.last() == Some(&Status::SourceStale)
    };
    let expected = (0..12).filter(|id| source_stale(*id)).count();
    while now_us < end_us {
        if now_us >= beat_us {
            engine.batch(0, &Bytes::from(publisher.batch(now_us)), now_us).unwrap();
            let late = i64::try_from(random.below(LATE_US)).unwrap() * i64::from(random.in_thousand(50));
            beat_us = now_us + BEAT_US + late;
        }
        let due_us = engine.run_due(|| now_us);
        client.read(&truth);
        assert_eq!(stale(&client), expected, "{} s after the begin", (now_us - begun_us) / 1_000_000);
        looks += 1;
        now_us = due_us.min(beat_us).max(now_us + 1);
    }
    assert!(looks > 30 * 60 * 20, "looked at each flush");
    assert!(
        client.aged > 10,
        "beats that were late by more than this client wants: told {} times",
        client.aged
    );
    let silent_us = now_us;
    while stale(&client) < 12 {
        now_us = engine.run_due(|| now_us).max(now_us + 1);
        client.read(&truth);
        assert!(now_us - silent_us <= 500_000, "stale within 500 ms of the last beat");
    }
}

/// An instrument that the publisher lists no more has nobody who proves it: it is stale, whatever its shard is.
pub(crate) fn what_is_listed_no_more_is_stale() {
    let mut now_us = 1_700_000_000_000_000;
    let (mut random, mut histories) = (Random(9), HashMap::new());
    let mut old = Publisher::new(0, 100, 12);
    (0..400).for_each(|_| old.event(&mut random, now_us, &mut histories));
    old.batch(now_us);
    let (mut engine, mut client) = held_by_one(&mut old, now_us);
    let mut new = Publisher::new(0, 200, 6);
    (0..400).for_each(|_| new.event(&mut random, now_us, &mut histories));
    new.batch(now_us);
    engine.define(new.definitions(), now_us);
    assert!(engine.batch(0, &Bytes::from(new.batch(now_us)), now_us).is_ok());
    assert!(engine.snapshot(0, &new.snapshot(now_us), now_us).unwrap());
    let symbols = (0..12).map(|id| (id, symbol(0, id as usize))).collect();
    let truth = Truth { histories: &histories, symbols: &symbols, epochs: &HashMap::new(), calm: true };
    for _ in 0..20 {
        engine.batch(0, &Bytes::from(new.batch(now_us)), now_us).unwrap();
        engine.run_due(|| now_us);
        client.read(&truth);
        now_us += 50_000;
    }
    let state = |id| client.view.quote(id).unwrap().state;
    assert!((6..12).all(|id| state(id) == State::Stale), "listed no more");
    assert!((0..6).any(|id| state(id) != State::Stale), "still listed");
}
