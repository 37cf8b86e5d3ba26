//! The way through, on the simulator and on every recording.

use crate::{ask, nats, read_until, recording, shows_quote, start, subscribed};
use bench::harness::{Feed, Options};
use bench::scenario::e2e::{self, Attached, Plan};
use std::time::Duration;
use tickgate_client::Form;

async fn sound(options: Options) {
    let (_alone, stack) = start(options).await;
    let gateway = Attached { address: stack.address.clone(), pid: Some(stack.gateway.id()) };
    let plan = Plan::standard(Duration::from_secs(4));
    let report = e2e::run(&gateway, &plan).await.unwrap_or_else(|error| panic!("{error}"));
    let text = report.lines.join("\n");
    assert!(report.sound, "{text}\n{}", stack.tails());
    let clients = report.summary["clients"].as_array().unwrap();
    assert_eq!(clients.len(), plan.clients.len());
    for client in clients {
        assert!(client["records"].as_u64().unwrap() > 0, "{text}");
        assert_eq!(client["identity_ok"], true, "{text}");
        assert_eq!(client["errors"].as_array().unwrap().len(), 0, "{text}");
        assert!(client["heartbeats"].as_u64().unwrap() >= 3, "{text}");
        let timed = client["form"] != "compact";
        assert_eq!(client["total_us"].is_object(), timed, "{text}");
    }
    assert_eq!(report.summary["gateway"]["bus_lost"], 0.0, "{text}");
    assert_eq!(report.summary["orders"]["unknown"], 0, "{text}");
    assert_eq!(report.summary["orders"]["acked"], report.summary["orders"]["sent"], "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_accounts_for_every_event_of_the_simulator() {
    if nats() {
        sound(Options::simulator(200, 10_000)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_accounts_for_every_event_of_a_real_day() {
    if let (true, Some(folder)) = (nats(), recording("binance-2024-08-08")) {
        let feed = Feed::Recording { folder, speed: "10".to_owned(), from: None, again: false };
        sound(Options::of(feed)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_recording_is_played_and_accounted() {
    if !nats() {
        return;
    }
    for (name, speed) in
        [("us-equities-2013-10-08", "20"), ("fx-2014-05-08", "200"), ("venues-30s", "1"), ("dbn", "1")]
    {
        let Some(folder) = recording(name) else { continue };
        let feed = Feed::Recording { folder, speed: speed.to_owned(), from: None, again: true };
        let (_alone, stack) = start(Options { orders: false, ..Options::of(feed) }).await;
        let (mut client, symbols) = subscribed(&stack, &ask(Form::Fixed, 50, "*")).await;
        assert!(!symbols.is_empty(), "{name}");
        // The DBN files are a few records each: what they hold comes with the snapshot.
        let wanted = if name == "dbn" { 1 } else { 10 };
        let what = format!("{name}: {wanted} messages with quotes or prints");
        let mut seen = 0;
        read_until(&mut client, &what, Duration::from_secs(20), |_, event| {
            let any = name == "dbn"
                && matches!(event, tickgate_client::Event::Data(data) if !data.updates.is_empty());
            seen += u32::from(any || shows_quote(event) || shows_print(event));
            (seen >= wanted).then_some(())
        })
        .await;
        assert!(client.identity_ok(), "{name}");
        assert_eq!(client.counts().damaged, 0, "{name}");
    }
}

fn shows_print(event: &tickgate_client::Event) -> bool {
    matches!(event, tickgate_client::Event::Data(data)
        if data.updates.iter().any(|update| matches!(update, tickgate_client::Update::Print { .. })))
}
