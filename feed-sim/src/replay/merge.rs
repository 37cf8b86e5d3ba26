//! Files of a folder as one source: merged by time, moved to a common begin, with what lies before it folded away.

use crate::event::{Counts, Item, Source};
use crate::replay::book::Book;
use crate::replay::{DAY_NS, Recording};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use wire::instrument::Instrument;
use wire::tick::{Change, Status};

/// One file and what of it is next.
struct Lane {
    recording: Box<dyn Recording>,
    /// Its instruments' indices among all.
    places: Vec<u32>,
    items: Vec<Item>,
    last_ns: Option<i64>,
    /// Time of `items`, while the file's silence before it is not yet told.
    silence_until: Option<i64>,
    silent: bool,
    time_back: u64,
}

/// Files merged by time. Ties go by the files' order.
pub struct Merged {
    lanes: Vec<Lane>,
    instruments: Vec<Instrument>,
    heads: BinaryHeap<Reverse<(i64, usize)>>,
    begin_ns: i64,
    /// State at the begin: what `--from` skipped, folded.
    first: Vec<Item>,
}

impl std::fmt::Debug for Merged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merged").field("instruments", &self.instruments.len()).finish_non_exhaustive()
    }
}

/// State of one instrument before the begin.
#[derive(Default)]
struct Folded {
    quote: Option<Change>,
    status: Option<Change>,
    book: Book,
}

impl Merged {
    /// Merges recordings; the first item is due at 0. With `from_ns`, a time of day, all before it is folded into the
    /// quotes, books and states that hold then; prints before it are skipped.
    ///
    /// # Errors
    /// One line that names file and line.
    pub fn new(mut recordings: Vec<Box<dyn Recording>>, from_ns: Option<i64>) -> Result<Self, String> {
        let instruments = agree(&mut recordings)?;
        let place = |symbol: &str| {
            let at = instruments.iter().position(|instrument| instrument.symbol == symbol).unwrap_or(0);
            u32::try_from(at).unwrap_or(0)
        };
        let lanes = recordings.into_iter().map(|recording| Lane {
            places: recording.instruments().iter().map(|one| place(&one.symbol)).collect(),
            recording,
            items: Vec::new(),
            last_ns: None,
            silence_until: None,
            silent: false,
            time_back: 0,
        });
        let lanes: Vec<Lane> = lanes.collect();
        let mut merged =
            Self { lanes, instruments, heads: BinaryHeap::new(), begin_ns: 0, first: Vec::new() };
        for at in 0..merged.lanes.len() {
            merged.fill(at)?;
        }
        let earliest = merged.heads.peek().map_or(0, |Reverse((time, _))| *time);
        merged.begin_ns = earliest;
        if let Some(time_of_day) = from_ns {
            let mut begin = earliest - earliest.rem_euclid(DAY_NS) + time_of_day;
            // A recording of the night goes on after midnight.
            if begin < earliest - DAY_NS / 2 {
                begin += DAY_NS;
            }
            if begin > earliest {
                merged.fold_until(begin)?;
                merged.begin_ns = begin;
            }
        }
        Ok(merged)
    }

    /// Reads a lane's next items and puts it in line.
    fn fill(&mut self, at: usize) -> Result<(), String> {
        let lane = &mut self.lanes[at];
        lane.items.clear();
        let Some(mut time) = lane.recording.next(&mut lane.items)? else { return Ok(()) };
        if let Some(last) = lane.last_ns.replace(time) {
            if time < last {
                lane.time_back += 1;
                time = last;
                lane.last_ns = Some(last);
            }
            if let Some(after) = lane.recording.silent_after_ns()
                && time - last > after
            {
                lane.silence_until = Some(time);
                self.heads.push(Reverse((last + after, at)));
                return Ok(());
            }
        }
        self.heads.push(Reverse((time, at)));
        Ok(())
    }

    /// Takes the earliest items; `None` at the end of all.
    fn pop(&mut self, until_ns: i64, out: &mut Vec<Item>) -> Result<Option<()>, String> {
        let Some(Reverse((time, at))) = self.heads.peek().copied() else { return Ok(None) };
        if time > until_ns {
            return Ok(Some(()));
        }
        self.heads.pop();
        let lane = &mut self.lanes[at];
        let due_ns = (time - self.begin_ns).max(0);
        let status = |places: &[u32], status, out: &mut Vec<Item>| {
            let change = Change::Status(status);
            out.extend(places.iter().map(|instrument| Item { due_ns, instrument: *instrument, change }));
        };
        if let Some(back_ns) = lane.silence_until.take() {
            lane.silent = true;
            status(&lane.places, Status::SourceStale, out);
            self.heads.push(Reverse((back_ns, at)));
            return Ok(Some(()));
        }
        if std::mem::take(&mut lane.silent) {
            status(&lane.places, Status::Open, out);
        }
        let items = lane.items.drain(..);
        out.extend(items.map(|item| Item {
            due_ns,
            instrument: lane.places[item.instrument as usize],
            change: item.change,
        }));
        self.fill(at)?;
        Ok(Some(()))
    }

    fn next_ns(&self) -> Option<i64> {
        self.heads.peek().map(|Reverse((time, _))| *time)
    }

    fn fold_until(&mut self, begin_ns: i64) -> Result<(), String> {
        let mut folded: BTreeMap<u32, Folded> = BTreeMap::new();
        let mut items = Vec::new();
        while self.next_ns().is_some_and(|time| time < begin_ns) {
            self.pop(begin_ns, &mut items)?;
            for item in items.drain(..) {
                let state = folded.entry(item.instrument).or_default();
                match item.change {
                    Change::Quote(_) => state.quote = Some(item.change),
                    Change::Status(_) => state.status = Some(item.change),
                    Change::Level(level) => {
                        if level.snapshot_begins {
                            state.book.clear();
                        }
                        state.book.set(level.side, level.price, level.qty);
                    }
                    Change::Trade(_) => {}
                }
            }
        }
        for (instrument, mut state) in folded {
            let mut changes = Vec::new();
            state.book.changes(&mut changes);
            let rest = state.status.into_iter().chain(state.quote);
            let items = changes.into_iter().chain(rest);
            self.first.extend(items.map(|change| Item { due_ns: 0, instrument, change }));
        }
        Ok(())
    }
}

/// All instruments; two files of one symbol get the exponents that hold both.
fn agree(recordings: &mut [Box<dyn Recording>]) -> Result<Vec<Instrument>, String> {
    let mut all: Vec<Instrument> = Vec::new();
    for recording in recordings.iter() {
        for new in recording.instruments() {
            if !wire::instrument::valid_symbol(&new.symbol) {
                return Err(format!("no symbol: {:?}", new.symbol));
            }
            match all.iter_mut().find(|old| old.symbol == new.symbol) {
                Some(old) => {
                    if new.price_exponent < old.price_exponent {
                        (old.price_exponent, old.tick_size) = (new.price_exponent, new.tick_size);
                    }
                    if new.qty_exponent < old.qty_exponent {
                        (old.qty_exponent, old.lot_size) = (new.qty_exponent, new.lot_size);
                    }
                    old.has_aggressor |= new.has_aggressor;
                }
                None => all.push(new.clone()),
            }
        }
    }
    for recording in recordings {
        for one in recording.instruments_mut() {
            if let Some(agreed) = all.iter().find(|all| all.symbol == one.symbol) {
                one.clone_from(agreed);
            }
        }
    }
    Ok(all)
}

impl Source for Merged {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn items_until(&mut self, until_ns: i64, out: &mut Vec<Item>) -> Result<bool, String> {
        out.append(&mut self.first);
        let until_ns = self.begin_ns.saturating_add(until_ns);
        while self.next_ns().is_some_and(|time| time <= until_ns) {
            self.pop(until_ns, out)?;
        }
        Ok(!self.heads.is_empty())
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for lane in &self.lanes {
            counts += lane.recording.counts();
            counts.time_back += lane.time_back;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use wire::tick::{BookLevel, BookSide, Quote, Trade};

    struct Script(Vec<Instrument>, VecDeque<(i64, Change)>);

    impl Recording for Script {
        fn instruments(&self) -> &[Instrument] {
            &self.0
        }
        fn instruments_mut(&mut self) -> &mut [Instrument] {
            &mut self.0
        }
        fn next(&mut self, out: &mut Vec<Item>) -> Result<Option<i64>, String> {
            let Some((time, change)) = self.1.pop_front() else { return Ok(None) };
            out.push(Item { due_ns: 0, instrument: 0, change });
            Ok(Some(time))
        }
        fn silent_after_ns(&self) -> Option<i64> {
            Some(100)
        }
    }

    fn script(symbol: &str, exponent: i8, lines: &[(i64, Change)]) -> Box<dyn Recording> {
        let instrument = Instrument {
            symbol: symbol.to_owned(),
            price_exponent: exponent,
            qty_exponent: 0,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: false,
            has_size: true,
        };
        Box::new(Script(vec![instrument], lines.iter().copied().collect()))
    }

    fn quote(bid: i64) -> Change {
        Change::Quote(Quote { bid, ..Quote::default() })
    }

    fn level(price: i64, qty: i64) -> Change {
        let (snapshot_begins, update_ends) = (false, true);
        Change::Level(BookLevel { side: BookSide::Bid, price, qty, snapshot_begins, update_ends })
    }

    #[test]
    fn files_merge_by_time_and_share_their_instrument() {
        let files = vec![
            script("A", -2, &[(10, quote(1)), (30, quote(3))]),
            script("B", 0, &[(20, quote(2)), (30, quote(4))]),
            script("A", -3, &[(25, quote(5))]),
        ];
        let mut merged = Merged::new(files, None).unwrap();
        let mut out = Vec::new();
        assert!(merged.items_until(10, &mut out).unwrap());
        assert!(!merged.items_until(1_000, &mut out).unwrap());
        let seen: Vec<_> = out.iter().map(|item| (item.due_ns, item.instrument, item.change)).collect();
        let expected =
            [(0, 0, quote(1)), (10, 1, quote(2)), (15, 0, quote(5)), (20, 0, quote(3)), (20, 1, quote(4))];
        assert_eq!(seen, expected);
        assert_eq!(merged.instruments()[0].price_exponent, -3);
    }

    #[test]
    fn a_silent_file_makes_its_instruments_stale_until_it_speaks() {
        let mut merged = Merged::new(vec![script("A", 0, &[(0, quote(1)), (500, quote(2))])], None).unwrap();
        let mut out = Vec::new();
        merged.items_until(499, &mut out).unwrap();
        assert_eq!((out[1].due_ns, out[1].change), (100, Change::Status(Status::SourceStale)));
        merged.items_until(500, &mut out).unwrap();
        assert_eq!((out[2].change, out[3].change), (Change::Status(Status::Open), quote(2)));
    }

    #[test]
    fn what_lies_before_the_begin_is_folded_into_the_state_then() {
        let trade = Change::Trade(Trade::default());
        let day = 5 * DAY_NS;
        let at = |ns| day + 30 * 60_000_000_000 + ns;
        let lines = [
            (at(0), quote(1)),
            (at(10), level(7, 1)),
            (at(20), trade),
            (at(30), level(7, 0)),
            (at(35), level(6, 2)),
            (at(40), quote(2)),
            (at(50), trade),
        ];
        let from = at(45) - day;
        let mut merged = Merged::new(vec![script("A", 0, &lines)], Some(from)).unwrap();
        let mut out = Vec::new();
        merged.items_until(4, &mut out).unwrap();
        let Change::Level(first) = out[0].change else { panic!("{out:?}") };
        assert_eq!((first.price, first.qty, first.snapshot_begins), (6, 2, true));
        assert_eq!((out[1].change, out.len()), (quote(2), 2));
        merged.items_until(5, &mut out).unwrap();
        assert_eq!((out[2].due_ns, out[2].change), (5, trade));
    }
}
