//! One child process: its log in a file, its `ready` line read, signals by its own id, killed when dropped.

use super::{HarnessError, Outcome, READY_WAIT};
use rustix::process::{Pid, kill_process};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

/// Signals that tests send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ends at once.
    Kill,
    /// Asks to end.
    Term,
    /// Freezes.
    Stop,
    /// Goes on.
    Continue,
}

impl From<Signal> for rustix::process::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Kill => Self::KILL,
            Signal::Term => Self::TERM,
            Signal::Stop => Self::STOP,
            Signal::Continue => Self::CONT,
        }
    }
}

/// Lines of a log that a failure shows.
const TAIL_LINES: usize = 25;

/// A started process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    id: u32,
    log: PathBuf,
    ready: Option<oneshot::Receiver<String>>,
}

impl Process {
    /// Starts a program, pinned to a core where asked; its stderr goes to `<folder>/<name>.log`, appended.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        name: &str,
        program: &Path,
        args: &[String],
        core: Option<u32>,
        folder: &Path,
    ) -> Outcome<Self> {
        let log = folder.join(format!("{name}.log"));
        let failed = |error: std::io::Error| HarnessError(format!("{name}: {}: {error}", program.display()));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).map_err(failed)?;
        let mut command = match core {
            Some(core) => {
                // `taskset` becomes the program itself, so that the process id is the program's.
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let id = child.id().ok_or_else(|| HarnessError(format!("{name}: ended at once")))?;
        let (sender, ready) = oneshot::channel();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(async move {
                let mut sender = Some(sender);
                let mut lines = BufReader::new(stdout).lines();
                // Read to the end, so that the child never waits for a full pipe.
                while let Ok(Some(line)) = lines.next_line().await {
                    if line.starts_with("ready")
                        && let Some(sender) = sender.take()
                    {
                        let _ = sender.send(line);
                    }
                }
            });
        }
        Ok(Self { name: name.to_owned(), child, id, log, ready: Some(ready) })
    }

    /// Waits for `ready key=value …` and returns its values.
    ///
    /// # Errors
    /// When it ends before or says nothing in time; with the end of its log.
    pub async fn ready(&mut self) -> Outcome<BTreeMap<String, String>> {
        let Some(ready) = self.ready.take() else { return Ok(BTreeMap::new()) };
        match tokio::time::timeout(READY_WAIT, ready).await {
            Ok(Ok(line)) => Ok(values(&line)),
            Ok(Err(_)) => {
                let status = tokio::time::timeout(Duration::from_secs(2), self.child.wait()).await;
                Err(self.obituary(&format!("ended before it was ready ({status:?})")))
            }
            Err(_) => Err(self.obituary(&format!("not ready within {} s", READY_WAIT.as_secs()))),
        }
    }

    /// Its process id.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Whether it still runs.
    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&mut self, signal: Signal) {
        // The id is ours until the child has been waited for, which only happens below and in `running`.
        if self.running()
            && let Some(pid) = i32::try_from(self.id).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, signal.into());
        }
    }

    /// Kills it and waits until it is gone.
    pub async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }

    /// Asks it to end and waits.
    ///
    /// # Errors
    /// When it does not end within `bound`; it is then killed.
    pub async fn terminate(&mut self, bound: Duration) -> Outcome<ExitStatus> {
        self.signal(Signal::Term);
        self.wait(bound).await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end within `bound`; it is then killed.
    pub async fn wait(&mut self, bound: Duration) -> Outcome<ExitStatus> {
        match tokio::time::timeout(bound, self.child.wait()).await {
            Ok(status) => status.map_err(HarnessError::new),
            Err(_) => {
                let error = self.obituary(&format!("did not end within {} s", bound.as_secs()));
                self.kill().await;
                Err(error)
            }
        }
    }

    /// What it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// An error with the end of its log.
    #[must_use]
    pub fn obituary(&self, what: &str) -> HarnessError {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n  ");
        HarnessError(format!("{} {what}; the end of its log:\n  {tail}", self.name))
    }
}

/// Values of `ready key=value …`.
fn values(line: &str) -> BTreeMap<String, String> {
    line.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Folder;

    fn shell(script: &str, folder: &Folder) -> Process {
        let args = ["-c".to_owned(), script.to_owned()];
        Process::start("sh", Path::new("/bin/sh"), &args, None, folder.path()).unwrap()
    }

    #[tokio::test]
    async fn a_ready_line_gives_its_values_and_a_signal_ends_it() {
        let folder = Folder::new().unwrap();
        let mut process = shell("echo ready http=127.0.0.1:1 x=y; exec sleep 30", &folder);
        let values = process.ready().await.unwrap();
        assert_eq!(values.get("http").map(String::as_str), Some("127.0.0.1:1"));
        let status = process.terminate(Duration::from_secs(5)).await.unwrap();
        assert!(!status.success());
    }

    #[tokio::test]
    async fn an_early_end_shows_the_log() {
        let folder = Folder::new().unwrap();
        let mut process = shell("echo no such thing >&2; exit 2", &folder);
        let error = process.ready().await.unwrap_err().to_string();
        assert!(error.contains("no such thing"), "{error}");
    }
}
