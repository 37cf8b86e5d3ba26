//! Reports: `summary.json`, `report.txt`, `report.html` and one `.hgrm` a curve. The only place that prints.

mod hgrm;
mod html;
mod text;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Says a line on stdout.
#[expect(clippy::print_stdout, reason = "the only place of bench that prints")]
pub fn say(line: &str) {
    println!("{line}");
}

/// A figure beside its goal.
#[derive(Debug, Clone, Serialize)]
pub struct Goal {
    /// What is measured.
    pub name: String,
    /// Median of the rounds, or the only one.
    pub measured: f64,
    /// Lowest and highest round.
    pub range: (f64, f64),
    /// At most this.
    pub goal: f64,
    /// Unit.
    pub unit: &'static str,
}

impl Goal {
    /// Of one measurement.
    #[must_use]
    pub fn of(name: &str, measured: f64, goal: f64, unit: &'static str) -> Self {
        Self { name: name.to_owned(), measured, range: (measured, measured), goal, unit }
    }

    /// Of several rounds.
    #[must_use]
    pub fn rounds(name: &str, rounds: &[f64], goal: f64, unit: &'static str) -> Self {
        let (measured, low, high) = spread(rounds);
        Self { name: name.to_owned(), measured, range: (low, high), goal, unit }
    }

    /// `met`, `missed`, or `within noise` when the goal lies inside the band of the rounds.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        let (low, high) = self.range;
        if high <= self.goal {
            "met"
        } else if low > self.goal {
            "missed"
        } else {
            "within noise"
        }
    }
}

/// Median, lowest and highest.
#[must_use]
pub fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.first(), sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(low), Some(middle), Some(high)) => (*middle, *low, *high),
        _ => (0.0, 0.0, 0.0),
    }
}

/// A distribution with a name.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Name, also of its file.
    pub name: String,
    /// Times, µs.
    pub histogram: Histogram<u64>,
}

/// Values over the seconds of a run.
#[derive(Debug, Clone)]
pub struct Series {
    /// Name.
    pub name: String,
    /// One each `step`.
    pub values: Vec<f64>,
    /// Time from one to the next.
    pub step: Duration,
}

/// Everything that a scenario found.
#[derive(Debug, Clone)]
pub struct Report {
    /// Scenario.
    pub scenario: String,
    /// Whether nothing was lost, wrong or unknown; says nothing about goals.
    pub sound: bool,
    /// Goals.
    pub goals: Vec<Goal>,
    /// Lines of the text report.
    pub lines: Vec<String>,
    /// Fields of `summary.json`, an object.
    pub summary: Value,
    /// Distributions.
    pub curves: Vec<Curve>,
    /// Over time.
    pub series: Vec<Series>,
    /// Tables as CSV, each with the name of its file.
    pub tables: Vec<(String, String)>,
}

impl Report {
    /// Of a scenario, with what every report holds.
    #[must_use]
    pub fn new(scenario: &str, limits: &str) -> Self {
        let workspace = crate::config::workspace();
        let summary = json!({
            "scenario": scenario,
            "commit": crate::measure::commit(&workspace),
            "machine": crate::measure::machine(),
            "limits": limits,
        });
        Self {
            scenario: scenario.to_owned(),
            sound: true,
            goals: Vec::new(),
            lines: Vec::new(),
            summary,
            curves: Vec::new(),
            series: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// Sets a field of the summary.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Value::Object(fields) = &mut self.summary {
            fields.insert(name.to_owned(), value);
        }
    }

    /// Adds a line of text.
    pub fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Adds a distribution.
    pub fn curve(&mut self, name: impl Into<String>, histogram: &Histogram<u64>) {
        if !histogram.is_empty() {
            self.curves.push(Curve { name: name.into(), histogram: histogram.clone() });
        }
    }

    /// Writes all files into a folder, which is made, and says the text.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&mut self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        self.set("sound", json!(self.sound));
        let goals: Vec<Value> =
            self.goals.iter().map(|goal| json!({"goal": goal, "verdict": goal.verdict()})).collect();
        self.set("goals", json!(goals));
        let json = serde_json::to_string_pretty(&self.summary)?;
        std::fs::write(folder.join("summary.json"), json + "\n")?;
        let text = text::render(self);
        std::fs::write(folder.join("report.txt"), &text)?;
        std::fs::write(folder.join("report.html"), html::render(self))?;
        for curve in &self.curves {
            let name: String =
                curve.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            std::fs::write(folder.join(format!("{name}.hgrm")), hgrm::render(&curve.histogram))?;
        }
        for (name, table) in &self.tables {
            std::fs::write(folder.join(format!("{name}.csv")), table)?;
        }
        say(text.trim_end());
        Ok(())
    }
}

/// `{"p50","p90","p99","p99_9","max","count"}` in µs, null of an empty one.
#[must_use]
pub fn percentiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    json!({
        "p50": histogram.value_at_quantile(0.5),
        "p90": histogram.value_at_quantile(0.9),
        "p99": histogram.value_at_quantile(0.99),
        "p99_9": histogram.value_at_quantile(0.999),
        "max": histogram.max(),
        "count": histogram.len(),
    })
}

/// `p50 1.2 ms · p99 3 ms · max 5 ms`, or `–`.
#[must_use]
pub fn short(histogram: &Histogram<u64>) -> String {
    if histogram.is_empty() {
        return "–".to_owned();
    }
    let at = |quantile| micros(histogram.value_at_quantile(quantile));
    format!("p50 {} · p99 {} · max {}", at(0.5), at(0.99), micros(histogram.max()))
}

/// A time with a unit that fits.
#[must_use]
pub fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.2} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Report {
        let mut report = Report::new("e2e", "bench");
        let mut histogram = crate::load::histogram();
        (1..2_000).for_each(|value| histogram.saturating_record(value));
        report.curve("compact 50 ms <latency>", &histogram);
        report.series.push(Series {
            name: "age".to_owned(),
            values: vec![1.0, 2.0, 3.0],
            step: Duration::from_secs(1),
        });
        report.tables.push(("age".to_owned(), "second,age_us\n".to_owned()));
        report.goals.push(Goal::rounds("ratio", &[1.1, 1.3, 1.2], 1.2, "×"));
        report.line("a line & more");
        report
    }

    #[test]
    fn a_goal_inside_the_band_is_neither_met_nor_missed() {
        assert_eq!(Goal::rounds("a", &[1.0, 1.1], 1.2, "").verdict(), "met");
        assert_eq!(Goal::rounds("a", &[1.0, 1.3], 1.2, "").verdict(), "within noise");
        assert_eq!(Goal::of("a", 1.3, 1.2, "").verdict(), "missed");
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (2.0, 1.0, 3.0));
    }

    #[test]
    fn all_files_are_written_and_text_is_escaped() {
        let folder = crate::harness::Folder::new().unwrap();
        sample().write(folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(read("summary.json").contains("\"within noise\""));
        assert!(read("report.txt").contains("a line & more"));
        let html = read("report.html");
        assert!(html.contains("a line &amp; more") && html.contains("&lt;latency&gt;"));
        assert!(!html.contains("http://") && html.contains("<svg"));
        assert_eq!(read("age.csv"), "second,age_us\n");
        assert!(read("compact-50-ms--latency-.hgrm").contains("#[Mean"));
    }
}
