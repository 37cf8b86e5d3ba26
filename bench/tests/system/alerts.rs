//! Alerts while order-api is killed: each fires once, in the log and at each session; and who is connected where.

use crate::{ledger, nats, read_until, start};
use bench::harness::{Options, Stack};
use bench::load::readers;
use std::collections::BTreeMap;
use std::time::Duration;
use tickgate_client::{Alert, AlertCondition, Client, Event, Form, Message, NewAlert, Request};
use tokio::time::Instant;
use wire::alert::{AlertReport, AlertState};

const ALERTS: usize = 120;
const KILLS: usize = 4;

async fn session(address: &str, account: &str) -> Client {
    let mut client = Box::pin(Client::connect(address, Form::Compact)).await.unwrap();
    Box::pin(client.hello(Some("desk"), Some(account))).await.unwrap();
    client
}

/// Sets alerts around the present price, resending each until it is answered.
async fn set_all(client: &mut Client, symbol: &str, price: i64, exponent: i8, tick: i64, round: usize) {
    let per_round = ALERTS / KILLS;
    let mut open: BTreeMap<String, (bool, String)> = (0..per_round)
        .map(|number| {
            let steps = i64::try_from(number / 2).unwrap() % 6;
            let level = if number % 2 == 0 { price + steps * tick } else { price - steps * tick };
            (format!("a-{round}-{number}"), (number % 2 == 0, wire::num::text(level, exponent)))
        })
        .collect();
    while !open.is_empty() {
        for (cl_alert_id, (up, level)) in &open {
            let crosses = if *up { "up" } else { "down" };
            let condition = AlertCondition::Bid { crosses, level };
            let alert = NewAlert { cl_alert_id, symbol, condition, expires_us: None, note: Some("system") };
            client.alert(alert).await.unwrap();
        }
        let mut left = open.len();
        read_until(client, "answers to alerts", Duration::from_secs(20), |_, event| {
            match event {
                Event::Message(message, _) => match &**message {
                    Message::AlertReply(reply) => {
                        left -= 1;
                        if reply.outcome != "unknown" {
                            open.remove(&reply.cl_alert_id);
                        }
                    }
                    Message::Error(refusal) => {
                        assert_eq!(refusal.code, "order_unavailable", "{refusal:?}");
                        left -= 1;
                    }
                    _ => {}
                },
                Event::Data(_) | Event::Damaged | Event::Closed(_) => {}
            }
            (left == 0).then_some(())
        })
        .await;
    }
}

/// What a session is told of its alerts up to a report, by report number; nothing twice.
async fn told(client: &mut Client, until_seq: u64) -> BTreeMap<u64, Alert> {
    let mut told = BTreeMap::new();
    read_until(client, "every alert", Duration::from_secs(20), |_, event| {
        if let Event::Message(message, _) = event
            && let Message::Alert(alert) = &**message
        {
            assert_eq!(told.insert(alert.seq, alert.clone()), None, "told twice: {alert:?}");
        }
        (told.len() as u64 >= until_seq).then_some(())
    })
    .await;
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_fires_once_though_its_writer_is_killed() {
    if !nats() {
        return;
    }
    let (_alone, mut stack) = start(Options::simulator(5, 2_000)).await;
    let symbols = readers::all_symbols(&stack.address).await.unwrap();
    let symbol = &symbols[0];
    let number =
        |text: &str| text.parse::<wire::num::Number>().unwrap().rescale(symbol.price_exponent).unwrap();
    let tick = number(&symbol.tick_size);
    let mut setter = session(&stack.address, "A1").await;
    let mut watcher = session(&stack.address, "A1").await;
    for round in 0..KILLS {
        let price = best_bid(&stack, &symbol.symbol).await;
        set_all(&mut setter, &symbol.symbol, price, symbol.price_exponent, tick, round).await;
        // No pause: what is decided and not stored dies with it.
        stack.order_api.as_mut().unwrap().kill().await;
        stack.restart_orders().await.unwrap_or_else(|error| panic!("{error}"));
    }
    let log = settled(&mut stack).await;
    let mut states: BTreeMap<&str, Vec<AlertState>> = BTreeMap::new();
    log.iter().for_each(|report| states.entry(report.cl_alert_id.as_str()).or_default().push(report.state));
    assert_eq!(states.len(), ALERTS);
    for (id, states) in &states {
        let good = [&[AlertState::Standing][..], &[AlertState::Standing, AlertState::Fired]];
        assert!(good.contains(&states.as_slice()), "{id}: {states:?}");
    }
    let fired = log.len() - ALERTS;
    // This session lived through it all: it is told the whole log, once.
    let seen = told(&mut watcher, log.len() as u64).await;
    for (report, (seq, alert)) in log.iter().zip(&seen) {
        assert_eq!((report.report_seq, report.block), (*seq, alert.block));
        assert_eq!(report.cl_alert_id.as_str(), alert.state.cl_alert_id);
        assert_eq!((report.state.word(), alert.state.note.as_deref()), (&*alert.state.state, Some("system")));
    }
    println!("{ALERTS} alerts, {KILLS} kills: {fired} fired, each once; {} told", seen.len());
}

async fn best_bid(stack: &Stack, symbol: &str) -> i64 {
    let path = format!("/v1/snapshot?symbols={symbol}");
    bench::harness::until("a bid", Duration::from_secs(10), async || {
        let answer = bench::harness::get(&stack.address, &path).await.ok()?;
        let body: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
        let bid = body["symbols"][0]["quote"]["bid"].as_str()?;
        let number = bid.parse::<wire::num::Number>().ok()?;
        Some(number.mantissa)
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"))
}

/// The log when many have fired and the feed is silent, so that nothing more comes true.
async fn settled(stack: &mut Stack) -> Vec<AlertReport> {
    let (url, bound) = (stack.nats.url(), Duration::from_secs(30));
    let many = bench::harness::until("alerts that fire", bound, async || {
        (ledger::alerts(&url).await.len() > ALERTS + ALERTS / 4).then_some(())
    });
    many.await.unwrap_or_else(|error| panic!("{error}"));
    stack.feed.as_mut().unwrap().kill().await;
    let (mut last, mut since) = (0, Instant::now());
    let quiet = bench::harness::until("a silent log", bound, async || {
        let log = ledger::alerts(&url).await;
        if log.len() != last {
            (last, since) = (log.len(), Instant::now());
        }
        (since.elapsed() > Duration::from_millis(1_500)).then_some(log)
    });
    quiet.await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_reaches_every_gateway_and_a_frozen_one_is_named() {
    if !nats() {
        return;
    }
    let gateway_args = vec!["--demo-operators".to_owned(), "A8".to_owned()];
    let options = Options { gateway_args, orders: false, ..Options::simulator(5, 100) };
    let (_alone, stack) = start(options).await;
    let (mut second, address) = stack.another_gateway().await.unwrap_or_else(|error| panic!("{error}"));
    let mut operator = session(&stack.address, "A8").await;
    let mut far = session(&address, "A2").await;
    let bound = Duration::from_secs(10);
    // A second after its start every gateway has beaten, and listens.
    for _ in 0..2 {
        read_until(&mut far, "a heartbeat", bound, |_, event| match event {
            Event::Message(message, _) if matches!(**message, Message::Heartbeat(_)) => Some(()),
            _ => None,
        })
        .await;
    }
    let request = Request::NoticeSend { id: 1, text: "soon", account: None };
    operator.request(&request).await.unwrap();
    for client in [&mut operator, &mut far] {
        let said = read_until(client, "the notice", bound, |_, event| match event {
            Event::Message(message, _) => match &**message {
                Message::Notice(notice) if notice.code == "operator" => Some(notice.clone()),
                _ => None,
            },
            _ => None,
        })
        .await;
        assert_eq!((said.text.as_deref(), said.from.as_deref()), (Some("soon"), Some("A8")));
    }
    let list = sessions(&mut operator).await;
    assert_eq!((list.gateways.unwrap().len(), list.sessions.len()), (2, 2));
    assert_eq!(list.missing.unwrap(), Vec::<String>::new());
    let far_gateway = list.sessions.iter().find(|one| one.account.as_deref() == Some("A2")).unwrap();
    second.signal(bench::harness::Signal::Stop);
    let after = sessions(&mut operator).await;
    second.signal(bench::harness::Signal::Continue);
    assert_eq!(after.missing.unwrap(), std::slice::from_ref(&far_gateway.gateway));
    assert_eq!(after.sessions.len(), 1);
    second.kill().await;
}

async fn sessions(operator: &mut Client) -> tickgate_client::Sessions {
    let id = operator.id();
    operator.request(&Request::Sessions { id, account: None }).await.unwrap();
    read_until(operator, "sessions", Duration::from_secs(5), |_, event| match event {
        Event::Message(message, _) => match &**message {
            Message::Sessions(list) if list.id == Some(id) && !list.more => Some(list.clone()),
            _ => None,
        },
        _ => None,
    })
    .await
}
