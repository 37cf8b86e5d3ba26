//! Cargo, Node, Python and Chromium: found, or fetched into `.tools/`, or named in one line.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::sys::{Outcome, env, failed, now, root, which};

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    command.current_dir(root());
    command
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    env("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a cargo build with one refreshing line of progress; on failure its messages are shown.
pub(crate) fn cargo_quietly(what: &str, args: &[&str]) -> Outcome<()> {
    let started = now();
    let terminal = std::io::stdout().is_terminal();
    if !terminal {
        println!("building {what}");
    }
    let mut child = cargo()
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cargo: {error}")))?;
    let mut kept: VecDeque<String> = VecDeque::new();
    let mut built = 0_u32;
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let word = line.trim_start();
            if let Some(name) = word.strip_prefix("Compiling ").and_then(|rest| rest.split(' ').next()) {
                built += 1;
                if terminal {
                    print!("\r\x1b[Kbuilding {what}: {built} crates, now {name}");
                    let _ = std::io::stdout().flush();
                }
            }
            kept.push_back(line);
            if kept.len() > 200 {
                kept.pop_front();
            }
        }
    }
    let status = child.wait().map_err(|error| failed(format!("cargo: {error}")))?;
    if terminal {
        print!("\r\x1b[K");
    }
    if !status.success() {
        let text: Vec<String> = kept.into();
        return Err(failed(format!("building {what} failed:\n{}", text.join("\n"))));
    }
    if built > 0 {
        println!("built {what} in {} s", started.elapsed().as_secs());
    }
    Ok(())
}

/// Why the web part cannot be built here, or how.
pub(crate) fn node() -> Result<(PathBuf, PathBuf), String> {
    let node =
        which("node").ok_or("Node is missing: install Node 20 or newer (apt-get install nodejs npm)")?;
    let npm = which("npm").ok_or("npm is missing: apt-get install npm")?;
    let output = Command::new(&node).arg("--version").output().map_err(|error| format!("node: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = text.trim_start_matches('v').split('.').next().and_then(|part| part.parse::<u32>().ok());
    if major.is_some_and(|major| major >= 20) {
        Ok((node, npm))
    } else {
        Err(format!("Node {text} is too old: 20 or newer is needed"))
    }
}

/// The folder of the web client.
pub(crate) fn web() -> PathBuf {
    root().join("clients/web")
}

/// Installs the web client's packages if the lock file changed, and builds SDK and page into `dist`.
pub(crate) fn build_page(npm: &Path) -> Result<PathBuf, String> {
    let web = web();
    let lock =
        fs::read(web.join("package-lock.json")).map_err(|error| format!("package-lock.json: {error}"))?;
    let stamp = web.join("node_modules/.tickgate-lock");
    if fs::read(&stamp).ok().as_deref() != Some(lock.as_slice()) {
        quiet(
            Command::new(npm).current_dir(&web).args(["ci", "--silent", "--no-audit", "--no-fund"]),
            "npm ci",
        )?;
        fs::write(&stamp, &lock).map_err(|error| format!("{}: {error}", stamp.display()))?;
    }
    quiet(Command::new(npm).current_dir(&web).args(["run", "--silent", "build"]), "npm run build")?;
    Ok(web.join("dist"))
}

/// A Python with the client and what its tests need, in `.tools/venv`.
pub(crate) fn python_venv() -> Result<PathBuf, String> {
    let folder = root().join(".tools/venv");
    let python = folder.join("bin/python");
    let project = root().join("clients/python/pyproject.toml");
    let wanted = fs::read(&project).map_err(|error| format!("{}: {error}", project.display()))?;
    let stamp = folder.join(".tickgate-project");
    if python.is_file() && fs::read(&stamp).ok().as_deref() == Some(wanted.as_slice()) {
        return Ok(python);
    }
    let system = which("python3").ok_or("python3 is missing: apt-get install python3 python3-venv")?;
    quiet(
        Command::new(system).args(["-m", "venv", "--clear"]).arg(&folder),
        "python3 -m venv (apt-get install python3-venv)",
    )?;
    let mut install = Command::new(&python);
    install.current_dir(root()).args(["-m", "pip", "install", "-q", "--disable-pip-version-check"]);
    quiet(install.args(["numpy", "websockets", "-e", "clients/python[test]"]), "pip install")?;
    fs::write(&stamp, &wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

/// A Chromium for the page's test.
pub(crate) fn chromium() -> Option<PathBuf> {
    if let Some(path) = env("CHROMIUM").map(PathBuf::from) {
        return path.is_file().then_some(path);
    }
    ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|name| which(name))
}

fn quiet(command: &mut Command, what: &str) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(format!("{what} failed:\n{}", text.trim_end()))
}
