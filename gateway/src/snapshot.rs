//! `/v1/snapshot`: the present state of a selection of symbols over HTTP, for those whose updates are rare.
//!
//! The worker calls it. It reads the table and touches no lane, so that no session sees a difference. What nobody
//! subscribes to is told as stale the first time; asking makes its shard followed for half a minute.

mod select;
#[cfg(test)]
mod tests;

pub use select::{COMPARED_MAX, NAMES_MAX, SYMBOLS_MAX};
pub(crate) use select::{Refused, names};

use crate::engine::Engine;
use crate::http::{Asked, Page};
use crate::last_value::Image;
use crate::session::Link;
use crate::shell::Shell;
use hyper::StatusCode;
use select::Selected;
use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;
use wire::control::Entitlements;
use wire::frame::json::{integer, quote_members, times, totals_members};
use wire::frame::{QuoteImage, State, TradeImage};
use wire::instrument::{Instrument, InstrumentId};

/// What a question may hold.
pub(crate) const PARAMETERS: &[&str] = &["symbols"];

/// Room for one symbol; a guess that spares most growing.
const SYMBOL_BYTES: usize = 640;

/// Answers a question from somebody who may see so much (none = everything): 200, 304 when the client holds this state
/// already, or 400 with an error of the registry.
#[must_use]
pub fn answer(shell: &Shell, asked: &Asked<'_>, sight: Option<Rc<Entitlements>>) -> Page {
    let may_see =
        |channel, symbol: &str| sight.as_ref().is_none_or(|granted| granted.may_see(channel, symbol));
    let may = |symbol: &str| may_see("quote", symbol) || may_see("trade", symbol);
    let engine = shell.engine.borrow();
    let selected = match selected(&engine, asked, may) {
        Ok(selected) => selected,
        Err(refused) => return refused.into_page(),
    };
    let shards = selected.ids.iter().filter_map(|id| engine.directory.shard(id));
    shell.ask_for(shards.fold(0, |all, shard| all | 1 << shard));
    let now_us = shell.clock.now_us();
    let present = Present { shell, engine: &engine, selected, sight, now_us };
    let tag = present.tag();
    let mut page = if asked.holds(&tag) {
        Page::new(StatusCode::NOT_MODIFIED, "application/json", "")
    } else {
        Page::new(StatusCode::OK, "application/json", present.body())
    };
    page.etag = Some(tag);
    page
}

fn selected(
    engine: &Engine<Rc<Link>>,
    asked: &Asked<'_>,
    may: impl Fn(&str) -> bool,
) -> Result<Selected, Refused> {
    let parameters = asked.parameters(PARAMETERS)?;
    select::select(&engine.directory, names(&parameters)?, may)
}

/// A selection at one moment.
struct Present<'a> {
    shell: &'a Shell,
    engine: &'a Engine<Rc<Link>>,
    selected: Selected,
    sight: Option<Rc<Entitlements>>,
    now_us: i64,
}

impl Present<'_> {
    /// Each selected symbol as clients see it, by rising id.
    fn each(&self, mut each: impl FnMut(InstrumentId, &Instrument, u16, &Image)) {
        for id in self.selected.ids.iter() {
            let Some(instrument) = self.engine.directory.instrument(id) else { continue };
            let Some(row) = self.engine.table.row(id) else { continue };
            let mut image = row.image;
            if !self.is_proven(row.shard, image.quote.feed_epoch) {
                image.quote.state = State::Stale;
            }
            each(id, instrument, row.shard, &image);
        }
    }

    /// Which of a symbol's quote and trades may be seen.
    fn seen(&self, symbol: &str) -> [bool; 2] {
        let may = |channel| self.sight.as_ref().is_none_or(|granted| granted.may_see(channel, symbol));
        ["quote", "trade"].map(may)
    }

    /// Whether the table's word for a symbol's freshness still holds. It is judged every 50 ms, and not any more once
    /// the shard's publisher no longer lists the symbol: then its epoch stays behind. 0 = it was listed in mid-epoch.
    fn is_proven(&self, shard: u16, feed_epoch: u64) -> bool {
        let ingest = &self.engine.ingest;
        // The engine judges by the same bound.
        let bound_us = i64::try_from(self.shell.terms.stale_after_ms).unwrap_or(0).saturating_mul(1_000);
        let is_listed = feed_epoch == 0 || feed_epoch == ingest.epoch(shard);
        is_listed && ingest.is_whole(shard) && ingest.age_us(shard, self.now_us) <= bound_us
    }

    /// The entity tag: a hash of all that a symbol's state consists of but its times, which a re-sync renews. Ids hold
    /// within one run of the gateway only, so the run is part of it.
    fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.shell.terms.boot_id.as_bytes());
        self.each(|id, instrument, _, image| {
            let Image { quote, trade } = image;
            hasher.write_u32(id.0);
            hasher.write_u8(
                self.seen(&instrument.symbol)
                    .map(u8::from)
                    .into_iter()
                    .fold(0, |bits, seen| bits << 1 | seen),
            );
            for word in [quote.feed_epoch, quote.ver, quote.lost, trade.tc, trade.lost] {
                hasher.write_u64(word);
            }
            hasher.write_u8(quote.state as u8);
        });
        format!("\"{:016x}\"", hasher.finish())
    }

    fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SYMBOL_BYTES * (self.selected.count + 1));
        field(&mut out, "{\"server_time_us\":", self.now_us.into());
        match self.watermark_us() {
            Some(watermark_us) => field(&mut out, ",\"watermark_us\":", watermark_us.into()),
            None => text(&mut out, ",\"watermark_us\":null"),
        }
        text(&mut out, ",\"symbols\":[");
        let mut comma = "";
        self.each(|id, instrument, shard, image| {
            text(&mut out, std::mem::replace(&mut comma, ","));
            symbol(&mut out, id, instrument, shard, image, self.seen(&instrument.symbol));
        });
        text(&mut out, "],\"rejected\":");
        // Writing texts and numbers into memory cannot fail.
        let _written = serde_json::to_writer(&mut out, &self.selected.rejected);
        text(&mut out, "}");
        out
    }

    /// The least watermark of the selection's shards, as in a heartbeat: `None` without symbols, or while one of the
    /// shards re-syncs.
    fn watermark_us(&self) -> Option<i64> {
        let shards = self.selected.ids.iter().filter_map(|id| self.engine.directory.shard(id));
        let shards = shards.fold(0_u64, |all, shard| all | 1 << shard);
        let mine = (0..self.engine.ingest.shards()).filter(|shard| shards & (1 << shard) != 0);
        mine.map(|shard| self.engine.ingest.watermark_us(shard)).min().flatten()
    }
}

/// Appends a symbol. A symbol's characters need no escape ([`wire::instrument::valid_symbol`]).
fn symbol(
    out: &mut Vec<u8>,
    id: InstrumentId,
    instrument: &Instrument,
    shard: u16,
    image: &Image,
    [quotes, trades]: [bool; 2],
) {
    text(out, "{\"symbol\":\"");
    text(out, &instrument.symbol);
    field(out, "\",\"id\":", id.0.into());
    field(out, ",\"shard\":", shard.into());
    field(out, ",\"epoch\":", image.quote.feed_epoch.into());
    if quotes {
        quote(out, &image.quote, instrument);
    } else {
        text(out, ",\"quote\":null");
    }
    if trades {
        trade(out, &image.trade, instrument);
    } else {
        text(out, ",\"trade\":null");
    }
    text(out, "}");
}

// The members of the socket's `json` form without those that only mean something in a stream: `events`, ranges.

fn quote(out: &mut Vec<u8>, now: &QuoteImage, instrument: &Instrument) {
    field(out, ",\"quote\":{\"total\":", now.ver.into());
    field(out, ",\"lost\":", now.lost.into());
    quote_members(out, now, instrument);
    text(out, "}");
}

fn trade(out: &mut Vec<u8>, now: &TradeImage, instrument: &Instrument) {
    field(out, ",\"trade\":{\"total\":", now.tc.into());
    field(out, ",\"lost\":", now.lost.into());
    totals_members(out, now, instrument);
    times(out, now.last.ts_event, now.last.ts_recv);
    text(out, "}");
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn field(out: &mut Vec<u8>, name: &str, value: i128) {
    text(out, name);
    integer(out, value);
}
