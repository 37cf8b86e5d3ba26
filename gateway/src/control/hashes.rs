//! `hashes`: a client that found its view damaged asks which symbols are.

use super::Desk;
use crate::outbox::Socket;
use wire::control::Channel;
use wire::control::reply::{Hashes, SymbolHash, text};
use wire::error::ErrorCode;
use wire::instrument::InstrumentId;
use wire::view_hash::{BUCKETS, ViewHash};

/// A session may ask this often on the average, µs.
const HASHES_EVERY_US: i64 = 250_000;

/// How far ahead of that average it may be, µs: a look at the buckets and one into some of them at once.
const HASHES_AHEAD_US: i64 = 500_000;

impl<S: Socket> Desk<'_, S> {
    pub(super) fn hashes(&mut self, id: Option<u64>, named: Option<&[u8]>) {
        let through_us = self.client.hashed_us.max(self.now_us) + HASHES_EVERY_US;
        if through_us - self.now_us > HASHES_AHEAD_US {
            return self.error(id, ErrorCode::TooOften, "hashes: at most four a second, two at once");
        }
        self.client.hashed_us = through_us;
        let mut sums = [ViewHash::default(); BUCKETS as usize];
        let mut symbols = Vec::new();
        let each = |channel: Channel, id: InstrumentId, hash: ViewHash| {
            let bucket = id.0 % BUCKETS;
            let sum = &mut sums[bucket as usize];
            *sum = sum.and(hash);
            if named.is_some_and(|named| named.iter().any(|name| u32::from(*name) == bucket)) {
                symbols.push(SymbolHash { channel: channel.word(), id: id.0, hash: hash.text() });
            }
        };
        let owed = !self.engine.each_hash(self.client.session, each);
        let buckets = named.is_none().then(|| sums.map(ViewHash::text).to_vec()).filter(|_| !owed);
        let symbols = named.is_some().then_some(symbols);
        self.answer(&text("hashes", &Hashes { id, owed, buckets, symbols }));
    }
}
