//! What a lane last showed where it shows books, bars or status: one image a symbol, told when it changed. Pure.

use super::Sources;
use crate::directory::Directory;
use crate::flush::{Category, Flush};
use crate::mutants::broken;
use std::collections::HashMap;
use wire::control::{Period, View};
use wire::frame::compact::encode as compact;
use wire::frame::{Bar, BookImage, Form, State, StatusImage, fixed, json};
use wire::instrument::{Instrument, InstrumentId};
use wire::view_hash::{BarFields, BookFields, ViewHash};

/// Most bars of a symbol that one record tells, the newest: of older ones the next bar's running count tells that they
/// were.
const BARS_TOLD_MAX: usize = 8;

/// A symbol's bars as shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BarsImage {
    feed_epoch: u64,
    epoch_count: u8,
    state: State,
    bars: Vec<Bar>,
}

/// What was last shown of each wanted symbol.
#[derive(Debug)]
pub(super) enum Plain {
    Book(usize, HashMap<InstrumentId, BookImage>),
    Bar(Period, HashMap<InstrumentId, BarsImage>),
    Status(HashMap<InstrumentId, StatusImage>),
}

/// What came of a look at a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// It is told.
    Told,
    /// It shows as before, though events passed.
    Unsettled,
    /// Nothing happened.
    Same,
}

impl Plain {
    /// For a view; none for quotes and prints.
    pub(super) fn new(view: &View) -> Option<Self> {
        Some(match view {
            View::Market { .. } => return None,
            View::Book { depth } => Self::Book(usize::from(*depth), HashMap::new()),
            View::Bar { period } => Self::Bar(*period, HashMap::new()),
            View::Status => Self::Status(HashMap::new()),
        })
    }

    /// Begins to show a symbol as it is now.
    pub(super) fn want(&mut self, id: InstrumentId, sources: &Sources<'_>) {
        match self {
            Self::Book(_, shown) if broken("book_begins_empty") => {
                shown.insert(id, BookImage::default());
            }
            Self::Book(depth, shown) => {
                shown.insert(id, book(id, *depth, sources));
            }
            Self::Bar(period, shown) => {
                shown.insert(id, bars(id, *period, sources));
            }
            Self::Status(shown) => {
                shown.insert(id, status(id, sources));
            }
        }
    }

    /// Forgets a symbol.
    pub(super) fn forget(&mut self, id: InstrumentId) {
        match self {
            Self::Book(_, shown) => drop(shown.remove(&id)),
            Self::Bar(_, shown) => drop(shown.remove(&id)),
            Self::Status(shown) => drop(shown.remove(&id)),
        }
    }

    /// Compares a symbol with what was shown, and puts what changed into the flush. With `settle`, events that left a book
    /// as it was are told of too.
    pub(super) fn look(
        &mut self,
        id: InstrumentId,
        sources: &Sources<'_>,
        settle: bool,
        forms: &[u32; 3],
        flush: &mut Flush,
    ) -> Looked {
        let Some(instrument) = sources.directory.instrument(id) else { return Looked::Same };
        match self {
            Self::Book(depth, shown) => {
                let Some(old) = shown.get_mut(&id) else { return Looked::Same };
                let new = book(id, *depth, sources);
                let visible = old.sides != new.sides
                    || (old.state, old.lost, old.feed_epoch) != (new.state, new.lost, new.feed_epoch);
                let unsettled = old.lver != new.lver;
                if !(visible || settle && unsettled) {
                    return if unsettled { Looked::Unsettled } else { Looked::Same };
                }
                let full = (old.feed_epoch != new.feed_epoch && !broken("delta_over_epoch"))
                    || (old.lost != new.lost && !broken("delta_over_loss"));
                let category = if full { Category::BookFull } else { Category::Book };
                flush.plain(id, category, forms, |form, out| match form {
                    _ if full => book_full(out, form, id, &new, instrument),
                    Form::Compact => compact::book(out, old, &new, *depth),
                    Form::Fixed => fixed::book(out, id.0, old, &new, *depth),
                    Form::Json => json::book(out, id.0, old, &new, *depth, instrument),
                });
                *old = new;
            }
            Self::Bar(period, shown) => {
                let Some(old) = shown.get_mut(&id) else { return Looked::Same };
                let new = bars(id, *period, sources);
                if *old == new {
                    return Looked::Same;
                }
                let changed: Vec<Bar> = changed(old, &new).collect();
                let told = &changed[changed.len().saturating_sub(BARS_TOLD_MAX)..];
                flush.plain(id, Category::Bar, forms, |form, out| {
                    put_bars(out, form, id, &new, told, instrument);
                });
                *old = new;
            }
            Self::Status(shown) => {
                let Some(old) = shown.get_mut(&id) else { return Looked::Same };
                let new = status(id, sources);
                let seen = |image: &StatusImage| (image.feed_epoch, image.state, image.status);
                if seen(old) == seen(&new) {
                    return Looked::Same;
                }
                flush.plain(id, Category::Status, forms, |form, out| put_status(out, form, id, &new));
                *old = new;
            }
        }
        Looked::Told
    }

    /// Appends a symbol in full, as it was last shown.
    pub(super) fn full(
        &self,
        id: InstrumentId,
        form: Form,
        directory: &Directory,
        out: &mut Vec<u8>,
    ) -> Option<Category> {
        let instrument = directory.instrument(id)?;
        Some(match self {
            Self::Book(_, shown) => {
                book_full(out, form, id, shown.get(&id)?, instrument);
                Category::BookFull
            }
            Self::Bar(_, shown) => {
                let image = shown.get(&id)?;
                let told = &image.bars[image.bars.len().saturating_sub(BARS_TOLD_MAX)..];
                put_bars(out, form, id, image, told, instrument);
                Category::Bar
            }
            Self::Status(shown) => {
                put_status(out, form, id, shown.get(&id)?);
                Category::Status
            }
        })
    }

    /// The hash of a symbol as it was last shown.
    pub(super) fn hash(&self, id: InstrumentId) -> Option<ViewHash> {
        Some(match self {
            Self::Book(_, shown) => {
                let image = shown.get(&id)?;
                let (total, checksum, state) = (image.lver, image.checksum(), image.state);
                ViewHash::book(&BookFields { id: id.0, total, checksum, state })
            }
            Self::Bar(_, shown) => {
                let last = shown.get(&id)?.bars.last().copied().unwrap_or_default();
                let Bar { start_us, close, volume, tc, .. } = last;
                ViewHash::bar(&BarFields { id: id.0, total: tc, start_us, close, volume })
            }
            Self::Status(shown) => {
                let image = shown.get(&id)?;
                ViewHash::status(id.0, image.state, image.status)
            }
        })
    }
}

fn book(id: InstrumentId, depth: usize, sources: &Sources<'_>) -> BookImage {
    sources.books.image(id).map(|image| image.truncated(depth)).unwrap_or_default()
}

fn bars(id: InstrumentId, period: Period, sources: &Sources<'_>) -> BarsImage {
    let Some(row) = sources.table.row(id) else { return BarsImage::default() };
    let trade = &row.image.trade;
    BarsImage {
        feed_epoch: trade.feed_epoch,
        epoch_count: trade.epoch_count,
        state: trade.state,
        bars: sources.bars.bars(id, period).to_vec(),
    }
}

fn status(id: InstrumentId, sources: &Sources<'_>) -> StatusImage {
    let Some(row) = sources.table.row(id) else { return StatusImage::default() };
    let quote = &row.image.quote;
    let (ts_event, ts_recv) = row.ts_status;
    StatusImage {
        feed_epoch: quote.feed_epoch,
        epoch_count: quote.epoch_count,
        state: quote.state,
        status: row.status,
        ts_event,
        ts_recv,
    }
}

/// The bars that are not as they were shown, and always the newest: it stands last in a record.
fn changed<'a>(old: &'a BarsImage, new: &'a BarsImage) -> impl Iterator<Item = Bar> + 'a {
    let newest = new.bars.len().saturating_sub(1);
    let told = new.bars.iter().enumerate().filter(move |(at, bar)| *at == newest || !old.bars.contains(bar));
    told.map(|(_, bar)| *bar)
}

fn book_full(out: &mut Vec<u8>, form: Form, id: InstrumentId, image: &BookImage, instrument: &Instrument) {
    match form {
        Form::Compact => compact::book_full(out, image),
        Form::Fixed => fixed::book_full(out, id.0, image),
        Form::Json => json::book_full(out, id.0, image, instrument),
    }
}

fn put_bars(
    out: &mut Vec<u8>,
    form: Form,
    id: InstrumentId,
    image: &BarsImage,
    told: &[Bar],
    instrument: &Instrument,
) {
    match form {
        Form::Compact => compact::bars(out, image.feed_epoch, image.state, told),
        Form::Fixed => fixed::bars(out, id.0, image.epoch_count, image.state, told),
        Form::Json => json::bars(out, id.0, image.feed_epoch, image.state, told, instrument),
    }
}

fn put_status(out: &mut Vec<u8>, form: Form, id: InstrumentId, image: &StatusImage) {
    match form {
        Form::Compact => compact::status(out, image),
        Form::Fixed => fixed::status(out, id.0, image),
        Form::Json => json::status(out, id.0, image),
    }
}
