//! [`Bus`] over NATS.

mod peers;

use super::{Alarm, Block, Bus, BusError, ORDER_WAIT, SHARD_REQUEST_WAIT};
use async_nats::client::{Request, RequestErrorKind};
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::{Client, ConnectOptions, Event, Message, Subscriber, jetstream};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::LocalBoxStream;
use futures_util::{FutureExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use wire::subject;

/// Messages that wait for the market task at most; beyond it the newest is dropped and the shard re-syncs.
const SUBSCRIPTION_MESSAGES_MAX: usize = 16_384;

/// The link to NATS. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Nats {
    client: Client,
    jetstream: jetstream::Context,
    alarm: Arc<Alarm>,
}

impl Nats {
    /// Connects, and goes on trying when the server is not there yet; [`Alarm::is_connected`] tells.
    ///
    /// # Errors
    /// [`BusError::Lost`] when the address is none.
    pub async fn connect(url: &str) -> Result<Self, BusError> {
        let alarm = Arc::new(Alarm::default());
        let told = Arc::clone(&alarm);
        let client = ConnectOptions::new()
            .name("tickgate-gateway")
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(Duration::from_secs(2))
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(|attempts| Duration::from_millis(50 << attempts.min(5)))
            .subscription_capacity(SUBSCRIPTION_MESSAGES_MAX)
            .event_callback(move |event| {
                tell(&told, &event);
                std::future::ready(())
            })
            .connect(url)
            .await
            .map_err(lost)?;
        let jetstream = jetstream::new(client.clone());
        Ok(Self { client, jetstream, alarm })
    }

    fn subscribe(&self, name: String) -> LocalBoxFuture<'static, Result<Subscriber, BusError>> {
        let client = self.client.clone();
        async move { client.subscribe(name).await.map_err(lost) }.boxed_local()
    }

    fn request(
        &self,
        name: String,
        payload: Bytes,
        wait: Duration,
    ) -> LocalBoxFuture<'static, Result<Bytes, BusError>> {
        let client = self.client.clone();
        async move {
            let request = Request::new().payload(payload).timeout(Some(wait));
            match client.send_request(name, request).await {
                Ok(message) => Ok(message.payload),
                Err(error) => Err(match error.kind() {
                    RequestErrorKind::NoResponders => BusError::NoResponders,
                    RequestErrorKind::TimedOut => BusError::TimedOut,
                    _ => lost(error),
                }),
            }
        }
        .boxed_local()
    }
}

fn lost(error: impl std::fmt::Display) -> BusError {
    BusError::Lost(error.to_string())
}

fn tell(alarm: &Alarm, event: &Event) {
    match event {
        Event::Connected => alarm.link_up(),
        Event::Disconnected | Event::Closed => alarm.link_down(),
        Event::SlowConsumer(_) => alarm.message_dropped(),
        Event::LameDuckMode | Event::Draining | Event::ServerError(_) | Event::ClientError(_) => {
            tracing::warn!(%event, "bus");
        }
    }
}

/// A republished block bears its place in the stream in a header.
fn republished(message: Message) -> Option<Block> {
    let headers = message.headers.as_ref()?;
    let sequence = headers.get("Nats-Sequence")?.as_str().parse().ok()?;
    Some((sequence, message.payload))
}

impl Bus for Nats {
    fn ticks(&self, shard: u16) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>> {
        let subscriber = self.subscribe(subject::tick(shard));
        async move { Ok(subscriber.await?.map(|message| message.payload).boxed_local()) }.boxed_local()
    }

    fn snapshot(&self, shard: u16) -> LocalBoxFuture<'static, Result<Bytes, BusError>> {
        self.request(subject::snapshot(shard), Bytes::new(), SHARD_REQUEST_WAIT)
    }

    fn books(&self, shard: u16, request: Bytes) -> LocalBoxFuture<'static, Result<Bytes, BusError>> {
        self.request(subject::book(shard), request, SHARD_REQUEST_WAIT)
    }

    fn definitions(&self, shard: u16) -> LocalBoxFuture<'static, Result<Bytes, BusError>> {
        self.request(subject::definitions(shard), Bytes::new(), SHARD_REQUEST_WAIT)
    }

    fn order(&self, partition: u16, payload: Bytes) -> LocalBoxFuture<'static, Result<Bytes, BusError>> {
        self.request(subject::order(partition), payload, ORDER_WAIT)
    }

    fn blocks(
        &self,
        partition: u16,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Block>, BusError>> {
        let subscriber = self.subscribe(subject::report_out(partition));
        async move {
            let messages = subscriber.await?;
            Ok(messages.filter_map(|message| std::future::ready(republished(message))).boxed_local())
        }
        .boxed_local()
    }

    fn lives(
        &self,
        partition: u16,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>> {
        let subscriber = self.subscribe(subject::life(partition));
        async move { Ok(subscriber.await?.map(|message| message.payload).boxed_local()) }.boxed_local()
    }

    fn last_block(&self, partition: u16) -> LocalBoxFuture<'static, Result<u64, BusError>> {
        let jetstream = self.jetstream.clone();
        async move {
            let stream = jetstream.get_stream(subject::report_stream(partition)).await.map_err(lost)?;
            Ok(stream.cached_info().state.last_sequence)
        }
        .boxed_local()
    }

    fn read_blocks(
        &self,
        partition: u16,
        from: u64,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Result<Block, BusError>>, BusError>> {
        let jetstream = self.jetstream.clone();
        async move {
            let config = OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from.max(1) },
                ..OrderedConfig::default()
            };
            let stream = jetstream.get_stream(subject::report_stream(partition)).await.map_err(lost)?;
            let consumer = stream.create_consumer(config).await.map_err(lost)?;
            let messages = consumer.messages().await.map_err(lost)?;
            let blocks = messages.map(|message| {
                let message = message.map_err(lost)?;
                let sequence = message.info().map_err(lost)?.stream_sequence;
                Ok((sequence, message.message.payload))
            });
            Ok(blocks.boxed_local())
        }
        .boxed_local()
    }

    fn alarm(&self) -> &Alarm {
        &self.alarm
    }
}
