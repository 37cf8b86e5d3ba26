//! What the tests on a real nats-server share: the server, the service as a process, a feed, a client.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

pub mod client;
pub mod feed;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The binary, or `None` after saying that the test is skipped. Under CI a missing binary is a failure.
pub fn nats_binary() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // One that is named counts alone, even when it is no file: so a run without a server can be asked for.
    let named = std::env::var_os("NATS_SERVER_BIN").map(PathBuf::from);
    let local = root.join(".tools/nats/bin/nats-server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let found = match named {
        Some(named) => Some(named).filter(|path| path.is_file()),
        None => std::iter::once(local).chain(on_path).find(|path| path.is_file()),
    };
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no nats-server: set NATS_SERVER_BIN");
        println!("skipped: no nats-server; set NATS_SERVER_BIN");
    }
    found
}

/// A nats-server with its own store, synced at each write.
pub struct Nats {
    binary: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
    port: i32,
    pub url: String,
    pub monitor: String,
}

impl Nats {
    pub fn start() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let binary = nats_binary()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("order-api-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut nats =
            Self { binary, folder, child: None, port: -1, url: String::new(), monitor: String::new() };
        nats.restart();
        Some(nats)
    }

    /// Starts it on the store and the port that it had.
    pub fn restart(&mut self) {
        let config = format!(
            "listen: \"127.0.0.1:{}\"\nhttp: \"127.0.0.1:-1\"\njetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
            self.port,
            self.folder.join("store").display()
        );
        let file = self.folder.join("nats.conf");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(&self.binary)
            .args(["-c".as_ref(), file.as_os_str(), "--ports_file_dir".as_ref(), self.folder.as_os_str()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ports = self.folder.join(format!("nats-server_{}.ports", child.id()));
        self.child = Some(child);
        let ports: serde_json::Value =
            within(Duration::from_secs(20), || serde_json::from_slice(&std::fs::read(&ports).ok()?).ok());
        self.url = ports["nats"][0].as_str().unwrap().to_owned();
        self.monitor = ports["monitoring"][0].as_str().unwrap().to_owned();
        self.port = self.url.rsplit(':').next().unwrap().parse().unwrap();
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
        let _best_effort = std::fs::remove_dir_all(&self.folder);
    }
}

/// order-api as a process.
pub struct OrderApi {
    child: Child,
    /// Address of its HTTP.
    pub http: String,
}

impl OrderApi {
    /// Starts it and waits until it leads.
    pub fn start(binary: &str, nats: &Nats) -> Self {
        let mut child = Command::new(binary)
            .args(["--nats", &nats.url, "--nats-monitor", &nats.monitor, "--shards", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready http="), "order-api said: {line:?}");
        let http = line.split_whitespace().find_map(|word| word.strip_prefix("http=")).unwrap().to_owned();
        Self { child, http }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for OrderApi {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Asks until there is an answer; fails after `limit`.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let step = Duration::from_millis(5);
    for _ in 0..limit.as_millis() / step.as_millis() {
        if let Some(answer) = ask() {
            return answer;
        }
        pause(step);
    }
    panic!("no answer within {limit:?}");
}

#[allow(clippy::disallowed_methods, reason = "a bounded wait between two questions")]
fn pause(step: Duration) {
    std::thread::sleep(step);
}
