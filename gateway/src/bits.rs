//! Sets of instrument ids: a dense bitset for what is large, a sorted list for what is small.

use wire::instrument::InstrumentId;

/// Most ids that a [`IdSet`] keeps as a sorted list; above it a bitset with prefix counts is smaller and faster.
pub const SMALL_SET_MAX: usize = 128;

/// A dense bitset that grows as needed.
#[derive(Debug, Clone, Default)]
pub struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Adds an id. Returns whether it was new.
    #[inline]
    pub fn insert(&mut self, id: InstrumentId) -> bool {
        let (word, bit) = (id.index() / 64, 1 << (id.0 % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        new
    }

    /// Removes an id. Returns whether it was there.
    #[inline]
    pub fn remove(&mut self, id: InstrumentId) -> bool {
        let (word, bit) = (id.index() / 64, 1 << (id.0 % 64));
        let Some(word) = self.words.get_mut(word) else { return false };
        let was = *word & bit != 0;
        *word &= !bit;
        was
    }

    /// Whether an id is in it.
    #[must_use]
    #[inline]
    pub fn contains(&self, id: InstrumentId) -> bool {
        self.words.get(id.index() / 64).is_some_and(|word| word & (1 << (id.0 % 64)) != 0)
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The words, low ids first.
    #[must_use]
    #[inline]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The ids, rising.
    pub fn iter(&self) -> impl Iterator<Item = InstrumentId> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| ids_of(at, *word))
    }
}

/// The ids of one word of a bitset.
#[inline]
pub fn ids_of(at: usize, mut word: u64) -> impl Iterator<Item = InstrumentId> {
    std::iter::from_fn(move || {
        if word == 0 {
            return None;
        }
        let bit = word.trailing_zeros();
        word &= word - 1;
        u32::try_from(at * 64).ok().map(|base| InstrumentId(base + bit))
    })
}

/// A set of ids that knows each id's rank: the wire set of a (channel, slot). 16 bytes while it is empty.
#[derive(Debug, Clone)]
pub enum IdSet {
    /// At most [`SMALL_SET_MAX`] ids, sorted.
    Small(Box<[InstrumentId]>),
    /// More ids.
    Large(Box<Ranked>),
}

/// A bitset that knows ranks.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// The bits.
    pub bits: Bits,
    /// Number of ids below each word.
    pub below: Vec<u32>,
    len: usize,
}

impl Ranked {
    fn new(bits: Bits) -> Self {
        let mut count = 0;
        let mut below = Vec::with_capacity(bits.words().len());
        for word in bits.words() {
            below.push(count);
            count += word.count_ones();
        }
        Self { bits, below, len: count as usize }
    }
}

impl Default for IdSet {
    fn default() -> Self {
        Self::Small(Box::default())
    }
}

impl IdSet {
    /// Number of ids.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Small(ids) => ids.len(),
            Self::Large(ranked) => ranked.len,
        }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an id is in it.
    #[must_use]
    #[inline]
    pub fn contains(&self, id: InstrumentId) -> bool {
        match self {
            Self::Small(ids) => ids.binary_search(&id).is_ok(),
            Self::Large(ranked) => ranked.bits.contains(id),
        }
    }

    /// How many ids are below `id`.
    #[must_use]
    #[inline]
    pub fn rank(&self, id: InstrumentId) -> usize {
        match self {
            Self::Small(ids) => ids.partition_point(|other| *other < id),
            Self::Large(ranked) => {
                let at = id.index() / 64;
                let Some(word) = ranked.bits.words().get(at) else { return ranked.len };
                let below = word & ((1 << (id.0 % 64)) - 1);
                ranked.below[at] as usize + below.count_ones() as usize
            }
        }
    }

    /// Adds ids; those that are in it stay.
    pub fn extend(&mut self, ids: impl Iterator<Item = InstrumentId>) {
        match self {
            Self::Small(list) => {
                let mut list = std::mem::take(list).into_vec();
                list.extend(ids);
                list.sort_unstable();
                list.dedup();
                *self = Self::of_sorted(list);
            }
            Self::Large(ranked) => {
                let mut bits = std::mem::take(&mut ranked.bits);
                for id in ids {
                    bits.insert(id);
                }
                **ranked = Ranked::new(bits);
            }
        }
    }

    /// Removes every id that `keep` does not want.
    pub fn retain(&mut self, keep: impl Fn(InstrumentId) -> bool) {
        *self = Self::of_sorted(self.iter().filter(|id| keep(*id)).collect());
    }

    /// The ids, rising.
    pub fn iter(&self) -> impl Iterator<Item = InstrumentId> + '_ {
        let (small, large) = match self {
            Self::Small(ids) => (Some(ids.iter().copied()), None),
            Self::Large(ranked) => (None, Some(ranked.bits.iter())),
        };
        small.into_iter().flatten().chain(large.into_iter().flatten())
    }

    fn of_sorted(list: Vec<InstrumentId>) -> Self {
        if list.len() <= SMALL_SET_MAX {
            return Self::Small(list.into_boxed_slice());
        }
        let mut bits = Bits::default();
        for id in list {
            bits.insert(id);
        }
        Self::Large(Box::new(Ranked::new(bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_agree_small_and_large() {
        let mut set = IdSet::default();
        for step in [7_u32, 3] {
            set.extend((0..600).step_by(step as usize).map(InstrumentId));
            let ids: Vec<InstrumentId> = set.iter().collect();
            assert!(ids.windows(2).all(|w| w[0] < w[1]));
            assert_eq!(ids.len(), set.len());
            for (rank, id) in ids.iter().enumerate() {
                assert_eq!(set.rank(*id), rank);
                assert!(set.contains(*id));
            }
        }
        assert!(matches!(set, IdSet::Large(_)));
        assert_eq!(size_of::<IdSet>(), 16);
        set.retain(|id| id.0 < 30);
        assert!(matches!(&set, IdSet::Small(ids) if ids.len() == 13));
        assert_eq!(set.rank(InstrumentId(9_999)), 13);
    }
}
