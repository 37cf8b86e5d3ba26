//! Books in the view, whatever form they came in.

use super::{Update, View};
use crate::frame::State;
use crate::frame::book::{BookSideImage, Level, SIDES, checksum};
use crate::tick::BookSide;

/// A symbol's book as the client holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BookView {
    /// Bids, asks.
    pub sides: [BookSideImage; 2],
    /// Of these levels.
    pub checksum: u32,
    /// Freshness.
    pub state: State,
    /// As in [`super::QuoteView::epoch`].
    pub epoch: u64,
    /// Level events so far in this epoch (mod 2^32 in `fixed`).
    pub total: u64,
    /// Of these lost.
    pub lost: u64,
    /// Whether a period runs and the levels are right: deltas may be applied.
    pub based: bool,
}

/// What a record says of an update besides its levels.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    pub(super) id: u32,
    /// Events that it covers, or the total in full.
    pub(super) events: u64,
    pub(super) checksum: u32,
    pub(super) ts_event: i64,
    pub(super) ts_recv: i64,
}

/// Sets levels on both sides, quantity 0 removes; removals first, because a full side drops its worst for a better one.
pub(super) fn set_all(
    sides: &mut [BookSideImage; 2],
    levels: impl Iterator<Item = (BookSide, Level)> + Clone,
    depth: usize,
) {
    let removed = levels.clone().filter(|(_, level)| level.qty == 0);
    for (side, level) in removed.chain(levels.filter(|(_, level)| level.qty != 0)) {
        sides[side as usize].set(side, level);
    }
    sides.iter_mut().for_each(|side| side.truncate(depth));
}

/// The side of its number.
pub(super) fn side(number: u8) -> Option<BookSide> {
    SIDES.get(usize::from(number)).copied()
}

impl View {
    /// A symbol's book.
    #[must_use]
    pub fn book(&self, id: u32) -> Option<&BookView> {
        self.books.get(&id).filter(|book| book.based)
    }

    /// `subscribed` tells the depth of a slot's books, 1 to [`crate::frame::BOOK_LEVELS_MAX`].
    pub fn book_depth(&mut self, slot: u8, depth: usize) {
        self.depths[usize::from(slot & 15)] = depth;
    }

    /// Books whose levels were not those of the checksum, or could not follow a change. Zero, or a fault.
    #[must_use]
    pub const fn wrong_books(&self) -> u64 {
        self.wrong_books
    }

    pub(super) fn depth(&self, slot: u8) -> usize {
        self.depths[usize::from(slot & 15)]
    }

    /// Takes a whole book with totals (mod `modulus` + 1).
    pub(super) fn book_full(
        &mut self,
        told: Told,
        mut new: BookView,
        modulus: u64,
        each: &mut impl FnMut(Update),
    ) {
        let Told { id, ts_event, ts_recv, .. } = told;
        new.checksum = checksum(&new.sides);
        new.based = new.checksum == told.checksum;
        self.wrong_books += u64::from(!new.based);
        let wrong = !new.based;
        let account = &mut self.accounts[2];
        let old = self.books.insert(id, new).filter(|old| old.epoch == new.epoch);
        let mut events = 0;
        match old {
            None => account.periods += 1,
            Some(old) => {
                let covered = new.total.wrapping_sub(old.total) & modulus;
                let lost = new.lost.wrapping_sub(old.lost) & modulus;
                if covered > modulus / 2 {
                    account.broken += 1;
                } else {
                    account.cover(covered, lost, covered.saturating_sub(lost).min(1));
                    events = covered;
                }
            }
        }
        each(Update::Book { id, events, full: true, wrong, ts_event, ts_recv });
    }

    /// Takes what became of a held book; `sides` is none where the changes do not fit it.
    pub(super) fn book_delta(
        &mut self,
        told: Told,
        state: Option<State>,
        sides: Option<[BookSideImage; 2]>,
        modulus: u64,
        each: &mut impl FnMut(Update),
    ) {
        let Told { id, events, ts_event, ts_recv, .. } = told;
        let Some(view) = self.books.get_mut(&id).filter(|view| view.based) else { return };
        view.total = view.total.wrapping_add(events) & modulus;
        view.state = state.unwrap_or(view.state);
        if let Some(sides) = sides {
            (view.sides, view.checksum) = (sides, checksum(&sides));
        }
        view.based = sides.is_some() && view.checksum == told.checksum;
        let wrong = !view.based;
        self.wrong_books += u64::from(wrong);
        self.accounts[2].cover(events, 0, events.min(1));
        each(Update::Book { id, events, full: false, wrong, ts_event, ts_recv });
    }
}
