//! What a session's client should hold, as a hash (promise P11). Pure.
//!
//! A symbol that is neither owed nor in the begun remainder stands at the client as its lane last showed it; so nothing is
//! claimed while anything is owed, and what is claimed holds for the moment in the stream at which it is written.

use crate::directory::Directory;
use crate::lane::Lanes;
use crate::mutants::broken;
use crate::outbox::{Outbox, Socket};
use crate::slot::Slot;
use wire::control::Channel;
use wire::instrument::InstrumentId;
use wire::view_hash::{QuoteFields, TradeFields, ViewHash};

/// Hash of all that the client should hold; `None` while anything is owed.
#[must_use]
pub fn of<S: Socket>(outbox: &Outbox<S>, lanes: &Lanes, directory: &Directory) -> Option<ViewHash> {
    let mut sum = ViewHash::default();
    each(outbox, lanes, directory, |_, _, hash| sum = sum.and(hash)).then_some(sum)
}

/// Hands out the hash of each (channel, symbol). False, and nothing handed out, while anything is owed.
pub fn each<S: Socket>(
    outbox: &Outbox<S>,
    lanes: &Lanes,
    directory: &Directory,
    mut each: impl FnMut(Channel, InstrumentId, ViewHash),
) -> bool {
    if !outbox.slots.iter().all(Slot::is_clear) && !broken("hash_claims_what_is_owed") {
        return false;
    }
    for slot in &outbox.slots {
        let lane = lanes.get(slot.lane);
        if slot.channel != Channel::Quote {
            let hashes = slot.subs[0].iter().filter_map(|id| Some((id, lane.plain_hash(id)?)));
            hashes.for_each(|(id, hash)| each(slot.channel, id, hash));
            continue;
        }
        for id in slot.subs[Channel::Quote.place()].iter() {
            let Some(image) = lane.quote(id) else { continue };
            let (quote, state) = (image.quote, image.state);
            let both_sides = quote.bid_size != 0 && quote.ask_size != 0;
            let has_size = both_sides || directory.instrument(id).is_none_or(|known| known.has_size);
            let fields = QuoteFields { id: id.0, total: image.ver, quote, state, has_size };
            each(Channel::Quote, id, ViewHash::quote(&fields));
        }
        for id in slot.subs[Channel::Trade.place()].iter() {
            let Some(image) = lane.trade(id) else { continue };
            let (total, volume, last) = (image.tc, image.volume, &image.last);
            let fields = TradeFields { id: id.0, total, volume, price: last.price, qty: last.qty };
            each(Channel::Trade, id, ViewHash::trade(&fields));
        }
    }
    true
}
