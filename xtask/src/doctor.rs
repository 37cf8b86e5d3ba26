//! `cargo xtask doctor`: what is there and what is missing, one line each.

use crate::nats;
use crate::sys::{Outcome, root, which};
use crate::tools;

/// Looks; exit code 1 when something that `run` needs is missing.
pub(crate) fn run() -> Outcome {
    let mut missing = 0_u8;
    match nats::ensure(true) {
        Ok(found) => {
            let durable = if found.durable { "durable acks" } else { "NOT durable" };
            println!("nats-server  {} at {} ({durable})", found.version, found.path.display());
        }
        Err(error) => {
            missing = 1;
            println!("nats-server  missing: {}", error.message);
        }
    }
    match tools::node() {
        Ok((node, _)) => println!("node         {}", node.display()),
        Err(why) => println!("node         {why} (all but the page runs)"),
    }
    match which("python3") {
        Some(path) => println!("python3      {}", path.display()),
        None => println!("python3      missing: the Python client's tests need it"),
    }
    match tools::chromium() {
        Some(path) => println!("chromium     {}", path.display()),
        None => println!("chromium     missing: apt-get install chromium (only the page's test needs it)"),
    }
    let data = root().join("../shared/data");
    let recordings =
        if data.is_dir() { "../shared/data" } else { "absent: tests on recordings count as skipped" };
    println!("recordings   {recordings}");
    Ok(missing)
}
