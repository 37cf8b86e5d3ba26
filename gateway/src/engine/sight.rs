//! What sessions may see. A session without an entry may see everything: only tokens restrict.

use super::Engine;
use crate::outbox::Socket;
use std::rc::Rc;
use wire::SESSION_SYMBOLS_MAX;
use wire::control::{Channel, Entitlements};

impl<S: Socket> Engine<S> {
    /// From now on a session may see this and no more. What it holds stays; see [`Engine::leave`].
    pub fn entitle(&mut self, session: u32, entitlements: Rc<Entitlements>) {
        self.sights.insert(session, entitlements);
    }

    /// What a session was granted; none = everything.
    #[must_use]
    pub fn entitlements(&self, session: u32) -> Option<&Rc<Entitlements>> {
        self.sights.get(&session)
    }

    /// Whether a session may see a symbol in a channel.
    #[must_use]
    pub fn may_see(&self, session: u32, channel: Channel, symbol: &str) -> bool {
        self.entitlements(session).is_none_or(|granted| granted.may_see(channel.word(), symbol))
    }

    /// Most symbols of a session over all channels.
    #[must_use]
    pub fn symbols_max(&self, session: u32) -> usize {
        self.entitlements(session).map_or(SESSION_SYMBOLS_MAX, |granted| granted.symbols_max)
    }

    /// Forgets the wildcards of a session that match nothing any more which it may see.
    pub fn withdraw_wildcards(&mut self, session: u32) {
        let gone = |engine: &Self, channel: Channel, text: &str| {
            let mut seen = engine.directory.matching(text).filter_map(|id| engine.directory.instrument(id));
            !seen.any(|instrument| engine.may_see(session, channel, &instrument.symbol))
        };
        for (channel, text) in self.wildcards_of(session) {
            if gone(self, channel, &text) {
                self.forget(session, channel, &text);
            }
        }
    }
}
