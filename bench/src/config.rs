//! The only file that reads the environment: where binaries are, and whether this is CI.

use std::path::{Path, PathBuf};

#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a missing tool is a failure: set in CI.
#[must_use]
pub fn in_ci() -> bool {
    variable("CI").is_some()
}

/// Root of the workspace that this was built from.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// nats-server: `NATS_SERVER_BIN`, else `.tools`, else `PATH`.
#[must_use]
pub fn nats_server() -> Option<PathBuf> {
    if let Some(path) = variable("NATS_SERVER_BIN") {
        return Some(PathBuf::from(path)).filter(|path| path.is_file());
    }
    let tools = workspace().join(".tools/nats/bin/nats-server");
    if tools.is_file() {
        return Some(tools);
    }
    let path = variable("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("nats-server")).find(|path| path.is_file())
}

/// The folder that the services were built into: that of the running program, tests included.
///
/// # Errors
/// When the running program cannot be found.
pub fn binaries() -> std::io::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let dir = exe.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let above = if dir.ends_with("deps") { dir.parent().map(Path::to_path_buf) } else { None };
    Ok(above.unwrap_or(dir))
}

/// A folder of the recordings beside the workspace, if it is there.
#[must_use]
pub fn recordings(name: &str) -> Option<PathBuf> {
    let folder = workspace().join("../shared/data").join(name);
    folder.is_dir().then_some(folder)
}
