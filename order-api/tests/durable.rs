//! On a real nats-server with `sync_interval: always`: whatever is killed, every order has one definite outcome.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use async_nats::Client;
use order_api::log::Log;
use order_api::state::State;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use support::client::{attempt, insist, limit, request};
use support::feed::Feed;
use support::{Nats, OrderApi};
use wire::block::{Block, Effect};
use wire::order::{Act, ExecType, ExecutionReport, OrdStatus, OrderReply, Outcome, Side};

const BINARY: &str = env!("CARGO_BIN_EXE_order-api");
const ACCOUNTS: usize = 8;

async fn connect(nats: &Nats) -> Client {
    async_nats::ConnectOptions::new().connect(&nats.url).await.unwrap()
}

/// The outcome that a client was told, by account and id.
type Told = HashMap<(String, String), (Outcome, ExecutionReport)>;

/// Sends `count` orders of `ACCOUNTS` accounts, buyers and sellers at one price, `width` at a time; resends each
/// until it is answered. `chaos` is called now and then with the number of orders that are done.
async fn load(client: &Client, count: usize, width: usize, mut chaos: impl AsyncFnMut(usize)) -> Told {
    let (mut told, mut tasks, mut next) = (Told::new(), tokio::task::JoinSet::new(), 0);
    while told.len() < count {
        while tasks.len() < width && next < count {
            let (account, id) = (format!("A{}", next % ACCOUNTS), format!("o-{next}"));
            let side = if next % 2 == 0 { Side::Buy } else { Side::Sell };
            let qty = (1 + next % 7).to_string();
            let (client, act) = (client.clone(), limit(&id, side, &qty, "100"));
            tasks.spawn(async move {
                let (reply, _) = insist(&client, &request(&account, act)).await;
                ((account, id), reply)
            });
            next += 1;
        }
        let (key, reply) = tasks.join_next().await.unwrap().unwrap();
        let OrderReply::Decided { outcome, report, .. } = reply else { panic!("{key:?}: {reply:?}") };
        told.insert(key, (outcome, *report));
        if told.len() % 50 == 0 {
            chaos(told.len()).await;
        }
    }
    told
}

/// Reads the whole log, checks it against what clients were told, returns the fold.
async fn judge(client: &Client, told: &Told) -> State {
    let log = Log::open(client, 0, 1, 1).await.unwrap();
    let last = log.last_sequence().await.unwrap();
    let mut state = State::new(0);
    log.fold(&mut state, last).await.unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    for sequence in 1..=last {
        blocks.push(log.block(sequence).await.unwrap());
    }
    assert!(blocks.windows(2).all(|pair| pair[0].writer_epoch <= pair[1].writer_epoch));
    let reports: Vec<ExecutionReport> = (1..)
        .zip(&blocks)
        .flat_map(|(sequence, block)| block.reports(sequence).collect::<Vec<_>>())
        .collect();
    let born: Vec<(String, String)> = reports
        .iter()
        .filter(|report| report.exec_type == ExecType::New)
        .map(|report| (report.account.to_string(), report.cl_ord_id.to_string()))
        .collect();
    let distinct: HashSet<_> = born.iter().collect();
    assert_eq!(distinct.len(), born.len(), "0 doubled");
    for (key, (_, report)) in told {
        assert!(distinct.contains(key), "0 lost: {key:?} was answered {report:?}");
        let stored = reports.iter().any(|stored| {
            let same = (stored.account, stored.report_seq) == (report.account, report.report_seq);
            same && stored.block == report.block && stored.cum_qty == report.cum_qty
        });
        assert!(stored, "a reply that is not in the log: {report:?}");
    }
    let (bought, sold) = fills(&blocks);
    assert_eq!(bought, sold, "both sides of each match are there");
    state
}

/// Quantity bought and sold in matches between clients.
fn fills(blocks: &[Block]) -> (i64, i64) {
    let effects = blocks.iter().flat_map(|block| &block.steps).flat_map(|step| &step.effects);
    effects.fold((0, 0), |(bought, sold), effect| match effect {
        Effect::Execution { report, .. } => match report.terms.map(|terms| terms.side) {
            Some(Side::Buy) => (bought + report.last_qty, sold),
            _ => (bought, sold + report.last_qty),
        },
        _ => (bought, sold),
    })
}

/// The open orders that the process tells are those of the fold.
async fn same_as_live(client: &Client, state: &State) {
    for account in (0..ACCOUNTS).map(|number| format!("A{number}")) {
        let (reply, _) = insist(client, &request(&account, Act::Open)).await;
        let OrderReply::Open { orders, report_seq, .. } = reply else { panic!("{reply:?}") };
        let folded = state.account(&account.parse().unwrap()).unwrap();
        assert_eq!(report_seq, folded.report_seq());
        let live: Vec<(u64, i64)> = orders.iter().map(|o| (o.order_id.number, o.leaves_qty)).collect();
        let kept: Vec<(u64, i64)> =
            folded.open().iter().map(|n| (*n, state.order(*n).unwrap().leaves_qty())).collect();
        assert_eq!(live, kept, "{account}");
    }
}

/// Waits until the service knows the feed's instrument: a probe order far from any price is accepted.
async fn market_is_known(client: &Client) {
    for attempt in 0..500 {
        let probe = limit(&format!("probe-{attempt}"), Side::Buy, "1", "0.05");
        if let (OrderReply::Decided { outcome: Outcome::Stored, .. }, _) =
            insist(client, &request("P", probe)).await
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the service never learned the instrument");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_is_killed_under_load_and_nothing_is_lost_or_doubled() {
    let Some(nats) = Nats::start() else { return };
    let client = connect(&nats).await;
    let _feed = Feed::start(&client).await;
    let mut service = Some(OrderApi::start(BINARY, &nats));
    market_is_known(&client).await;
    let mut kills = 0;
    let told = load(&client, 3_000, 64, async |done| {
        if done / 400 > kills {
            kills += 1;
            service.take().unwrap().kill();
            service = Some(OrderApi::start(BINARY, &nats));
            market_is_known(&client).await;
        }
    })
    .await;
    assert!(kills >= 5);
    let refused = told.values().filter(|(outcome, _)| *outcome == Outcome::Rejected).count();
    assert_eq!(refused, 0, "each instrument was known");
    let state = judge(&client, &told).await;
    same_as_live(&client, &state).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_killed_under_load_and_comes_back_on_its_store() {
    let Some(mut nats) = Nats::start() else { return };
    let client = connect(&nats).await;
    let _feed = Feed::start(&client).await;
    let service = OrderApi::start(BINARY, &nats);
    market_is_known(&client).await;
    let mut kills = 0;
    let told = load(&client, 1_500, 64, async |done| {
        if done / 400 > kills {
            kills += 1;
            nats.kill();
            nats.restart();
        }
    })
    .await;
    assert!(kills >= 3);
    let state = judge(&client, &told).await;
    same_as_live(&client, &state).await;
    drop(service);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_the_older_one_is_fenced_and_stands_by() {
    let Some(nats) = Nats::start() else { return };
    let client = connect(&nats).await;
    let _feed = Feed::start(&client).await;
    let older = OrderApi::start(BINARY, &nats);
    market_is_known(&client).await;
    older.signal("-STOP");
    let newer = OrderApi::start(BINARY, &nats);
    market_is_known(&client).await;
    let told = load(&client, 200, 16, async |_| {}).await;
    older.signal("-CONT");
    let more = load_named(&client, 400).await;
    let state = judge(&client, &told.into_iter().chain(more).collect()).await;
    assert_eq!(state.voided(), 0, "the fence lets no block of the older one through");
    let epoch = state.writer_epoch();
    newer.kill();
    let (reply, _) = insist(&client, &request("Z", limit("z-1", Side::Buy, "1", "0.05"))).await;
    assert!(matches!(reply, OrderReply::Decided { outcome: Outcome::Stored | Outcome::Rejected, .. }));
    let state = judge(&client, &Told::new()).await;
    assert!(state.writer_epoch() > epoch, "who stood by leads when the other is gone");
    drop(older);
}

/// Orders that two writers may both hear: some attempts get no answer, resending decides.
async fn load_named(client: &Client, count: usize) -> Told {
    let mut told = Told::new();
    for number in 0..count {
        let (account, id) = (format!("A{}", number % ACCOUNTS), format!("late-{number}"));
        let (reply, _) = insist(client, &request(&account, limit(&id, Side::Buy, "1", "90"))).await;
        let OrderReply::Decided { outcome, report, .. } = reply else { panic!("{reply:?}") };
        told.insert((account, id), (outcome, *report));
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orders_life_from_the_quote_to_the_restart() {
    let Some(nats) = Nats::start() else { return };
    let client = connect(&nats).await;
    let feed = Feed::start(&client).await;
    let service = OrderApi::start(BINARY, &nats);
    market_is_known(&client).await;
    feed.quote([9_990, 10_000, 5, 5]).await;
    let order = request("A0", limit("c-1", Side::Buy, "8", "100.00"));
    let first = filled(&client, "c-1", &order, 5).await;
    assert_eq!((first.ord_status, first.leaves_qty), (OrdStatus::PartiallyFilled, 3));
    feed.quote([9_990, 10_000, 5, 2]).await;
    filled(&client, "c-1", &order, 7).await;
    feed.quote([9_980, 9_985, 5, 9]).await;
    let done = filled(&client, "c-1", &order, 8).await;
    assert_eq!(done.avg_price().unwrap().to_string(), "100");
    service.kill();
    let service = OrderApi::start(BINARY, &nats);
    let (again, _) = insist(&client, &order).await;
    let OrderReply::Decided { outcome: Outcome::Known, report, .. } = again else { panic!("{again:?}") };
    assert_eq!(*report, done, "the same answer from the log, after a restart");
    let unknown = request("A0", Act::Status { cl_ord_id: "c-9".parse().unwrap() });
    assert!(matches!(insist(&client, &unknown).await.0, OrderReply::NotKnown { .. }));
    let resolve = request("A0", Act::Resolve { cl_ord_id: "c-9".parse().unwrap() });
    let (burned, _) = insist(&client, &resolve).await;
    assert!(matches!(burned, OrderReply::Decided { outcome: Outcome::Rejected, .. }), "{burned:?}");
    let late = request("A0", limit("c-9", Side::Buy, "1", "100"));
    let (late, _) = insist(&client, &late).await;
    assert!(matches!(late, OrderReply::Decided { outcome: Outcome::Known, .. }), "{late:?}");
    service.signal("-TERM");
    assert!(service.wait().success());
    assert!(attempt(&client, &order).await.is_none(), "no writer, no responder");
}

/// Repeats an order until so much of it is filled.
async fn filled(
    client: &Client,
    id: &str,
    order: &wire::order::OrderRequest,
    cum_qty: i64,
) -> ExecutionReport {
    for _ in 0..500 {
        let (reply, _) = insist(client, order).await;
        let OrderReply::Decided { report, .. } = reply else { panic!("{id}: {reply:?}") };
        if report.cum_qty >= cum_qty {
            assert_eq!(report.cum_qty, cum_qty);
            return *report;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} was never filled to {cum_qty}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_tells_readiness_and_durability() {
    let Some(nats) = Nats::start() else { return };
    let service = OrderApi::start(BINARY, &nats);
    let ask = |path: &str| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&service.http).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    };
    let ready = support::within(Duration::from_secs(10), || {
        ask("/readyz").filter(|text| text.contains("sync_always"))
    });
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    assert!(ask("/metrics").unwrap().contains("order_api_blocks_total"));
    assert!(ask("/healthz").unwrap().contains("ok"));
    assert!(ask("/x").unwrap().starts_with("HTTP/1.1 404"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_count_of_partitions_is_an_error() {
    let Some(nats) = Nats::start() else { return };
    drop(OrderApi::start(BINARY, &nats));
    let output =
        std::process::Command::new(BINARY).args(["--nats", &nats.url, "--partitions", "2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("count of partitions"), "{said}");
}
