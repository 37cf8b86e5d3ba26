//! What random histories meet too rarely, made to happen.

use super::client::{Client, Truth, Wire};
use super::feed::{Publisher, symbol};
use super::random::Random;
use bytes::Bytes;
use gateway::engine::{Engine, EngineConfig};
use gateway::lane::Channel;
use gateway::pending::Join;
use std::collections::HashMap;
use wire::frame::Form;

const SIZE: u32 = 150;

/// A socket fills in the middle of a catch-up; meanwhile low ids move, which that catch-up had already told.
pub(crate) fn a_catch_up_goes_on_from_the_middle() {
    let now_us = 1_700_000_000_000_000;
    let (mut random, mut histories) = (Random(1), HashMap::new());
    let mut publisher = Publisher::new(0, 100, SIZE as usize);
    let mut engine = Engine::new(EngineConfig { shards: 1, ..EngineConfig::default() }, now_us);
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
    let slot = engine.slot(session, 0, now_us).unwrap();
    for channel in Channel::ALL {
        let head = format!(
            "\"op\":\"subscribed\",\"channel\":\"{}\",\"slot\":{slot},\"interval_ms\":0,\"phase_us\":0",
            channel.name()
        );
        let ids = engine.directory.iter().map(|(id, _)| id).collect();
        engine.join(session, Join { head, tail: String::new(), channel, slot, ids }, now_us);
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
    client.read(&Truth { histories: &histories, symbols: &symbols, epochs: &epochs });
    for (id, _) in engine.directory.iter() {
        let image = engine.table.row(id).unwrap().image;
        let (quote, trade) = (client.view.quote(id.0).unwrap(), client.view.trade(id.0).unwrap());
        assert_eq!((quote.total, trade.total), (image.quote.ver, image.trade.tc));
    }
    client.check_accounts();
}
