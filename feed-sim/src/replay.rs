//! Recordings of real venues as sources. Files are streamed; nothing is written next to them.
//!
//! Each kind normalises into quotes, prints, book levels and status with integer mantissas in exponents that fit the
//! recording. A kind is known by what its files hold, not by the folder's name. Files of a folder are merged by time.

pub mod binance;
pub mod book;
pub mod dbn;
pub mod decimal;
pub mod equities;
pub mod fx;
pub mod json;
pub mod lines;
pub mod merge;
pub mod venues;

use crate::event::{Counts, Item};
use lines::Lines;
use merge::Merged;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wire::instrument::Instrument;

/// One day, ns.
pub const DAY_NS: i64 = 86_400_000_000_000;

/// Latest time of a recording, ns since the Unix epoch (year 2116): differences and sums of two never overflow.
pub(crate) const TIME_NS_MAX: i64 = i64::MAX / 2;

/// Equities begin here unless told otherwise: 09:30, when the regular session opens.
const EQUITIES_FROM_NS: i64 = (9 * 60 + 30) * 60_000_000_000;

/// One file: items with their recording time, ns.
pub trait Recording {
    /// Its instruments.
    fn instruments(&self) -> &[Instrument];
    /// Its instruments, for exponents that two files of one symbol agree on before the first item.
    fn instruments_mut(&mut self) -> &mut [Instrument];
    /// What the next line says, appended with `instrument` counted from 0, maybe nothing; its time, or `None` at the
    /// end.
    ///
    /// # Errors
    /// One line that names file and line.
    fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String>;
    /// How long it may say nothing before its instruments are stale; `None` where silence means no change.
    fn silent_after_ns(&self) -> Option<i64> {
        None
    }
    /// What was not handed on as it was.
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Binance,
    Equities,
    Fx,
    Venue,
    /// A venue's list of instruments: read with its capture.
    VenueList,
    Dbn,
}

/// Looks at the first line. `None` = no recording; an unreadable archive is an error.
fn kind(path: &Path) -> Result<Option<Kind>, String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.ends_with(".dbn") || name.ends_with(".dbn.zst") {
        return Ok(Some(Kind::Dbn));
    }
    let mut lines = Lines::open(path)?;
    let Some(line) = lines.read()? else { return Ok(None) };
    let Ok(line) = std::str::from_utf8(line) else { return Ok(None) };
    let numbers = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let fields: Vec<&str> = line.split(',').collect();
    Ok(match line.split_once(' ') {
        _ if line.starts_with("wss://") => Some(Kind::Venue),
        _ if line.starts_with("https://") => Some(Kind::VenueList),
        Some((time, message)) if !time.is_empty() && numbers(time) && message.starts_with('{') => {
            Some(Kind::Binance)
        }
        None if fields.len() == 3 && fields.iter().all(|field| numbers(field)) => Some(Kind::Fx),
        None if (6..=8).contains(&fields.len()) && numbers(fields[0]) => Some(Kind::Equities),
        _ => None,
    })
}

fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !path.is_dir() {
        return Err(format!("--data: no such file or folder: {}", path.display()));
    }
    let entries = std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

/// Opens a folder, or one file, of recordings of one kind.
///
/// # Errors
/// One line that says what is wrong with which file, or what was looked for.
pub fn open(path: &Path, from_ns: Option<i64>) -> Result<Merged, String> {
    let mut found: Vec<(Kind, PathBuf)> = Vec::new();
    for file in files(path)?.into_iter().filter(|file| file.is_file()) {
        if let Some(kind) = kind(&file)? {
            found.push((kind, file));
        }
    }
    found.retain(|(kind, _)| *kind != Kind::VenueList);
    let Some((first, file)) = found.first() else { return Err(nothing(path)) };
    if let Some((_, other)) = found.iter().find(|(kind, _)| kind != first) {
        let (one, other) = (file.display(), other.display());
        return Err(format!("--data: recordings of two kinds in one folder: {one} and {other}"));
    }
    let kind = *first;
    let mut recordings: Vec<Box<dyn Recording>> = Vec::new();
    if kind == Kind::Binance {
        // Files of one instrument are one recording, so that its book goes on.
        let mut symbols: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for (_, file) in std::mem::take(&mut found) {
            symbols.entry(binance::symbol_of(&file)?).or_default().push(file);
        }
        for (symbol, files) in symbols {
            recordings.push(Box::new(binance::Capture::open(symbol, files)?));
        }
    }
    for (_, file) in &found {
        recordings.push(match kind {
            Kind::Equities => Box::new(equities::Rows::open(file)?),
            Kind::Fx => Box::new(fx::Rows::open(file)?),
            Kind::Dbn => Box::new(dbn::Records::open(file)?),
            Kind::Venue | Kind::VenueList | Kind::Binance => Box::new(venues::Capture::open(file)?),
        });
    }
    let from_ns = match kind {
        Kind::Equities => from_ns.or(Some(EQUITIES_FROM_NS)),
        // Captures of several venues were taken on different days and begin together.
        Kind::Venue if from_ns.is_some() => {
            return Err("--from: captures of venues have no common time of day".to_owned());
        }
        _ => from_ns,
    };
    Merged::new(recordings, from_ns)
}

fn nothing(path: &Path) -> String {
    let path_text = path.display();
    let folders: Vec<String> = files(path)
        .unwrap_or_default()
        .iter()
        .filter(|entry| entry.is_dir())
        .filter_map(|entry| entry.file_name().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    if !folders.is_empty() {
        return format!("--data: name one folder of recordings: {path_text} holds {}", folders.join(", "));
    }
    format!(
        "--data: {path_text} holds no recording of a known kind (Binance captures, US equities, FX quotes, venues' \
         captures, DBN)"
    )
}

/// The date in a name like `aig_20131008_quote.zip` as ns since the Unix epoch; 0 without one of 1970 to 2099.
pub(crate) fn date_ns(name: &str) -> i64 {
    let date = name
        .split(['_', '.', '-'])
        .find(|part| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|part| part.parse::<i64>().ok());
    let Some(date) = date else { return 0 };
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    if !(1970..2100).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return 0;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar; the year begins in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    days * DAY_NS
}

/// Makes an instrument's and its venue's name a symbol: what is not allowed becomes `_`, and both are cut.
pub(crate) fn symbol(name: &str, venue: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-_/:+".contains(c) { c } else { '_' };
    let venue: String = venue.chars().map(allowed).take(20).collect();
    let most = wire::instrument::SYMBOL_BYTES_MAX - venue.len() - 1;
    let name: String = name.chars().map(allowed).take(most).collect();
    format!("{name}.{venue}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_names_are_days_since_the_epoch() {
        assert_eq!(date_ns("aig_20131008_quote.zip"), 15_986 * DAY_NS);
        assert_eq!(date_ns("x_19700101.csv"), 0);
        assert_eq!(date_ns("x_20240229_y"), 19_782 * DAY_NS);
        assert_eq!(date_ns("x"), 0);
        assert_eq!(date_ns("x_99991231_y"), 0, "past what 64 bits of ns hold");
        assert_eq!((date_ns("x_20241301"), date_ns("x_20240100")), (0, 0));
    }

    #[test]
    fn odd_names_become_symbols() {
        assert_eq!(symbol("TESTBTC:TESTUSD", "BITFINEX"), "TESTBTC:TESTUSD.BITFINEX");
        assert_eq!(symbol("A b.c*é", "X"), "A_b_c__.X");
        assert!(wire::instrument::valid_symbol(&symbol(&"Q".repeat(200), "VENUE")));
        assert_eq!(symbol("EURUSD", "DE\u{7}LER 1"), "EURUSD.DE_LER_1");
        assert!(wire::instrument::valid_symbol(&symbol("A", &"V".repeat(60))));
    }
}
