//! `cargo xtask bench` and `cargo xtask mutants`: thin doors to programs that live elsewhere.

use std::process::Command;

use clap::Args;

use crate::nats;
use crate::sys::{Outcome, failed, now, refused};
use crate::tools;

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct BenchArgs {
    /// Handed to the load generator as they are; `--help` lists the scenarios.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Arguments of `mutants`.
#[derive(Debug, Args)]
pub(crate) struct MutantsArgs {
    /// Only these rules (all when none is named).
    names: Vec<String>,
    /// Histories a rule, at most.
    #[arg(long, default_value_t = 200_000)]
    histories: u32,
}

/// Builds in release and runs.
pub(crate) fn bench(args: &BenchArgs) -> Outcome {
    let wants_help = args.rest.iter().any(|word| word == "--help" || word == "-h");
    let build =
        ["build", "--release", "--bins", "-p", "bench", "-p", "feed-sim", "-p", "gateway", "-p", "order-api"];
    tools::cargo_quietly("bench and the services (release)", &build)?;
    let mut command = Command::new(tools::target_dir().join("release/bench"));
    command.args(&args.rest);
    if !wants_help {
        command.env("NATS_SERVER_BIN", nats::ensure(false)?.path);
    }
    let status = command.status().map_err(|error| failed(format!("bench: {error}")))?;
    Ok(exit_code(status))
}

fn exit_code(status: std::process::ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The model test, built so that its rules can be broken.
const MODEL: &[&str] = &["--package", "gateway", "--features", "mutants", "--test", "model"];

fn model() -> Command {
    let mut command = tools::cargo();
    command.args(["test", "--quiet"]).args(MODEL).args([
        "--",
        "--nocapture",
        "every_view_ends_as_the_table",
        "a_thin_session",
    ]);
    command
}

/// Runs the model once per broken rule; each must be caught.
pub(crate) fn mutants(args: &MutantsArgs) -> Outcome {
    let build: Vec<&str> = ["test", "--no-run"].into_iter().chain(MODEL.iter().copied()).collect();
    tools::cargo_quietly("the model test with its switches", &build)?;
    let output = model()
        .env("MODEL_MUTANT", "list")
        .output()
        .map_err(|error| failed(format!("cargo test: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let all: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("mutant ")).map(str::trim).collect();
    if all.is_empty() {
        return Err(failed(format!("the model test lists no mutants:\n{text}")));
    }
    let unknown: Vec<&String> = args.names.iter().filter(|name| !all.contains(&name.as_str())).collect();
    if !unknown.is_empty() {
        return Err(refused(format!("no such mutant: {unknown:?}; there are {}", all.join(", "))));
    }
    let wanted: Vec<&str> = all
        .into_iter()
        .filter(|name| args.names.is_empty() || args.names.iter().any(|asked| asked == name))
        .collect();
    let mut survived = Vec::new();
    for name in &wanted {
        let started = now();
        let caught = is_caught(name, args.histories)?;
        let seconds = started.elapsed().as_secs();
        println!("{name:<34} {} ({seconds} s)", if caught { "caught" } else { "SURVIVED" });
        if !caught {
            survived.push(*name);
        }
    }
    println!("{} of {} caught", wanted.len() - survived.len(), wanted.len());
    Ok(u8::from(!survived.is_empty()))
}

/// Few histories first: most rules are noticed at once, and a run goes on to its end on the other thread.
fn is_caught(name: &str, most: u32) -> Outcome<bool> {
    for histories in [500, 20_000, most].into_iter().filter(|histories| *histories <= most) {
        let output = model()
            .env("MODEL_MUTANT", name)
            .env("MODEL_HISTORIES", histories.to_string())
            .output()
            .map_err(|error| failed(format!("cargo test: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() && text.contains("FAILED") {
            return Ok(true);
        }
    }
    Ok(false)
}
