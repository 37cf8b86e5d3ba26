//! The hash of what a client holds, to be compared with the gateway's (promise P11).

use super::{BAR, BOOK, QUOTE, STATUS, TRADE, View};
use crate::view_hash::{BarFields, BookFields, QuoteFields, TradeFields, ViewHash};

impl View {
    /// The hash of all that is held; `None` while a symbol of a wire set has not come, or is suspect.
    #[must_use]
    pub fn hash(&self) -> Option<ViewHash> {
        let mut sum = Some(ViewHash::default());
        self.each_hash(|_, _, hash| sum = sum.zip(hash).map(|(sum, hash)| sum.and(hash)));
        sum
    }

    /// Hands out the hash of each (channel, id) of the wire sets; `None` for one that has not come, or is suspect.
    pub fn each_hash(&self, mut each: impl FnMut(u8, u32, Option<ViewHash>)) {
        for id in self.ids(QUOTE) {
            let has_size = self.instruments.get(&id).is_none_or(|known| known.has_size);
            let hash = self.quote(id).map(|view| {
                let (total, quote, state) = (view.total, view.quote, view.state);
                ViewHash::quote(&QuoteFields { id, total, quote, state, has_size })
            });
            each(QUOTE, id, hash);
        }
        for id in self.ids(TRADE) {
            let hash = self.trade(id).map(|view| {
                let (total, volume, last) = (view.total, view.volume, &view.last);
                ViewHash::trade(&TradeFields { id, total, volume, price: last.price, qty: last.qty })
            });
            each(TRADE, id, hash);
        }
        for id in self.ids(BOOK) {
            let hash = self.book(id).map(|view| {
                let (total, checksum, state) = (view.total, view.checksum, view.state);
                ViewHash::book(&BookFields { id, total, checksum, state })
            });
            each(BOOK, id, hash);
        }
        for id in self.ids(BAR) {
            let hash = self.bar(id).map(|view| {
                let bar = &view.last;
                let (start_us, close, volume) = (bar.start_us, bar.close, bar.volume);
                ViewHash::bar(&BarFields { id, total: bar.tc, start_us, close, volume })
            });
            each(BAR, id, hash);
        }
        for id in self.ids(STATUS) {
            each(STATUS, id, self.status(id).map(|view| ViewHash::status(id, view.state, view.status)));
        }
    }
}
