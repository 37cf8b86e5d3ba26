//! A client that goes from one gateway to another: its account has no hole, and what has not moved is not sent again.

use crate::{ask, message, nats, read_until, start, subscribed};
use bench::harness::{Options, Process, Signal, until};
use std::time::Duration;
use tickgate_client::{Channel, Client, Event, Form, Message};
use wire::frame::view::{QUOTE, TRADE};

const BOUND: Duration = Duration::from_secs(20);
const SYMBOLS: usize = 300;

/// Reads until a heartbeat has told a cursor that speaks of all.
async fn reach(client: &mut Client) {
    read_until(client, "a cursor", BOUND, |_, event| match message(event) {
        Some(Message::Heartbeat(beat)) => beat.cursor.as_ref().map(|_| ()),
        _ => None,
    })
    .await;
}

/// Goes on at an address: (channel, symbol) that are unchanged, and bytes of market data until the next cursor.
async fn go_on(client: &mut Client, address: &str) -> (usize, u64) {
    client.reconnect(address).await.unwrap();
    client.hello(None, None).await.unwrap();
    assert!(client.resume().is_some(), "nothing is carried");
    let before = client.counts().bytes;
    for channel in [Channel::Quote, Channel::Trade] {
        client.subscribe(channel, &["*"], 50).await.unwrap();
    }
    let mut unchanged = 0;
    read_until(client, "the cursor of the other gateway", BOUND, |_, event| match message(event) {
        Some(Message::Subscribed(part)) => {
            unchanged += part.resumed.expect("a cursor was given");
            None
        }
        Some(Message::Heartbeat(beat)) => beat.cursor.as_ref().map(|_| ()),
        _ => None,
    })
    .await;
    (unchanged, client.counts().bytes - before)
}

/// Checks that every event is accounted for over all connections, and no period began anew.
fn check(client: &Client, begun: [u64; 2], after: &str) {
    assert!(client.identity_ok(), "{after}");
    for (channel, begun) in [QUOTE, TRADE].into_iter().zip(begun) {
        let account = client.view().account(channel);
        assert_eq!((account.periods, account.broken), (begun, 0), "{after}: {account:?}");
        assert!(account.lost * 100 <= account.published, "{after}: {account:?}");
    }
}

/// Reads what comes until the gateway has ended.
async fn read_out(client: &mut Client, gateway: &mut Process) {
    while !matches!(client.next().await, Event::Closed(_)) {}
    gateway.wait(BOUND).await.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_from_gateway_to_gateway_without_a_hole() {
    if !nats() {
        return;
    }
    let (_alone, mut stack) = start(Options::simulator(u32::try_from(SYMBOLS).unwrap(), 200)).await;
    let (mut client, symbols) = subscribed(&stack, &ask(Form::Compact, 50, "*")).await;
    assert_eq!(symbols.len(), SYMBOLS);
    let (mut second, address) = stack.another_gateway().await.unwrap_or_else(|error| panic!("{error}"));
    // Somebody is there already: its shards are whole when the client comes.
    let wanted = ask(Form::Compact, 50, "*");
    let (mut other, _) = until("the other gateway's symbols", BOUND, || async {
        bench::load::readers::subscribed(&address, &wanted).await.ok()
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"));
    reach(&mut other).await;
    reach(&mut client).await;
    let whole = client.counts().bytes;
    let begun = [QUOTE, TRADE].map(|channel| client.view().account(channel).periods);
    stack.gateway.kill().await;
    let (unchanged, bytes) = go_on(&mut client, &address).await;
    println!(
        "killed: {unchanged} of {} unchanged, {bytes} B until the cursor; {whole} B when all was new",
        2 * SYMBOLS
    );
    check(&client, begun, "after a kill");
    assert!(unchanged > SYMBOLS / 2, "{unchanged}");
    assert!(bytes < whole, "{bytes} B of {whole} B");

    stack.restart_gateway().await.unwrap_or_else(|error| panic!("{error}"));
    stack.ready().await.unwrap_or_else(|error| panic!("{error}"));
    second.signal(Signal::Term);
    read_until(&mut client, "a notice", BOUND, |_, event| match message(event) {
        Some(Message::Notice(notice)) if notice.code == "draining" => {
            assert!(notice.after_ms.is_some_and(|ms| ms > 1_000), "{notice:?}");
            Some(())
        }
        _ => None,
    })
    .await;
    let (unchanged, bytes) = go_on(&mut client, &stack.address).await;
    println!("drained: {unchanged} of {} unchanged, {bytes} B until the cursor", 2 * SYMBOLS);
    check(&client, begun, "after a drain");
    read_out(&mut other, &mut second).await;
}
