//! Orders while gateway, order-api and nats-server are killed in rotation: what clients wrote down beside the log.
//!
//! A client journals every id before it sends it and every answer it reads. At the end each id is definite, and the
//! log holds exactly what the clients were told: nothing lost, nothing doubled, nothing changed.

use crate::{ledger, nats, start};
use bench::harness::{Options, Stack};
use bench::load::readers;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tickgate_client::{Client, Event, Form, Message, NewOrder, Report, Request, now_us};
use tokio::time::Instant;
use wire::control::orders as told;

const SEED: u64 = 20_240_808;
const ORDERS: u64 = 5_000;
const ACCOUNTS: u64 = 4;
const KILLS_EACH: usize = 5;
/// Undecided ids of a client at a time.
const WINDOW: usize = 32;
/// After so long without an answer a client asks again.
const ASK_AGAIN: Duration = Duration::from_millis(1_500);
/// The whole run.
const BOUND: Duration = Duration::from_secs(150);

struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

/// A market to trade in.
#[derive(Debug, Clone)]
struct Market {
    symbol: String,
    bid: i64,
    tick: i64,
    lot: i64,
    price_exponent: i8,
    qty_exponent: i8,
}

#[derive(Debug, Clone)]
enum Act {
    New { side: &'static str, tif: &'static str, qty: String, price: String },
    Cancel { orig: String },
}

/// What one client wrote down.
#[derive(Debug, Default)]
struct Journal {
    acts: BTreeMap<u64, Act>,
    /// Numbers without a definite answer.
    open: HashSet<u64>,
    /// Order id and state by the answer that decided, by number.
    answers: HashMap<u64, (String, Option<String>)>,
    reports: BTreeMap<u64, Report>,
    reconnects: u64,
    asked_again: u64,
}

struct Trader {
    address: String,
    account: String,
    market: Market,
    random: Random,
    journal: Journal,
    decided: Arc<AtomicU64>,
    next: u64,
    last: u64,
}

impl Trader {
    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.account)
    }

    fn number(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&self.account)?.strip_prefix('-')?.parse().ok()
    }

    fn invent(&mut self) -> Act {
        if self.next > 20 && self.random.next(8) == 0 {
            let orig = self.next - 1 - self.random.next(20);
            return Act::Cancel { orig: self.id(orig) };
        }
        let side = if self.random.next(2) == 0 { "buy" } else { "sell" };
        let tif = ["gtc", "gtc", "ioc", "fok", "day"][usize::try_from(self.random.next(5)).unwrap()];
        let steps = i64::try_from(self.random.next(41)).unwrap() - 20;
        let market = &self.market;
        let price = (market.bid + steps * market.tick).max(market.tick);
        let lots = i64::try_from(self.random.next(5)).unwrap() + 1;
        let qty = wire::num::text(lots * market.lot, market.qty_exponent);
        Act::New { side, tif, qty, price: wire::num::text(price, market.price_exponent) }
    }

    async fn send(&self, client: &mut Client, number: u64) -> Result<(), tickgate_client::Error> {
        let (id, cl_ord_id) = (client.id(), self.id(number));
        match &self.journal.acts[&number] {
            Act::New { side, tif, qty, price } => {
                let order = NewOrder {
                    cl_ord_id: &cl_ord_id,
                    symbol: &self.market.symbol,
                    side,
                    ord_type: "limit",
                    tif,
                    qty,
                    price: Some(price),
                };
                client.request(&Request::OrderNew { id, order }).await
            }
            Act::Cancel { orig } => {
                let request = Request::OrderCancel { id, cl_ord_id: &cl_ord_id, orig_cl_ord_id: orig };
                client.request(&request).await
            }
        }
    }

    /// Asks again for everything undecided: every third by `order.resolve`, the others by the same request.
    async fn ask_again(&mut self, client: &mut Client) -> Result<(), tickgate_client::Error> {
        let mut open: Vec<u64> = self.journal.open.iter().copied().collect();
        open.sort_unstable();
        for number in open {
            self.journal.asked_again += 1;
            if number % 3 == 0 {
                let (id, cl_ord_id) = (client.id(), self.id(number));
                client.request(&Request::OrderResolve { id, cl_ord_id: &cl_ord_id }).await?;
            } else {
                self.send(client, number).await?;
            }
        }
        Ok(())
    }

    fn decide(&mut self, id: &str, status: &str, order_id: Option<String>) {
        if let Some(number) = self.number(id)
            && self.journal.open.remove(&number)
        {
            self.journal.answers.insert(number, (status.to_owned(), order_id));
            self.decided.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::OrderReply(reply) if ["stored", "known", "rejected"].contains(&&*reply.outcome) => {
                let order = reply.order.as_ref();
                let order_id = order.and_then(|order| order.order_id.clone());
                self.decide(&reply.cl_ord_id, &reply.outcome, order_id);
            }
            Message::Report(report) => {
                let known = self.journal.reports.insert(report.seq, report.clone());
                assert!(
                    known.is_none_or(|known| known == report),
                    "a report came twice and differs: {report:?}"
                );
                let (id, order_id) = (report.state.cl_ord_id.clone(), report.state.order_id.clone());
                self.decide(&id, &report.state.exec_type, order_id);
            }
            Message::Error(refusal) => {
                assert_eq!(refusal.code, "order_unavailable", "{refusal:?}");
            }
            _ => {}
        }
    }

    /// One connection, until it ends or all is decided.
    async fn connection(&mut self) -> Result<(), tickgate_client::Error> {
        let mut client = Box::pin(Client::connect(&self.address, Form::Compact)).await?;
        let hello = Box::pin(client.hello(None, Some(&self.account)));
        tokio::time::timeout(Duration::from_secs(5), hello)
            .await
            .map_err(|_| tickgate_client::Error::Gone)??;
        self.ask_again(&mut client).await?;
        let mut quiet_since = Instant::now();
        while self.next < self.last || !self.journal.open.is_empty() {
            while self.next < self.last && self.journal.open.len() < WINDOW {
                let (number, act) = (self.next, self.invent());
                // Written down before it is sent: what was sent is never unknown to its sender.
                self.journal.acts.insert(number, act);
                self.journal.open.insert(number);
                self.next += 1;
                self.send(&mut client, number).await?;
            }
            match tokio::time::timeout(Duration::from_millis(200), client.next()).await {
                Ok(Event::Message(message, _)) => {
                    let before = self.journal.open.len();
                    self.take(*message);
                    if self.journal.open.len() < before {
                        quiet_since = Instant::now();
                    }
                }
                Ok(Event::Closed(_)) => return Err(tickgate_client::Error::Gone),
                Ok(Event::Data(_) | Event::Damaged) | Err(_) => {}
            }
            if quiet_since.elapsed() > ASK_AGAIN {
                self.ask_again(&mut client).await?;
                quiet_since = Instant::now();
            }
        }
        let _ = client.close().await;
        Ok(())
    }

    async fn run(mut self) -> (String, Journal) {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        while Box::pin(self.connection()).await.is_err() {
            self.journal.reconnects += 1;
            pace.tick().await;
        }
        (self.account, self.journal)
    }
}

#[derive(Debug, Clone, Copy)]
enum Victim {
    Gateway,
    OrderApi,
    Nats,
}

async fn kill(stack: &mut Stack, victim: Victim) {
    let restarted = match victim {
        Victim::Gateway => {
            stack.gateway.kill().await;
            stack.restart_gateway().await.map(|_| ())
        }
        Victim::OrderApi => {
            stack.order_api.as_mut().unwrap().kill().await;
            stack.restart_orders().await
        }
        Victim::Nats => {
            stack.nats.kill().await;
            stack.nats.restart().await
        }
    };
    restarted.unwrap_or_else(|error| panic!("{victim:?}: {error}"));
}

async fn market(stack: &Stack) -> Market {
    let symbols = readers::all_symbols(&stack.address).await.unwrap();
    let target = bench::scenario::target(&stack.address, &symbols[0]).await.unwrap();
    let number =
        |text: &str, exponent: i8| text.parse::<wire::num::Number>().unwrap().rescale(exponent).unwrap();
    let symbol = &symbols[0];
    Market {
        symbol: symbol.symbol.clone(),
        bid: number(&target.price, symbol.price_exponent) * 10,
        tick: number(&symbol.tick_size, symbol.price_exponent),
        lot: number(&symbol.lot_size, symbol.qty_exponent),
        price_exponent: symbol.price_exponent,
        qty_exponent: symbol.qty_exponent,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_is_lost_or_doubled_while_everything_is_killed_in_rotation() {
    if !nats() {
        return;
    }
    let (_alone, mut stack) = start(Options::simulator(10, 500)).await;
    let market = market(&stack).await;
    let decided = Arc::new(AtomicU64::new(0));
    let traders = (1..=ACCOUNTS).map(|number| Trader {
        address: stack.address.clone(),
        account: format!("A{number}"),
        market: market.clone(),
        random: Random(SEED + number),
        journal: Journal::default(),
        decided: Arc::clone(&decided),
        next: 0,
        last: ORDERS / ACCOUNTS,
    });
    let tasks: Vec<_> = traders.map(|trader| tokio::spawn(trader.run())).collect();
    let begun_us = now_us();
    let work = async {
        let mut random = Random(SEED);
        let mut victims = [Victim::Gateway, Victim::OrderApi, Victim::Nats].repeat(KILLS_EACH);
        for at in (1..victims.len()).rev() {
            victims.swap(at, usize::try_from(random.next(at as u64 + 1)).unwrap());
        }
        let share = ORDERS * 9 / 10 / victims.len() as u64;
        for (at, victim) in (0..).zip(victims) {
            let moment = share * at + random.next(share) + 50;
            let mut pace = tokio::time::interval(Duration::from_millis(2));
            while decided.load(Ordering::Relaxed) < moment {
                pace.tick().await;
            }
            kill(&mut stack, victim).await;
        }
        let mut journals = Vec::new();
        for task in tasks {
            journals.push(task.await.unwrap());
        }
        journals
    };
    let journals = tokio::time::timeout(BOUND, Box::pin(work)).await;
    let journals = journals.unwrap_or_else(|_| {
        panic!("{} of {ORDERS} decided; {}", decided.load(Ordering::Relaxed), "not within the bound")
    });
    let log = ledger::dump(&stack.nats.url()).await;
    log.check();
    let mut seen = 0;
    for (account, journal) in &journals {
        seen += compare(account, journal, &log);
    }
    let sum = |field: fn(&Journal) -> u64| journals.iter().map(|(_, journal)| field(journal)).sum::<u64>();
    println!(
        "{ORDERS} orders, {} kills of each, {:.1} s: {} blocks, {} terms, {seen} reports seen, {} reconnects, {} asked again; 0 lost, 0 doubled",
        KILLS_EACH,
        (now_us() - begun_us) as f64 / 1e6,
        log.blocks,
        log.terms,
        sum(|journal| journal.reconnects),
        sum(|journal| journal.asked_again)
    );
    assert!(log.terms > KILLS_EACH as u64);
}

/// Compares one client's journal with the log; returns how many reports it had seen.
fn compare(account: &str, journal: &Journal, log: &ledger::Log) -> u64 {
    let empty = Vec::new();
    let stored = log.reports.get(account).unwrap_or(&empty);
    assert!(journal.open.is_empty(), "{account}: {} ids without an answer", journal.open.len());
    for number in journal.acts.keys() {
        let id = format!("{account}-{number}");
        let count = log.decisions.get(&(account.to_owned(), id.clone())).copied().unwrap_or(0);
        assert_eq!(count, 1, "{id} stands {count} times in the log");
        let (status, order_id) = &journal.answers[number];
        let report = stored.iter().find(|report| report.cl_ord_id.as_str() == id).unwrap();
        let expected = (report.order_id.number != 0).then(|| report.order_id.to_string());
        assert_eq!(*order_id, expected, "{id} was answered {status}: {report:?}");
    }
    for (owner, id) in log.decisions.keys().filter(|(owner, _)| owner == account) {
        let number: u64 = id.strip_prefix(&format!("{owner}-")).unwrap().parse().unwrap();
        assert!(journal.acts.contains_key(&number), "{id} was never sent");
    }
    for (seq, report) in &journal.reports {
        let stored = &stored[usize::try_from(*seq).unwrap() - 1];
        let text = wire::control::reply::text("report", &told::Report::new(stored));
        let stored: Message = serde_json::from_str(&text).unwrap();
        assert_eq!(stored, Message::Report(report.clone()), "{account}: report {seq} differs from the log");
    }
    journal.reports.len() as u64
}
