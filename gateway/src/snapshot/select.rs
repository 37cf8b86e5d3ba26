//! Which symbols a question means, with bounded work however it is put. Pure.

use crate::bits::Bits;
use crate::directory::Directory;
use crate::http::{BadQuery, Page, Parameters, shown};
use hyper::StatusCode;
use wire::control::reply::{self, Rejected};
use wire::error::ErrorCode;
use wire::instrument::{InstrumentId, matches, valid_pattern};

/// Most names and patterns of a question.
pub const NAMES_MAX: usize = 64;

/// Most symbols of an answer: it is written in one go, on the thread that also flushes.
pub const SYMBOLS_MAX: usize = 4_096;

/// Most comparisons of a pattern with a symbol that a quick look could not decide. One costs some 70 ns; beyond this a
/// question is refused, since it holds up everybody else.
pub const COMPARED_MAX: usize = 32_768;

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(code: ErrorCode, message: String) -> Self {
        Self { code, message }
    }

    /// The answer: an error of the registry.
    pub(crate) fn into_page(self) -> Page {
        let error = reply::Error::new(None, self.code, &self.message);
        Page::new(StatusCode::BAD_REQUEST, "application/json", reply::text("error", &error))
    }
}

impl From<BadQuery> for Refused {
    fn from(bad: BadQuery) -> Self {
        let code = match bad {
            BadQuery::Repeated(_) => ErrorCode::DuplicateKey,
            BadQuery::Unknown(_) | BadQuery::Encoding(_) => ErrorCode::BadField,
        };
        Self::new(code, bad.to_string())
    }
}

/// The list that was asked for, each of its items a name or a pattern; none = all instruments.
pub(crate) fn names(asked: &Parameters) -> Result<Option<&str>, Refused> {
    let Some(list) = asked.get("symbols") else { return Ok(None) };
    if list.is_empty() || list.split(',').nth(NAMES_MAX).is_some() {
        let message = format!("symbols: a list of 1 to {NAMES_MAX} symbols or patterns");
        return Err(Refused::new(ErrorCode::BadField, message));
    }
    let bad = list.split(',').enumerate().find(|(_, name)| !valid_pattern(name));
    if let Some((at, name)) = bad {
        let message = format!("symbols[{at}]: no symbol or pattern: {}", shown(name));
        return Err(Refused::new(ErrorCode::BadField, message));
    }
    Ok(Some(list))
}

/// What was asked for and is known, and what is not known, in the order of the list.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub(super) ids: Bits,
    pub(super) count: usize,
    pub(super) rejected: Vec<Rejected>,
}

impl Selected {
    /// Takes one more symbol; one that is there already is silently fine.
    fn take(&mut self, id: InstrumentId) -> Result<(), Refused> {
        self.count += usize::from(self.ids.insert(id));
        if self.count <= SYMBOLS_MAX {
            return Ok(());
        }
        let message = format!("symbols: more than {SYMBOLS_MAX} match");
        Err(Refused::new(ErrorCode::TooManySymbols, message))
    }
}

/// The letters of a text, and its pairs of neighbours, of which some share a bit. What a pattern has of them, each symbol
/// that it matches has too.
#[derive(Clone, Copy, Default)]
struct Look {
    letters: u128,
    pairs: u128,
}

impl Look {
    fn and(self, text: &str) -> Self {
        let mut look = self;
        let mut before = None;
        for letter in text.bytes() {
            look.letters |= 1 << (letter & 127);
            if let Some(before) = before.replace(letter) {
                look.pairs |= 1 << (before.wrapping_mul(37).wrapping_add(letter) & 127);
            }
        }
        look
    }

    fn has(self, part: Self) -> bool {
        part.letters & !self.letters == 0 && part.pairs & !self.pairs == 0
    }
}

/// One item of the list.
struct Item<'a> {
    name: &'a str,
    /// What stands before the first star, and behind the last.
    ends: Option<(&'a str, &'a str)>,
    look: Look,
    found: bool,
    /// It means something that must not be seen.
    hidden: bool,
}

impl<'a> Item<'a> {
    fn new(name: &'a str) -> Self {
        let ends = name.split_once('*').map(|(first, rest)| (first, rest.rsplit('*').next().unwrap_or(rest)));
        Self {
            name,
            ends,
            look: name.split('*').fold(Look::default(), Look::and),
            found: false,
            hidden: false,
        }
    }

    /// False only for a symbol that does not match, or for a name, which is found in another way.
    fn may_match(&self, symbol: &str, look: Look) -> bool {
        let Some((first, last)) = self.ends else { return false };
        look.has(self.look) && symbol.starts_with(first) && symbol.ends_with(last)
    }
}

/// Selects what is asked for and `may` be seen.
pub(super) fn select(
    directory: &Directory,
    list: Option<&str>,
    may: impl Fn(&str) -> bool,
) -> Result<Selected, Refused> {
    let mut selected = Selected::default();
    let Some(list) = list else {
        let mut seen = directory.iter().filter(|(_, instrument)| may(&instrument.symbol));
        seen.try_for_each(|(id, _)| selected.take(id))?;
        return Ok(selected);
    };
    let mut items: Vec<Item<'_>> = list.split(',').map(Item::new).collect();
    for item in items.iter_mut().filter(|item| item.ends.is_none()) {
        item.hidden = !may(item.name);
        if item.hidden {
            continue; // whether it is known or not
        }
        if let Some(id) = directory.find(item.name) {
            item.found = true;
            selected.take(id)?;
        }
    }
    if items.iter().any(|item| item.ends.is_some()) {
        select_matching(directory, &mut items, &mut selected, may)?;
    }
    let unknown = items.iter().filter(|item| !item.found);
    let code = |item: &Item<'_>| if item.hidden { ErrorCode::NotEntitled } else { ErrorCode::UnknownSymbol };
    selected.rejected = unknown.map(|item| Rejected::new(item.name, code(item), None)).collect();
    Ok(selected)
}

/// One pass over all instruments. A symbol that is selected is held only against patterns that have matched nothing yet.
fn select_matching(
    directory: &Directory,
    items: &mut [Item<'_>],
    selected: &mut Selected,
    may: impl Fn(&str) -> bool,
) -> Result<(), Refused> {
    let mut compared = 0;
    for (id, instrument) in directory.iter() {
        let symbol = instrument.symbol.as_str();
        let look = Look::default().and(symbol);
        let mut taken = selected.ids.contains(id);
        for item in items.iter_mut() {
            if taken && item.found || !item.may_match(symbol, look) {
                continue;
            }
            compared += 1;
            if compared > COMPARED_MAX {
                let message = "symbols: these patterns look alike to too many instruments".to_owned();
                return Err(Refused::new(ErrorCode::TooManySymbols, message));
            }
            if matches(item.name, symbol) {
                if !taken && !may(symbol) {
                    item.hidden = true;
                    continue;
                }
                (taken, item.found) = (true, true);
                selected.take(id)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::instrument::{Definitions, Instrument};

    fn directory(symbols: impl Iterator<Item = String>) -> Directory {
        let instrument = |symbol| Instrument {
            symbol,
            price_exponent: 0,
            qty_exponent: 0,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: true,
            has_size: true,
        };
        let mut directory = Directory::default();
        let instruments = symbols.map(instrument).collect();
        directory.define(Definitions { shard: 0, feed_epoch: 1, revision: 1, instruments });
        directory
    }

    #[test]
    fn the_quick_look_changes_nothing_about_what_matches() {
        let symbols = ["A", "AB", "ABA", "BAB.X", "BTCUSDT.X", "ETHUSDT.Y", "ETHBTC.Y", "B-1:2/3+4_5.Z"];
        let directory = directory(symbols.iter().map(|symbol| (*symbol).to_owned()));
        let patterns = [
            "*", "A*", "*A", "A*A", "AB*BA", "*B*", "**", "*USD*.Y", "BTC*", "*BTC*", "*.*", "E*T*Y", "*-1*",
            "Q*", "*AA*", "****", "A", "Q",
        ];
        for one in patterns {
            for other in patterns {
                let selected = select(&directory, Some(&format!("{one},{other}")), |_| true).unwrap();
                let either = |id: InstrumentId| {
                    let symbol = &directory.instrument(id).unwrap().symbol;
                    matches(one, symbol) || matches(other, symbol)
                };
                let expected: Vec<_> = directory.iter().map(|(id, _)| id).filter(|id| either(*id)).collect();
                assert_eq!(selected.ids.iter().collect::<Vec<_>>(), expected, "{one},{other}");
                assert_eq!(selected.count, expected.len());
                let unknown = |name: &&str| !symbols.iter().any(|symbol| matches(name, symbol));
                let expected: Vec<_> = [one, other].into_iter().filter(unknown).collect();
                let rejected: Vec<_> = selected.rejected.iter().map(|item| item.symbol.as_str()).collect();
                assert_eq!(rejected, expected, "{one},{other}");
            }
        }
    }

    #[test]
    fn patterns_that_nearly_match_everything_are_refused_before_they_cost() {
        let directory = directory((0..SYMBOLS_MAX).map(|at| format!("ABABABA{at}.X")));
        let list = |pattern: &str| vec![pattern; NAMES_MAX].join(",");
        for cheap in ["*", "A*", "*.X", "Q*", "*Q", "*Q*", "*AA*", "B*"] {
            assert!(select(&directory, Some(&list(cheap)), |_| true).is_ok(), "{cheap}");
        }
        let refused = select(&directory, Some(&list("*ABABABAB*")), |_| true).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TooManySymbols);
    }
}
