//! `cargo xtask test`: every suite, one closing line.

use std::path::Path;
use std::process::Command;

use clap::Args;

use crate::nats;
use crate::suites::{Counts, Runner, count};
use crate::sys::{Failure, Outcome, ci, failed, now, root};
use crate::tools;

/// Histories of the engine's model in a full run.
const FULL_HISTORIES: &str = "200000";

/// Arguments of `test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Also the long run of the engine's model: 200,000 histories, a quarter of an hour and more.
    #[arg(long)]
    full: bool,
    /// Leave out what needs nats-server; counted as skipped. Refused when CI is set.
    #[arg(long)]
    no_nats: bool,
}

/// What each part brought, for the last lines.
struct Ledger {
    total: Counts,
    lines: Vec<String>,
}

impl Ledger {
    fn part(&mut self, name: &str, run: impl FnOnce() -> Counts) {
        println!("\n=== {name}");
        let started = now();
        let counts = run();
        self.total.add(counts);
        let Counts { passed, failed, skipped } = counts;
        let seconds = started.elapsed().as_secs();
        self.lines.push(format!(
            "{name:<14} {passed:>5} passed {failed:>3} failed {skipped:>3} skipped {seconds:>5} s"
        ));
    }
}

/// Runs all; exit code 1 when anything failed.
pub(crate) fn run(args: &TestArgs) -> Outcome {
    let nats = find_nats(args)?;
    let mut ledger = Ledger { total: Counts::default(), lines: Vec::new() };
    ledger.part("build", build);
    let built = ledger.total.failed == 0;
    if built {
        ledger.part("rust", || rust(args, nats.as_deref()));
    }
    ledger.part("python", python);
    ledger.part("web", || web(nats.as_deref(), built));
    println!();
    for line in &ledger.lines {
        println!("{line}");
    }
    let Counts { passed, failed, skipped } = ledger.total;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(u8::from(failed > 0))
}

fn find_nats(args: &TestArgs) -> Result<Option<std::path::PathBuf>, Failure> {
    if args.no_nats {
        if ci() {
            return Err(failed("--no-nats is refused when CI is set: nothing is left out there"));
        }
        println!("without nats-server: the tests that need it count as skipped");
        return Ok(None);
    }
    let found = nats::ensure(false)?;
    println!("nats-server {} at {}", found.version, found.path.display());
    Ok(Some(found.path))
}

fn build() -> Counts {
    // One profile for everything: the binaries that the system tests start, then the tests themselves.
    let steps: [(&str, &[&str]); 2] = [
        ("the binaries", &["build", "--workspace", "--bins", "--jobs", "2"]),
        ("the tests", &["test", "--workspace", "--no-run", "--jobs", "2"]),
    ];
    for (what, args) in steps {
        if let Err(error) = tools::cargo_quietly(what, args) {
            println!("{}", error.message);
            return Counts { failed: 1, ..Counts::default() };
        }
    }
    Counts::default()
}

fn rust(args: &TestArgs, nats: Option<&Path>) -> Counts {
    let mut command = tools::cargo();
    command.args(["test", "--workspace", "--no-fail-fast", "--jobs", "2", "--", "--show-output"]);
    match nats {
        Some(path) => command.env("NATS_SERVER_BIN", path),
        // A path that is no file: whoever looks for a server finds none, not even one in `.tools` or on PATH.
        None => command.env("NATS_SERVER_BIN", "none"),
    };
    if args.full {
        command.env("MODEL_HISTORIES", FULL_HISTORIES).arg("--include-ignored");
    }
    count(command, Runner::Cargo)
}

/// A suite that cannot run: an error where nothing may be left out, else one skipped.
fn absent(why: &str) -> Counts {
    println!("skipped: {why}");
    if ci() {
        println!("CI is set: that is a failure");
        return Counts { failed: 1, ..Counts::default() };
    }
    Counts { skipped: 1, ..Counts::default() }
}

fn python() -> Counts {
    if !root().join("clients/python").is_dir() {
        return absent("no clients/python");
    }
    match tools::python_venv() {
        Ok(python) => {
            let mut command = Command::new(python);
            command
                .current_dir(root().join("clients/python"))
                .args(["-m", "unittest", "discover", "-s", "tests"]);
            count(command, Runner::Unittest)
        }
        Err(why) => absent(&why),
    }
}

fn web(nats: Option<&Path>, built: bool) -> Counts {
    let (node, npm) = match tools::node() {
        Ok(found) => found,
        Err(why) => return absent(&why),
    };
    if let Err(why) = tools::build_page(&npm) {
        println!("{why}");
        return Counts { failed: 1, ..Counts::default() };
    }
    let mut counts = node_tests(&node, &["tests/unit"], |_| {});
    let Some(nats) = nats else {
        counts.add(absent("the page's test needs nats-server"));
        return counts;
    };
    if !built {
        return counts;
    }
    match tools::chromium() {
        None => counts.add(absent("Chromium is missing: apt-get install chromium")),
        Some(chromium) => counts.add(node_tests(&node, &["tests/browser"], |command| {
            command.env("CHROMIUM", &chromium).env("NATS_SERVER_BIN", nats);
            command.env("TICKGATE_BIN_DIR", tools::target_dir().join("debug"));
        })),
    }
    counts
}

fn node_tests(node: &Path, folders: &[&str], prepare: impl FnOnce(&mut Command)) -> Counts {
    let web = tools::web();
    let mut command = Command::new(node);
    command.current_dir(&web).args(["--test", "--test-reporter=tap"]);
    for folder in folders {
        let mut files: Vec<_> = std::fs::read_dir(web.join(folder)).into_iter().flatten().flatten().collect();
        files.sort_by_key(std::fs::DirEntry::file_name);
        command.args(
            files
                .iter()
                .map(std::fs::DirEntry::path)
                .filter(|path| path.to_string_lossy().ends_with(".test.mjs")),
        );
    }
    prepare(&mut command);
    count(command, Runner::Node)
}
