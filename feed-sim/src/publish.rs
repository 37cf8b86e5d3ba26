//! The only file of feed-sim that names NATS: batches out, snapshots, definitions and books on request.
//!
//! While the link is down, batches are dropped and counted, never kept: an old tick is worth less than the gap that
//! tells readers to re-sync. Sequences go on, so that every reader finds it.

use crate::clock::Clock;
use crate::shards::{Outgoing, Shards};
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;
use wire::batch::Snapshot;
use wire::subject;

/// How long a publisher before us may take to say its epoch.
const PREDECESSOR_WITHIN: Duration = Duration::from_millis(300);

/// How long the link's own queue (2,048 messages) may be full until a message is dropped: a server that takes nothing
/// any more is not yet known to be gone.
const QUEUE_WITHIN: Duration = Duration::from_millis(50);

/// What was published; each only grows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Published {
    /// Messages handed to the link.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages dropped because the link was down or took nothing.
    pub dropped: u64,
}

/// The tasks that answer requests; they end when it is dropped.
#[derive(Debug, Default)]
pub struct Serving(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// A link to the bus.
#[derive(Debug)]
pub struct Publisher {
    client: Client,
    subjects: Vec<String>,
    published: Published,
}

impl Publisher {
    /// Connects.
    ///
    /// # Errors
    /// One line.
    pub async fn connect(url: &str, shards: u16) -> Result<Self, String> {
        let options = ConnectOptions::new().name("feed-sim").connection_timeout(Duration::from_secs(5));
        let client =
            options.connect(url).await.map_err(|error| format!("no nats-server at {url}: {error}"))?;
        let subjects = (0..shards).map(subject::tick).collect();
        Ok(Self { client, subjects, published: Published::default() })
    }

    /// The newest epoch that a publisher of these shards still answers for, 0 if none does.
    pub async fn last_epoch(&self, shards: u16) -> u64 {
        let mut newest = 0;
        for shard in 0..shards {
            let request = self.client.request(subject::snapshot(shard), Bytes::new());
            if let Ok(Ok(answer)) = tokio::time::timeout(PREDECESSOR_WITHIN, request).await
                && let Ok(snapshot) = Snapshot::parse(&answer.payload, shard)
            {
                newest = newest.max(snapshot.header.feed_epoch.get());
            }
        }
        newest
    }

    /// Answers `snap.<shard>`, `inst.<shard>` and `book.<shard>` until the answer is dropped. Must run in a `LocalSet`.
    ///
    /// # Errors
    /// One line.
    pub async fn serve(
        &self,
        shards: &Rc<RefCell<Shards>>,
        count: u16,
        clock: Clock,
    ) -> Result<Serving, String> {
        let mut tasks = Serving::default();
        for shard in 0..count {
            let subscribe = |subject| async {
                self.client.subscribe(subject).await.map_err(|error| format!("cannot subscribe: {error}"))
            };
            let mut snapshots = subscribe(subject::snapshot(shard)).await?;
            let mut definitions = subscribe(subject::definitions(shard)).await?;
            let mut books = subscribe(subject::book(shard)).await?;
            let (client, shards) = (self.client.clone(), Rc::clone(shards));
            tasks.0.push(spawn_local(async move {
                loop {
                    let (request, answer) = tokio::select! {
                        Some(request) = snapshots.next() => {
                            let answer = shards.borrow().snapshot(shard, clock.now_ns());
                            (request, answer)
                        }
                        Some(request) = definitions.next() => {
                            let answer = shards.borrow().definitions(shard);
                            (request, answer.and_then(|definitions| serde_json::to_vec(&definitions).ok()))
                        }
                        Some(request) = books.next() => {
                            let answer = shards.borrow().books(shard, &request.payload, clock.now_ns());
                            (request, answer)
                        }
                        else => return,
                    };
                    if let (Some(reply), Some(answer)) = (request.reply, answer) {
                        // A reader that gets no answer asks again.
                        let _unanswered = client.publish(reply, answer.into()).await;
                    }
                }
            }));
        }
        self.client.flush().await.map_err(|error| format!("cannot reach the nats-server: {error}"))?;
        Ok(tasks)
    }

    /// Publishes messages in order.
    pub async fn publish(&mut self, outgoing: &mut Vec<Outgoing>) {
        let connected = self.client.connection_state() == State::Connected;
        for Outgoing { shard, payload } in outgoing.drain(..) {
            let Some(subject) = self.subjects.get(usize::from(shard)) else { continue };
            let bytes = payload.len() as u64;
            let taken = connected && {
                let publish = self.client.publish(subject.clone(), payload.into());
                matches!(tokio::time::timeout(QUEUE_WITHIN, publish).await, Ok(Ok(())))
            };
            if taken {
                self.published.messages += 1;
                self.published.bytes += bytes;
            } else {
                self.published.dropped += 1;
            }
        }
    }

    /// What was published.
    #[must_use]
    pub fn published(&self) -> Published {
        self.published
    }

    /// Sends what the client still holds.
    pub async fn close(&self) {
        let _best_effort = tokio::time::timeout(Duration::from_secs(1), self.client.flush()).await;
    }
}
