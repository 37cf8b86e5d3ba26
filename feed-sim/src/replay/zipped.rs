//! Lines of the one CSV file in a zip, streamed and counted.

use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

/// A stream of lines.
pub(super) struct Lines {
    path: PathBuf,
    lines: BufReader<DeflateDecoder<Take<File>>>,
    line: String,
    number: u64,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("path", &self.path).field("line", &self.number).finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens the first file of a zip.
    ///
    /// # Errors
    /// One line that names the file.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let named = |what: String| format!("{}: {what}", path.display());
        let open = || File::open(path).map_err(|error| named(error.to_string()));
        let mut archive = zip::ZipArchive::new(open()?).map_err(|error| named(error.to_string()))?;
        let (start, len) = {
            let entry = archive.by_index(0).map_err(|error| named(error.to_string()))?;
            if entry.compression() != zip::CompressionMethod::Deflated {
                return Err(named("not a deflated CSV file".to_owned()));
            }
            let start = entry.data_start().ok_or_else(|| named("no data".to_owned()))?;
            (start, entry.compressed_size())
        };
        let mut file = open()?;
        file.seek(SeekFrom::Start(start)).map_err(|error| named(error.to_string()))?;
        let lines = BufReader::with_capacity(1 << 16, DeflateDecoder::new(file.take(len)));
        Ok(Self { path: path.to_owned(), lines, line: String::new(), number: 0 })
    }

    /// The next line without its end; `None` after the last.
    ///
    /// # Errors
    /// One line that names file and line.
    pub(super) fn next(&mut self) -> Result<Option<&str>, String> {
        self.line.clear();
        self.number += 1;
        match self.lines.read_line(&mut self.line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(self.line.trim_end())),
            Err(error) => Err(self.broken(&error.to_string())),
        }
    }

    /// Says what is wrong with the line that was read last.
    #[must_use]
    pub(super) fn broken(&self, what: &str) -> String {
        format!("{}:{}: {what}", self.path.display(), self.number)
    }
}

/// `value / divisor`, half to even, and whether it was inexact.
#[must_use]
pub(super) fn rounded(value: i64, divisor: i64) -> (i64, bool) {
    let (whole, rest) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    let up = rest * 2 > divisor || (rest * 2 == divisor && whole % 2 != 0);
    (whole + i64::from(up), rest != 0)
}
