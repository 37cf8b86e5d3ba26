//! One page, readable without scripts and without anything from elsewhere: verdict, curves, age over time.

use super::{Curve, Report, Series, micros};
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 30.0;
const COLOURS: [&str; 8] =
    ["#2f6fde", "#c2571a", "#1a8f5a", "#8b4fc9", "#b0892b", "#c23b63", "#2b9bb0", "#6b7280"];

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1c2430;background:#fff}h1{font-size:1.4rem}h2{font-size:1.05rem;margin-top:2rem}\
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;font-variant-numeric:tabular-nums}\
.met{color:#1a8f5a}.missed,.bad{color:#c2311a;font-weight:600}pre{white-space:pre-wrap}svg{width:100%;height:auto}\
svg text{font:11px system-ui,sans-serif;fill:currentColor}.axis{stroke:currentColor;stroke-opacity:.25}\
@media(prefers-color-scheme:dark){body{color:#dbe2ea;background:#12171e}}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(super) fn render(report: &Report) -> String {
    let title = format!("Tickgate bench: {}", escaped(&report.scenario));
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>"
    );
    let (class, verdict) = if report.sound { ("met", "sound") } else { ("bad", "not sound") };
    let _ = write!(out, "<h1>{title}: <span class=\"{class}\">{verdict}</span></h1>");
    goals(&mut out, report);
    let _ = write!(out, "<pre>{}</pre>", escaped(&report.lines.join("\n")));
    if !report.curves.is_empty() {
        out.push_str("<h2>Percentiles, x on 1/(1−p)</h2>");
        percentiles(&mut out, &report.curves);
    }
    if !report.series.is_empty() {
        out.push_str("<h2>Over time, µs</h2>");
        over_time(&mut out, &report.series);
    }
    let json = serde_json::to_string_pretty(&report.summary).unwrap_or_default();
    let _ =
        write!(out, "<details><summary>summary.json</summary><pre>{}</pre></details></html>", escaped(&json));
    out
}

fn goals(out: &mut String, report: &Report) {
    if report.goals.is_empty() {
        return;
    }
    out.push_str("<table><tr><th>figure<th>median<th>rounds<th>goal<th>verdict");
    for goal in &report.goals {
        let class = if goal.verdict() == "within noise" { "" } else { goal.verdict() };
        let _ = write!(
            out,
            "<tr><td>{}<td>{:.3} {}<td>{:.3}–{:.3}<td>≤ {}<td class=\"{class}\">{}",
            escaped(&goal.name),
            goal.measured,
            escaped(goal.unit),
            goal.range.0,
            goal.range.1,
            goal.goal,
            goal.verdict()
        );
    }
    out.push_str("</table>");
}

fn legend(out: &mut String, names: impl Iterator<Item = String>) {
    for ((at, name), colour) in names.enumerate().zip(COLOURS.iter().cycle()) {
        let y = 14.0 + at as f64 * 14.0;
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{y}\"><tspan fill=\"{colour}\">■</tspan> {}</text>",
            LEFT + 8.0,
            escaped(&name)
        );
    }
}

fn open(out: &mut String) {
    let _ = write!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
}

fn line(out: &mut String, points: &[(f64, f64)], colour: &str) {
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = write!(
        out,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"/>",
        path.join(" ")
    );
}

fn grid_y(out: &mut String, top_us: f64, y: impl Fn(f64) -> f64) {
    let mut value = 10.0;
    while value <= top_us {
        let at = y(value);
        let _ = write!(
            out,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"4\" y=\"{:.1}\">{}</text>",
            at + 4.0,
            micros(10_u64.saturating_pow(decade(value)))
        );
        value *= 10.0;
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small power of ten")]
fn decade(value: f64) -> u32 {
    value.log10().round() as u32
}

/// From 10 µs on a log scale.
fn height(top_us: f64) -> impl Fn(f64) -> f64 {
    move |us: f64| {
        let share = us.max(10.0).log10() - 1.0;
        let whole = (top_us.max(100.0).log10() - 1.0).max(0.1);
        HEIGHT - BOTTOM - (share / whole).min(1.0) * (HEIGHT - BOTTOM - 10.0)
    }
}

fn percentiles(out: &mut String, curves: &[Curve]) {
    let top = curves.iter().map(|curve| curve.histogram.max()).max().unwrap_or(1) as f64;
    let y = height(top);
    let x = |quantile: f64| LEFT + (1.0 / (1.0 - quantile)).log10() / 5.0 * (WIDTH - LEFT);
    open(out);
    grid_y(out, top, &y);
    for (quantile, name) in
        [(0.0, "0"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")]
    {
        let at = x(quantile);
        let _ = write!(
            out,
            "<line class=\"axis\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"{}\"/>\
             <text x=\"{at:.1}\" y=\"{}\">{name}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - 10.0
        );
    }
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<(f64, f64)> = (0..=100)
            .map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 20.0))
            .map(|quantile| (x(quantile), y(curve.histogram.value_at_quantile(quantile) as f64)))
            .collect();
        line(out, &points, colour);
    }
    legend(out, curves.iter().map(|curve| curve.name.clone()));
    out.push_str("</svg>");
}

fn over_time(out: &mut String, series: &[Series]) {
    let top = series.iter().flat_map(|one| one.values.iter().copied()).fold(1.0, f64::max);
    let steps = series.iter().map(|one| one.values.len()).max().unwrap_or(1).max(2) as f64;
    let seconds = steps * series.first().map_or(1.0, |one| one.step.as_secs_f64());
    let y = height(top);
    open(out);
    grid_y(out, top, &y);
    for (one, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<(f64, f64)> = one
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| (LEFT + at as f64 / (steps - 1.0) * (WIDTH - LEFT), y(*value)))
            .collect();
        line(out, &points, colour);
    }
    let _ = write!(out, "<text x=\"{LEFT}\" y=\"{}\">0 s</text>", HEIGHT - 10.0);
    let _ = write!(out, "<text x=\"{}\" y=\"{}\">{seconds:.0} s</text>", WIDTH - 40.0, HEIGHT - 10.0);
    legend(out, series.iter().map(|one| one.name.clone()));
    out.push_str("</svg>");
}
