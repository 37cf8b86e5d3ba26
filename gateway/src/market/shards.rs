//! Which shards are followed, and when the next question to each may go out. Time is an argument.

use super::is_definitions;
use crate::ingest::Want;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::LocalBoxStream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A payload and the shard that it came for.
pub(super) type Payload = (u16, Bytes);

/// First wait after a question that went wrong, µs; it doubles up to [`ASK_AGAIN_MAX_US`].
const ASK_AGAIN_US: i64 = 50_000;

/// Longest wait between two questions, µs.
const ASK_AGAIN_MAX_US: i64 = 2_000_000;

/// Definitions of a shard that nobody follows are asked for this often, µs: its batches do not tell of new ones.
const REFRESH_US: i64 = 5_000_000;

/// A shard that nobody wants any more is followed for this long still, µs: a reload of a page must not re-sync.
const LINGER_US: i64 = 30_000_000;

/// What to ask for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// It is followed no more: what is known of it grows old.
    Left,
    Follow,
    Definitions,
    Snapshot,
}

struct Shard {
    stream: Option<LocalBoxStream<'static, Bytes>>,
    wanted: bool,
    unwanted_us: Option<i64>,
    asking: bool,
    next_us: i64,
    wait_us: i64,
    refreshed_us: i64,
    epoch: u64,
}

/// All shards.
pub(super) struct Shards {
    shards: Vec<Shard>,
    taken: usize,
}

impl Shards {
    pub(super) fn new(count: u16) -> Self {
        let shard = |_| Shard {
            stream: None,
            wanted: false,
            unwanted_us: None,
            asking: false,
            next_us: 0,
            wait_us: ASK_AGAIN_US,
            refreshed_us: 0,
            epoch: 0,
        };
        Self { shards: (0..count).map(shard).collect(), taken: 0 }
    }

    /// Takes what is ready, at most `max` payloads. Ready when there is any.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, max: usize, out: &mut Vec<Payload>) -> Poll<()> {
        let before = out.len();
        for (number, shard) in (0_u16..).zip(&mut self.shards) {
            while let Some(stream) = &mut shard.stream
                && out.len() - before < max
            {
                match Pin::new(stream).poll_next(context) {
                    Poll::Ready(Some(payload)) => out.push((number, payload)),
                    Poll::Ready(None) => shard.stream = None,
                    Poll::Pending => break,
                }
            }
        }
        self.taken = out.len() - before;
        if self.taken == 0 { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Whether the last turn took as much as it may, so that more may be ready.
    pub(super) fn took_all(&mut self, max: usize) -> bool {
        std::mem::take(&mut self.taken) >= max
    }

    /// Somebody holds symbols of the shards whose bits are set.
    pub(super) fn want(&mut self, wanted: u64) {
        for (number, shard) in self.shards.iter_mut().enumerate() {
            shard.wanted = wanted & (1 << number) != 0;
            if shard.wanted {
                shard.unwanted_us = None;
            }
        }
    }

    /// The shard is being followed now.
    pub(super) fn follow(&mut self, shard: u16, stream: LocalBoxStream<'static, Bytes>) {
        if let Some(entry) = self.shards.get_mut(usize::from(shard)) {
            entry.stream = Some(stream);
        }
    }

    /// A shard is whole at this epoch; whether it was whole at another before.
    pub(super) fn has_restarted(&mut self, shard: u16, epoch: u64) -> bool {
        let Some(entry) = self.shards.get_mut(usize::from(shard)) else { return false };
        let before = std::mem::replace(&mut entry.epoch, epoch);
        before != 0 && before != epoch
    }

    /// A question was answered, well or not.
    pub(super) fn answered(&mut self, shard: u16, well: bool, now_us: i64) {
        let Some(entry) = self.shards.get_mut(usize::from(shard)) else { return };
        entry.asking = false;
        if well {
            (entry.next_us, entry.wait_us) = (now_us, ASK_AGAIN_US);
        } else {
            entry.next_us = now_us + entry.wait_us;
            entry.wait_us = (entry.wait_us * 2).min(ASK_AGAIN_MAX_US);
        }
    }

    /// Definitions were answered, well or not.
    pub(super) fn defined(&mut self, shard: u16, well: bool, now_us: i64) {
        self.answered(shard, well, now_us);
        if let Some(entry) = self.shards.get_mut(usize::from(shard)) {
            entry.refreshed_us = now_us;
            if well {
                // A publisher that answers but never catches up with what its batches say must not be flooded.
                entry.next_us = now_us + 1_000;
            }
        }
    }

    /// What to ask for now; asking again waits for the answer.
    pub(super) fn due(&mut self, shard: u16, want: Want, now_us: i64) -> Due {
        let Some(entry) = self.shards.get_mut(usize::from(shard)) else { return Due::Nothing };
        if entry.lingered(now_us) {
            return Due::Left;
        }
        if entry.asking || now_us < entry.next_us {
            return Due::Nothing;
        }
        let stale = entry.stream.is_none() && now_us - entry.refreshed_us >= REFRESH_US;
        let due = if is_definitions(want) || stale {
            Due::Definitions
        } else if entry.wanted && entry.stream.is_none() {
            Due::Follow
        } else if want == Want::Snapshot && entry.stream.is_some() {
            Due::Snapshot
        } else {
            Due::Nothing
        };
        entry.asking = due != Due::Nothing;
        due
    }
}

impl Shard {
    /// Lets a shard go that nobody has wanted for long enough.
    fn lingered(&mut self, now_us: i64) -> bool {
        if self.wanted || self.stream.is_none() {
            return false;
        }
        let since = *self.unwanted_us.get_or_insert(now_us);
        let over = now_us - since >= LINGER_US;
        if over {
            (self.stream, self.unwanted_us) = (None, None);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    fn followed() -> Shards {
        let mut shards = Shards::new(2);
        shards.want(1);
        assert_eq!(shards.due(0, Want::Definitions, 10_000_000), Due::Definitions);
        assert_eq!(shards.due(0, Want::Definitions, 10_000_000), Due::Nothing);
        shards.defined(0, true, 10_000_000);
        assert_eq!(shards.due(0, Want::Snapshot, 10_001_000), Due::Follow);
        shards.follow(0, futures_util::stream::pending().boxed_local());
        shards.answered(0, true, 10_001_000);
        shards
    }

    impl Shards {
        fn may_ask(&self, now_us: i64) -> bool {
            now_us >= self.shards[0].next_us
        }
    }

    #[test]
    fn definitions_come_before_following_and_following_before_the_snapshot() {
        let mut shards = followed();
        assert_eq!(shards.due(0, Want::Snapshot, 10_001_000), Due::Snapshot);
        assert_eq!(shards.due(1, Want::Definitions, 10_001_000), Due::Definitions);
        shards.defined(1, true, 10_001_000);
        assert_eq!(shards.due(1, Want::Snapshot, 10_002_000), Due::Nothing);
        assert_eq!(shards.due(1, Want::Snapshot, 10_001_000 + REFRESH_US), Due::Definitions);
    }

    #[test]
    fn questions_that_fail_are_asked_again_ever_more_slowly() {
        let mut shards = followed();
        let (mut now_us, mut waits) = (10_001_000, Vec::new());
        for _ in 0..8 {
            assert_eq!(shards.due(0, Want::Snapshot, now_us), Due::Snapshot);
            shards.answered(0, false, now_us);
            assert_eq!(shards.due(0, Want::Snapshot, now_us), Due::Nothing);
            let again = (0..).map(|step| now_us + step * 10_000);
            let at = again.into_iter().find(|at| shards.may_ask(*at)).unwrap();
            waits.push(at - now_us);
            now_us = at;
        }
        assert_eq!(waits[..3], [50_000, 100_000, 200_000]);
        assert_eq!(waits[7], ASK_AGAIN_MAX_US);
    }

    #[test]
    fn a_shard_that_nobody_wants_is_let_go_after_a_while() {
        let mut shards = followed();
        shards.want(0);
        assert_eq!(shards.due(0, Want::Nothing, 20_000_000), Due::Nothing);
        shards.want(1);
        shards.want(0);
        assert_eq!(shards.due(0, Want::Nothing, 40_000_000), Due::Nothing);
        assert!(shards.shards[0].stream.is_some());
        assert_eq!(shards.due(0, Want::Nothing, 71_000_000), Due::Left);
        assert!(shards.shards[0].stream.is_none());
        assert_eq!(shards.due(0, Want::Nothing, 71_000_000), Due::Definitions);
    }
}
