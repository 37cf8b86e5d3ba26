//! Files that may change while the gateway runs: keys and certificates.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one state of a file from another.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Some files that belong together.
#[derive(Debug, Clone)]
pub struct Watch {
    paths: Vec<PathBuf>,
    stamps: Vec<Stamp>,
    bytes_max: u64,
}

impl Watch {
    /// Files of which nothing is known yet.
    #[must_use]
    pub const fn new(paths: Vec<PathBuf>, bytes_max: u64) -> Self {
        Self { paths, stamps: Vec::new(), bytes_max }
    }

    /// What they hold, if any has changed since the last look. Blocks: it is for where nobody waits.
    pub fn look(&mut self) -> Option<io::Result<Vec<Vec<u8>>>> {
        // Stamped before they are read: what is written meanwhile shows at the next look.
        let stamps: Vec<Stamp> = self.paths.iter().map(|path| stamp(path)).collect();
        if stamps == self.stamps {
            return None;
        }
        self.stamps = stamps;
        Some(self.read())
    }

    /// What they hold now.
    ///
    /// # Errors
    /// When one cannot be read, or is too large.
    pub fn read(&self) -> io::Result<Vec<Vec<u8>>> {
        self.paths.iter().map(|path| read(path, self.bytes_max)).collect()
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(named)?.take(bytes_max + 1).read_to_end(&mut bytes).map_err(named)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("{}: larger than {bytes_max} bytes", path.display())));
    }
    Ok(bytes)
}
