//! Command lines: what cannot be meant ends with code 2 and says why; SIGTERM ends cleanly.

use crate::{nats, start};
use bench::harness::{Folder, Options, Process};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

fn run(name: &str, args: &[&str]) -> Output {
    let program = bench::config::binaries().unwrap().join(name);
    Command::new(&program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

#[test]
fn unknown_flags_and_impossible_values_end_with_code_2() {
    for (name, args, word) in [
        ("feed-sim", &["--colour"][..], "--colour"),
        ("gateway", &["--colour"], "--colour"),
        ("order-api", &["--colour"], "--colour"),
        ("bench", &["run", "--colour"], "--colour"),
        ("feed-sim", &["--symbols", "0"], "symbols"),
        ("gateway", &["--shards", "65"], "shards"),
        ("order-api", &["--partition", "9", "--partitions", "1"], "partition"),
        ("feed-sim", &["--data", "/no/such/folder"], "/no/such/folder"),
        ("gateway", &["--page-dir", "/no/such/folder"], "/no/such/folder"),
    ] {
        let output = run(name, args);
        assert_eq!(output.status.code(), Some(2), "{name} {args:?}: {}", said(&output));
        assert!(said(&output).contains(word), "{name} {args:?}: {}", said(&output));
    }
    for name in ["feed-sim", "gateway", "order-api", "bench"] {
        let output = run(name, &["--help"]);
        assert!(output.status.success() && said(&output).contains("Usage"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_recording_is_named_by_file_and_line() {
    if !nats() {
        return;
    }
    let alone = crate::ONE.acquire().await.unwrap();
    let folder = Folder::new().unwrap();
    let nats = bench::harness::Nats::start(folder.path(), None).await.unwrap();
    let data = Folder::new().unwrap();
    let good = r#"{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1.5","B":"2.0","a":"1.6","A":"3.0"}}"#;
    let text =
        format!("1723075200000000000 {good}\n1723075200100000000 {good}\n1723075200200000000 {{oops\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    std::fs::write(data.path().join("spot-btcusdt_20240808.gz"), gzip.finish().unwrap()).unwrap();
    let program = bench::config::binaries().unwrap().join("feed-sim");
    let args = ["--nats", &nats.url(), "--data", &data.path().display().to_string()].map(str::to_owned);
    let mut feed = Process::start("feed-sim", &program, &args, None, folder.path()).unwrap();
    let status = feed.wait(Duration::from_secs(20)).await.unwrap();
    let log = feed.log();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("spot-btcusdt_20240808.gz:3"), "{log}");
    drop(alone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_end_cleanly_when_asked() {
    if !nats() {
        return;
    }
    let (_alone, mut stack) = start(Options::simulator(20, 1_000)).await;
    let (mut client, _) =
        crate::subscribed(&stack, &crate::ask(tickgate_client::Form::Compact, 50, "*")).await;
    let bound = Duration::from_secs(10);
    let status = stack.gateway.terminate(bound).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(status.code(), Some(0), "{}", stack.gateway.log());
    let closed = loop {
        if let tickgate_client::Event::Closed(closed) = client.next().await {
            break closed;
        }
    };
    assert_eq!((closed.code, closed.reconnects()), (1001, true));
    for process in [stack.order_api.as_mut().unwrap(), stack.feed.as_mut().unwrap()] {
        let status = process.terminate(bound).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(status.code(), Some(0), "{}", process.log());
    }
    assert!(Path::new("/proc").join(stack.nats.process().id().to_string()).exists());
}
