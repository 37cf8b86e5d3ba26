//! Runs one suite's command, shows its output and counts what its runner says.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;

/// Tests of one or several suites.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Passed.
    pub(crate) passed: u64,
    /// Failed, or a suite that could not run.
    pub(crate) failed: u64,
    /// Left out, each said aloud.
    pub(crate) skipped: u64,
}

impl Counts {
    /// Adds another suite.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Whose closing lines to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …`
    Cargo,
    /// `Ran 12 tests in 0.3s` with `FAILED (failures=1, errors=2, skipped=3)` or `OK (skipped=1)`
    Unittest,
    /// TAP of node's own runner: `# pass 3`, `# fail 0`, `# skipped 0`
    Node,
}

impl Runner {
    /// Adds what a line says.
    fn read(self, line: &str, counts: &mut Counts) {
        match self {
            Self::Cargo => {
                if let Some(rest) = line.strip_prefix("test result: ") {
                    counts.passed += before(rest, " passed");
                    counts.failed += before(rest, " failed");
                    counts.skipped += before(rest, " ignored");
                }
                // A test that found its input absent says so and returns; it has not passed.
                if line.trim_start().to_ascii_lowercase().starts_with("skipped:") {
                    counts.skipped += 1;
                    counts.passed = counts.passed.saturating_sub(1);
                }
            }
            Self::Unittest => {
                if let Some(rest) = line.strip_prefix("Ran ") {
                    counts.passed += first_number(rest);
                }
                if line.starts_with("FAILED (") || line.starts_with("OK (") {
                    let failed = after(line, "failures=") + after(line, "errors=");
                    let skipped = after(line, "skipped=");
                    counts.failed += failed;
                    counts.skipped += skipped;
                    counts.passed = counts.passed.saturating_sub(failed + skipped);
                }
            }
            Self::Node => {
                counts.passed += line.strip_prefix("# pass ").map_or(0, first_number);
                counts.failed += line.strip_prefix("# fail ").map_or(0, first_number);
                counts.failed += line.strip_prefix("# cancelled ").map_or(0, first_number);
                counts.skipped += line.strip_prefix("# skipped ").map_or(0, first_number);
            }
        }
    }
}

fn first_number(text: &str) -> u64 {
    let digits: String = text.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn before(text: &str, word: &str) -> u64 {
    text.split_once(word).and_then(|(head, _)| head.rsplit(' ').next()).map_or(0, first_number)
}

fn after(text: &str, word: &str) -> u64 {
    text.split_once(word).map_or(0, |(_, tail)| first_number(tail))
}

/// Runs a suite; a runner that fails without a failed test counts as one.
pub(crate) fn count(mut command: Command, runner: Runner) -> Counts {
    let mut counts = Counts::default();
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = match command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("{program}: {error}");
            return Counts { failed: 1, ..counts };
        }
    };
    let (sender, lines) = sync_channel::<String>(256);
    let mut readers = Vec::new();
    let streams: [Option<Box<dyn std::io::Read + Send>>; 2] = [
        child.stdout.take().map(|stream| Box::new(stream) as Box<dyn std::io::Read + Send>),
        child.stderr.take().map(|stream| Box::new(stream) as Box<dyn std::io::Read + Send>),
    ];
    for stream in streams.into_iter().flatten() {
        let sender = sender.clone();
        readers.push(std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
                let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                bytes.clear();
                if sender.send(line).is_err() {
                    return;
                }
            }
        }));
    }
    drop(sender);
    for line in lines {
        runner.read(&line, &mut counts);
        println!("{line}");
    }
    for reader in readers {
        let _ = reader.join();
    }
    let success = child.wait().is_ok_and(|status| status.success());
    if !success && counts.failed == 0 {
        println!("{program} ended with an error");
        counts.failed = 1;
    }
    if success && counts == Counts::default() {
        println!("{program}: no test ran");
        counts.failed = 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(runner: Runner, text: &str) -> Counts {
        let mut counts = Counts::default();
        for line in text.lines() {
            runner.read(line, &mut counts);
        }
        counts
    }

    #[test]
    fn closing_lines_of_the_three_runners_are_read() {
        let cargo = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
                     test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured\nskipped: no recordings";
        assert_eq!(counted(Runner::Cargo, cargo), Counts { passed: 4, failed: 4, skipped: 2 });
        let python = "Ran 12 tests in 0.300s\n\nFAILED (failures=1, errors=2, skipped=3)";
        assert_eq!(counted(Runner::Unittest, python), Counts { passed: 6, failed: 3, skipped: 3 });
        let python = "Ran 12 tests in 0.300s\n\nOK";
        assert_eq!(counted(Runner::Unittest, python), Counts { passed: 12, failed: 0, skipped: 0 });
        let node = "# tests 5\n# pass 3\n# fail 1\n# cancelled 0\n# skipped 1";
        assert_eq!(counted(Runner::Node, node), Counts { passed: 3, failed: 1, skipped: 1 });
    }
}
