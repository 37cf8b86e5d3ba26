//! Which books of a shard wait for a page, and when the next question for them may go out. Time is an argument.

use crate::bits::Bits;
use wire::book_page::PAGE_BOOKS_MAX;
use wire::instrument::InstrumentId;

/// Time between a page and the next question, µs: a publisher whose events never fit must not be flooded.
const APART_US: i64 = 10_000;

/// First wait after a question that went wrong, µs; it doubles up to [`AGAIN_MAX_US`].
const AGAIN_US: i64 = 50_000;

/// Longest wait between two questions, µs.
const AGAIN_MAX_US: i64 = 2_000_000;

/// One shard.
#[derive(Debug)]
pub(super) struct Asking {
    void: Bits,
    voids: usize,
    /// Moment of the question that is on its way.
    asked: Option<u64>,
    /// Where the next question begins, so that books that are never answered keep no others waiting.
    begin: usize,
    next_us: i64,
    wait_us: i64,
}

impl Default for Asking {
    fn default() -> Self {
        Self { void: Bits::default(), voids: 0, asked: None, begin: 0, next_us: i64::MIN, wait_us: AGAIN_US }
    }
}

impl Asking {
    pub(super) fn void(&mut self, id: InstrumentId) {
        self.voids += usize::from(self.void.insert(id));
    }

    pub(super) fn settle(&mut self, id: InstrumentId) {
        self.voids -= usize::from(self.void.remove(id));
    }

    /// Whether no book waits for a page.
    pub(super) fn is_settled(&self) -> bool {
        self.voids == 0
    }

    pub(super) fn ask(&mut self, ids: &[InstrumentId], moment: u64, now_us: i64) -> Vec<u32> {
        if self.voids == 0 || self.asked.is_some() || now_us < self.next_us {
            return Vec::new();
        }
        let begin = self.begin.min(ids.len());
        let around = (begin..ids.len()).chain(0..begin);
        let waits = around.filter(|at| self.void.contains(ids[*at]));
        let indices: Vec<u32> = waits.take(PAGE_BOOKS_MAX).filter_map(|at| u32::try_from(at).ok()).collect();
        if let Some(last) = indices.last() {
            self.begin = *last as usize + 1;
            self.asked = Some(moment);
        } else {
            self.next_us = now_us + AGAIN_US; // what waits is listed no more: look again, but not all the time
        }
        indices
    }

    /// Moment of the question that is on its way, 0 without one.
    pub(super) fn asked_at(&self) -> u64 {
        self.asked.unwrap_or(0)
    }

    pub(super) fn answered(&mut self, well: bool, now_us: i64) {
        self.asked = None;
        if well {
            (self.next_us, self.wait_us) = (now_us + APART_US, AGAIN_US);
        } else {
            self.next_us = now_us + self.wait_us;
            self.wait_us = (self.wait_us * 2).min(AGAIN_MAX_US);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen_all(seen: &mut Bits, indices: &[u32]) {
        for index in indices {
            seen.insert(InstrumentId(*index));
        }
    }

    #[test]
    fn a_shard_that_never_answers_is_asked_one_question_at_a_time_ever_more_slowly_and_all_around() {
        let ids: Vec<InstrumentId> = (0..1_000).map(InstrumentId).collect();
        let mut asking = Asking::default();
        ids.iter().for_each(|id| asking.void(*id));
        let (mut asked_us, mut seen) = (Vec::new(), Bits::default());
        for now_us in (0..60_000_000).step_by(50_000) {
            let indices = asking.ask(&ids, 0, now_us);
            if indices.is_empty() {
                continue;
            }
            asked_us.push(now_us);
            assert_eq!((indices.len(), asking.ask(&ids, 0, i64::MAX).len()), (512, 0));
            seen_all(&mut seen, &indices);
            asking.answered(false, now_us);
        }
        assert_eq!(asked_us[..5], [0, 50_000, 150_000, 350_000, 750_000]);
        assert!(asked_us.windows(2).skip(8).all(|pair| pair[1] - pair[0] == AGAIN_MAX_US));
        assert_eq!(seen.iter().count(), 1_000);
    }
}
