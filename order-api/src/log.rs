//! A partition's log: the stream `REPORTS_<p>`, its fold, and the one append that decides. Called by `service`.
//!
//! The fence is `Nats-Expected-Last-Sequence` and nothing else. An append either returned the expected sequence, or
//! nothing is known of it and the writer must step down: it never resends and never interprets.

use crate::state::{FoldError, State};
use async_nats::jetstream::consumer::{DeliverPolicy, pull::OrderedConfig};
use async_nats::jetstream::stream::{
    Config as StreamConfig, DiscardPolicy, PersistenceMode, Republish, StorageType, Stream,
};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use std::collections::HashMap;
use std::time::Duration;
use wire::block::{BLOCK_BYTES_MAX, Block, BlockError};
use wire::subject;

/// How long an append may take until its writer steps down.
pub const APPEND_WAIT: Duration = Duration::from_secs(2);

/// How long a fold may stand still.
const FOLD_WAIT: Duration = Duration::from_secs(10);

const PARTITIONS: &str = "tickgate_partitions";

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The server did not do what was asked; it may later.
    #[error("{0}")]
    Bus(String),
    /// The stream is there, but not as it must be.
    #[error("stream {0} exists with another {1}")]
    Config(String, &'static str),
    /// The server takes smaller messages than a block may be.
    #[error("the server's max_payload of {0} bytes is below a block's {BLOCK_BYTES_MAX}")]
    Payload(usize),
    /// A block that this version cannot read.
    #[error("block {0}: {1}")]
    Block(u64, BlockError),
    /// A block that does not follow from those before.
    #[error("block {0}: {1}")]
    Fold(u64, FoldError),
}

impl LogError {
    /// Whether trying again may help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Bus(_))
    }
}

fn bus(error: impl std::fmt::Display) -> LogError {
    LogError::Bus(error.to_string())
}

/// An append that did not answer as expected: nothing is known of its block.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AppendError(String);

/// The log of one partition.
#[derive(Debug, Clone)]
pub struct Log {
    client: Client,
    stream: Stream,
    name: String,
    subject: String,
}

impl Log {
    /// Opens the stream, or creates it.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn open(
        client: &Client,
        partition: u16,
        partitions: u16,
        replicas: u16,
    ) -> Result<Self, LogError> {
        let payload = client.server_info().max_payload;
        if payload < BLOCK_BYTES_MAX + 1_024 {
            return Err(LogError::Payload(payload));
        }
        let context: Context = jetstream::new(client.clone());
        let wanted = config(partition, partitions, replicas);
        let stream = context.get_or_create_stream(wanted.clone()).await.map_err(bus)?;
        if let Some(what) = difference(&wanted, &stream.cached_info().config) {
            return Err(LogError::Config(wanted.name, what));
        }
        Ok(Self { client: client.clone(), stream, name: wanted.name, subject: subject::report(partition) })
    }

    /// Sequence of the last stored block, 0 if there is none.
    ///
    /// # Errors
    /// [`LogError::Bus`].
    pub async fn last_sequence(&self) -> Result<u64, LogError> {
        let info = tokio::time::timeout(FOLD_WAIT, self.stream.get_info()).await.map_err(bus)?;
        info.map(|info| info.state.last_sequence).map_err(bus)
    }

    /// Folds what is stored behind the state's sequence, up to `last`.
    ///
    /// # Errors
    /// [`LogError`]; the state is then that of a whole number of blocks.
    pub async fn fold(&self, state: &mut State, last: u64) -> Result<(), LogError> {
        if state.sequence() >= last {
            return Ok(());
        }
        let start_sequence = state.sequence() + 1;
        let config = OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            ..OrderedConfig::default()
        };
        let consumer = self.stream.create_consumer(config).await.map_err(bus)?;
        let mut messages = consumer.messages().await.map_err(bus)?;
        while state.sequence() < last {
            let next = tokio::time::timeout(FOLD_WAIT, messages.next()).await.map_err(bus)?;
            let message = next.ok_or_else(|| bus("the reading of the stream ended"))?.map_err(bus)?;
            let sequence = message.info().map_err(bus)?.stream_sequence;
            if sequence != state.sequence() + 1 {
                return Err(bus(format!("block {sequence} came after {}", state.sequence())));
            }
            let block = Block::decode(&message.payload).map_err(|error| LogError::Block(sequence, error))?;
            state.fold(&block, sequence).map_err(|error| LogError::Fold(sequence, error))?;
        }
        Ok(())
    }

    /// Appends a block behind `last`. `Ok` means: stored as `last + 1`.
    ///
    /// # Errors
    /// Anything else; nothing is then known of the block.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the outcome unknown, as an error does.
    pub async fn append(self, block: Bytes, last: u64) -> Result<(), AppendError> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Sequence", last.to_string());
        let request = Request::new().payload(block).headers(headers).timeout(None);
        let answer = tokio::time::timeout(APPEND_WAIT, self.client.send_request(self.subject, request))
            .await
            .map_err(|_| AppendError(format!("no answer within {} s", APPEND_WAIT.as_secs())))?
            .map_err(|error| AppendError(error.to_string()))?;
        if answer.status.is_some_and(|status| status.as_u16() != 200) {
            return Err(AppendError(format!("status {:?}", answer.status)));
        }
        let ack: serde_json::Value =
            serde_json::from_slice(&answer.payload).map_err(|error| AppendError(error.to_string()))?;
        let stored = ack["seq"].as_u64() == Some(last + 1)
            && ack["stream"].as_str() == Some(self.name.as_str())
            && ack["error"].is_null()
            && !ack["duplicate"].as_bool().unwrap_or(false);
        if stored { Ok(()) } else { Err(AppendError(ack.to_string())) }
    }

    /// One stored block.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn block(&self, sequence: u64) -> Result<Block, LogError> {
        let read = tokio::time::timeout(APPEND_WAIT, self.stream.get_raw_message(sequence));
        let message = read.await.map_err(bus)?.map_err(bus)?;
        Block::decode(&message.payload).map_err(|error| LogError::Block(sequence, error))
    }
}

fn config(partition: u16, partitions: u16, replicas: u16) -> StreamConfig {
    StreamConfig {
        name: subject::report_stream(partition),
        description: Some("Every decision on orders of this partition, for ever".into()),
        subjects: vec![subject::report(partition)],
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        deny_delete: true,
        deny_purge: true,
        num_replicas: usize::from(replicas),
        republish: Some(Republish {
            source: ">".into(),
            destination: format!("{}.>", subject::REPUBLISH_PREFIX),
            headers_only: false,
        }),
        metadata: HashMap::from([(PARTITIONS.into(), partitions.to_string())]),
        ..StreamConfig::default()
    }
}

/// What of a stream is not as the promises need it. Replicas and limits of size are the operator's.
fn difference(wanted: &StreamConfig, found: &StreamConfig) -> Option<&'static str> {
    let limited =
        found.max_age != Duration::ZERO || found.max_messages > 0 || found.max_messages_per_subject > 0;
    [
        ("count of partitions", found.metadata.get(PARTITIONS) != wanted.metadata.get(PARTITIONS)),
        ("list of subjects", found.subjects != wanted.subjects),
        ("storage than file", found.storage != wanted.storage),
        ("retention than by limits", found.retention != wanted.retention),
        ("discard policy than new", found.discard != wanted.discard),
        ("setting of deny_delete or deny_purge", !found.deny_delete || !found.deny_purge),
        ("limit of age or count than none", limited),
        ("republish than out.>", found.republish != wanted.republish),
        ("persist mode than the default", found.persist_mode == Some(PersistenceMode::Async)),
        ("acknowledgement than each", found.no_ack || found.sealed),
    ]
    .into_iter()
    .find_map(|(what, differs)| differs.then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_could_lose_or_hide_reports_is_refused() {
        let wanted = config(0, 2, 1);
        assert_eq!(difference(&wanted, &wanted), None);
        let refused: [fn(&mut StreamConfig); 8] = [
            |c| c.metadata = HashMap::new(),
            |c| c.storage = StorageType::Memory,
            |c| c.discard = DiscardPolicy::Old,
            |c| c.deny_purge = false,
            |c| c.max_age = Duration::from_secs(1),
            |c| c.max_messages = 1,
            |c| c.republish = None,
            |c| c.subjects.push("x".into()),
        ];
        for change in refused {
            let mut found = wanted.clone();
            change(&mut found);
            assert!(difference(&wanted, &found).is_some());
        }
    }
}
