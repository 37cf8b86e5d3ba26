//! What fails around a gateway, seen by its clients.

use crate::{ask, count_in, message, nats, read_until, shows_quote, start, subscribed};
use bench::harness::{Options, Signal};
use bench::load::readers::Ask;
use std::time::Duration;
use tickgate_client::{Channel, Client, Event, Form, Message, SymbolInfo};
use wire::frame::State;
use wire::frame::view::QUOTE;

const SYMBOLS: u32 = 40;
const FRESH: [State; 2] = [State::Live, State::Quiet];

async fn all_in(client: &mut Client, symbols: &[SymbolInfo], states: &[State], what: &str, bound: u64) {
    read_until(client, what, Duration::from_secs(bound), |client, _| {
        (count_in(client, symbols, states) == symbols.len()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_outlive_a_killed_broker_and_see_it_as_stale() {
    if !nats() {
        return;
    }
    let (_alone, mut stack) = start(Options::simulator(SYMBOLS, 2_000)).await;
    let (mut client, symbols) = subscribed(&stack, &ask(Form::Compact, 50, "*")).await;
    all_in(&mut client, &symbols, &FRESH, "fresh at first", 10).await;
    stack.nats.kill().await;
    all_in(&mut client, &symbols, &[State::Stale], "stale without a broker", 4).await;
    let frames = client.counts().frames;
    stack.nats.restart().await.unwrap();
    all_in(&mut client, &symbols, &FRESH, "fresh with the broker back", 15).await;
    assert!(client.counts().frames > frames);
    assert!(client.identity_ok(), "{:?}", client.view().account(QUOTE));
    assert_eq!(client.counts().damaged, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_is_stale_and_catches_up() {
    if !nats() {
        return;
    }
    let (_alone, mut stack) = start(Options::simulator(SYMBOLS, 2_000)).await;
    let (mut client, symbols) = subscribed(&stack, &ask(Form::Fixed, 50, "*")).await;
    all_in(&mut client, &symbols, &FRESH, "fresh at first", 10).await;
    stack.nats.process().signal(Signal::Stop);
    all_in(&mut client, &symbols, &[State::Stale], "stale while the broker is frozen", 4).await;
    stack.nats.process().signal(Signal::Continue);
    all_in(&mut client, &symbols, &FRESH, "fresh when it goes on", 15).await;
    assert!(client.identity_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_feed_is_stale_and_a_new_one_begins_a_new_epoch() {
    if !nats() {
        return;
    }
    let (_alone, mut stack) = start(Options::simulator(SYMBOLS, 2_000)).await;
    let (mut client, symbols) = subscribed(&stack, &ask(Form::Fixed, 50, "*")).await;
    all_in(&mut client, &symbols, &FRESH, "fresh at first", 10).await;
    let periods = client.view().account(QUOTE).periods;
    stack.feed.take().unwrap().kill().await;
    all_in(&mut client, &symbols, &[State::Stale], "stale without a feed", 4).await;
    stack.restart_feed().await.unwrap();
    let mut told = false;
    let what = "fresh under a new epoch";
    read_until(&mut client, what, Duration::from_secs(15), |client, event| {
        told |= matches!(message(event), Some(Message::Notice(notice)) if notice.code == "feed_restarted");
        let fresh = count_in(client, &symbols, &FRESH) == symbols.len();
        (fresh && told).then_some(())
    })
    .await;
    let account = client.view().account(QUOTE);
    assert!(account.periods >= periods + symbols.len() as u64, "{account:?}");
    assert!(client.identity_ok(), "{account:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_conflated_and_slows_nobody() {
    if !nats() {
        return;
    }
    let (_alone, stack) = start(Options::simulator(200, 20_000)).await;
    let everything = ask(Form::Json, 10, "*");
    let (mut slow, _) = subscribed(&stack, &everything).await;
    let (mut healthy, _) = subscribed(&stack, &ask(Form::Compact, 10, "*")).await;
    // The slow one is not read at all: its channel fills, then its kernel buffers, then the gateway's one frame.
    let full = Duration::from_secs(20);
    let pushed_back = read_until(&mut healthy, "the gateway to meet a full socket", full, |_, event| {
        matches!(message(event), Some(Message::Heartbeat(_))).then_some(())
    });
    pushed_back.await;
    let mut flushes = 0;
    let mut blocked = 0.0;
    for _ in 0..40 {
        read_until(&mut healthy, "flushes at the healthy reader", Duration::from_secs(5), |_, event| {
            flushes += u32::from(shows_quote(event));
            matches!(message(event), Some(Message::Heartbeat(_))).then_some(())
        })
        .await;
        blocked = stack.metric("gw_sessions_blocked").await.unwrap();
        if blocked > 0.0 && flushes > 200 {
            break;
        }
    }
    assert!(blocked > 0.0, "the slow reader never filled its socket");
    assert!(flushes > 200, "the healthy reader got {flushes} flushes");
    let rss = bench::measure::rss_bytes(stack.gateway.id()).unwrap();
    let mut beats = 0;
    read_until(&mut slow, "the slow reader to catch up", Duration::from_secs(30), |_, event| {
        beats += u32::from(matches!(event, Event::Message(message, at_us)
            if matches!(**message, Message::Heartbeat(ref beat) if at_us - beat.t_us < 200_000)));
        (beats >= 2).then_some(())
    })
    .await;
    let account = slow.view().account(QUOTE);
    assert!(slow.identity_ok() && healthy.identity_ok(), "{account:?}");
    assert!(account.merged > account.delivered, "{account:?}");
    assert_eq!((slow.counts().damaged, healthy.counts().damaged), (0, 0));
    assert!(rss < 200 << 20, "the gateway holds {rss} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_about_market_data_is_answered_and_takes_effect() {
    if !nats() {
        return;
    }
    let (_alone, stack) = start(Options::simulator(SYMBOLS, 2_000)).await;
    let first = Ask { channels: vec![Channel::Quote], ..ask(Form::Compact, 50, "*") };
    let (mut client, symbols) = subscribed(&stack, &first).await;
    let bound = Duration::from_secs(5);
    let names: Vec<&str> = symbols.iter().map(|symbol| symbol.symbol.as_str()).collect();

    let id = client.set_rate(Channel::Quote, &names[..5], 100).await.unwrap();
    let moved = read_until(&mut client, "rate_set", bound, |_, event| match message(event) {
        Some(Message::RateSet(set)) if set.id == Some(id) => Some((set.ids.len(), set.interval_ms)),
        _ => None,
    });
    assert_eq!(moved.await, (5, 100));

    let id = client.unsubscribe(Channel::Quote, &[names[0], "NOPE.SIM"]).await.unwrap();
    let left = read_until(&mut client, "unsubscribed", bound, |_, event| match message(event) {
        Some(Message::Unsubscribed(left)) if left.id == Some(id) => {
            Some((left.ids.clone(), left.rejected.first().map(|one| one.code.clone())))
        }
        _ => None,
    });
    assert_eq!(left.await, (vec![symbols[0].id], Some("unknown_symbol".to_owned())));

    client.pause(true).await.unwrap();
    read_until(&mut client, "paused", bound, |_, event| {
        matches!(message(event), Some(Message::Paused(_))).then_some(())
    })
    .await;
    let frames = client.counts().frames;
    read_until(&mut client, "a heartbeat", bound, |_, event| {
        matches!(message(event), Some(Message::Heartbeat(_))).then_some(())
    })
    .await;
    assert_eq!(client.counts().frames, frames, "data came while paused");
    client.pause(false).await.unwrap();
    read_until(&mut client, "data after the pause", bound, |client, _| {
        (client.counts().frames > frames).then_some(())
    })
    .await;
    let mut beats = 0;
    read_until(&mut client, "two heartbeats", bound, |_, event| {
        beats += u32::from(matches!(message(event), Some(Message::Heartbeat(_))));
        (beats == 2).then_some(())
    })
    .await;
    assert!(client.identity_ok(), "{:?}", client.view().account(QUOTE));
    assert_eq!((client.counts().gaps, client.counts().damaged), (0, 0));
}

/// Waits for a notice about freshness; its reason, empty for `fresh`.
async fn notice(client: &mut Client, code: &str, shard: Option<u16>) -> (u16, String) {
    read_until(client, code, Duration::from_secs(15), |_, event| {
        let Some(Message::Notice(notice)) = message(event) else { return None };
        let about = notice.shard.filter(|about| shard.is_none_or(|shard| shard == *about))?;
        (notice.code == code).then(|| (about, notice.reason.clone().unwrap_or_default()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_told_why_a_shard_is_stale_and_when_it_is_fresh_again() {
    if !nats() {
        return;
    }
    let (_alone, mut stack) = start(Options::simulator(SYMBOLS, 2_000)).await;
    let (mut client, symbols) = subscribed(&stack, &ask(Form::Compact, 50, "*")).await;
    all_in(&mut client, &symbols, &FRESH, "fresh at first", 10).await;
    stack.feed.as_mut().unwrap().signal(Signal::Stop);
    let (shard, reason) = notice(&mut client, "stale", None).await;
    assert_eq!(reason, "feed_silent");
    assert!(symbols.iter().any(|symbol| symbol.shard == shard), "a shard that is held");
    let mut late = Box::pin(Client::connect(&stack.address, Form::Json)).await.unwrap();
    late.hello(None, None).await.unwrap();
    late.subscribe(Channel::Quote, &[&symbols[0].symbol], 100).await.unwrap();
    assert_eq!(notice(&mut late, "stale", Some(symbols[0].shard)).await.1, "feed_silent");
    stack.feed.as_mut().unwrap().signal(Signal::Continue);
    notice(&mut client, "fresh", Some(shard)).await;
    notice(&mut late, "fresh", Some(symbols[0].shard)).await;
    stack.nats.kill().await;
    assert_eq!(notice(&mut client, "stale", None).await.1, "bus_lost");
    stack.nats.restart().await.unwrap();
    all_in(&mut client, &symbols, &FRESH, "fresh with the broker back", 15).await;
}
