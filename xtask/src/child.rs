//! One child process: its own process group, its log in a file, its `ready` line read, its end noticed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::sys::{Outcome, StopFlag, failed, now, pause};

/// How long a child may take to end after SIGTERM.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// Lines of a log shown when its child died.
const TAIL_LINES: usize = 25;

/// A started process.
#[derive(Debug)]
pub(crate) struct Service {
    /// Name for messages.
    pub(crate) name: &'static str,
    child: Child,
    log: PathBuf,
    ready: Receiver<String>,
}

impl Service {
    /// Starts a command; stdout and stderr go to `<folder>/<name>.log`.
    pub(crate) fn start(name: &'static str, mut command: Command, folder: &Path) -> Outcome<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).map_err(|error| failed(format!("{}: {error}", log.display())))?;
        let errors = file.try_clone().map_err(|error| failed(format!("{}: {error}", log.display())))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|error| failed(format!("{name}: {program}: {error}")))?;
        let (sender, ready) = sync_channel(1);
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut file = file;
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if line.starts_with("ready") {
                        // Only the first is waited for; a full channel means that nobody asks any more.
                        let _ = sender.try_send(line.clone());
                    }
                    let _ = writeln!(file, "{line}");
                }
            });
        }
        Ok(Self { name, child, log, ready })
    }

    /// Waits for `ready key=value …` and returns its values.
    pub(crate) fn wait_ready(
        &mut self,
        wait: Duration,
        stop: &StopFlag,
    ) -> Outcome<BTreeMap<String, String>> {
        let until = now() + wait;
        loop {
            match self.ready.recv_timeout(Duration::from_millis(50)) {
                Ok(line) => return Ok(parse_ready(&line)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if let Some(status) = self.ended() {
                return Err(failed(self.obituary(status)));
            }
            if stop.is_set() {
                return Err(failed("stopped while starting"));
            }
            if now() > until {
                return Err(failed(format!(
                    "{} said nothing for {} s; the end of its log:\n{}",
                    self.name,
                    wait.as_secs(),
                    self.tail()
                )));
            }
        }
    }

    /// Its exit status, if it ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What to say when it ended by itself.
    pub(crate) fn obituary(&self, status: ExitStatus) -> String {
        format!("{} ended ({status}); the end of its log:\n{}", self.name, self.tail())
    }

    fn tail(&self) -> String {
        let text =
            fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        lines[from..].iter().map(|line| format!("  {line}\n")).collect()
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }

    /// Asks it to end, waits, and kills its group when it does not. True when it ended by itself with code 0.
    pub(crate) fn stop(&mut self) -> bool {
        if let Some(status) = self.ended() {
            return status.success();
        }
        self.signal(Signal::TERM);
        let until = now() + STOP_WAIT;
        while now() < until {
            if let Some(status) = self.ended() {
                return status.success();
            }
            pause(Duration::from_millis(20));
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        false
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The last resort when a start failed half-way; a stopped child is not signalled again.
        if self.ended().is_none() {
            self.stop();
        }
    }
}

/// Values of `ready key=value …`.
fn parse_ready(line: &str) -> BTreeMap<String, String> {
    line.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_line_gives_its_values() {
        let values = parse_ready("ready http=127.0.0.1:41234 shards=4");
        assert_eq!(values.get("http").map(String::as_str), Some("127.0.0.1:41234"));
        assert_eq!(values.get("shards").map(String::as_str), Some("4"));
    }
}
