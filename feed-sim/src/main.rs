//! The process: flags, link, source, then the open loop until it is told to stop.

use feed_sim::clock::Clock;
use feed_sim::config::Config;
use feed_sim::event::Source;
use feed_sim::pace::Lateness;
use feed_sim::publish::Publisher;
use feed_sim::simulate::{Options, Simulator};
use feed_sim::{replay, run};
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

/// What was asked cannot be done.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match Config::from_process() {
        Ok(config) => config,
        Err(error) => error.exit(),
    };
    let log = tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_env_filter(&config.log);
    log.init();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    match LocalSet::new().block_on(&runtime, start(&config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::from(USAGE)
}

fn source(config: &Config) -> Result<Box<dyn Source>, String> {
    match &config.data {
        Some(path) => Ok(Box::new(replay::open(path, config.from)?)),
        None => {
            let Config { seed, symbols, rate, depth, .. } = *config;
            Ok(Box::new(Simulator::new(Options { seed, symbols, rate, depth })))
        }
    }
}

async fn start(config: &Config) -> Result<(), String> {
    let stopped = |kind| signal(kind).map_err(|error| error.to_string());
    let (mut terminate, mut interrupt) =
        (stopped(SignalKind::terminate())?, stopped(SignalKind::interrupt())?);
    // The recording is looked at before the bus: a wrong folder is told at once.
    let first = source(config)?;
    let mut publisher = Publisher::connect(&config.nats, config.shards).await?;
    let mut lateness = Lateness::default();
    let ended = tokio::select! {
        ended = publish_again(config, first, &mut publisher, &mut lateness) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    publisher.close().await;
    let published = publisher.published();
    tracing::info!(
        events = lateness.items,
        late_over_2_ms = lateness.over_2_ms,
        late_over_20_ms = lateness.over_20_ms,
        late_us_max = lateness.max_us,
        messages = published.messages,
        publish_failures = published.dropped,
        "stopped"
    );
    ended
}

async fn publish_again(
    config: &Config,
    mut source_now: Box<dyn Source>,
    publisher: &mut Publisher,
    lateness: &mut Lateness,
) -> Result<(), String> {
    loop {
        let clock = Clock::start();
        run::publish(&mut *source_now, publisher, config, clock, lateness, |epoch, instruments| {
            say_ready(epoch, instruments, config.shards);
        })
        .await?;
        source_now = source(config)?;
    }
}

#[expect(clippy::print_stdout, reason = "the one line that callers wait for")]
fn say_ready(feed_epoch: u64, instruments: usize, shards: u16) {
    println!("ready feed_epoch={feed_epoch} instruments={instruments} shards={shards}");
}
