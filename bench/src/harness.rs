//! Real processes for tests and measurements: nats-server and the services, on free ports, in a folder of their own,
//! ended and removed when the owner is dropped.
//!
//! Waits are for events (a `ready` line, a file, an answer), each with a bound; a failure shows the ends of the logs.

mod bus;
mod http;
mod nats;
mod process;
mod stack;

pub use bus::bus_latency;
pub use http::{Response, get, metric};
pub use nats::Nats;
pub use process::{Process, Signal};
pub use stack::{ACCOUNTS, Feed, Options, Pins, Stack};

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a process may take until it is ready.
pub const READY_WAIT: Duration = Duration::from_secs(20);

/// Why the harness gave up, with the ends of logs where there are some.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HarnessError(pub String);

impl HarnessError {
    /// From anything that can be shown.
    pub fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

/// Result of the harness.
pub type Outcome<T = ()> = Result<T, HarnessError>;

/// A folder that goes away with its owner.
#[derive(Debug)]
pub struct Folder(PathBuf);

static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Folder {
    /// A new empty folder in the system's place for such.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Outcome<Self> {
        let name = format!("tickgate-{}-{}", std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)
            .map_err(|error| HarnessError(format!("{}: {error}", path.display())))?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until `check` says so, asking it every 10 ms.
///
/// # Errors
/// After `bound`, with `what`.
pub async fn until<F, R>(what: &str, bound: Duration, mut check: F) -> Outcome<R>
where
    F: AsyncFnMut() -> Option<R>,
{
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let waiting = async {
        loop {
            pace.tick().await;
            if let Some(result) = check().await {
                return result;
            }
        }
    };
    tokio::time::timeout(bound, waiting)
        .await
        .map_err(|_| HarnessError(format!("{what}: not within {} s", bound.as_secs())))
}
