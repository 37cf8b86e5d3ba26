//! Where in its shard's sequence a channel of a row last moved, and where it last lost events: what a client that comes
//! back with a cursor is judged by. Pure.

use crate::mutants::broken;
use wire::cursor_shards::Position;

/// Marks of one channel of a row, within its feed epoch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    moved: u64,
    lost: u64,
    lost_prior: u64,
    lost_before: u64,
}

impl Mark {
    /// An event with this sequence, or a snapshot that goes up to it.
    #[inline]
    pub(super) fn moved(&mut self, sequence: u64) {
        self.moved = sequence;
    }

    /// So many events up to this sequence never came; `lost` counts them all.
    #[inline]
    pub(super) fn lose(&mut self, sequence: u64, lost: &mut u64, more: u64) {
        if more > 0 {
            (self.lost_prior, self.lost, self.lost_before) = (self.lost, sequence, *lost);
            *lost += more;
        }
    }

    /// Whether nothing has happened since a place of the same epoch.
    #[must_use]
    pub fn is_behind(&self, place: Position) -> bool {
        self.moved < place.next || broken("resume_ignores_the_row")
    }

    /// How many of the `lost` events were lost before a place. Where that is not known any more it is the least that it
    /// can be: too much is then declared lost, never too little.
    #[must_use]
    pub fn lost_before(&self, lost: u64, place: Position) -> u64 {
        if self.lost < place.next || broken("resume_forgets_the_loss") {
            lost
        } else if self.lost_prior < place.next {
            self.lost_before
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_since_a_place_is_never_told_as_less() {
        let (mut mark, mut lost) = (Mark::default(), 0);
        let place = |next| Position { epoch: 1, next };
        assert_eq!(mark.lost_before(0, place(1)), 0);
        mark.lose(10, &mut lost, 4);
        mark.lose(15, &mut lost, 0);
        mark.lose(20, &mut lost, 3);
        assert_eq!([21, 20, 11, 10].map(|next| mark.lost_before(7, place(next))), [7, 4, 4, 0]);
        mark.lose(30, &mut lost, 1);
        assert_eq!([31, 30, 21, 20].map(|next| mark.lost_before(8, place(next))), [8, 7, 7, 0]);
    }
}
