//! Between sessions and order-api: requests out, replies and reports in.
//!
//! Only order-api states an order's status; this relays. Reports reach sessions only from the log, in the log's order:
//! from the republished blocks, and from the stream itself where one is missing ([`position`]). What is pure stands
//! in [`Relay`]; `follow` and `submit` ask the bus.

mod alerts;
mod follow;
pub mod position;
pub(crate) mod rate;
mod submit;

pub use alerts::submit_alert;
pub use follow::follow;
pub use submit::submit;

use position::{Position, Take};
use rate::Bucket;
use std::collections::HashMap;
use wire::block::{Block, BlockError, Durability, Life, Told};
use wire::order::{AccountId, partition_of};

/// Requests of one session that may wait for their writer at a time.
pub const IN_FLIGHT_MAX: u32 = 4_096;

/// A partition whose writer was not heard for longer than this is not ready, µs.
pub const LIFE_BOUND_US: i64 = 3_000_000;

/// A session as the relay knows it.
pub type SessionKey = u64;

/// One live account.
#[derive(Debug)]
struct Account {
    sessions: Vec<SessionKey>,
    last_report_seq: Option<u64>,
    orders: Bucket,
}

/// What is known of a partition.
#[derive(Debug)]
pub struct Partition {
    /// Place in its log.
    pub position: Position,
    writer_epoch: u64,
    life: Option<(i64, Life)>,
}

/// What went wrong; each only grows.
#[derive(Debug, Clone, Copy, Default)]
pub struct RelayCounters {
    /// Reports handed to sessions.
    pub reports: u64,
    /// Blocks applied.
    pub blocks: u64,
    /// Blocks that could not be read.
    pub blocks_bad: u64,
    /// Blocks of a writer whose term was over.
    pub blocks_void: u64,
    /// Reports whose number does not follow the account's last.
    pub report_gaps: u64,
}

/// Which account's sessions get which report, and where each log stands. Pure.
#[derive(Debug)]
pub struct Relay {
    accounts: HashMap<AccountId, Account>,
    partitions: Vec<Partition>,
    orders_per_s: u32,
    counters: RelayCounters,
}

impl Relay {
    /// A relay that knows no account and no place in any log.
    #[must_use]
    pub fn new(partitions: u16, orders_per_s: u32) -> Self {
        let partition = || Partition { position: Position::default(), writer_epoch: 0, life: None };
        Self {
            accounts: HashMap::new(),
            partitions: (0..partitions).map(|_| partition()).collect(),
            orders_per_s,
            counters: RelayCounters::default(),
        }
    }

    /// The partition of an account.
    #[must_use]
    pub fn partition_of(&self, account: &AccountId) -> u16 {
        partition_of(account, u16::try_from(self.partitions.len()).unwrap_or(1).max(1))
    }

    /// A session of an account is live.
    pub fn join(&mut self, account: AccountId, session: SessionKey, now_us: i64) {
        let orders = Bucket::full(self.orders_per_s, now_us);
        let entry = Account { sessions: Vec::new(), last_report_seq: None, orders };
        self.accounts.entry(account).or_insert(entry).sessions.push(session);
    }

    /// A session of an account ended. The account's rate is kept while another session of it lives.
    pub fn leave(&mut self, account: &AccountId, session: SessionKey) {
        if let Some(entry) = self.accounts.get_mut(account) {
            entry.sessions.retain(|other| *other != session);
            if entry.sessions.is_empty() {
                self.accounts.remove(account);
            }
        }
    }

    /// Whether the account may send one more order request now.
    pub fn may_send(&mut self, account: &AccountId, now_us: i64) -> bool {
        self.accounts.get_mut(account).is_some_and(|entry| entry.orders.take(now_us))
    }

    /// Where a partition's log stands.
    #[must_use]
    pub fn partition(&self, partition: u16) -> Option<&Partition> {
        self.partitions.get(usize::from(partition))
    }

    /// All partitions.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Where a partition's log stands.
    pub fn position_mut(&mut self, partition: u16) -> Option<&mut Position> {
        self.partitions.get_mut(usize::from(partition)).map(|entry| &mut entry.position)
    }

    /// Takes a beat of a partition's writer.
    pub fn life(&mut self, life: Life, now_us: i64) {
        let Some(entry) = self.partitions.get_mut(usize::from(life.partition)) else { return };
        if life.writer_epoch >= entry.writer_epoch {
            entry.life = Some((now_us, life));
            entry.position.stored(life.last_sequence);
        }
    }

    /// Takes a stored block, republished or read; `deliver` gets each report of a live account, on an order or an
    /// alert, in order, with the
    /// sessions that it goes to.
    ///
    /// # Errors
    /// [`BlockError`] when the block cannot be read: its reports are lost to this gateway's sessions, which is
    /// counted; clients find out by `order.status`.
    pub fn block(
        &mut self,
        partition: u16,
        sequence: u64,
        bytes: &[u8],
        mut deliver: impl FnMut(&Told, &[SessionKey]),
    ) -> Result<Take, BlockError> {
        let Some(entry) = self.partitions.get_mut(usize::from(partition)) else { return Ok(Take::Drop) };
        let take = entry.position.block(sequence);
        if take != Take::Apply {
            return Ok(take);
        }
        self.counters.blocks += 1;
        let block = Block::decode(bytes).inspect_err(|_| self.counters.blocks_bad += 1)?;
        if block.writer_epoch < entry.writer_epoch {
            self.counters.blocks_void += 1;
            return Ok(take);
        }
        entry.writer_epoch = block.writer_epoch;
        for report in block.told(sequence) {
            let Some(account) = self.accounts.get_mut(report.account()) else { continue };
            let seq = report.report_seq();
            if account.last_report_seq.is_some_and(|last| seq != last + 1) {
                self.counters.report_gaps += 1;
                tracing::error!(account = %report.account(), seq, "report out of sequence");
            }
            account.last_report_seq = Some(seq);
            self.counters.reports += account.sessions.len() as u64;
            deliver(&report, &account.sessions);
        }
        Ok(take)
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> RelayCounters {
        self.counters
    }
}

impl Partition {
    /// Whether its log is being followed and its writer was heard of lately.
    #[must_use]
    pub fn is_alive(&self, now_us: i64) -> bool {
        self.position.is_known() && self.life.is_some_and(|(at, _)| now_us - at <= LIFE_BOUND_US)
    }

    /// What its writer says of its log's durability.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.life.map_or(Durability::Unproven, |(_, life)| life.durability)
    }
}

/// The word of a durability, for readiness and pages.
#[must_use]
pub const fn durability_word(durability: Durability) -> &'static str {
    match durability {
        Durability::Unproven => "unproven",
        Durability::SyncAlways => "sync_always",
        Durability::NotDurable => "not_durable",
    }
}

#[cfg(test)]
mod tests;
