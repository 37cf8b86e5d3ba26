//! Order books of the instruments that somebody wants, each complete or known not to be. Pure.
//!
//! A level event applies when its number is the book's count + 1. A hole voids the book until a page of its publisher
//! sets it anew; what comes meanwhile is kept and joins the page by number. Between two ends of updates nothing shows.
//!
//! `ingest` writes it, `engine` asks the bus for the pages that [`Books::needs`] names, lanes read the images.

mod asking;

use crate::bits::{Bits, ids_of};
use crate::last_value::{Received, Table};
use asking::Asking;
use std::collections::VecDeque;
use wire::book::{Book, Fault};
use wire::book_page::Page;
use wire::frame::book::SIDES;
use wire::frame::{BOOK_LEVELS_MAX, BookImage, BookSideImage, State};
use wire::instrument::InstrumentId;
use wire::tick::BookLevel;

/// Most level events kept over all books that wait for a page; at the bound the oldest goes, and its book finds the hole.
pub const KEPT_EVENTS_MAX: usize = 65_536;

/// Counters; each only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BookCounters {
    /// Level events applied singly.
    pub applied: u64,
    /// Level events declared lost.
    pub lost: u64,
    /// Books voided by a hole or a re-sync.
    pub voided: u64,
    /// Books set by a page.
    pub paged: u64,
    /// Paged books that are older than what was already applied.
    pub pages_old: u64,
    /// Kept events that went at the bound.
    pub kept_dropped: u64,
    /// Events with numbers that no page reaches.
    pub beyond: u64,
    /// Updates that end with the best bid not below the best ask.
    pub crossed: u64,
    /// Events that no clean publisher makes: too many levels, a quantity below 0, an absent level removed.
    pub odd: u64,
}

/// One level event of a shard.
#[derive(Debug, Clone, Copy)]
pub struct LevelEvent {
    /// Its number among the instrument's level events.
    pub number: u64,
    /// Due time, ns.
    pub ts_event: i64,
    /// What it says.
    pub level: BookLevel,
}

#[derive(Debug)]
struct Entry {
    /// What is shown.
    image: BookImage,
    /// All events in order; behind the image while an update is open.
    book: Book,
    /// Lost before what `book` holds.
    lost: u64,
    /// No hole since a page.
    whole: bool,
    /// Whether a page has set it in this epoch: counts before it were never ours to lose.
    based: bool,
    shard: u16,
    /// Moment of its want or its epoch's begin: events that were kept before are of another.
    begun: u64,
    /// Moment of the last event that was neither applied nor kept, as far as is known: only a page that was asked for
    /// later has it for sure.
    missed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    id: InstrumentId,
    moment: u64,
    event: LevelEvent,
    received: Received,
}

/// All books that are wanted.
#[derive(Debug, Default)]
pub struct Books {
    entries: Vec<Option<Box<Entry>>>,
    wanted: Bits,
    count: usize,
    kept: VecDeque<Kept>,
    /// Counts what happens to any book, so that what was before a question is told from what was after.
    moment: u64,
    asking: Vec<Asking>,
    counters: BookCounters,
    touched: Bits,
}

impl Books {
    /// Keeps the book of an instrument from now on; it is stale until a page comes. `table` says its shard and epoch.
    /// Wanting it again changes nothing.
    pub fn want(&mut self, id: InstrumentId, table: &Table) {
        let Some(row) = table.row(id) else { return };
        if self.entry(id).is_some() {
            return;
        }
        if self.entries.len() <= id.index() {
            self.entries.resize_with(id.index() + 1, || None);
        }
        let quote = &row.image.quote;
        self.moment += 1;
        let mut entry = Entry {
            image: BookImage::default(),
            book: Book::default(),
            lost: 0,
            whole: false,
            based: false,
            shard: row.shard,
            begun: self.moment,
            missed: self.moment,
        };
        entry.begin(quote.feed_epoch, quote.epoch_count);
        self.asking_mut(row.shard).void(id);
        self.entries[id.index()] = Some(Box::new(entry));
        self.wanted.insert(id);
        self.touched.insert(id);
        self.count += 1;
    }

    /// Forgets the book of an instrument.
    pub fn unwant(&mut self, id: InstrumentId) {
        let Some(entry) = self.entries.get_mut(id.index()).and_then(Option::take) else { return };
        self.asking_mut(entry.shard).settle(id);
        self.wanted.remove(id);
        self.touched.remove(id);
        self.count -= 1;
        if self.asking.iter().all(Asking::is_settled) {
            self.kept.clear(); // what is left of others would wait for a page that nobody asks for
        }
    }

    /// The book as it is to be shown, `None` when nobody wants it. Without a page yet it is empty, stale, of count 0.
    #[must_use]
    pub fn image(&self, id: InstrumentId) -> Option<&BookImage> {
        self.entry(id).map(|entry| &entry.image)
    }

    /// Books whose image changed since [`Books::clear_touched`].
    #[must_use]
    pub fn touched(&self) -> &Bits {
        &self.touched
    }

    /// All changes have been looked at.
    pub fn clear_touched(&mut self) {
        self.touched.clear();
    }

    /// Number of books that are wanted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a book is complete; false also when it is not wanted.
    #[must_use]
    pub fn is_whole(&self, id: InstrumentId) -> bool {
        self.entry(id).is_some_and(|entry| entry.whole)
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> BookCounters {
        self.counters
    }

    /// Level events that wait for a page, at most [`KEPT_EVENTS_MAX`].
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    fn entry(&self, id: InstrumentId) -> Option<&Entry> {
        self.entries.get(id.index())?.as_deref()
    }

    fn asking_mut(&mut self, shard: u16) -> &mut Asking {
        let shard = usize::from(shard);
        if self.asking.len() <= shard {
            self.asking.resize_with(shard + 1, Asking::default);
        }
        &mut self.asking[shard]
    }

    /// Takes the next level event of an instrument; free when its book is not wanted.
    #[inline]
    pub fn apply(&mut self, id: InstrumentId, event: &LevelEvent, received: Received) {
        if self.entries.get(id.index()).is_some_and(Option::is_some) {
            self.take(id, event, received);
        }
    }

    fn take(&mut self, id: InstrumentId, event: &LevelEvent, received: Received) {
        let Some(entry) = self.entries.get_mut(id.index()).and_then(Option::as_mut) else { return };
        if entry.whole && event.number > entry.book.lver {
            if event.number - entry.book.lver == 1 {
                if entry.step(event, received, &mut self.counters) {
                    self.touched.insert(id);
                }
                return;
            }
            self.void(id);
        }
        self.keep(id, event, received);
    }

    /// Keeps an event of a book that waits for its page; one that a whole book already has is skipped.
    fn keep(&mut self, id: InstrumentId, event: &LevelEvent, received: Received) {
        if self.entry(id).is_none_or(|entry| entry.whole) {
            return;
        }
        if self.kept.len() == KEPT_EVENTS_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.counters.kept_dropped += 1;
            if let Some(entry) = self.entries.get_mut(oldest.id.index()).and_then(Option::as_mut) {
                entry.missed = entry.missed.max(oldest.moment);
            }
        }
        self.moment += 1;
        self.kept.push_back(Kept { id, moment: self.moment, event: *event, received });
    }

    fn void(&mut self, id: InstrumentId) {
        let Some(entry) = self.entries.get_mut(id.index()).and_then(Option::as_mut) else { return };
        (entry.whole, entry.image.state) = (false, State::Stale);
        let shard = entry.shard;
        self.counters.voided += 1;
        self.touched.insert(id);
        self.asking_mut(shard).void(id);
    }

    /// Takes what a snapshot's row says of an instrument: `lver` level events so far. A new epoch voids its book, as
    /// does a count that the book has not reached.
    pub fn restore(&mut self, id: InstrumentId, lver: u64, table: &Table) {
        let Some(entry) = self.entries.get_mut(id.index()).and_then(Option::as_mut) else { return };
        let Some(row) = table.row(id) else { return };
        let (epoch, epoch_count) = (row.image.quote.feed_epoch, row.image.quote.epoch_count);
        let before = std::mem::replace(&mut entry.shard, row.shard);
        let renewed = (entry.image.feed_epoch, entry.image.epoch_count) != (epoch, epoch_count);
        self.moment += 1;
        if renewed {
            entry.begun = self.moment;
            entry.begin(epoch, epoch_count);
        }
        let behind = entry.whole && entry.book.lver < lver;
        if !entry.whole || behind {
            entry.missed = self.moment;
        }
        if before != row.shard {
            self.asking_mut(before).settle(id);
        }
        if renewed || behind || before != row.shard {
            self.void(id);
        }
    }

    /// Books of a shard to ask for now, as indices of `ids`, its definitions: at most 512, none while a question is on
    /// its way or it is too early to ask again. A non-empty answer is to be asked on `book.<shard>`; then
    /// [`Books::page`] or [`Books::unanswered`] must follow.
    pub fn needs(&mut self, shard: u16, ids: &[InstrumentId], now_us: i64) -> Vec<u32> {
        let moment = self.moment;
        self.asking
            .get_mut(usize::from(shard))
            .map_or_else(Vec::new, |asking| asking.ask(ids, moment, now_us))
    }

    /// The question to a shard was not answered, or not well: it is asked again, ever more slowly.
    pub fn unanswered(&mut self, shard: u16, now_us: i64) {
        self.asking_mut(shard).answered(false, now_us);
    }

    /// Takes a page: sets the books that wait, then replays what was kept of them. `ids` are the shard's definitions,
    /// of the page's own epoch; `epoch` is the one in force. Returns whether it set any book.
    pub fn page(
        &mut self,
        shard: u16,
        page: &Page<'_>,
        ids: &[InstrumentId],
        epoch: u64,
        received: Received,
    ) -> bool {
        let asked_at = self.asking_mut(shard).asked_at();
        let (mut set, mut early) = (false, false);
        if page.header.feed_epoch.get() == epoch {
            for paged in page.books() {
                let Some(id) = ids.get(paged.head.index.get() as usize) else { continue };
                if self.entry(*id).is_some_and(|entry| entry.missed > asked_at) {
                    early = true; // no fault of the publisher
                } else {
                    set |= self.set(*id, paged.book(), epoch, received);
                }
            }
        }
        self.asking_mut(shard).answered(set || early, received.now_us);
        if set {
            self.replay(asked_at);
        }
        set
    }

    fn set(&mut self, id: InstrumentId, book: Book, epoch: u64, received: Received) -> bool {
        let Some(entry) = self.entries.get_mut(id.index()).and_then(Option::as_mut) else { return false };
        if entry.whole || entry.image.feed_epoch != epoch {
            return false;
        }
        if book.lver < entry.book.lver {
            self.counters.pages_old += 1;
            return false;
        }
        if entry.based {
            let lost = book.lver - entry.book.lver;
            entry.lost += lost;
            self.counters.lost += lost;
        }
        (entry.book, entry.whole, entry.based) = (book, true, true);
        entry.show(received);
        let shard = entry.shard;
        self.asking_mut(shard).settle(id);
        self.touched.insert(id);
        self.counters.paged += 1;
        true
    }

    /// One pass over what was kept. Events that came before the page was asked for are in it, if they are its
    /// publisher's: a number beyond the page among them is a stray and must not void its book again and again.
    fn replay(&mut self, asked_at: u64) {
        for kept in std::mem::take(&mut self.kept) {
            let Some(entry) = self.entries.get_mut(kept.id.index()).and_then(Option::as_mut) else {
                continue;
            };
            if entry.begun > kept.moment {
                continue;
            }
            if !entry.whole {
                self.kept.push_back(kept);
            } else if kept.event.number > entry.book.lver {
                if kept.event.number - entry.book.lver == 1 {
                    entry.step(&kept.event, kept.received, &mut self.counters);
                } else if kept.moment <= asked_at {
                    self.counters.beyond += 1;
                } else {
                    self.void(kept.id);
                    self.kept.push_back(kept);
                }
            }
        }
    }

    /// Gives books the freshness of their symbols' quotes; `moved` are the symbols whose rows have moved.
    pub fn judge(&mut self, table: &Table, moved: &Bits) {
        if self.count == 0 {
            return;
        }
        for (at, wanted) in self.wanted.words().iter().enumerate() {
            let word = |bits: &Bits| bits.words().get(at).copied().unwrap_or(0);
            let touched = word(&self.touched);
            for id in ids_of(at, wanted & (word(moved) | touched)) {
                let Some(entry) = self.entries.get_mut(id.index()).and_then(Option::as_mut) else { continue };
                let state = table.row(id).filter(|_| entry.whole).map(|row| row.image.quote.state);
                let state = state.unwrap_or(State::Stale);
                if std::mem::replace(&mut entry.image.state, state) != state {
                    self.touched.insert(id);
                }
            }
        }
    }
}

impl Entry {
    /// A new epoch: nothing is known.
    fn begin(&mut self, feed_epoch: u64, epoch_count: u8) {
        self.image = BookImage { feed_epoch, epoch_count, ..BookImage::default() };
        (self.book, self.lost) = (Book::default(), 0);
        (self.whole, self.based) = (false, false);
    }

    /// Folds the next event in; returns whether it shows.
    fn step(&mut self, event: &LevelEvent, received: Received, counters: &mut BookCounters) -> bool {
        match self.book.apply(event.number, event.ts_event, &event.level) {
            None => {}
            Some(Fault::Crossed) => counters.crossed += 1,
            Some(Fault::Negative | Fault::Absent | Fault::TooMany) => counters.odd += 1,
        }
        counters.applied += 1;
        self.show(received)
    }

    /// Shows what is in the book, unless an update is open.
    fn show(&mut self, received: Received) -> bool {
        if self.book.open {
            return false;
        }
        self.image.sides = SIDES.map(|side| {
            let mut shown = BookSideImage::default();
            for level in self.book.side(side).iter().take(BOOK_LEVELS_MAX) {
                shown.push(*level);
            }
            shown
        });
        (self.image.lver, self.image.lost) = (self.book.lver, self.lost);
        (self.image.ts_event, self.image.ts_recv) =
            (self.book.ts_event, received.now_us.saturating_mul(1_000));
        true
    }
}
