//! Wildcards that sessions hold.

use super::Engine;
use crate::directory::Directory;
use crate::lane::Channel;
use crate::outbox::Socket;
use crate::pending::Join;
use std::collections::VecDeque;
use wire::instrument::{InstrumentId, matches};

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
    /// Instruments from the `known`-th on are new: they join the sessions whose wildcards match them.
    pub(super) fn add_matching(&mut self, known: usize, now_us: i64) {
        let mut joins = Vec::new();
        for wildcard in &self.wildcards {
            let Some(outbox) = &self.outboxes[wildcard.session as usize] else { continue };
            let new = self.directory.iter().skip(known);
            let ids = new
                .filter(|(id, new)| {
                    matches(&wildcard.text, &new.symbol) && outbox.slot_of(wildcard.channel, *id).is_none()
                })
                .map(|(id, _)| id)
                .take(wire::SESSION_SYMBOLS_MAX.saturating_sub(outbox.symbols()))
                .collect::<VecDeque<_>>();
            if !ids.is_empty() {
                let (channel, slot, head) = (wildcard.channel, wildcard.slot, wildcard.head.clone());
                let max_age_ms = wildcard.max_age_ms;
                let join = Join { head, tail: String::new(), channel, slot, ids, max_age_ms };
                joins.push((wildcard.session, join));
            }
        }
        joins.into_iter().for_each(|(session, join)| self.join(session, join, now_us));
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
