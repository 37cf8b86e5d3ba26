//! `cargo xtask docs-check`: links and commands in the documents lead somewhere.

use std::path::Path;

use crate::sys::{Outcome, root};
use crate::tracked::{Tracked, tracked};

/// Subcommands that documents may name.
const COMMANDS: &[&str] = &["run", "test", "lint", "docs-check", "bench", "mutants", "doctor", "help"];

/// Checks and says what it found.
pub(crate) fn run() -> Outcome {
    let findings = findings(&tracked()?);
    for finding in &findings {
        println!("{finding}");
    }
    println!(
        "documents: {}",
        if findings.is_empty() { "ok".to_owned() } else { format!("{} FOUND", findings.len()) }
    );
    Ok(u8::from(!findings.is_empty()))
}

/// Dead links and unknown commands of all tracked documents.
pub(crate) fn findings(files: &[Tracked]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.rsplit_once('.').is_some_and(|(_, end)| end == "md")) {
        for (index, line) in file.text.lines().enumerate() {
            let at = format!("{}:{}", file.path, index + 1);
            for link in links(line) {
                if !leads_somewhere(&file.path, link) {
                    found.push(format!("{at}: dead link {link}"));
                }
            }
            for word in commands(line) {
                if !COMMANDS.contains(&word) {
                    found.push(format!("{at}: no command `cargo xtask {word}`"));
                }
            }
        }
    }
    found
}

/// Targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// Words after `cargo xtask`.
fn commands(line: &str) -> impl Iterator<Item = &str> {
    line.split("cargo xtask ").skip(1).filter_map(|rest| {
        let word = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next()?;
        // `cargo xtask` followed by prose or an option names no command.
        (!word.is_empty() && !word.starts_with('-') && rest.starts_with(word)).then_some(word)
    })
}

fn leads_somewhere(document: &str, link: &str) -> bool {
    let target = link.split('#').next().unwrap_or_default();
    // Recordings lie beside the repository and may be absent.
    if target.is_empty()
        || target.contains("://")
        || target.starts_with("mailto:")
        || target.contains("shared/")
    {
        return true;
    }
    let folder = Path::new(document).parent().unwrap_or_else(|| Path::new(""));
    root().join(folder).join(target).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_commands_are_found() {
        let line = "see [a](docs/a.md) and [b](b.md#x), then `cargo xtask run --for 30s` or `cargo xtask`";
        assert_eq!(links(line).collect::<Vec<_>>(), ["docs/a.md", "b.md#x"]);
        assert_eq!(commands(line).collect::<Vec<_>>(), ["run"]);
    }
}
