//! The index of ids: account + ClOrdID, for ever, in 24 bytes each.

use super::BuildFast;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use wire::order::{AccountId, ClOrdId};

/// Where an id's present state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The id is the latest of this open order.
    Order(u64),
    /// The id's last report is in this block.
    Block(u64),
}

/// 128 bits of two SipHashes: two ids collide by chance with probability 2^-77 among 50 million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(u64, u64);

impl Key {
    /// Of an order or an act on one.
    pub(super) fn new(account: &AccountId, id: &ClOrdId) -> Self {
        Self::salted(account, id, [0, 1])
    }

    /// Of an alert: another space of ids.
    pub(super) fn of_alert(account: &AccountId, id: &ClOrdId) -> Self {
        Self::salted(account, id, [2, 3])
    }

    fn salted(account: &AccountId, id: &ClOrdId, salts: [u8; 2]) -> Self {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(salt);
            hasher.write(account.as_bytes());
            hasher.write_u8(0);
            hasher.write(id.as_bytes());
            hasher.finish()
        };
        Self(half(salts[0]), half(salts[1]))
    }
}

const BLOCK: u64 = 1 << 63;

/// The map; a place is packed in 8 bytes.
#[derive(Debug, Default)]
pub(super) struct Ids(HashMap<Key, u64, BuildFast>);

impl Ids {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn find(&self, key: Key) -> Option<Place> {
        self.0.get(&key).copied().map(unpack)
    }

    /// Writes or removes; returns what was there.
    pub(super) fn put(&mut self, key: Key, place: Option<Place>) -> Option<Place> {
        match place {
            Some(place) => self.0.insert(key, pack(place)),
            None => self.0.remove(&key),
        }
        .map(unpack)
    }

    /// A sum over all entries, the same in any order.
    pub(super) fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, entry| {
            let mut hasher = DefaultHasher::new();
            entry.hash(&mut hasher);
            sum.wrapping_add(hasher.finish())
        })
    }
}

const fn pack(place: Place) -> u64 {
    match place {
        Place::Order(number) => number,
        Place::Block(block) => block | BLOCK,
    }
}

const fn unpack(packed: u64) -> Place {
    if packed & BLOCK == 0 { Place::Order(packed) } else { Place::Block(packed & !BLOCK) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_and_id_do_not_run_into_each_other() {
        let key = |account: &str, id: &str| Key::new(&account.parse().unwrap(), &id.parse().unwrap());
        assert_ne!(key("A1", "2"), key("A", "12"));
        assert_eq!(key("A1", "2"), key("A1", "2"));
        assert_ne!(key("A1", "2"), Key::of_alert(&"A1".parse().unwrap(), &"2".parse().unwrap()));
        assert_eq!(size_of::<(Key, u64)>(), 24);
    }

    #[test]
    fn a_place_survives_packing() {
        for place in [Place::Order(0), Place::Order(7), Place::Block(0), Place::Block(1 << 62)] {
            assert_eq!(unpack(pack(place)), place);
        }
    }
}
