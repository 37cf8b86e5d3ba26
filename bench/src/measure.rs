//! What the kernel says of a process and of the machine.

use std::path::Path;
use std::process::Command;

/// CPU time of a process so far, in seconds: all threads, from the scheduler in ns where it tells, else in ticks.
#[must_use]
pub fn cpu_s(pid: u32) -> Option<f64> {
    schedstat_s(pid).or_else(|| stat_s(pid))
}

fn schedstat_s(pid: u32) -> Option<f64> {
    let mut sum = 0_u64;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        sum += text.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(sum as f64 / 1e9)
}

fn stat_s(pid: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // USER_HZ is 100 on every Linux that this runs on.
    Some(ticks as f64 / 100.0)
}

/// How often the threads of a process have gone to sleep and were woken.
#[must_use]
pub fn wakes(pid: u32) -> Option<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        sum += line.trim().parse::<u64>().ok()?;
    }
    Some(sum)
}

/// Resident memory of a process, bytes.
#[must_use]
pub fn rss_bytes(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Memory of all TCP sockets of this network namespace, bytes, in pages of 4 KiB.
#[must_use]
pub fn tcp_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/net/sockstat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let pages: u64 = line.split_once(" mem ")?.1.trim().parse().ok()?;
    Some(pages * 4_096)
}

/// Packets that the kernel has dropped because a core's queue of received ones was full (`net.core.netdev_max_backlog`):
/// on loopback that is where a burst is lost, and each loss costs its connection a retransmission.
#[must_use]
pub fn packets_dropped() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/net/softnet_stat").ok()?;
    let of_core = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    text.lines().map(of_core).sum()
}

/// The machine, as far as a reader of figures needs it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// Model of the first.
    pub cpu: String,
    /// Kernel.
    pub kernel: String,
}

/// Looks at the machine.
#[must_use]
pub fn machine() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let cpu = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    Machine {
        cores,
        cpu: cpu.trim_start_matches(['\t', ' ', ':']).to_owned(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

/// The commit that the workspace is at, with `+` when files differ from it.
#[must_use]
pub fn commit(workspace: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(workspace).args(args).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { commit } else { commit + "+" })
}

/// Lets this process open as many files as the system allows.
pub fn raise_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Pins this process, all its threads, to a core.
///
/// # Errors
/// When `taskset` is not there or refuses.
pub fn pin_self(core: u32) -> std::io::Result<()> {
    let id = std::process::id().to_string();
    let output = Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &id]).output()?;
    if output.status.success() { Ok(()) } else { Err(std::io::Error::other("taskset refused")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process() {
        let id = std::process::id();
        assert!(cpu_s(id).is_some());
        assert!(rss_bytes(id).unwrap() > 100_000);
        assert!(machine().cores >= 1);
        assert!(packets_dropped().is_some());
    }
}
