//! More connections than a gateway has descriptors for (safety figure R14).

use crate::{ask, nats, read_until, shows_quote, start};
use bench::harness::{Options, Stack, until};
use bench::load::readers;
use bench::measure::cpu_s;
use std::time::Duration;
use tickgate_client::{Client, Error, Form, SymbolInfo};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Connections in all, and of these at a time.
const FLOOD: (usize, usize) = (20_000, 1_000);

/// How long the CPU is looked at while there is no room.
const LOOK: Duration = Duration::from_secs(2);

/// What an idle connection was told; it is kept open for as long as the answer lives.
async fn idle(address: String) -> (Option<TcpStream>, bool) {
    let Ok(mut stream) = TcpStream::connect(&address).await else { return (None, false) };
    let mut told = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(1), stream.read_exact(&mut told)).await;
    let full = matches!(read, Ok(Ok(_))) && &told == b"HTTP/1.1 503";
    (Some(stream), full)
}

/// Connects so many idle clients at once; those that are neither told nor refused are inside.
async fn wave(address: &str, count: usize) -> (Vec<TcpStream>, usize) {
    let mut tasks = JoinSet::new();
    (0..count).for_each(|_| drop(tasks.spawn(idle(address.to_owned()))));
    let all = tasks.join_all().await;
    let told = all.iter().filter(|(_, full)| *full).count();
    (all.into_iter().filter_map(|(stream, _)| stream).collect(), told)
}

/// A client that got in.
async fn served(stack: &Stack, bound: Duration) -> (Client, Vec<SymbolInfo>) {
    let wanted = ask(Form::Compact, 50, "*");
    let trying =
        until("a client served", bound, async || readers::subscribed(&stack.address, &wanted).await.ok());
    trying.await.unwrap_or_else(|error| panic!("{error}\n{}", stack.tails()))
}

/// Floods a gateway that has this many descriptors; returns how many were told that there is no room.
async fn flood(descriptors: u32) {
    let options = Options::simulator(20, 1_000);
    let (_alone, stack) =
        start(Options { orders: false, gateway_descriptors: Some(descriptors), ..options }).await;
    // The harness' own last question may still hold the only place.
    let (mut healthy, _) = served(&stack, Duration::from_secs(5)).await;
    let pid = stack.gateway.id();
    let bound = Duration::from_secs(5);
    let (mut inside, mut told) = wave(&stack.address, FLOOD.1).await;
    for _ in 1..FLOOD.0 / FLOOD.1 {
        let (streams, more) = wave(&stack.address, FLOOD.1).await;
        told += more;
        drop(streams);
        read_until(&mut healthy, "quotes in the flood", bound, |_, event| shows_quote(event).then_some(()))
            .await;
    }
    assert!(told >= FLOOD.0 * 9 / 10, "{told} of {} were told", FLOOD.0);
    // Whoever comes now is told at once, or served.
    let newcomer =
        tokio::time::timeout(Duration::from_secs(1), Client::connect(&stack.address, Form::Compact));
    let newcomer = newcomer.await.expect("a newcomer is answered at once");
    // The 503 may come before the request is out: then the client's HTTP calls it no answer to anything.
    let sent_away = matches!(newcomer, Ok(_) | Err(Error::Status(503) | Error::Handshake(_)));
    assert!(sent_away, "{:?}", newcomer.err());
    let (again, _) = wave(&stack.address, FLOOD.1).await;
    inside.extend(again);
    let before = cpu_s(pid).unwrap();
    tokio::time::sleep(LOOK).await;
    let share = (cpu_s(pid).unwrap() - before) / LOOK.as_secs_f64();
    assert!(share < 0.5, "{share:.2} core while there is no room");
    println!("{descriptors} descriptors: {told} of {} told, {share:.3} core while there is no room", FLOOD.0);
    read_until(&mut healthy, "quotes after the flood", bound, |_, event| shows_quote(event).then_some(()))
        .await;
    assert!(healthy.identity_ok());
    drop(healthy);
    // The idle ones still hold on: it is the gateway that gets rid of them.
    let (_client, symbols) = served(&stack, Duration::from_secs(10)).await;
    assert_eq!(symbols.len(), 20);
    drop(inside);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_idle_connections_is_told_and_passes() {
    if nats() {
        flood(128).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_told_also_without_a_descriptor() {
    if nats() {
        flood(20).await;
    }
}
