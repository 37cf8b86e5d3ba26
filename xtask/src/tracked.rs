//! The files of the repository, as checks read them.

use crate::sys::{Outcome, failed, root};
use std::fs;
use std::process::Command;

/// A tracked text file: its path from the root and its text.
#[derive(Debug)]
pub(crate) struct Tracked {
    /// Path from the root.
    pub(crate) path: String,
    /// Content.
    pub(crate) text: String,
}

/// All tracked text files.
pub(crate) fn tracked() -> Outcome<Vec<Tracked>> {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z"])
        .output()
        .map_err(|error| failed(format!("git: {error}")))?;
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(list
        .split('\0')
        .filter(|path| !path.is_empty())
        .filter_map(|path| {
            Some(Tracked { path: path.to_owned(), text: fs::read_to_string(root().join(path)).ok()? })
        })
        .collect())
}
