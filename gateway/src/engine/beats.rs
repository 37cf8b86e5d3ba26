//! What each session is told once a second, each at its own moment: its heartbeat, and its statistics if it asked.

use super::{Engine, HEARTBEAT_US, SessionEvent};
use crate::outbox::{Outbox, Socket};
use crate::stats::{STATS_SESSIONS_MAX, SessionStats};
use wire::close::CloseReason;
use wire::control::reply::text;

/// Heartbeats are spread over this many parts of a second.
pub(super) const HEARTBEAT_PARTS: i64 = 20;

impl<S: Socket> Engine<S> {
    pub(super) fn beat(&mut self, now_us: i64) {
        let part_us = HEARTBEAT_US / HEARTBEAT_PARTS;
        let upto = now_us / part_us;
        let parts = (upto - self.beaten).min(HEARTBEAT_PARTS);
        for part in (upto - parts + 1)..=upto {
            self.beat_part(part - 1, now_us, Self::beat_now);
            self.beat_part(part, now_us, Self::beat_soon);
        }
        self.beaten = upto;
    }

    fn beat_part(&mut self, part: i64, now_us: i64, beat: impl Fn(&mut Self, u32, i64)) {
        let mine = usize::try_from(part.rem_euclid(HEARTBEAT_PARTS)).unwrap_or(0);
        for session in (mine..self.outboxes.len()).step_by(20) {
            beat(self, u32::try_from(session).unwrap_or(u32::MAX), now_us);
        }
    }

    /// A session's heartbeat is due: it goes out in front of the next market data, or at the next part. A write less.
    fn beat_soon(&mut self, session: u32, now_us: i64) {
        let Some(outbox) = self.outboxes[session as usize].as_mut() else { return };
        if outbox.is_stuck(now_us, self.config.stuck_after_us) {
            return self.events.push(SessionEvent::End(session, CloseReason::SlowConsumer));
        }
        outbox.heartbeat();
        if outbox.stats.as_ref().is_some_and(|stats| stats.is_due(now_us)) {
            let backlog = outbox.backlog();
            let report = outbox.stats.as_mut().map(|stats| text("stats", &stats.report(backlog, now_us)));
            self.answer(session, report.unwrap_or_default().as_bytes(), now_us);
        }
    }

    /// Lets a session be told its statistics every `every_ms`; 0 = no more. False: as many sessions as may do so do.
    pub fn tell_stats(&mut self, session: u32, every_ms: u32, now_us: i64) -> bool {
        let asking = self.outboxes.iter().flatten().filter(|outbox| outbox.stats.is_some()).count();
        let Some(outbox) = self.outboxes.get_mut(session as usize).and_then(Option::as_mut) else {
            return false;
        };
        let may = asking < STATS_SESSIONS_MAX || outbox.stats.is_some();
        let every_us = i64::from(every_ms) * 1_000;
        outbox.stats =
            (every_ms > 0 && may).then(|| SessionStats::new(every_us, now_us)).flatten().map(Box::new);
        every_ms == 0 || outbox.stats.is_some()
    }

    /// There was no market data to go out with.
    fn beat_now(&mut self, session: u32, now_us: i64) {
        if self.outbox(session).is_some_and(Outbox::owes_heartbeat) {
            self.drain_free(session, now_us);
        }
    }
}
