//! Elements of books.

use super::{decimal, field, state, text, times};
use crate::frame::Level;
use crate::frame::book::{BookImage, BookSideImage, SIDES, changes};
use crate::instrument::Instrument;

/// Appends what changed from `old` to `new`, both cut to `depth`; a quantity of 0 removes the level.
pub fn book(
    out: &mut Vec<u8>,
    id: u32,
    old: &BookImage,
    new: &BookImage,
    depth: usize,
    instrument: &Instrument,
) {
    book_element(out, id, Some((old, depth)), new, instrument);
}

/// Appends a whole book.
pub fn book_full(out: &mut Vec<u8>, id: u32, now: &BookImage, instrument: &Instrument) {
    book_element(out, id, None, now, instrument);
}

fn book_element(
    out: &mut Vec<u8>,
    id: u32,
    old: Option<(&BookImage, usize)>,
    new: &BookImage,
    instrument: &Instrument,
) {
    field(out, "{\"id\":", id.into());
    field(out, ",\"epoch\":", new.feed_epoch.into());
    field(out, ",\"total\":", new.lver.into());
    field(out, ",\"events\":", old.map_or(0, |(old, _)| new.lver.saturating_sub(old.lver)).into());
    field(out, ",\"lost\":", new.lost.into());
    text(out, if old.is_none() { ",\"full\":true" } else { ",\"full\":false" });
    let empty = BookSideImage::default();
    for (at, side) in SIDES.into_iter().enumerate() {
        text(out, [",\"bids\":", ",\"asks\":"][at]);
        let (held, depth) = old.map_or((&empty, usize::MAX), |(old, depth)| (&old.sides[at], depth));
        let mut before = "[";
        changes(side, held, &new.sides[at], depth, |change| {
            let Level { price, qty } = change.level;
            text(out, before);
            text(out, "[\"");
            decimal(out, price.into(), instrument.price_exponent);
            text(out, "\",\"");
            if qty == 0 {
                text(out, "0")
            } else {
                decimal(out, qty.into(), instrument.qty_exponent)
            }
            text(out, "\"]");
            before = ",";
        });
        text(out, if before == "[" { "[]" } else { "]" });
    }
    field(out, ",\"checksum\":", new.checksum().into());
    state(out, new.state);
    times(out, new.ts_event, new.ts_recv);
    text(out, "}");
}
