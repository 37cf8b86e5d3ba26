//! Recordings of real venues as sources. Files are streamed; nothing is written next to them.
//!
//! Each kind normalises into quotes, prints, book levels and status with integer mantissas in exponents that fit the
//! recording exactly. Files of a folder are merged by time.

pub mod binance;
pub mod dbn;
pub mod equities;
pub mod fx;
mod zipped;

use crate::event::{Item, Source};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::{Path, PathBuf};
use wire::instrument::Instrument;
use wire::tick::Change;

/// One file: items with their recording time, ns.
pub trait Recording {
    /// Its instruments.
    fn instruments(&self) -> &[Instrument];
    /// The next items, all of one time, appended with `instrument` counted from 0; their time, or `None` at the end.
    ///
    /// # Errors
    /// One line that names file and line.
    fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String>;
    /// Values that were rounded.
    fn inexact(&self) -> u64;
}

/// Files merged by time.
pub struct Merged {
    recordings: Vec<(Vec<u32>, Box<dyn Recording>)>,
    instruments: Vec<Instrument>,
    heads: BinaryHeap<Reverse<(i64, usize)>>,
    ready: Vec<Vec<Item>>,
    skipped: BTreeMap<u32, Change>,
    begin_ns: i64,
}

const DAY_NS: i64 = 86_400_000_000_000;

impl std::fmt::Debug for Merged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merged").field("instruments", &self.instruments.len()).finish_non_exhaustive()
    }
}

impl Merged {
    /// Merges recordings. The first item of all is due at 0; with a time of day, the first one from then on: what lies
    /// before it is skipped but for the last quote and the book of each instrument, due at 0.
    ///
    /// # Errors
    /// One line that names file and line.
    pub fn new(recordings: Vec<Box<dyn Recording>>, from_ns: Option<i64>) -> Result<Self, String> {
        let mut merged = Self {
            recordings: Vec::new(),
            instruments: Vec::new(),
            heads: BinaryHeap::new(),
            ready: Vec::new(),
            skipped: BTreeMap::new(),
            begin_ns: 0,
        };
        for recording in recordings {
            // Several files may speak of one instrument.
            let places = recording.instruments().iter().map(|new| merged.place(new)).collect();
            merged.recordings.push((places, recording));
            merged.ready.push(Vec::new());
        }
        for at in 0..merged.recordings.len() {
            merged.fill(at)?;
        }
        let earliest = merged.heads.peek().map_or(0, |Reverse((time, _))| *time);
        let midnight = earliest - earliest.rem_euclid(DAY_NS);
        merged.begin_ns = from_ns.map_or(earliest, |from| midnight + from).max(earliest);
        Ok(merged)
    }

    fn place(&mut self, new: &Instrument) -> u32 {
        let at = self.instruments.iter().position(|old| old.symbol == new.symbol).unwrap_or_else(|| {
            self.instruments.push(new.clone());
            self.instruments.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn fill(&mut self, at: usize) -> Result<(), String> {
        let (_, recording) = &mut self.recordings[at];
        if let Some(time) = recording.next(&mut self.ready[at])? {
            self.heads.push(Reverse((time, at)));
        }
        Ok(())
    }
}

impl Source for Merged {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn items_until(&mut self, until_ns: i64, out: &mut Vec<Item>) -> Result<bool, String> {
        while let Some(Reverse((time, at))) = self.heads.peek().copied() {
            let due_ns = (time - self.begin_ns).max(0);
            if due_ns > until_ns {
                return Ok(true);
            }
            self.heads.pop();
            let places = &self.recordings[at].0;
            for item in self.ready[at].drain(..) {
                let instrument = places.get(item.instrument as usize).copied().unwrap_or(0);
                match item.change {
                    Change::Quote(_) | Change::Status(_) if time < self.begin_ns => {
                        self.skipped.insert(instrument, item.change);
                    }
                    Change::Trade(_) if time < self.begin_ns => {}
                    change => out.push(Item { due_ns, instrument, change }),
                }
            }
            if time >= self.begin_ns && !self.skipped.is_empty() {
                let skipped = std::mem::take(&mut self.skipped).into_iter();
                out.splice(0..0, skipped.map(|(instrument, change)| Item { due_ns: 0, instrument, change }));
            }
            self.fill(at)?;
        }
        Ok(false)
    }

    fn inexact(&self) -> u64 {
        self.recordings.iter().map(|(_, recording)| recording.inexact()).sum()
    }
}

/// Opens a folder, or one file, of recordings.
///
/// # Errors
/// One line that says what is wrong with which file, or what was looked for.
pub fn open(path: &Path, from_ns: Option<i64>) -> Result<Merged, String> {
    let mut files: Vec<PathBuf> = if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect()
    } else if path.is_file() {
        vec![path.to_owned()]
    } else {
        return Err(format!("--data: no such file or folder: {}", path.display()));
    };
    files.sort();
    let mut recordings: Vec<Box<dyn Recording>> = Vec::new();
    let mut from_ns = from_ns;
    for file in &files {
        if binance::is_one(file) {
            recordings.push(Box::new(binance::open(file)?));
        } else if fx::is_one(file) {
            recordings.push(Box::new(fx::open(file)?));
        } else if equities::is_one(file) {
            from_ns = from_ns.or(Some(EQUITIES_OPEN_NS));
            recordings.push(Box::new(equities::open(file)?));
        } else if dbn::is_one(file) {
            recordings.push(Box::new(dbn::open(file)?));
        }
    }
    if recordings.is_empty() {
        return Err(format!(
            "--data: {} holds no recording of a known kind (spot-*.gz, usdm-*.gz, cm-*.gz; *_quote.zip, *_trade.zip; \
             *.dbn.zst)",
            path.display()
        ));
    }
    Merged::new(recordings, from_ns)
}

/// 09:30 in New York: before it there is little to see.
const EQUITIES_OPEN_NS: i64 = 34_200_000_000_000;
