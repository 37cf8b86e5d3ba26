//! What a client holds: the reference reader of all three forms, with continuity and exact accounting.
//!
//! Feed it the control messages that change wire sets, each heartbeat, and each market-data message; it hands out
//! updates and counts. It is the specification of a client in code: the clients of other languages do the same.
//!
//! **Accounting** (per channel and symbol): a period begins with the first full record after the symbol joined or
//! after its feed epoch changed. Within a period, published = delivered + merged + declared lost.

use crate::cursor::Damaged;
use crate::frame::{BOOK_LEVELS_MAX, Bar, Form, Print, PrintRange, State};
use crate::tick::{Aggressor, Quote, Status};
use std::collections::HashMap;

mod account;
mod bar;
mod book;
mod compact;
mod fixed;
mod hash;
mod json;
mod resume;

pub use self::account::Account;
pub use self::bar::{BarView, StatusView};
pub use self::book::BookView;
pub use self::resume::{Carried, Resumed};

/// A symbol's quote as the client holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuoteView {
    /// Prices and sizes.
    pub quote: Quote,
    /// Freshness.
    pub state: State,
    /// Feed epoch, or the gateway's count of epochs in `fixed`.
    pub epoch: u64,
    /// Events so far in this epoch (mod 2^32 in `fixed`).
    pub total: u64,
    /// Of these lost.
    pub lost: u64,
    /// Whether a period runs: deltas may be applied.
    pub based: bool,
}

/// A symbol's trade totals as the client holds them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TradeView {
    /// Last print.
    pub last: Print,
    /// Freshness, where only trades are held.
    pub state: State,
    /// As in [`QuoteView::epoch`].
    pub epoch: u64,
    /// Prints so far.
    pub total: u64,
    /// Of these lost.
    pub lost: u64,
    /// Sum of quantities.
    pub volume: i64,
    /// Of these taken by buyers.
    pub buy_volume: i64,
    /// Sum of price × qty mod 2^96.
    pub notional: u128,
    /// Whether a period runs.
    pub based: bool,
    /// Prints of the last totals that may still be told one by one (`fixed`, `json`).
    listable: u64,
}

/// What a message told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update {
    /// A quote record.
    Quote {
        /// Instrument id.
        id: u32,
        /// Events that it stands for.
        events: u64,
        /// Whether it came in full (a snapshot, a catch-up or a loss).
        full: bool,
        /// Due time of the newest event, ns; 0 where the form does not say.
        ts_event: i64,
        /// When the gateway received it, ns; 0 where the form does not say.
        ts_recv: i64,
    },
    /// A print.
    Print {
        /// Instrument id.
        id: u32,
        /// The print; times are 0 in `compact`.
        print: Print,
    },
    /// Trade totals that cover prints which were not listed.
    Summary {
        /// Instrument id.
        id: u32,
        /// Prints covered and not listed.
        merged: u64,
        /// Prints declared lost.
        lost: u64,
        /// Sum of quantities of what was merged or lost.
        volume: i64,
        /// First, high, low of what was missed, where known.
        range: Option<PrintRange>,
        /// Whether the range or the list has a hole.
        partial: bool,
        /// Whether it began a period (a snapshot).
        first: bool,
    },
    /// A book changed.
    Book {
        /// Instrument id.
        id: u32,
        /// Level events that it stands for.
        events: u64,
        /// Whether it came in full.
        full: bool,
        /// Whether the levels are not those of the record's checksum: nothing is shown until it comes in full.
        wrong: bool,
        /// As in [`Update::Quote`].
        ts_event: i64,
        /// As in [`Update::Quote`].
        ts_recv: i64,
    },
    /// A bar, closed or so far.
    Bar {
        /// Instrument id.
        id: u32,
        /// The bar.
        bar: Bar,
    },
    /// A trading status.
    Status {
        /// Instrument id.
        id: u32,
        /// What the source says.
        status: Status,
        /// Due time, ns.
        ts_event: i64,
    },
}

impl Update {
    /// The instrument that it tells of.
    #[must_use]
    pub const fn id(&self) -> u32 {
        match self {
            Self::Quote { id, .. }
            | Self::Print { id, .. }
            | Self::Summary { id, .. }
            | Self::Book { id, .. }
            | Self::Bar { id, .. }
            | Self::Status { id, .. } => *id,
        }
    }
}

/// A message as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Kind of its records.
    pub kind: u8,
    /// Slot.
    pub slot: u8,
    /// Time of the flush, µs, gateway's clock; `None` where the client cannot know it yet.
    pub flush_us: Option<i64>,
    /// Records in it.
    pub records: u64,
    /// A frame was lost before it: ask for repair.
    pub gap: bool,
    /// A book in it is not what its checksum says: ask for repair.
    pub wrong: bool,
}

/// A symbol as `subscribed` or `added` names it.
#[derive(Debug, Clone, Copy)]
pub struct Joined {
    /// Instrument id.
    pub id: u32,
    /// Whether its prints tell who took.
    pub has_aggressor: bool,
    /// Whether its quotes have sizes: then a side of size 0 is absent. The channel `quote` decides.
    pub has_size: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Timing {
    phase_us: i64,
    tick_us: i64,
    known_tick: Option<u64>,
}

/// The client's state.
#[derive(Debug)]
pub struct View {
    form: Form,
    sets: HashMap<(u8, u8), Vec<u32>>,
    timing: [Timing; 16],
    quotes: HashMap<u32, QuoteView>,
    trades: HashMap<u32, TradeView>,
    books: HashMap<u32, BookView>,
    bars: HashMap<u32, BarView>,
    statuses: HashMap<u32, StatusView>,
    instruments: HashMap<u32, Joined>,
    depths: [usize; 16],
    frame: u32,
    accounts: [Account; 3],
    wrong_books: u64,
    going_on: resume::GoingOn,
}

/// Number of the channel `quote`.
pub const QUOTE: u8 = 0;
/// Number of the channel `trade`.
pub const TRADE: u8 = 1;
/// Number of the channel `book`.
pub const BOOK: u8 = 2;
/// Number of the channel `bar`.
pub const BAR: u8 = 3;
/// Number of the channel `status`.
pub const STATUS: u8 = 4;

/// All channels.
pub const CHANNELS: [u8; 5] = [QUOTE, TRADE, BOOK, BAR, STATUS];

const NOTIONAL_MASK: u128 = (1 << 96) - 1;

impl View {
    /// An empty view of a form.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self {
            form,
            sets: HashMap::new(),
            timing: [Timing::default(); 16],
            quotes: HashMap::new(),
            trades: HashMap::new(),
            books: HashMap::new(),
            bars: HashMap::new(),
            statuses: HashMap::new(),
            instruments: HashMap::new(),
            depths: [BOOK_LEVELS_MAX; 16],
            frame: 0,
            accounts: [Account::default(); 3],
            wrong_books: 0,
            going_on: resume::GoingOn::default(),
        }
    }

    /// `subscribed` or `added`: symbols joined a wire set. `interval_ms` 0 = raw.
    pub fn joined(
        &mut self,
        channel: u8,
        slot: u8,
        interval_ms: u32,
        phase_us: i64,
        symbols: impl Iterator<Item = Joined>,
    ) {
        self.timed(slot, interval_ms, phase_us);
        let set = self.sets.entry((channel, slot)).or_default();
        for symbol in symbols {
            set.push(symbol.id);
            let known = self.instruments.entry(symbol.id).or_insert(symbol);
            known.has_aggressor = symbol.has_aggressor;
            if channel == QUOTE {
                known.has_size = symbol.has_size;
            }
        }
        set.sort_unstable();
        set.dedup();
    }

    fn timed(&mut self, slot: u8, interval_ms: u32, phase_us: i64) {
        let timing = &mut self.timing[usize::from(slot & 15)];
        timing.phase_us = phase_us;
        timing.tick_us = i64::from(interval_ms.max(1)) * 1_000;
    }

    /// `unsubscribed`: symbols left a wire set; what is known of them is void.
    pub fn left(&mut self, channel: u8, slot: u8, ids: &[u32]) {
        if let Some(set) = self.sets.get_mut(&(channel, slot)) {
            set.retain(|id| !ids.contains(id));
        }
        for id in ids {
            self.going_on.forget(channel, *id);
            match channel {
                QUOTE => _ = self.quotes.remove(id),
                TRADE => _ = self.trades.remove(id),
                BOOK => _ = self.books.remove(id),
                BAR => _ = self.bars.remove(id),
                _ => _ = self.statuses.remove(id),
            }
        }
    }

    /// `rate_set`: symbols of the channels of a slot moved to another; what is known of them stays.
    pub fn moved(&mut self, from: u8, to: u8, interval_ms: u32, phase_us: i64, ids: &[u32]) {
        self.timed(to, interval_ms, phase_us);
        // A slot that symbols move to shows the same of them.
        self.depths[usize::from(to & 15)] = self.depth(from);
        for channel in CHANNELS {
            let Some(set) = self.sets.get_mut(&(channel, from)) else { continue };
            let (moved, left): (Vec<u32>, Vec<u32>) = set.iter().partition(|id| ids.contains(id));
            *set = left;
            let set = self.sets.entry((channel, to)).or_default();
            set.extend(moved);
            set.sort_unstable();
            set.dedup();
        }
    }

    /// `rate_changed`: a slot runs at another interval from here on; its wire sets stay.
    pub fn rate_changed(&mut self, slot: u8, interval_ms: u32, phase_us: i64) {
        self.timed(slot, interval_ms, phase_us);
    }

    /// A heartbeat. True when a frame was lost: ask for repair.
    pub fn heartbeat(&mut self, t_us: i64, last_frame: u32) -> bool {
        for timing in self.timing.iter_mut().filter(|timing| timing.tick_us > 0) {
            let tick = t_us.saturating_sub(timing.phase_us).div_euclid(timing.tick_us);
            timing.known_tick = u64::try_from(tick).ok();
        }
        let lost = self.frame != last_frame;
        self.frame = last_frame;
        if lost {
            self.suspect();
        }
        lost
    }

    /// Ignores deltas until full records come.
    pub fn suspect(&mut self) {
        self.quotes.values_mut().for_each(|quote| quote.based = false);
        self.trades.values_mut().for_each(|trade| trade.based = false);
        self.books.values_mut().for_each(|book| book.based = false);
        self.bars.values_mut().for_each(|bar| bar.based = false);
        self.statuses.values_mut().for_each(|status| status.based = false);
    }

    /// Takes one market-data message.
    ///
    /// # Errors
    /// [`Damaged`]; every symbol is then suspect: ask for repair.
    pub fn message(&mut self, bytes: &[u8], each: &mut impl FnMut(Update)) -> Result<Received, Damaged> {
        let before = self.wrong_books;
        let taken = match self.form {
            Form::Compact => self.compact(bytes, each),
            Form::Fixed => self.fixed(bytes, each),
            Form::Json => self.json(bytes, each),
        };
        let wrong = self.wrong_books != before;
        taken.map(|received| Received { wrong, ..received }).inspect_err(|_| self.suspect())
    }

    /// A symbol's quote.
    #[must_use]
    pub fn quote(&self, id: u32) -> Option<&QuoteView> {
        self.quotes.get(&id).filter(|quote| quote.based)
    }

    /// A symbol's trade totals.
    #[must_use]
    pub fn trade(&self, id: u32) -> Option<&TradeView> {
        self.trades.get(&id).filter(|trade| trade.based)
    }

    /// Ids of a channel's wire sets.
    pub fn ids(&self, channel: u8) -> impl Iterator<Item = u32> + '_ {
        self.sets.iter().filter(move |(key, _)| key.0 == channel).flat_map(|(_, set)| set.iter().copied())
    }

    /// Counts of a channel; nothing is counted of bars and status, which are not numbered.
    #[must_use]
    pub fn account(&self, channel: u8) -> Account {
        self.accounts.get(usize::from(channel)).copied().unwrap_or_default()
    }

    /// The last frame's number.
    #[must_use]
    pub fn last_frame(&self) -> u32 {
        self.frame
    }

    fn held(&self, channel: u8, id: u32) -> Result<(), Damaged> {
        let holds = self.sets.iter().any(|(key, set)| key.0 == channel && set.binary_search(&id).is_ok());
        if holds { Ok(()) } else { Err(Damaged) }
    }

    /// Takes the next frame number; true when one was skipped.
    fn follow(&mut self, frame: u32) -> bool {
        let gap = frame != self.frame.wrapping_add(1);
        self.frame = frame;
        if gap {
            self.suspect();
        }
        gap
    }

    /// Takes a quote with totals (mod `modulus` + 1); returns the events covered.
    fn quote_full(&mut self, id: u32, new: QuoteView, modulus: u64) -> u64 {
        let account = &mut self.accounts[0];
        let old = self.quotes.insert(id, new);
        let Some(old) = old.filter(|old| old.epoch == new.epoch) else {
            account.periods += 1;
            self.going_on.begin(QUOTE, id);
            return 0;
        };
        let declared = new.lost.wrapping_sub(old.lost) & modulus;
        let (held, goes_on) = self.going_on.quote_base(id, old);
        let covered = new.total.wrapping_sub(held.total) & modulus;
        if covered > modulus / 2 {
            if goes_on {
                self.going_on.quote_behind(id, held);
            } else {
                account.broken += 1;
            }
            return 0;
        }
        // What another gateway lost may be from before: it is the most that can be lost of these.
        let lost = if goes_on { declared.min(covered) } else { declared };
        account.cover(covered, lost, covered.saturating_sub(lost).min(1));
        covered
    }

    /// Takes trade totals, of which `listed` prints are or will be told one by one.
    fn trade_full(
        &mut self,
        id: u32,
        new: TradeView,
        modulus: u64,
        listed: Listed,
        range: Option<PrintRange>,
        partial: bool,
    ) -> Update {
        let account = &mut self.accounts[1];
        let old = self.trades.insert(id, new).filter(|old| old.epoch == new.epoch);
        let Some(old) = old else {
            account.periods += 1;
            self.going_on.begin(TRADE, id);
            return Update::Summary { id, merged: 0, lost: 0, volume: 0, range: None, partial, first: true };
        };
        // After a lost frame the gateway's range does not hold what was lost on the way.
        let (range, partial) = if old.based { (range, partial) } else { (None, true) };
        let declared = new.lost.wrapping_sub(old.lost) & modulus;
        let (old, goes_on) = self.going_on.trade_base(id, old);
        let covered = new.total.wrapping_sub(old.total) & modulus;
        if goes_on && covered > modulus / 2 {
            self.going_on.trade_behind(id, old);
            return Update::Summary {
                id,
                merged: 0,
                lost: 0,
                volume: 0,
                range: None,
                partial: true,
                first: true,
            };
        }
        let lost = if goes_on { declared.min(covered.saturating_sub(listed.count)) } else { declared };
        if covered > modulus / 2 {
            account.broken += 1;
        } else {
            account.cover(covered, lost, listed.count);
        }
        let merged = covered.saturating_sub(lost.saturating_add(listed.count));
        let volume = new.volume.wrapping_sub(old.volume).wrapping_sub(listed.volume);
        let notional = new.notional.wrapping_sub(old.notional).wrapping_sub(listed.notional) & NOTIONAL_MASK;
        if merged == 0 && lost == 0 && (volume != 0 || notional != 0) {
            account.broken += 1;
        }
        if let Some(view) = self.trades.get_mut(&id) {
            // Which of a list are new is told by their number in `compact` alone.
            view.listable = if goes_on { 0 } else { merged };
        }
        Update::Summary { id, merged, lost, volume, range, partial, first: false }
    }

    /// Takes a print told one by one; `listed` = the totals before it hold it already.
    fn print(&mut self, id: u32, print: Print, listed: bool, each: &mut impl FnMut(Update)) {
        let modulus = self.modulus();
        let Some(view) = self.trades.get_mut(&id).filter(|view| view.based) else { return };
        let account = &mut self.accounts[1];
        if !listed {
            view.add(&print);
            if self.going_on.news(TRADE, id, view.total, 1, modulus) == 0 {
                return;
            }
            account.cover(1, 0, 1);
        } else if view.listable > 0 {
            view.listable -= 1;
            account.tell_merged();
        } else {
            return; // from before the period
        }
        each(Update::Print { id, print });
    }
}

/// Sums of listed prints.
#[derive(Debug, Clone, Copy, Default)]
struct Listed {
    count: u64,
    volume: i64,
    notional: u128,
}

impl Listed {
    fn add(&mut self, print: &Print) {
        self.count += 1;
        self.volume = self.volume.wrapping_add(print.qty);
        self.notional = self.notional.wrapping_add(notional(print));
    }
}

fn notional(print: &Print) -> u128 {
    modular(i128::from(print.price) * i128::from(print.qty))
}

#[expect(clippy::cast_sign_loss, reason = "the notional is kept mod 2^96")]
const fn modular(notional: i128) -> u128 {
    notional as u128 & NOTIONAL_MASK
}

impl TradeView {
    fn add(&mut self, print: &Print) {
        self.total = self.total.wrapping_add(1);
        self.volume = self.volume.wrapping_add(print.qty);
        if print.aggressor == Aggressor::Buy {
            self.buy_volume = self.buy_volume.wrapping_add(print.qty);
        }
        self.notional = self.notional.wrapping_add(notional(print)) & NOTIONAL_MASK;
        self.last = *print;
    }
}
