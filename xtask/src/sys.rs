//! What the rest of xtask asks of the machine: clock, environment, signals, errors. The one file that reads them.
#![expect(clippy::disallowed_methods, reason = "this file is xtask's clock and config in one")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A message for the user and the exit code that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One line, or a few.
    pub(crate) message: String,
    /// 1 = something failed, 2 = cannot even start.
    pub(crate) code: u8,
}

/// Result of a command: its exit code.
pub(crate) type Outcome<T = u8> = Result<T, Failure>;

/// Something failed while running.
pub(crate) fn failed(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), code: 1 }
}

/// The command cannot start as asked.
pub(crate) fn refused(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), code: 2 }
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// An environment variable that is set and not empty.
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a continuous-integration run asks that nothing be left out silently.
pub(crate) fn ci() -> bool {
    env("CI").is_some_and(|value| value != "false" && value != "0")
}

/// Waits for one poll interval.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A flag that SIGINT, SIGTERM and SIGHUP set.
#[derive(Debug, Clone)]
pub(crate) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Registers the handlers.
    pub(crate) fn install() -> Outcome<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .map_err(|error| failed(format!("cannot watch for signals: {error}")))?;
        }
        Ok(Self(flag))
    }

    /// Whether one came.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Looks a program up on PATH.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
