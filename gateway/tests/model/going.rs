//! What a client of the model keeps between connections, and what it holds the gateway to when it comes back.

use super::client::{Client, Wire};
use std::collections::HashMap;
use wire::frame::view::{Carried, QUOTE, Resumed, TRADE, Update};
use wire::frame::{Form, State};

/// Epoch, total, lost events and state of a (channel, symbol).
type Held = (u64, u64, u64, State);

/// Kept between connections.
#[derive(Default)]
pub(crate) struct Going {
    /// The last cursor of this connection, or else of the one before.
    pub(crate) cursor: Option<String>,
    /// How many (channel, symbol) it speaks of.
    pub(crate) spoken_of: usize,
    pub(crate) carried: Carried,
    names: HashMap<u32, String>,
    /// Nothing has come since the cursor: what is called unchanged must be held.
    exact: bool,
    /// What comes may have been owed: a stalled session is told in full what moved, even if it moved back.
    pub(crate) stalled: bool,
    /// What is held of that which is said to be unchanged, until something of it comes.
    unchanged: HashMap<(u8, u32), Held>,
    /// The same, to be held against the history.
    pub(crate) fresh: Vec<(u8, u32)>,
    /// (Channel, symbol) told as unchanged, or to go on in full, or to begin anew, over all connections.
    pub(crate) told: [u64; 3],
}

impl Client {
    /// The connection has ended; `self` goes on as another session.
    pub(crate) fn reconnect(&mut self, wire: Wire, session: u32) {
        let form = self.form;
        let old = std::mem::replace(self, Self::new(form, wire, session));
        self.going = old.going;
        let names = std::mem::take(&mut self.going.names);
        // What this gateway had not caught up with is not held as any gateway shows it: its repair will be asked for.
        self.going.exact &= !old.view.is_behind();
        self.view = old.view.carry(&names, &mut self.going.carried);
        self.going.unchanged.clear();
        (self.keeps_up, self.digest) = (false, old.digest);
    }

    /// A symbol of `subscribed`.
    pub(crate) fn goes_on(&mut self, channel: u8, id: u32, symbol: &serde_json::Value) {
        let name = symbol["symbol"].as_str().unwrap();
        self.going.names.insert(id, name.to_owned());
        let told = symbol["unchanged"].as_bool().map(|unchanged| {
            let state = |number: u64| State::from_u8(u8::try_from(number).unwrap()).unwrap();
            Resumed {
                epoch: symbol["epoch"].as_u64().unwrap(),
                lost: symbol["lost"].as_u64().unwrap(),
                unchanged: unchanged
                    .then(|| (symbol["total"].as_u64().unwrap(), state(symbol["state"].as_u64().unwrap()))),
            }
        });
        let by_gateway = self.form == Form::Fixed;
        assert!(!by_gateway || told.is_none_or(|told| told.epoch < 256), "the gateway's own count of epochs");
        let kind = told.map_or(2, |told| usize::from(told.unchanged.is_none()));
        self.going.told[kind] += 1;
        self.going.exact &= told.is_some(); // what begins anew is held no more
        // A cursor is the least that its session's lanes had told: some may be held further than the next gateway has heard.
        let carried = self.going.carried.total(channel, name);
        let ahead =
            told.and_then(|told| told.unchanged).zip(carried).is_some_and(|(told, held)| held > told.0);
        let held = self.view.resumed(channel, id, name, told, &mut self.going.carried);
        assert!(held || !self.going.exact || ahead, "{name} is called unchanged and is not held so");
        if !held {
            self.wants_repair = true;
        } else if told.is_some_and(|told| told.unchanged.is_some()) {
            let held = self.held(channel, id).expect("what is said to be unchanged is held");
            if !self.going.stalled {
                self.going.unchanged.insert((channel, id), held);
            }
            self.going.fresh.push((channel, id));
        }
    }

    pub(crate) fn reached(&mut self, cursor: Option<&str>) {
        let Some(cursor) = cursor else { return };
        assert!(cursor.len() <= wire::cursor_shards::CURSOR_TEXT_MAX);
        self.going.cursor = Some(cursor.to_owned());
        self.going.exact = !self.wants_repair; // what is asked for in full is not held yet
        self.going.spoken_of = [QUOTE, TRADE].iter().map(|channel| self.view.ids(*channel).count()).sum();
        self.view.reached(&mut self.going.carried);
    }

    fn held(&self, channel: u8, id: u32) -> Option<Held> {
        if channel == QUOTE {
            self.view.quote(id).map(|held| (held.epoch, held.total, held.lost, held.state))
        } else {
            self.view.trade(id).map(|held| (held.epoch, held.total, held.lost, held.state))
        }
    }

    /// What has not changed is not sent again.
    pub(crate) fn not_again(&mut self, update: &Update) {
        self.going.exact = false;
        let (channel, id) = match *update {
            Update::Quote { id, .. } => (QUOTE, id),
            Update::Summary { id, .. } | Update::Print { id, .. } => (TRADE, id),
            Update::Book { .. } | Update::Bar { .. } | Update::Status { .. } => return,
        };
        let before = self.going.unchanged.remove(&(channel, id));
        assert!(before.is_none() || before != self.held(channel, id), "{id} is sent again as it was");
    }

    /// Everything is asked for in full, or may come so until it reads freely again.
    pub(crate) fn comes_in_full(&mut self) {
        self.going.unchanged.clear();
        self.going.stalled = true;
        self.keeps_up = false;
    }

    /// A cursor holds for what was subscribed before it.
    pub(crate) fn subscribing(&mut self) {
        self.going.exact = false;
    }
}
