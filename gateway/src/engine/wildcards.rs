//! Wildcards that sessions hold.

use super::Engine;
use crate::directory::Directory;
use crate::outbox::Socket;
use crate::pending::Join;
use std::collections::VecDeque;
use wire::control::Channel;
use wire::instrument::{InstrumentId, matches};

/// Most wildcards that a session holds.
pub const WILDCARDS_MAX: usize = 256;

/// A wildcard that a session holds: instruments that come later and match it are added.
#[derive(Debug)]
pub(super) struct Wildcard {
    pub(super) session: u32,
    channel: Channel,
    slot: u8,
    text: String,
    head: String,
    max_age_ms: Option<u32>,
}

impl<S: Socket> Engine<S> {
    /// Instruments from the `known`-th on are new: they join the sessions whose wildcards match them. One wildcard after
    /// the other: what one has let join, the next finds held.
    pub(super) fn add_matching(&mut self, known: usize, now_us: i64) {
        for at in 0..self.wildcards.len() {
            if let Some(join) = self.gained(&self.wildcards[at], known) {
                self.join(self.wildcards[at].session, join, now_us);
            }
        }
    }

    fn gained(&self, wildcard: &Wildcard, known: usize) -> Option<Join> {
        let outbox = self.outbox(wildcard.session)?;
        let new = self.directory.iter().skip(known);
        let ids: VecDeque<InstrumentId> = new
            .filter(|(id, new)| {
                matches(&wildcard.text, &new.symbol)
                    && outbox.slot_of(wildcard.channel, *id).is_none()
                    && self.may_see(wildcard.session, wildcard.channel, &new.symbol)
            })
            .map(|(id, _)| id)
            .take(self.symbols_max(wildcard.session).saturating_sub(outbox.symbols()))
            .collect();
        let Wildcard { channel, slot, max_age_ms, .. } = *wildcard;
        let (head, tail) = (wildcard.head.clone(), String::new());
        (!ids.is_empty()).then_some(Join { head, tail, channel, slot, ids, max_age_ms, resume: None })
    }

    /// How many more wildcards a session may hold.
    #[must_use]
    pub fn wildcards_left(&self, session: u32) -> usize {
        let held = self.wildcards.iter().filter(|wildcard| wildcard.session == session).count();
        WILDCARDS_MAX.saturating_sub(held)
    }

    /// Remembers a wildcard, so that instruments that come later join; `head` begins the `added` message.
    pub fn remember(
        &mut self,
        session: u32,
        channel: Channel,
        slot: u8,
        text: &str,
        head: String,
        max_age_ms: Option<u32>,
    ) {
        let known = |wildcard: &Wildcard| {
            wildcard.session == session && wildcard.channel == channel && wildcard.text == text
        };
        if !self.wildcards.iter().any(known) {
            let text = text.to_owned();
            self.wildcards.push(Wildcard { session, channel, slot, text, head, max_age_ms });
        }
    }

    /// Whether a session holds a wildcard.
    #[must_use]
    pub fn remembers(&self, session: u32, channel: Channel, text: &str) -> bool {
        self.wildcards.iter().any(|wildcard| {
            wildcard.session == session && wildcard.channel == channel && wildcard.text == text
        })
    }

    /// The wildcards of a session.
    pub(super) fn wildcards_of(&self, session: u32) -> Vec<(Channel, String)> {
        let mine = self.wildcards.iter().filter(|wildcard| wildcard.session == session);
        mine.map(|wildcard| (wildcard.channel, wildcard.text.clone())).collect()
    }

    /// Forgets a wildcard.
    pub fn forget(&mut self, session: u32, channel: Channel, text: &str) {
        self.wildcards.retain(|wildcard| {
            wildcard.session != session || wildcard.channel != channel || wildcard.text != text
        });
    }

    /// Symbols moved from one slot of a session to another: wildcards that match one of them move along.
    pub(super) fn move_wildcards(&mut self, session: u32, from: u8, to: u8, moved: &[InstrumentId]) {
        let mine = |wildcard: &&mut Wildcard| wildcard.session == session && wildcard.slot == from;
        for wildcard in self.wildcards.iter_mut().filter(mine) {
            if moved.iter().any(|id| covers(&self.directory, wildcard, *id)) {
                wildcard.slot = to;
            }
        }
    }
}

fn covers(directory: &Directory, wildcard: &Wildcard, id: InstrumentId) -> bool {
    directory.instrument(id).is_some_and(|instrument| matches(&wildcard.text, &instrument.symbol))
}
