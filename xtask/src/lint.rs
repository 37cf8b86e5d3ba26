//! `cargo xtask lint`: what a machine can say about style, structure and absence.

use std::collections::BTreeMap;

use crate::docs;
use crate::sys::{Outcome, failed, now};
use crate::tools;
use crate::tracked::{Tracked, tracked};

/// Lines that no source file may exceed.
const LINES_MAX: usize = 600;

/// A name that may stand, below the path prefixes of `within` (none = everywhere), only below these of `allowed`.
struct Absence {
    name: &'static str,
    why: &'static str,
    within: &'static [&'static str],
    allowed: &'static [&'static str],
}

/// The only file that names everything that is looked for.
const SELF: &str = "xtask/src/lint.rs";

/// What a tick passes through: no lock, no unbounded queue.
const TICK_PATH: &[&str] = &["wire/src/", "gateway/src/", "feed-sim/src/"];

const NO_LOCK: &str = "no lock on the tick path: one owner, messages, immutable bytes";
const BOUNDED: &str = "every queue has a bound";

const fn everywhere(name: &'static str, why: &'static str) -> Absence {
    Absence { name, why, within: &[], allowed: &[] }
}

const fn on_the_tick_path(name: &'static str, why: &'static str) -> Absence {
    Absence { name, why, within: TICK_PATH, allowed: &[] }
}

const ABSENCES: &[Absence] = &[
    Absence {
        name: "async_nats",
        why: "NATS is named at the edge only",
        within: &[],
        allowed: &[
            "gateway/src/bus",
            "gateway/tests/",
            "feed-sim/src/publish",
            "feed-sim/tests/",
            "order-api/src/service",
            "order-api/src/log",
            "order-api/src/market_feed",
            "order-api/examples/",
            "order-api/tests/",
            "bench/src/harness",
            "bench/src/nats",
            "bench/tests/",
        ],
    },
    Absence {
        name: "fastwebsockets",
        why: "the socket is named in session only",
        within: &[],
        allowed: &["gateway/src/session", "gateway/tests/", "bench/", "clients/rust/"],
    },
    everywhere("unbounded_channel", BOUNDED),
    everywhere("unbounded()", BOUNDED),
    everywhere("mpsc::channel()", BOUNDED), // of the standard library; tokio's takes its bound
    everywhere("UnboundedSender", BOUNDED),
    everywhere("UnboundedReceiver", BOUNDED),
    everywhere("SegQueue", BOUNDED),
    on_the_tick_path("Mutex", NO_LOCK),
    on_the_tick_path("RwLock", NO_LOCK),
    on_the_tick_path("Condvar", NO_LOCK),
    on_the_tick_path("DashMap", NO_LOCK),
    Absence {
        name: "rust_decimal",
        why: "decimals stay at the edges",
        within: &[],
        allowed: &["order-api/", "feed-sim/", "wire/src/num", "wire/src/order", "bench/", "clients/rust/"],
    },
    Absence {
        name: "simd_json",
        why: "one JSON reader for control, one for recordings",
        within: &[],
        allowed: &["wire/src/control", "wire/tests/", "feed-sim/src/replay", "feed-sim/tests/"],
    },
];

/// Who may depend on whom inside the workspace; dev-dependencies may also name the client.
const DIRECTION: &[(&str, &[&str])] = &[
    ("tickgate-wire", &[]),
    ("tickgate-client", &["tickgate-wire"]),
    ("feed-sim", &["tickgate-wire"]),
    ("gateway", &["tickgate-wire"]),
    ("order-api", &["tickgate-wire"]),
    ("bench", &["tickgate-wire", "tickgate-client", "feed-sim", "gateway", "order-api"]),
    ("xtask", &[]),
];

/// Runs every check; all findings are shown before it fails.
pub(crate) fn run() -> Outcome {
    let mut bad = 0_usize;
    for (what, args) in [
        ("formatting", &["fmt", "--all", "--", "--check"][..]),
        ("clippy", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"][..]),
    ] {
        let started = now();
        let status = tools::cargo().args(args).status().map_err(|error| failed(format!("cargo: {error}")))?;
        report(what, usize::from(!status.success()), started.elapsed().as_secs(), &mut bad);
    }
    let files = tracked()?;
    for (what, findings) in [
        ("file lengths", lengths(&files)),
        ("dependency direction", direction()?),
        ("invariants of absence", absences(&files)),
        ("nothing of one machine", machine(&files)),
        ("documents", docs::findings(&files)),
    ] {
        for finding in &findings {
            println!("  {finding}");
        }
        report(what, findings.len(), 0, &mut bad);
    }
    Ok(u8::from(bad > 0))
}

fn report(what: &str, findings: usize, seconds: u64, bad: &mut usize) {
    *bad += findings;
    let verdict = if findings == 0 { "ok".to_owned() } else { format!("{findings} FOUND") };
    println!("lint: {what}: {verdict} ({seconds} s)");
}

fn has_extension(path: &str, wanted: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| wanted.contains(&extension))
}

fn lengths(files: &[Tracked]) -> Vec<String> {
    files
        .iter()
        .filter(|file| has_extension(&file.path, &["rs", "ts", "py", "mjs", "js", "css"]))
        .filter_map(|file| {
            let lines = file.text.lines().count();
            (lines > LINES_MAX).then(|| format!("{}: {lines} lines, at most {LINES_MAX}", file.path))
        })
        .collect()
}

fn direction() -> Outcome<Vec<String>> {
    let output = tools::cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .map_err(|error| failed(format!("cargo metadata: {error}")))?;
    let value: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(format!("cargo metadata: {error}")))?;
    let packages = value["packages"].as_array().cloned().unwrap_or_default();
    let rules: BTreeMap<&str, &[&str]> = DIRECTION.iter().copied().collect();
    let mut findings = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = rules.get(name) else {
            findings.push(format!("{name}: no rule says what it may depend on"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let other = dependency["name"].as_str().unwrap_or_default();
            let dev = dependency["kind"].as_str() == Some("dev");
            let inside = rules.contains_key(other);
            let fine =
                allowed.contains(&other) || dev && other == "tickgate-client" && name != "tickgate-wire";
            if inside && !fine {
                findings.push(format!("{name} must not depend on {other}"));
            }
        }
    }
    Ok(findings)
}

fn absences(files: &[Tracked]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| has_extension(&file.path, &["rs"]) && file.path != SELF) {
        let below = |prefixes: &[&str]| prefixes.iter().any(|prefix| file.path.starts_with(prefix));
        let looked_for =
            |rule: &&Absence| (rule.within.is_empty() || below(rule.within)) && !below(rule.allowed);
        for rule in ABSENCES.iter().filter(looked_for) {
            for (index, line) in file.text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if code.contains(rule.name) {
                    findings.push(format!("{}:{}: {} ({})", file.path, index + 1, rule.name, rule.why));
                }
            }
        }
    }
    findings
}

/// Paths of one machine and hosts of registries have no place in the repository.
fn machine(files: &[Tracked]) -> Vec<String> {
    let bad = [
        concat!("/wo", "rk/"),
        concat!("registry.npm", "js"),
        concat!("pypi", ".org"),
        concat!("python", "hosted"),
    ];
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(word) = bad.iter().find(|word| line.contains(**word)) {
                findings.push(format!("{}:{}: {word}", file.path, index + 1));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        absences(&[Tracked { path: path.to_owned(), text: text.to_owned() }]).len()
    }

    #[test]
    fn locks_and_unbounded_queues_are_found_where_they_may_not_be() {
        assert_eq!(found("gateway/src/lane.rs", "let state = std::sync::Mutex::new(0);"), 1);
        assert_eq!(found("order-api/src/http.rs", "let state = std::sync::Mutex::new(0);"), 0);
        for line in ["let (a, b) = mpsc::unbounded_channel();", "let (a, b) = std::sync::mpsc::channel();"] {
            assert_eq!(found("xtask/src/run.rs", line), 1, "{line}");
            assert_eq!(found("bench/tests/system/main.rs", line), 1, "{line}");
        }
        assert_eq!(found("gateway/src/lane.rs", "// a Mutex would do"), 0);
        assert_eq!(found("gateway/src/lane.rs", "let (a, b) = mpsc::channel(64);"), 0);
        assert_eq!(found("gateway/src/lane.rs", "use async_nats::Client;"), 1);
        assert_eq!(found("gateway/src/bus/nats.rs", "use async_nats::Client;"), 0);
    }
}
