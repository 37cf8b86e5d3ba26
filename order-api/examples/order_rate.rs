//! Orders per second of a running order-api, without gateway and sockets: core requests, half buys, half sells at one
//! price, so that each order is accepted and, on average, filled once. Plays the feed itself: start order-api with
//! `--shards 1`.
//!
//! `cargo run --release -p order-api --example order_rate -- --nats URL [--outstanding 512 | --rate 2000] [--seconds 10]`
//!
//! With `--rate` the loop is open: latency counts from the intended send time. Else it is closed: a reply sends the next.

#![allow(clippy::unwrap_used, reason = "a measuring tool ends at the first error")]

use async_nats::{Client, ConnectOptions};
use clap::Parser;
use futures_util::StreamExt;
use hdrhistogram::Histogram;
use order_api::clock::Clock;
use std::collections::HashMap;
use std::time::Duration;
use wire::order::{Act, OrderReply, Outcome, Side};
use wire::subject;

#[path = "../tests/support"]
mod support {
    #![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared with the tests")]
    pub mod client;
    pub mod feed;
}

#[derive(Debug, Parser)]
struct Args {
    /// NATS server.
    #[arg(long)]
    nats: String,
    /// Requests outstanding in the closed loop.
    #[arg(long, default_value_t = 512)]
    outstanding: u64,
    /// Orders per second of the open loop.
    #[arg(long)]
    rate: Option<u64>,
    /// Measured time.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

struct Load {
    client: Client,
    clock: Clock,
    inbox: String,
    run: i64,
    next: u64,
    /// Intended and real send time of what has no answer yet.
    sent_us: HashMap<u64, (i64, i64)>,
    /// Since the intended time; the open loop's timer of 1 ms is in it.
    latency_us: Histogram<u64>,
    /// Since the real send.
    since_send_us: Histogram<u64>,
    outcomes: HashMap<String, u64>,
}

impl Load {
    async fn send(&mut self, intended_us: i64) {
        let (number, side) = (self.next, if self.next.is_multiple_of(2) { Side::Buy } else { Side::Sell });
        self.next += 1;
        let account = format!("{}{}", if side == Side::Buy { "B" } else { "S" }, number / 2 % 64);
        let act: Act = support::client::limit(&format!("{}-{number}", self.run), side, "1", "100");
        let mut bytes = Vec::with_capacity(96);
        support::client::request(&account, act).encode(&mut bytes);
        self.sent_us.insert(number, (intended_us, self.clock.now_us()));
        let reply_to = format!("{}.{number}", self.inbox);
        self.client.publish_with_reply(subject::order(0), reply_to, bytes.into()).await.unwrap();
    }

    fn received(&mut self, message: &async_nats::Message) {
        let number: u64 = message.subject.rsplit('.').next().unwrap().parse().unwrap();
        let Some((intended_us, sent_us)) = self.sent_us.remove(&number) else { return };
        let since = |start_us: i64| (self.clock.now_us() - start_us).unsigned_abs().max(1);
        self.latency_us.record(since(intended_us)).unwrap();
        self.since_send_us.record(since(sent_us)).unwrap();
        let outcome = match OrderReply::decode(&message.payload) {
            Ok(OrderReply::Decided { outcome: Outcome::Stored, .. }) => "stored".to_owned(),
            Ok(OrderReply::Decided { report, .. }) => format!("{:?}", report.reason),
            _ => "no reply of an order (is order-api running?)".to_owned(),
        };
        *self.outcomes.entry(outcome).or_default() += 1;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args = Args::parse();
    let client = ConnectOptions::new().connect(&args.nats).await.unwrap();
    let feed_client = ConnectOptions::new().connect(&args.nats).await.unwrap();
    let _feed = support::feed::Feed::start(&feed_client).await;
    tokio::time::sleep(Duration::from_secs(2)).await; // the service asks for the market every 250 ms
    let clock = Clock::start();
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(format!("{inbox}.*")).await.unwrap();
    let mut load = Load {
        client,
        clock,
        inbox,
        run: clock.now_us(),
        next: 0,
        sent_us: HashMap::new(),
        latency_us: Histogram::new(3).unwrap(),
        since_send_us: Histogram::new(3).unwrap(),
        outcomes: HashMap::new(),
    };
    let start_us = clock.now_us();
    let end_us = start_us + i64::try_from(args.seconds).unwrap() * 1_000_000;
    match args.rate {
        None => closed(&mut load, &mut answers, args.outstanding, end_us).await,
        Some(rate) => open(&mut load, &mut answers, rate, start_us, end_us).await,
    }
    report(&load, args.seconds);
}

async fn closed(load: &mut Load, answers: &mut async_nats::Subscriber, outstanding: u64, end_us: i64) {
    for _ in 0..outstanding {
        load.send(load.clock.now_us()).await;
    }
    while load.clock.now_us() < end_us {
        let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(5), answers.next()).await else {
            return;
        };
        load.received(&message);
        load.send(load.clock.now_us()).await;
    }
}

async fn open(load: &mut Load, answers: &mut async_nats::Subscriber, rate: u64, start_us: i64, end_us: i64) {
    let mut timer = tokio::time::interval(Duration::from_millis(1));
    loop {
        tokio::select! {
            Some(message) = answers.next() => load.received(&message),
            _ = timer.tick() => {
                let now_us = load.clock.now_us();
                if now_us > end_us + 1_000_000 {
                    return;
                }
                let due_us = |number: u64| start_us + i64::try_from(number * 1_000_000 / rate).unwrap();
                while due_us(load.next) <= now_us.min(end_us) {
                    load.send(due_us(load.next)).await;
                }
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "the result")]
fn report(load: &Load, seconds: u64) {
    let quantiles = |times: &Histogram<u64>| {
        let at = |quantile| times.value_at_quantile(quantile);
        format!("p50 {} p99 {} p99.9 {} max {}", at(0.5), at(0.99), at(0.999), times.max())
    };
    println!(
        "{} answers, {}/s; us since intended {}; since sent {}; unanswered {}; {:?}",
        load.latency_us.len(),
        load.latency_us.len() / seconds,
        quantiles(&load.latency_us),
        quantiles(&load.since_send_us),
        load.sent_us.len(),
        load.outcomes
    );
}
