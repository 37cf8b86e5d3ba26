//! A venue's list of instruments: the steps of prices and quantities.

use crate::replay::decimal::{Decimal, step};
use crate::replay::json::Json;
use crate::replay::lines::Lines;
use std::collections::HashMap;
use std::path::Path;

/// How a venue's list names things; the first member that is there counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    pub(super) name: &'static [&'static str],
    pub(super) tick: &'static [&'static str],
    pub(super) lot: &'static [&'static str],
    /// The steps are numbers of decimals.
    pub(super) decimals: bool,
}

/// Exponent and mantissa of the steps that the list names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) tick: Option<(i8, i64)>,
    pub(super) lot: Option<(i8, i64)>,
}

/// Reads all answers of the venue that stand in the file; none where there is no file.
///
/// # Errors
/// One line that names file and line.
pub(super) fn read(path: &Path, keys: &Keys) -> Result<HashMap<String, Steps>, String> {
    let mut all = HashMap::new();
    if !path.is_file() || keys.name.is_empty() {
        return Ok(all);
    }
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.read()? {
        // `<address> -> <time>: <answer>`
        let answer = std::str::from_utf8(line).ok().filter(|line| line.starts_with("https://"));
        let Some((_, answer)) =
            answer.and_then(|line| line.split_once(" -> ")).and_then(|(_, rest)| rest.split_once(": "))
        else {
            continue;
        };
        match Json::parse(answer) {
            Ok(answer) => collect(&answer, keys, &mut all),
            Err(what) => return Err(lines.broken(&what)),
        }
    }
    Ok(all)
}

fn collect(json: &Json<'_>, keys: &Keys, all: &mut HashMap<String, Steps>) {
    let name = keys.name.iter().map(|name| json.get(name).text()).find(|name| !name.is_empty());
    if let Some(name) = name {
        let steps = Steps {
            tick: find(json, keys.tick).and_then(|text| steps(text, keys.decimals)),
            lot: find(json, keys.lot).and_then(|text| steps(text, keys.decimals)),
        };
        if steps != Steps::default() {
            all.insert(name.to_owned(), steps);
            return;
        }
    }
    match json {
        Json::Map(members) => members.iter().for_each(|(_, value)| collect(value, keys, all)),
        Json::List(list) => list.iter().for_each(|value| collect(value, keys, all)),
        _ => {}
    }
}

/// The first of these members anywhere below.
fn find<'a>(json: &'a Json<'_>, names: &[&str]) -> Option<&'a str> {
    for name in names {
        let text = json.get(name).text();
        if !text.is_empty() {
            return Some(text);
        }
    }
    match json {
        Json::Map(members) => members.iter().find_map(|(_, value)| find(value, names)),
        Json::List(list) => list.iter().find_map(|value| find(value, names)),
        _ => None,
    }
}

/// A step like `0.0005`, `1e-8`, `0.01 GRT`, or a number of decimals.
fn steps(text: &str, decimals: bool) -> Option<(i8, i64)> {
    let number = Decimal::parse(text.split(' ').next()?).ok()?;
    if decimals {
        let decimals = i8::try_from(number.integer()?).ok().filter(|decimals| *decimals <= 18)?;
        return Some((-decimals, 1));
    }
    step(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found_wherever_a_venue_puts_them() {
        let keys = Keys { name: &["symbol"], tick: &["tickSize"], lot: &["stepSize"], decimals: false };
        let text = r#"{"symbols":[{"symbol":"A","filters":[{"tickSize":"0.0050"},{"stepSize":"1e-3"}]},{"symbol":"B"}]}"#;
        let mut all = HashMap::new();
        collect(&Json::parse(text).unwrap(), &keys, &mut all);
        assert_eq!(all["A"], Steps { tick: Some((-3, 5)), lot: Some((-3, 1)) });
        assert_eq!(all.len(), 1);
        assert_eq!(steps("0.01 GRT", false), Some((-2, 1)));
        assert_eq!(steps("8", true), Some((-8, 1)));
        assert_eq!(steps("100", false), Some((0, 100)));
        assert_eq!(steps("0", false), None);
    }
}
