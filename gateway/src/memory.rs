//! Memory as the machine tells it: what this process may take, and what it has.

use std::fs::read_to_string;
use std::path::Path;

/// Three quarters of what the machine, and the control groups that this process is in, allow; `None` where nothing
/// tells. The rest is for what the budget does not count: sockets in the kernel, plain answers, the runtime.
#[must_use]
pub fn of_machine() -> Option<u64> {
    let machine = read_to_string("/proc/meminfo").ok().and_then(|text| kib(&text, "MemTotal:"));
    let group = read_to_string("/proc/self/cgroup").ok().and_then(|text| of_groups(&text));
    let least = machine.into_iter().chain(group).min()?;
    Some(least / 4 * 3)
}

/// Resident bytes of this process; 0 where nothing tells.
#[must_use]
pub fn resident_bytes() -> u64 {
    read_to_string("/proc/self/status").ok().and_then(|text| kib(&text, "VmRSS:")).unwrap_or(0)
}

/// Bytes of a line `name: 123 kB`.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

/// The least bound of a group and those above it (version 2 of the interface).
fn of_groups(text: &str) -> Option<u64> {
    let group = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let groups = Path::new(group).ancestors().map(|group| root.join(group).join("memory.max"));
    groups.filter_map(|file| read_to_string(file).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_allows_more_than_this_process_has() {
        assert!(of_machine().unwrap() > resident_bytes() && resident_bytes() > 100_000);
        assert_eq!(kib("a: 1 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12 << 10));
        assert_eq!((kib("VmRSS: x", "VmRSS:"), of_groups("1:name=x:/y")), (None, None));
    }
}
