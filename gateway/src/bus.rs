//! The bus. [`Bus`] is what the gateway asks of it; [`Nats`] is the only place of the gateway that names NATS.
//!
//! Streams handed out here are bounded: when their reader lags, the newest message is dropped, counted, and
//! [`Alarm::suspect`] moves, upon which the market task re-syncs every shard and the order relay looks for gaps.

mod nats;
mod peers;

pub use nats::Nats;
pub use peers::{Peers, Question, Word};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::LocalBoxStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the publisher of a shard may take to answer.
pub const SHARD_REQUEST_WAIT: Duration = Duration::from_secs(2);

/// How long an order waits for its writer's answer before its outcome is called unknown.
pub const ORDER_WAIT: Duration = Duration::from_secs(4);

/// Why the bus gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Nobody listens on the subject: the request was not taken.
    #[error("no responders")]
    NoResponders,
    /// No answer in time: whether it was taken is not known.
    #[error("timed out")]
    TimedOut,
    /// The link failed: whether it was taken is not known.
    #[error("bus: {0}")]
    Lost(String),
}

/// A stored block and its sequence in the partition's stream.
pub type Block = (u64, Bytes);

/// What the gateway asks of the bus. Futures and streams stay on the thread that made them.
///
/// # Cancel safety
/// Dropping a future of a request forgets its answer; dropping a stream ends its subscription.
pub trait Bus: Peers {
    /// Follows `tick.<shard>`. What arrives after the answer to a request that was sent later is complete.
    fn ticks(&self, shard: u16) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>>;

    /// Asks for a shard's snapshot; waits at most [`SHARD_REQUEST_WAIT`].
    fn snapshot(&self, shard: u16) -> LocalBoxFuture<'static, Result<Bytes, BusError>>;

    /// Asks for whole books of a shard (see `wire::book_page`); waits at most [`SHARD_REQUEST_WAIT`].
    fn books(&self, shard: u16, request: Bytes) -> LocalBoxFuture<'static, Result<Bytes, BusError>>;

    /// Asks for a shard's definitions; waits at most [`SHARD_REQUEST_WAIT`].
    fn definitions(&self, shard: u16) -> LocalBoxFuture<'static, Result<Bytes, BusError>>;

    /// Sends an order request to a partition's writer; waits at most [`ORDER_WAIT`].
    fn order(&self, partition: u16, payload: Bytes) -> LocalBoxFuture<'static, Result<Bytes, BusError>>;

    /// Follows a partition's republished blocks.
    fn blocks(
        &self,
        partition: u16,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Block>, BusError>>;

    /// Follows a partition's beats.
    fn lives(
        &self,
        partition: u16,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>>;

    /// Last sequence of a partition's stream.
    fn last_block(&self, partition: u16) -> LocalBoxFuture<'static, Result<u64, BusError>>;

    /// Reads a partition's stream from a sequence on; it does not end by itself.
    fn read_blocks(
        &self,
        partition: u16,
        from: u64,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Result<Block, BusError>>, BusError>>;

    /// State of the link.
    fn alarm(&self) -> &Alarm;
}

/// What the link says of itself: set by the bus, read by the market task and the order relay.
#[derive(Debug, Default)]
pub struct Alarm {
    connected: AtomicBool,
    suspect: AtomicU64,
    dropped: AtomicU64,
    changed: Notify,
}

impl Alarm {
    /// The link is up (again): what was sent meanwhile is lost.
    pub fn link_up(&self) {
        self.connected.store(true, Ordering::Relaxed);
        self.suspect.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// The link is down.
    pub fn link_down(&self) {
        self.connected.store(false, Ordering::Relaxed);
        self.suspect.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// A message was dropped because its reader lagged.
    pub fn message_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.suspect.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Whether the link is up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Moves whenever something may have been lost.
    #[must_use]
    pub fn suspect(&self) -> u64 {
        self.suspect.load(Ordering::Relaxed)
    }

    /// Messages dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until [`Alarm::suspect`] is another than `seen`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn suspect_since(&self, seen: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.suspect() != seen {
                return;
            }
            changed.await;
        }
    }
}
