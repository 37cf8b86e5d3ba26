//! The gateway process: flags, log, socket, bus, signals.

use gateway::bus::Nats;
use gateway::config::Config;
use std::process::ExitCode;
use std::rc::Rc;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Exit code for settings that cannot be used.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match Config::from_process() {
        Ok(config) => config,
        Err(error) => error.exit(),
    };
    let Ok(filter) = EnvFilter::try_new(&config.log) else {
        return refuse(&format!("--log: not a filter: {}", config.log));
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("cannot start: {error}")),
    };
    tokio::task::LocalSet::new().block_on(&runtime, serve(config))
}

async fn serve(config: Config) -> ExitCode {
    let listener = match gateway::listen(config.listen) {
        Ok(listener) => listener,
        Err(error) => return refuse(&format!("--listen {}: {error}", config.listen)),
    };
    let bus = match Nats::connect(&config.nats).await {
        Ok(bus) => bus,
        Err(error) => return refuse(&format!("--nats {}: {error}", config.nats)),
    };
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return refuse("cannot listen for signals");
    };
    let (once, twice) = tokio::sync::oneshot::channel();
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        let _waits = once.send((terminate, interrupt));
    };
    let hurry = async move {
        let Ok((mut terminate, mut interrupt)) = twice.await else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping at once");
    };
    if let Ok(address) = listener.local_addr() {
        announce(address);
    }
    match gateway::run(listener, Rc::new(bus), config, shutdown, hurry).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string()),
    }
}

/// Tells whoever started this process where it listens.
#[expect(clippy::print_stdout, reason = "the one line of output that others read")]
fn announce(address: std::net::SocketAddr) {
    println!("ready http={address}");
}

fn refuse(why: &str) -> ExitCode {
    tracing::error!("{why}");
    eprintln!("gateway: {why}");
    ExitCode::from(USAGE)
}
