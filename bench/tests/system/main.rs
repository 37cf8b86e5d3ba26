//! The whole deployment as processes on a real nats-server. One deployment at a time: the machines of CI are small.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test ends by its panic, and says what it skips"
)]

mod alerts;
mod bus;
mod chaos;
mod cli;
mod edge;
mod faults;
mod flood;
mod going_on;
mod ledger;
mod proxy;
mod round_trip;

use bench::harness::{Options, Stack};
use bench::load::readers::Ask;
use std::time::Duration;
use tickgate_client::{Channel, Client, Event, Form, Message, SymbolInfo, Update};
use tokio::sync::{Semaphore, SemaphorePermit};
use wire::frame::State;

static ONE: Semaphore = Semaphore::const_new(1);

/// Whether there is a nats-server; says so when not, and fails in CI.
fn nats() -> bool {
    if bench::config::nats_server().is_some() {
        return true;
    }
    assert!(!bench::config::in_ci(), "no nats-server in CI");
    println!("skipped: no nats-server");
    false
}

/// A folder of the recordings; says so when it is absent.
fn recording(name: &str) -> Option<std::path::PathBuf> {
    let folder = bench::config::recordings(name);
    if folder.is_none() {
        println!("skipped: no recordings ({name})");
    }
    folder
}

/// One deployment, alone.
async fn start(options: Options) -> (SemaphorePermit<'static>, Stack) {
    let alone = ONE.acquire().await.unwrap();
    (alone, Stack::start(options).await.unwrap_or_else(|error| panic!("{error}")))
}

fn ask(form: Form, interval_ms: u32, symbols: &str) -> Ask {
    Ask {
        form,
        interval_ms,
        symbols: vec![symbols.to_owned()],
        channels: vec![Channel::Quote, Channel::Trade],
    }
}

async fn subscribed(stack: &Stack, ask: &Ask) -> (Client, Vec<SymbolInfo>) {
    bench::load::readers::subscribed(&stack.address, ask).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Reads events until `check` is satisfied; panics after `bound` or when the socket ends.
async fn read_until<R>(
    client: &mut Client,
    what: &str,
    bound: Duration,
    mut check: impl FnMut(&Client, &Event) -> Option<R>,
) -> R {
    let reading = async {
        loop {
            let event = client.next().await;
            if let Event::Closed(closed) = &event {
                panic!("{what}: the socket ended: {closed:?}");
            }
            if let Some(result) = check(client, &event) {
                return result;
            }
        }
    };
    tokio::time::timeout(bound, reading)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {} s", bound.as_secs()))
}

/// How many of the symbols are in one of these states.
fn count_in(client: &Client, symbols: &[SymbolInfo], states: &[State]) -> usize {
    symbols
        .iter()
        .filter(|symbol| client.view().quote(symbol.id).is_some_and(|quote| states.contains(&quote.state)))
        .count()
}

/// Whether an event shows a change of the market.
fn shows_quote(event: &Event) -> bool {
    matches!(event, Event::Data(data)
        if data.updates.iter().any(|update| matches!(update, Update::Quote { events: 1.., .. })))
}

fn message(event: &Event) -> Option<&Message> {
    match event {
        Event::Message(message, _) => Some(message),
        _ => None,
    }
}
