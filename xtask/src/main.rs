//! The commands of the README: `cargo xtask run` and `cargo xtask test`, and what helps beside them.
//!
//! Owns processes, tools and counting; knows the services only by their command lines. Never part of the product.
#![expect(clippy::print_stdout, reason = "a command line tool speaks on stdout")]

mod bench;
mod child;
mod docs;
mod doctor;
mod lint;
mod live;
mod nats;
mod run;
mod suites;
mod sys;
mod test;
mod tools;
mod tracked;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tickgate's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build and run everything: nats-server, feed, gateway, orders, page. Ctrl-C ends it.
    Run(run::RunArgs),
    /// Run every test suite; the last line is "N passed, N failed, N skipped".
    Test(test::TestArgs),
    /// Formatting, clippy, file lengths, dependency direction, what must be absent, documents.
    Lint,
    /// Check that the documents' links and commands lead somewhere.
    DocsCheck,
    /// Build the load generator in release and hand it the arguments.
    Bench(bench::BenchArgs),
    /// Break each rule of the core once and see the model test catch it.
    Mutants(bench::MutantsArgs),
    /// Say what is there and what is missing, one line each.
    Doctor,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Lint => lint::run(),
        Command::DocsCheck => docs::run(),
        Command::Bench(args) => bench::bench(&args),
        Command::Mutants(args) => bench::mutants(&args),
        Command::Doctor => doctor::run(),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("xtask: {}", error.message);
            ExitCode::from(error.code)
        }
    }
}
