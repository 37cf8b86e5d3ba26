//! What is not proven is stale in an answer, also where the table's last judgement says otherwise. Time is paused.

use super::answer;
use crate::auth::Auth;
use crate::bus::{Alarm, Block, Bus, BusError, Peers, Question, Word};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::Asked;
use crate::shell::Shell;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, pending};
use futures_util::stream::LocalBoxStream;
use hyper::HeaderMap;
use serde_json::Value;
use std::rc::Rc;
use std::time::Duration;
use wire::batch::{Header, SnapshotRow, snapshot_message};
use wire::instrument::{Definitions, Instrument};
use zerocopy::FromZeros;

/// A bus that never answers.
struct Silent(Alarm);

type Answer<T> = LocalBoxFuture<'static, Result<T, BusError>>;

impl Bus for Silent {
    fn ticks(&self, _: u16) -> Answer<LocalBoxStream<'static, Bytes>> {
        pending().boxed_local()
    }

    fn snapshot(&self, _: u16) -> Answer<Bytes> {
        pending().boxed_local()
    }

    fn books(&self, _: u16, _: Bytes) -> Answer<Bytes> {
        pending().boxed_local()
    }

    fn definitions(&self, _: u16) -> Answer<Bytes> {
        pending().boxed_local()
    }

    fn order(&self, _: u16, _: Bytes) -> Answer<Bytes> {
        pending().boxed_local()
    }

    fn blocks(&self, _: u16) -> Answer<LocalBoxStream<'static, Block>> {
        pending().boxed_local()
    }

    fn lives(&self, _: u16) -> Answer<LocalBoxStream<'static, Bytes>> {
        pending().boxed_local()
    }

    fn last_block(&self, _: u16) -> Answer<u64> {
        pending().boxed_local()
    }

    fn read_blocks(&self, _: u16, _: u64) -> Answer<LocalBoxStream<'static, Result<Block, BusError>>> {
        pending().boxed_local()
    }

    fn alarm(&self) -> &Alarm {
        &self.0
    }
}

impl Peers for Silent {
    fn hear(&self, _: Word) -> Answer<LocalBoxStream<'static, Bytes>> {
        pending().boxed_local()
    }

    fn say(&self, _: Word, _: Bytes) -> Answer<()> {
        pending().boxed_local()
    }

    fn questions(&self) -> Answer<LocalBoxStream<'static, Question>> {
        pending().boxed_local()
    }

    fn ask_all(&self, _: Bytes) -> Answer<LocalBoxStream<'static, Bytes>> {
        pending().boxed_local()
    }

    fn answer(&self, _: String, _: Bytes) -> Answer<()> {
        pending().boxed_local()
    }
}

fn shell() -> Shell {
    let flags = ["gateway", "--listen", "127.0.0.1:0", "--shards", "1"];
    let config = <Config as clap::Parser>::try_parse_from(flags).unwrap();
    Shell::new(config, Auth::development(Vec::new(), 16), Rc::new(Silent(Alarm::default())), Clock::start())
}

/// A publisher of an epoch lists these symbols and tells its state.
fn publish(shell: &Shell, feed_epoch: u64, symbols: &[&str]) {
    let instrument = |symbol: &&str| Instrument {
        symbol: (*symbol).to_owned(),
        price_exponent: 0,
        qty_exponent: 0,
        tick_size: 1,
        lot_size: 1,
        has_aggressor: true,
        has_size: true,
    };
    let instruments = symbols.iter().map(instrument).collect();
    let now_us = shell.clock.now_us();
    let mut engine = shell.engine.borrow_mut();
    engine.define(Definitions { shard: 0, feed_epoch, revision: 1, instruments }, now_us);
    let mut header = Header::new_zeroed();
    (header.feed_epoch, header.first, header.revision) = (feed_epoch.into(), 1.into(), 1.into());
    // A beat of a new epoch is what makes a reader ask.
    let beat = wire::batch::BatchWriter::default().finish(header);
    engine.batch(0, &beat.into(), now_us).unwrap();
    let rows: Vec<SnapshotRow> = symbols.iter().map(|_| SnapshotRow::new_zeroed()).collect();
    assert!(engine.snapshot(0, &snapshot_message(header, rows.iter()), now_us).unwrap());
}

fn states(shell: &Shell) -> Vec<String> {
    let asked = Asked { path: "/v1/snapshot", query: None, headers: &HeaderMap::new() };
    let body: Value = serde_json::from_slice(&answer(shell, &asked, None).body).unwrap();
    let symbols = body["symbols"].as_array().unwrap();
    symbols.iter().map(|symbol| symbol["quote"]["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_state_that_was_not_judged_since_its_proof_ran_out_is_stale() {
    let shell = shell();
    publish(&shell, 1, &["A.X", "B.X"]);
    assert_eq!(states(&shell), ["live", "live"]);
    tokio::time::advance(Duration::from_millis(400)).await;
    assert_eq!(states(&shell), ["live", "live"]);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(states(&shell), ["stale", "stale"]);
}

#[tokio::test(start_paused = true)]
async fn a_symbol_that_its_publisher_lists_no_more_is_stale() {
    let shell = shell();
    publish(&shell, 1, &["A.X", "B.X"]);
    publish(&shell, 2, &["B.X"]);
    assert_eq!(states(&shell), ["stale", "live"]);
}
