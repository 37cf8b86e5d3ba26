//! The text report: verdict first.

use super::Report;
use std::fmt::Write;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    let field = |name: &str| report.summary.get(name).map(ToString::to_string).unwrap_or_default();
    let verdict = if report.sound { "sound" } else { "NOT SOUND" };
    let _ = writeln!(out, "{}: {verdict}", report.scenario);
    for goal in &report.goals {
        let (low, high) = goal.range;
        let band = if low < high { format!(" ({low:.3}–{high:.3})") } else { String::new() };
        let _ = writeln!(
            out,
            "  {:<13} {}: {:.3}{band} {}, goal ≤ {}",
            goal.verdict(),
            goal.name,
            goal.measured,
            goal.unit,
            goal.goal
        );
    }
    for line in &report.lines {
        let _ = writeln!(out, "  {line}");
    }
    let _ = writeln!(out, "  machine {} · commit {}", field("machine"), field("commit"));
    out
}
