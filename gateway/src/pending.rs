//! What one session is still to be told beside market data: reports, answers, parts of joins, the goodbye. Pure.
//!
//! It exists only while there is something: an idle session holds no queue.

use crate::mutants::broken;
use crate::resume::Resume;
use std::collections::VecDeque;
use wire::control::Channel;
use wire::instrument::InstrumentId;

/// Most unsent bytes of reports; above it the session is closed, and the log has them all.
pub const REPORT_BYTES_MAX: usize = 1 << 20;

/// Most unsent bytes of answers. Reading stops while any is unsent, so only one read's answers pile up.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Most joins that wait for shards to be whole while more requests are read.
const RESUMES_MAX: usize = 16;

/// Bytes of control messages that one write may hold.
const CONTROL_BYTES_MAX: usize = 16 * 1_024;

/// Symbols that join a wire set, told in parts; a part's symbols join when it is queued.
#[derive(Debug)]
pub struct Join {
    /// JSON members before the rate and the symbols, without braces: `"op":"subscribed","id":1,…`.
    pub head: String,
    /// JSON members told with the last part, or empty.
    pub tail: String,
    /// Channel.
    pub channel: Channel,
    /// Slot.
    pub slot: u8,
    /// Symbols still to be told, rising.
    pub ids: VecDeque<InstrumentId>,
    /// The session wants to be told when the shards of these are older, ms.
    pub max_age_ms: Option<u32>,
    /// It goes on where an earlier connection ended.
    pub resume: Option<Resume>,
}

/// The queues of one session, in the order in which they are written.
#[derive(Debug, Default)]
pub struct Pending {
    reports: VecDeque<Box<[u8]>>,
    report_bytes: usize,
    answers: VecDeque<Box<[u8]>>,
    answer_bytes: usize,
    /// Symbols that join wire sets.
    pub joins: VecDeque<Join>,
    /// Payload of the close frame that ends the session behind all that is queued.
    pub close: Option<Vec<u8>>,
}

impl Pending {
    /// Queues the frame of a report; false when there are more than [`REPORT_BYTES_MAX`].
    #[must_use]
    pub fn report(&mut self, frame: Box<[u8]>) -> bool {
        self.report_bytes += frame.len();
        self.reports.push_back(frame);
        if broken("reports_go_backwards") {
            self.reports.rotate_right(1);
        }
        self.report_bytes <= REPORT_BYTES_MAX
    }

    /// Queues the frame of an answer; false when there are more than [`ANSWER_BYTES_MAX`].
    #[must_use]
    pub fn answer(&mut self, frame: Box<[u8]>) -> bool {
        self.answer_bytes += frame.len();
        self.answers.push_back(frame);
        self.answer_bytes <= ANSWER_BYTES_MAX
    }

    /// Whether no answer waits. A few joins may wait for their shards while requests are read on.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let waits = |join: &Join| join.resume.is_some();
        self.answers.is_empty() && self.joins.len() <= RESUMES_MAX && self.joins.iter().all(waits)
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let joins = self.joins.iter().map(|join| join.head.len() + join.tail.len() + 4 * join.ids.len());
        self.report_bytes + self.answer_bytes + joins.sum::<usize>()
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.answers.is_empty() && self.joins.is_empty() && self.close.is_none()
    }

    /// Moves reports, then answers into a write. False when it is full before all are in it.
    #[must_use]
    pub fn put(&mut self, buffer: &mut Vec<u8>) -> bool {
        while buffer.len() < CONTROL_BYTES_MAX {
            if let Some(report) = self.reports.pop_front() {
                self.report_bytes -= report.len();
                buffer.extend_from_slice(&report);
            } else if let Some(answer) = self.answers.pop_front() {
                self.answer_bytes -= answer.len();
                buffer.extend_from_slice(&answer);
            } else {
                return true;
            }
        }
        self.reports.is_empty() && self.answers.is_empty()
    }
}
