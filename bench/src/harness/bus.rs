//! A plain subscriber of the feed: what the bus costs without a gateway.

use super::{HarnessError, Outcome};
use crate::load::{histogram, record};
use futures_util::StreamExt;
use futures_util::stream::select_all;
use hdrhistogram::Histogram;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use wire::SHARDS_DEFAULT;
use wire::batch::Batch;
use wire::subject;

/// Follows all shards for a time; from each event's due time to its arrival, µs.
///
/// # Errors
/// When the server is not there, or a batch cannot be read.
pub async fn bus_latency(url: &str, time: Duration) -> Outcome<Histogram<u64>> {
    let client = async_nats::connect(url).await.map_err(HarnessError::new)?;
    let mut shards = Vec::new();
    for shard in 0..SHARDS_DEFAULT {
        let subscriber = client.subscribe(subject::tick(shard)).await.map_err(HarnessError::new)?;
        shards.push(subscriber.map(move |message| (shard, message.payload)).boxed());
    }
    let mut messages = select_all(shards);
    let (mut times, deadline) = (histogram(), Instant::now() + time);
    while let Ok(Some((shard, payload))) = timeout_at(deadline, messages.next()).await {
        let now_us = tickgate_client::now_us();
        let batch = Batch::parse(&payload, shard).map_err(HarnessError::new)?;
        for event in batch.records().filter_map(|event| event.event()) {
            record(&mut times, event.ts_event / 1_000, now_us);
        }
    }
    Ok(times)
}
