//! What is told of a book when fewer levels than it has are: the best `depth` a side, by their changes.

use super::symbol::{Level, told};
use wire::tick::{BookSide, Change};

/// Both sides of a symbol's book as its changes make them, best first.
#[derive(Debug)]
pub(super) struct Top {
    depth: usize,
    sides: [Vec<Level>; 2],
    cut: Vec<Change>,
}

impl Top {
    pub(super) fn new(depth: usize, sides: &[Vec<Level>; 2]) -> Self {
        Self { depth, sides: sides.clone(), cut: Vec::new() }
    }

    /// Replaces changes of all levels by those of the best: one that falls out is told as removed, one that comes in
    /// is told.
    pub(super) fn cut(&mut self, changes: &mut Vec<Change>) {
        self.cut.clear();
        self.cut.append(changes);
        for change in self.cut.iter().copied() {
            let Change::Level(level) = change else {
                changes.push(change);
                continue;
            };
            let side = level.side as usize;
            let levels = &mut self.sides[side];
            let at = levels.partition_point(|other| match level.side {
                BookSide::Bid => other.price > level.price,
                BookSide::Ask => other.price < level.price,
            });
            let there = levels.get(at).is_some_and(|other| other.price == level.price);
            let new = Level { price: level.price, size: level.qty };
            let mut tell = None;
            match (there, level.qty > 0) {
                (true, true) => levels[at] = new,
                (false, true) => {
                    levels.insert(at, new);
                    tell = levels.get(self.depth).map(|out| Level { size: 0, ..*out });
                }
                (true, false) => {
                    levels.remove(at);
                    tell = levels.get(self.depth - 1).copied();
                }
                (false, false) => continue,
            }
            if at < self.depth {
                changes.push(change);
                changes.extend(tell.map(|level| told(side, level)));
            }
        }
    }
}

/// An update ends with its last level before a quote, or before the end: then book and quote agree.
pub(super) fn end_updates(changes: &mut [Change]) {
    let mut ends = true;
    for change in changes.iter_mut().rev() {
        match change {
            Change::Level(level) => level.update_ends = std::mem::take(&mut ends),
            Change::Quote(_) => ends = true,
            Change::Trade(_) | Change::Status(_) => {}
        }
    }
}
