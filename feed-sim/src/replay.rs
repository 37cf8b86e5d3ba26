//! Recordings of real venues as sources. Files are streamed; nothing is written next to them.
//!
//! Each kind normalises into quotes, prints, book levels and status with integer mantissas in exponents that fit the
//! recording exactly. Files of a folder are merged by time.

pub mod binance;

use crate::event::{Item, Source};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use wire::instrument::Instrument;

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
    recordings: Vec<(u32, Box<dyn Recording>)>,
    instruments: Vec<Instrument>,
    heads: BinaryHeap<Reverse<(i64, usize)>>,
    ready: Vec<Vec<Item>>,
    begin_ns: i64,
}

impl std::fmt::Debug for Merged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merged").field("instruments", &self.instruments.len()).finish_non_exhaustive()
    }
}

impl Merged {
    /// Merges recordings; the first item of all is due at 0, or the first one from `from_ns` (time of the recording)
    /// on; what lies before it is due at 0 too, so that books and quotes are whole.
    ///
    /// # Errors
    /// One line that names file and line.
    pub fn new(recordings: Vec<Box<dyn Recording>>, from_ns: Option<i64>) -> Result<Self, String> {
        let mut merged = Self {
            recordings: Vec::new(),
            instruments: Vec::new(),
            heads: BinaryHeap::new(),
            ready: Vec::new(),
            begin_ns: 0,
        };
        for recording in recordings {
            let mut first = u32::try_from(merged.instruments.len()).unwrap_or(u32::MAX);
            // Two files of one instrument follow each other.
            let known = |new: &Instrument| merged.instruments.iter().position(|old| old.symbol == new.symbol);
            match recording.instruments() {
                [only] if known(only).is_some() => {
                    first = u32::try_from(known(only).unwrap_or(0)).unwrap_or(0)
                }
                new => merged.instruments.extend_from_slice(new),
            }
            merged.recordings.push((first, recording));
            merged.ready.push(Vec::new());
        }
        for at in 0..merged.recordings.len() {
            merged.fill(at)?;
        }
        let earliest = merged.heads.peek().map_or(0, |Reverse((time, _))| *time);
        merged.begin_ns = from_ns.unwrap_or(earliest).max(earliest);
        Ok(merged)
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
            let first = self.recordings[at].0;
            let items = self.ready[at].drain(..);
            out.extend(items.map(|item| Item {
                due_ns,
                instrument: first + item.instrument,
                change: item.change,
            }));
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
    for file in &files {
        if binance::is_one(file) {
            recordings.push(Box::new(binance::open(file)?));
        }
    }
    if recordings.is_empty() {
        return Err(format!(
            "--data: {} holds no recording of a known kind (Binance: spot-*.gz, usdm-*.gz, cm-*.gz)",
            path.display()
        ));
    }
    Merged::new(recordings, from_ns)
}
