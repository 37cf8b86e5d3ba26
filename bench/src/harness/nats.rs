//! A nats-server of our own: random ports, its own store, every write synced.

use super::{HarnessError, Outcome, Process, READY_WAIT, until};
use crate::config;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A running server, which can be killed and started again on the same ports and store.
#[derive(Debug)]
pub struct Nats {
    binary: PathBuf,
    folder: PathBuf,
    core: Option<u32>,
    process: Process,
    port: u16,
    monitor_port: u16,
}

#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
    monitoring: Vec<String>,
}

/// What to say when there is no server.
pub(crate) const MISSING: &str =
    "no nats-server: set NATS_SERVER_BIN, or run `cargo xtask test` once, which fetches one into .tools";

impl Nats {
    /// Starts a server.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub async fn start(folder: &Path, core: Option<u32>) -> Outcome<Self> {
        let binary = config::nats_server().ok_or_else(|| HarnessError(MISSING.to_owned()))?;
        let process = spawn(&binary, folder, core, 0, 0)?;
        let id = process.id();
        let mut nats = Self { binary, folder: folder.to_path_buf(), core, process, port: 0, monitor_port: 0 };
        let file = folder.join(format!("nats-server_{id}.ports"));
        let ports = until("nats-server's ports", READY_WAIT, async || {
            let text = std::fs::read_to_string(&file).ok()?;
            serde_json::from_str::<Ports>(&text).ok()
        })
        .await
        .map_err(|error| nats.process.obituary(&error.0))?;
        nats.port = port_of(&ports.nats)?;
        nats.monitor_port = port_of(&ports.monitoring)?;
        nats.answering().await?;
        Ok(nats)
    }

    async fn answering(&self) -> Outcome {
        let client = format!("127.0.0.1:{}", self.port);
        until("nats-server's port", READY_WAIT, async || {
            let stream = tokio::net::TcpStream::connect(&client).await.ok()?;
            let mut first = [0; 4];
            stream.readable().await.ok()?;
            (stream.try_read(&mut first).ok()? == 4 && &first == b"INFO").then_some(())
        })
        .await
        .map_err(|error| self.process.obituary(&error.0))
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts it again, same ports, same store.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self) -> Outcome {
        self.process = spawn(&self.binary, &self.folder, self.core, self.port, self.monitor_port)?;
        self.answering().await
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where it tells of itself.
    #[must_use]
    pub fn monitor(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port)
    }

    /// Its process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn spawn(binary: &Path, folder: &Path, core: Option<u32>, port: u16, monitor: u16) -> Outcome<Process> {
    let random = |port: u16| if port == 0 { "-1".to_owned() } else { port.to_string() };
    let text = format!(
        "host: 127.0.0.1\nport: {}\nhttp: \"127.0.0.1:{}\"\nports_file_dir: \"{folder}\"\n\
         max_pending: 64MB\njetstream {{ store_dir: \"{folder}/store\", sync_interval: always }}\n",
        random(port),
        random(monitor),
        folder = folder.display()
    );
    let conf = folder.join("nats.conf");
    std::fs::write(&conf, text).map_err(|error| HarnessError(format!("{}: {error}", conf.display())))?;
    Process::start("nats-server", binary, &["-c".to_owned(), conf.display().to_string()], core, folder)
}

fn port_of(urls: &[String]) -> Outcome<u16> {
    let text = urls.first().and_then(|url| url.rsplit(':').next()).map(|text| text.trim_end_matches('/'));
    text.and_then(|text| text.parse().ok()).ok_or_else(|| HarnessError(format!("no port in {urls:?}")))
}
