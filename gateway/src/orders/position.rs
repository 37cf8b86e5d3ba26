//! Where a gateway stands in a partition's log, and what is missing. Pure.
//!
//! The next block to apply is known by its sequence. A republished block with that sequence is applied, a lower one is
//! an old copy, a higher one, like a beat or a reply that names a later block, shows that something is missing: then
//! the stream is read from the next sequence on, until nothing that is known to exist is missing.

/// What to do with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// It is the next one.
    Apply,
    /// It was applied before.
    Drop,
    /// Blocks before it are missing: read the stream.
    Gap,
}

/// Place in one log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Sequence of the next block; 0 = not known yet.
    next: u64,
    /// Highest sequence that is known to be stored.
    stored: u64,
}

impl Position {
    /// Whether the log is being followed.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.next != 0
    }

    /// Last block applied, 0 = none.
    #[must_use]
    pub const fn applied(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// The log's last sequence was read from the stream. The first time, following begins behind it; a log that is
    /// shorter than what was applied is another log, and following begins anew. Returns whether that was so.
    pub const fn read_last(&mut self, last: u64) -> bool {
        let other = self.next != 0 && last + 1 < self.next;
        if self.next == 0 || other {
            self.next = last + 1;
            self.stored = last;
        }
        self.stored(last);
        other
    }

    /// A block of this sequence is said to be stored.
    pub const fn stored(&mut self, sequence: u64) {
        if self.next != 0 && sequence > self.stored {
            self.stored = sequence;
        }
    }

    /// Takes a block, republished or read.
    pub const fn block(&mut self, sequence: u64) -> Take {
        self.stored(sequence);
        if self.next == 0 || sequence < self.next {
            return Take::Drop;
        }
        if sequence > self.next {
            return Take::Gap;
        }
        self.next += 1;
        Take::Apply
    }

    /// From where the stream must be read, if a block is missing.
    #[must_use]
    pub const fn missing(&self) -> Option<u64> {
        if self.next != 0 && self.stored >= self.next { Some(self.next) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u64) -> Position {
        let mut position = Position::default();
        assert!(!position.read_last(last));
        position
    }

    #[test]
    fn nothing_is_applied_before_the_place_is_known() {
        let mut position = Position::default();
        assert_eq!(position.block(5), Take::Drop);
        position.stored(9);
        assert_eq!(position.missing(), None);
        assert!(!position.is_known());
        assert!(!position.read_last(5));
        assert_eq!(position.block(6), Take::Apply);
    }

    #[test]
    fn a_missing_block_is_read_and_late_copies_are_dropped() {
        let mut position = at(10);
        assert_eq!(position.block(11), Take::Apply);
        assert_eq!(position.block(14), Take::Gap);
        assert_eq!(position.missing(), Some(12));
        assert_eq!(position.block(12), Take::Apply);
        assert_eq!(position.block(15), Take::Gap);
        assert_eq!(position.block(13), Take::Apply);
        assert_eq!(position.block(12), Take::Drop);
        assert_eq!(position.missing(), Some(14));
        assert_eq!(position.block(14), Take::Apply);
        assert_eq!(position.block(15), Take::Apply);
        assert_eq!((position.missing(), position.applied()), (None, 15));
    }

    #[test]
    fn a_beat_or_reply_ahead_shows_a_lost_tail() {
        let mut position = at(10);
        position.stored(10);
        assert_eq!(position.missing(), None);
        position.stored(12);
        assert_eq!(position.missing(), Some(11));
        position.stored(11);
        assert_eq!(position.missing(), Some(11));
    }

    #[test]
    fn a_shorter_log_is_another_log() {
        let mut position = at(10);
        assert!(!position.read_last(10));
        assert!(position.read_last(3));
        assert_eq!(position.block(4), Take::Apply);
    }

    #[test]
    fn every_block_is_applied_once_and_in_order_however_copies_and_reads_mix() {
        for seed in 0..2_000_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random
            };
            let mut position = at(0);
            let (mut stored, mut applied, mut reading) = (0_u64, Vec::new(), None);
            for _ in 0..200 {
                match next() % 4 {
                    0 => {
                        stored += 1;
                        if next() % 3 > 0 && position.block(stored) == Take::Apply {
                            applied.push(stored);
                        }
                    }
                    1 => position.stored(stored),
                    2 if stored > 0 => {
                        let copy = 1 + next() % stored;
                        if position.block(copy) == Take::Apply {
                            applied.push(copy);
                        }
                    }
                    _ => {
                        let from = reading.take().or_else(|| position.missing());
                        if let Some(from) = from.filter(|from| *from <= stored) {
                            if position.block(from) == Take::Apply {
                                applied.push(from);
                            }
                            reading = position.missing().map(|_| from + 1);
                        }
                    }
                }
            }
            position.stored(stored);
            while let Some(from) = position.missing() {
                assert_eq!(position.block(from), Take::Apply);
                applied.push(from);
            }
            assert_eq!(applied, (1..=stored).collect::<Vec<_>>(), "seed {seed}");
        }
    }
}
