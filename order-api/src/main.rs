//! order-api: parses the command line, runs the service until a signal.

use clap::Parser;
use order_api::config::Config;
use order_api::service;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let config = Config::parse();
    if let Err(error) = config.check() {
        tracing_start();
        tracing::error!("{error}");
        return ExitCode::from(2);
    }
    tracing_start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime");
            return ExitCode::FAILURE;
        }
    };
    let partition = config.partition;
    match runtime.block_on(service::run(config, signalled(), |http| say_ready(http, partition))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn tracing_start() {
    let filter = EnvFilter::new("warn,order_api=info");
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).with_ansi(false).init();
}

async fn signalled() {
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("no signals: this process ends only by SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[expect(clippy::print_stdout, reason = "the one line that says where this process serves")]
fn say_ready(http: std::net::SocketAddr, partition: u16) {
    println!("ready http={http} partition={partition}");
}
