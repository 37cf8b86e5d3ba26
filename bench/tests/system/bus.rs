//! What a gateway does with bus messages that no publisher of ours sends.

use crate::{ask, count_in, nats, read_until, start, subscribed};
use bench::harness::{Options, READY_WAIT, until};
use std::time::Duration;
use tickgate_client::Form;
use wire::frame::State;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_bus_messages_are_counted_and_the_service_goes_on() {
    if !nats() {
        return;
    }
    let (_alone, mut stack) = start(Options::simulator(40, 2_000)).await;
    let (mut client, symbols) = subscribed(&stack, &ask(Form::Compact, 50, "*")).await;
    let link = async_nats::connect(stack.nats.url()).await.unwrap();
    let mut batches = link.subscribe(wire::subject::tick(0)).await.unwrap();
    let good = futures_util::StreamExt::next(&mut batches).await.unwrap().payload;
    let mut version = good.to_vec();
    version[0] = 99;
    let mut shard = good.to_vec();
    shard[2] = 3;
    let mut kind = good.to_vec();
    kind[1] = 7;
    let bad = [version, shard, kind, good[..20].to_vec(), Vec::new(), vec![0xff; 4_096]];
    for payload in &bad {
        link.publish(wire::subject::tick(0), payload.clone().into()).await.unwrap();
    }
    link.flush().await.unwrap();
    until("six refused messages", READY_WAIT, async || {
        (stack.metric("gw_payloads_bad_total").await.ok()? >= 6.0).then_some(())
    })
    .await
    .unwrap();
    read_until(&mut client, "fresh again", Duration::from_secs(10), |client, _| {
        let fresh = count_in(client, &symbols, &[State::Live, State::Quiet]);
        (fresh == symbols.len()).then_some(())
    })
    .await;
    assert!(client.identity_ok());
    assert!(stack.gateway.running());
    let lines = stack.gateway.log().lines().filter(|line| line.contains("refused")).count();
    assert!(lines <= 3, "logged {lines} lines for one burst");
}
