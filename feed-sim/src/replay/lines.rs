//! Lines of a recording: plain, gzip, or the one entry of a zip. Streamed; a line has a bound.

use flate2::Crc;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

/// Longest line, bytes: an image of a whole book is the longest that a venue sends.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// A file read line by line.
pub struct Lines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read>>,
    line: Vec<u8>,
    number: u64,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("path", &self.path)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// The only entry of a zip, checked against its CRC at its end.
struct Entry {
    inner: DeflateDecoder<Take<File>>,
    crc: Crc,
    expected: u32,
}

impl Read for Entry {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.crc.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the zip entry's checksum is wrong"));
        }
        Ok(read)
    }
}

fn entry(path: &Path) -> Result<Box<dyn Read>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut archive = zip::ZipArchive::new(File::open(path).map_err(|e| text(&e))?).map_err(|e| text(&e))?;
    if archive.len() != 1 {
        return Err(format!("a zip of one entry is needed, this has {}", archive.len()));
    }
    let (start, length, expected, method) = {
        let entry = archive.by_index(0).map_err(|e| text(&e))?;
        let start = entry.data_start().ok_or("the zip entry has no data")?;
        (start, entry.compressed_size(), entry.crc32(), entry.compression())
    };
    let mut file = File::open(path).map_err(|e| text(&e))?;
    file.seek(SeekFrom::Start(start)).map_err(|e| text(&e))?;
    match method {
        zip::CompressionMethod::Stored => Ok(Box::new(file.take(length))),
        zip::CompressionMethod::Deflated => {
            let inner = DeflateDecoder::new(file.take(length));
            Ok(Box::new(Entry { inner, crc: Crc::new(), expected }))
        }
        other => Err(format!("compression {other} is not read")),
    }
}

impl Lines {
    /// Opens a file by its ending: `.gz`, `.zip`, else plain.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn open(path: &Path) -> Result<Self, String> {
        let named = |error: String| format!("{}: {error}", path.display());
        let plain = || File::open(path).map_err(|error| named(error.to_string()));
        let reader: Box<dyn Read> = match path.extension().and_then(|end| end.to_str()) {
            Some("gz") => Box::new(MultiGzDecoder::new(plain()?)),
            Some("zip") => entry(path).map_err(named)?,
            _ => Box::new(plain()?),
        };
        let reader = BufReader::with_capacity(1 << 16, reader);
        Ok(Self { path: path.to_owned(), reader, line: Vec::new(), number: 0 })
    }

    /// The next line without its end, or `None` after the last one. The buffer may be overwritten by its reader.
    ///
    /// # Errors
    /// One line that names file and line.
    pub fn read(&mut self) -> Result<Option<&mut [u8]>, String> {
        self.line.clear();
        self.number += 1;
        let mut bounded = self.reader.by_ref().take(LINE_BYTES_MAX);
        if let Err(error) = bounded.read_until(b'\n', &mut self.line) {
            return Err(self.broken(&error.to_string()));
        }
        if self.line.is_empty() {
            return Ok(None);
        }
        if self.line.len() as u64 == LINE_BYTES_MAX {
            return Err(self.broken("a line longer than 8 MiB"));
        }
        while self.line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            self.line.pop();
        }
        Ok(Some(&mut self.line))
    }

    /// Whether nothing follows.
    ///
    /// # Errors
    /// One line that names file and line.
    pub fn is_at_end(&mut self) -> Result<bool, String> {
        match self.reader.fill_buf() {
            Ok(rest) => Ok(rest.is_empty()),
            Err(error) => {
                self.number += 1;
                Err(self.broken(&error.to_string()))
            }
        }
    }

    /// An error text for the line that was read last.
    #[must_use]
    pub fn broken(&self, what: &str) -> String {
        format!("{}:{}: {what}", self.path.display(), self.number)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
