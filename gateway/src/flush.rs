//! One flush of one lane: which symbols changed, and their record bytes in each form that somebody reads. Pure.
//!
//! `lane` fills it, `encode` turns it into bytes at most once a form, `outbox` copies from it for each session. One
//! `Flush` is reused for all lanes, so that a flush allocates nothing once it has grown.

use crate::bits::Bits;
use crate::directory::Directory;
use crate::last_value::Table;
use crate::mutants::broken;
use wire::frame::compact::encode as compact;
use wire::frame::{Form, Print, QuoteImage, TradeImage, fixed, json};
use wire::instrument::{Instrument, InstrumentId};

/// Which of a group's messages a piece goes into; in this order on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Category {
    /// Kind 0.
    Quote = 0,
    /// Kind 1.
    QuoteFull = 1,
    /// Kind 2.
    Trade = 2,
    /// Kind 7.
    TradeFull = 3,
    /// Kind 2 whose prints are already in the totals of the kind 7 before (`fixed`, `json`).
    Listed = 4,
    /// Kind 3.
    Book = 5,
    /// Kind 4.
    BookFull = 6,
    /// Kind 5.
    Bar = 7,
    /// Kind 6.
    Status = 8,
}

/// Number of categories.
pub const CATEGORIES: usize = 9;

/// Largest piece in bytes, so that a piece and a frame head always fit a group.
pub const PIECE_BYTES_MAX: usize = 3_500;

/// Most prints listed behind totals; more make the list partial (the totals stay exact).
const LISTED_MAX: usize = 300;

/// Bytes of one symbol for one message.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Message it goes into.
    pub category: Category,
    /// Begin within the form's bytes.
    pub start: u32,
    /// Length.
    pub len: u32,
}

/// A changed part of a symbol: what the lane showed, and what it shows now.
#[derive(Debug, Clone, Copy)]
pub struct Entry<I> {
    /// Symbol.
    pub id: InstrumentId,
    /// Shown by the lane's flush before.
    pub old: I,
    /// Shown now.
    pub new: I,
}

/// A changed trade part.
#[derive(Debug, Clone, Copy)]
pub struct TradeEntry {
    /// The change.
    pub entry: Entry<TradeImage>,
    /// Only the freshness moved: of no use to a session that has the symbol's quote.
    pub state_only: bool,
    /// Whether totals must be sent: loss, a new epoch, or prints that the ring no longer holds.
    pub full: bool,
    /// Whether the list of prints has a hole.
    pub partial: bool,
    prints: (u32, u32),
}

/// The changed symbols of one channel.
#[derive(Debug, Default)]
pub struct Part {
    /// Ids that are in it.
    pub changed: Bits,
    at: Vec<u32>,
    len: u32,
}

impl Part {
    fn begin(&mut self) {
        self.changed.clear();
        self.len = 0;
    }

    fn add(&mut self, id: InstrumentId) {
        self.changed.insert(id);
        if self.at.len() <= id.index() {
            self.at.resize(id.index() + 1, 0);
        }
        self.at[id.index()] = self.len;
        self.len += 1;
    }

    /// Position of a changed symbol among the part's entries; meaningless for any other.
    #[must_use]
    #[inline]
    pub fn position(&self, id: InstrumentId) -> usize {
        self.at.get(id.index()).map_or(0, |at| *at as usize)
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Bytes of a flush in one form.
#[derive(Debug, Default)]
pub struct Encoded {
    /// All record bytes.
    pub bytes: Vec<u8>,
    pieces: Vec<Piece>,
    quotes: Vec<u32>,
    trades: Vec<(u32, u32)>,
}

impl Encoded {
    fn begin(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        self.quotes.clear();
        self.trades.clear();
    }

    fn piece(&mut self, category: Category, start: usize) {
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let len = narrow(self.bytes.len() - start);
        self.pieces.push(Piece { category, start: narrow(start), len });
    }

    /// The piece of the quote at a position.
    #[must_use]
    #[inline]
    pub fn quote(&self, position: usize) -> Piece {
        self.pieces[self.quotes[position] as usize]
    }

    /// The pieces of the trade part at a position, in order.
    #[must_use]
    #[inline]
    pub fn trade(&self, position: usize) -> &[Piece] {
        let (first, count) = self.trades[position];
        &self.pieces[first as usize..(first + count) as usize]
    }
}

/// A flush.
#[derive(Debug, Default)]
pub struct Flush {
    /// Number of the interval.
    pub tick: u64,
    /// From the interval's begin, µs.
    pub lag_us: u32,
    /// Time of the flush, µs since the Unix epoch.
    pub time_us: i64,
    /// Changed quotes, or what else the lane shows first.
    pub quotes: Part,
    /// Changed trade parts.
    pub trades: Part,
    quote_entries: Vec<Entry<QuoteImage>>,
    trade_entries: Vec<TradeEntry>,
    prints: Vec<Print>,
    encoded: [Encoded; 3],
    encoded_at_once: u64,
}

impl Flush {
    /// Begins anew.
    pub fn begin(&mut self, tick: u64, lag_us: u32, time_us: i64) {
        (self.tick, self.lag_us, self.time_us) = (tick, lag_us, time_us);
        self.quotes.begin();
        self.trades.begin();
        self.quote_entries.clear();
        self.trade_entries.clear();
        self.prints.clear();
        self.encoded.iter_mut().for_each(Encoded::begin);
        self.encoded_at_once = 0;
    }

    /// A symbol of a lane that shows one thing of it moved: it is encoded at once, in each form that somebody reads. Ids
    /// must rise.
    pub fn plain(
        &mut self,
        id: InstrumentId,
        category: Category,
        forms: &[u32; 3],
        encode: impl Fn(Form, &mut Vec<u8>),
    ) {
        self.quotes.add(id);
        for form in Form::ALL.into_iter().filter(|form| forms[*form as usize] > 0) {
            let out = &mut self.encoded[form as usize];
            out.quotes.push(u32::try_from(out.pieces.len()).unwrap_or(u32::MAX));
            let start = out.bytes.len();
            encode(form, &mut out.bytes);
            out.piece(category, start);
            self.encoded_at_once += 1;
        }
    }

    /// A quote moved. Ids must rise.
    pub fn quote(&mut self, entry: Entry<QuoteImage>) {
        self.quotes.add(entry.id);
        self.quote_entries.push(entry);
    }

    /// A trade part moved. Ids must rise.
    pub fn trade(&mut self, entry: Entry<TradeImage>, table: &Table, state_only: bool) {
        let (old, new) = (&entry.old, &entry.new);
        let same_epoch = old.feed_epoch == new.feed_epoch;
        let first = self.prints.len();
        table.prints_since(entry.id, if same_epoch { old.tc } else { 0 }, &mut self.prints);
        let found = self.prints.len() - first;
        let published = if same_epoch { new.tc - old.tc } else { new.tc };
        let lost = if same_epoch { new.lost - old.lost } else { new.lost };
        let mut partial = (found as u64) < published.saturating_sub(lost);
        let full = (!same_epoch && !broken("delta_over_epoch"))
            || (new.lost != old.lost && !broken("delta_over_loss"))
            || (partial && !broken("partial_list_as_delta"));
        if full && found > LISTED_MAX {
            self.prints.drain(first..self.prints.len() - LISTED_MAX);
            partial = true;
        }
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let prints = (narrow(first), narrow(self.prints.len()));
        self.trades.add(entry.id);
        self.trade_entries.push(TradeEntry { entry, state_only, full, partial, prints });
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.quotes.is_empty() && self.trades.is_empty()
    }

    /// The quote entries, by position.
    #[must_use]
    pub fn quote_entries(&self) -> &[Entry<QuoteImage>] {
        &self.quote_entries
    }

    /// The trade entries, by position.
    #[must_use]
    pub fn trade_entries(&self) -> &[TradeEntry] {
        &self.trade_entries
    }

    /// The prints that a trade entry lists, oldest first.
    #[must_use]
    pub fn prints(&self, entry: &TradeEntry) -> &[Print] {
        &self.prints[entry.prints.0 as usize..entry.prints.1 as usize]
    }

    /// The bytes in a form; empty when the form was not asked for.
    #[must_use]
    #[inline]
    pub fn encoded(&self, form: Form) -> &Encoded {
        &self.encoded[form as usize]
    }

    /// Encodes all entries in each form that `wanted` counts readers of. Returns the number of records encoded.
    pub fn encode(&mut self, wanted: &[u32; 3], directory: &Directory) -> u64 {
        let mut encoded = std::mem::take(&mut self.encoded);
        let mut records = self.encoded_at_once;
        for form in Form::ALL {
            let out = &mut encoded[form as usize];
            if wanted[form as usize] == 0 {
                continue;
            }
            for entry in &self.quote_entries {
                let Some(instrument) = directory.instrument(entry.id) else { continue };
                out.quotes.push(u32::try_from(out.pieces.len()).unwrap_or(u32::MAX));
                encode_quote(out, form, entry, instrument);
            }
            for entry in &self.trade_entries {
                let Some(instrument) = directory.instrument(entry.entry.id) else { continue };
                let first = out.pieces.len();
                encode_trade(out, form, entry, self.prints(entry), instrument);
                let count = out.pieces.len() - first;
                let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
                out.trades.push((narrow(first), narrow(count)));
            }
            records += (self.quote_entries.len() + self.trade_entries.len()) as u64;
        }
        self.encoded = encoded;
        records
    }
}

fn encode_quote(out: &mut Encoded, form: Form, entry: &Entry<QuoteImage>, instrument: &Instrument) {
    let (old, new) = (&entry.old, &entry.new);
    let full = (old.feed_epoch != new.feed_epoch && !broken("delta_over_epoch"))
        || (old.lost != new.lost && !broken("delta_over_loss"));
    let events = if old.feed_epoch == new.feed_epoch { new.ver - old.ver } else { new.ver };
    let start = out.bytes.len();
    match form {
        Form::Compact if full => compact::quote_full(&mut out.bytes, new),
        Form::Compact => compact::quote(&mut out.bytes, old, new),
        Form::Fixed => {
            let count = if full { new.ver } else { events };
            fixed::quote(&mut out.bytes, entry.id.0, count, new, instrument.has_size);
        }
        Form::Json => json::quote(&mut out.bytes, entry.id.0, events, new, instrument),
    }
    out.piece(if full { Category::QuoteFull } else { Category::Quote }, start);
}

fn encode_trade(
    out: &mut Encoded,
    form: Form,
    trade: &TradeEntry,
    prints: &[Print],
    instrument: &Instrument,
) {
    let new = &trade.entry.new;
    if trade.state_only && form == Form::Compact {
        let start = out.bytes.len();
        compact::prints_state(&mut out.bytes, new.state);
        return out.piece(Category::Trade, start);
    }
    if trade.full || trade.state_only {
        let start = out.bytes.len();
        let id = trade.entry.id.0;
        match form {
            Form::Compact => {
                compact::trade_full(&mut out.bytes, new, prints.iter());
                compact::trailer(&mut out.bytes, new.last.price, None, trade.partial);
                return out.piece(Category::TradeFull, start);
            }
            Form::Fixed => fixed::trade_full(&mut out.bytes, id, new, None, trade.partial),
            Form::Json => json::trade_full(&mut out.bytes, id, new, None, trade.partial, instrument),
        }
        out.piece(Category::TradeFull, start);
    }
    encode_prints(out, form, trade, prints, instrument);
}

/// Most prints tried as one piece: what usually fits, and what fits whatever the values are.
const fn prints_per_piece(form: Form) -> (usize, usize) {
    match form {
        Form::Compact => (1_000, PIECE_BYTES_MAX / 33),
        Form::Fixed => (PIECE_BYTES_MAX / 56, PIECE_BYTES_MAX / 56),
        Form::Json => (PIECE_BYTES_MAX / 180, PIECE_BYTES_MAX / 260),
    }
}

/// Prints in pieces of at most [`PIECE_BYTES_MAX`], cut between prints.
fn encode_prints(
    out: &mut Encoded,
    form: Form,
    trade: &TradeEntry,
    prints: &[Print],
    instrument: &Instrument,
) {
    let category = if trade.full { Category::Listed } else { Category::Trade };
    let (usual, safe) = prints_per_piece(form);
    let mut base = trade.entry.old.last;
    let mut rest = prints;
    while !rest.is_empty() {
        let start = out.bytes.len();
        let mut count = rest.len().min(usual);
        put_prints(&mut out.bytes, form, trade, &base, &rest[..count], instrument);
        if out.bytes.len() - start > PIECE_BYTES_MAX {
            out.bytes.truncate(start);
            count = count.min(safe);
            put_prints(&mut out.bytes, form, trade, &base, &rest[..count], instrument);
        }
        out.piece(category, start);
        base = rest[count - 1];
        rest = &rest[count..];
    }
}

fn put_prints(
    out: &mut Vec<u8>,
    form: Form,
    trade: &TradeEntry,
    base: &Print,
    prints: &[Print],
    instrument: &Instrument,
) {
    let (id, new) = (trade.entry.id.0, &trade.entry.new);
    match form {
        Form::Compact => compact::prints(out, base, prints.iter()),
        Form::Fixed => prints.iter().for_each(|print| fixed::trade(out, id, print, new.epoch_count)),
        Form::Json => {
            for (at, print) in prints.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                json::trade(out, id, new.feed_epoch, print, trade.full, instrument);
            }
        }
    }
}
