//! The process around the core: connects, folds, begins a term, leads it, steps down, begins again.
//!
//! A term begins with a stored block that names a higher writer epoch. Only then are requests taken. Whatever is not the
//! expected answer to an append ends the term: the undecided state is dropped, nobody is answered, and the subject has
//! no subscriber, so that a gateway hears at once that nobody is there. A writer that lost its term to another one
//! stands by until that one's beat has been silent for [`RIVAL_SILENCE`].

mod feed;
mod leader;

use crate::clock::Clock;
use crate::config::Config;
use crate::decide::Core;
use crate::http;
use crate::log::{Log, LogError};
use crate::market::Market;
use crate::metrics::Metrics;
use crate::state::{FoldError, State};
use async_nats::{Client, ConnectOptions, Event, Subscriber};
use bytes::Bytes;
use feed::Feed;
use futures_util::StreamExt;
use std::collections::VecDeque;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use wire::block::Life;
use wire::subject;

/// How long a rival's beat must be silent until a writer that stood by tries again.
pub const RIVAL_SILENCE: Duration = Duration::from_secs(3);

const BEAT: Duration = Duration::from_secs(1);
const BACK_OFF_MIN: Duration = Duration::from_millis(50);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long the first term waits for the market.
const MARKET_WAIT: Duration = Duration::from_secs(3);
const DURABILITY_EVERY: Duration = Duration::from_secs(10);

/// Messages that a subscription holds; beyond it the library drops and says so. A dropped tick is found by its
/// sequence, a dropped request by its sender's time-out.
const SUBSCRIPTION_CAPACITY: usize = 16_384;

/// Stored blocks kept for answers to ids that were decided just now.
const RECENT_BLOCKS: usize = 64;

/// Why the service ends other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No NATS server.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, String),
    /// No port.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The log cannot be used, and trying again will not help.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An own decision did not follow from the own state. Nothing of it was stored.
    #[error("internal: {0}")]
    Core(#[from] FoldError),
    /// The bus refused a subscription.
    #[error("cannot subscribe: {0}")]
    Subscribe(String),
}

/// Runs until `shutdown` completes. `ready` is called once, when the first term has begun, with the address that
/// serves HTTP.
///
/// # Errors
/// [`ServiceError`].
///
/// # Cancel safety
/// Dropping the future is as a crash: safe, with outcomes unknown to who asked.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServiceError> {
    let metrics = Arc::new(Metrics::default());
    let listener = tokio::net::TcpListener::bind(config.listen)
        .await
        .map_err(|error| ServiceError::Listen(config.listen, error))?;
    let address = listener.local_addr().map_err(|error| ServiceError::Listen(config.listen, error))?;
    let http = tokio::spawn(http::serve(listener, Arc::clone(&metrics)));
    let durability = config.nats_monitor.clone().map(|monitor| {
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            loop {
                metrics.set_durability(http::durability(&monitor).await);
                tokio::time::sleep(DURABILITY_EVERY).await;
            }
        })
    });
    let (stop, stopped) = watch::channel(false);
    let signal = tokio::spawn(async move {
        shutdown.await;
        let _gone = stop.send(true);
    });
    let result = serve(config, metrics, stopped, || ready(address)).await;
    http.abort();
    signal.abort();
    if let Some(durability) = durability {
        durability.abort();
    }
    result
}

async fn serve(
    config: Config,
    metrics: Arc<Metrics>,
    stopped: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<(), ServiceError> {
    let suspect = Arc::new(AtomicBool::new(false));
    let client = connect(&config, &metrics, &suspect).await?;
    let clock = Clock::start();
    let stale_after_us = i64::from(config.stale_after_ms) * 1_000;
    let market = Market::new(config.shards, stale_after_us, clock.now_us());
    let core = Core::new(State::new(config.partition), market, config.limits());
    let feed = Feed::start(client.clone(), config.shards, suspect).await?;
    let log = open(&client, &config, stopped.clone()).await?;
    let Some(log) = log else { return Ok(()) };
    let boot_id = RandomState::new().build_hasher().finish();
    let mut service = Service {
        config,
        clock,
        client,
        log,
        core,
        feed,
        metrics,
        boot_id,
        recent: VecDeque::new(),
        lookups: Arc::new(tokio::sync::Semaphore::new(leader::LOOKUPS_MAX)),
        stopped,
    };
    service.terms(ready).await
}

async fn connect(
    config: &Config,
    metrics: &Arc<Metrics>,
    suspect: &Arc<AtomicBool>,
) -> Result<Client, ServiceError> {
    let (metrics, suspect) = (Arc::clone(metrics), Arc::clone(suspect));
    let options = ConnectOptions::new()
        .name(format!("order-api {}", config.partition))
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .ping_interval(Duration::from_secs(5))
        .event_callback(move |event| {
            if matches!(event, Event::SlowConsumer(_)) {
                metrics.slow_consumers.inc();
            }
            suspect.store(true, Ordering::Relaxed);
            tracing::warn!(%event, "bus");
            std::future::ready(())
        });
    let wait = tokio::time::timeout(CONNECT_WAIT, options.connect(config.nats.as_str())).await;
    let failed = |error: String| ServiceError::Connect(config.nats.clone(), error);
    wait.map_err(|_| failed("no answer".into()))?.map_err(|error| failed(error.to_string()))
}

/// Opens the log, trying again while the server is not ready for it.
async fn open(
    client: &Client,
    config: &Config,
    mut stopped: watch::Receiver<bool>,
) -> Result<Option<Log>, ServiceError> {
    let mut back_off = BACK_OFF_MIN;
    loop {
        match Log::open(client, config.partition, config.partitions, config.replicas).await {
            Ok(log) => return Ok(Some(log)),
            Err(error) if error.is_passing() => tracing::warn!(%error, "log not ready"),
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(None),
            () = tokio::time::sleep(back_off) => back_off = (back_off * 2).min(BACK_OFF_MAX),
        }
    }
}

struct Service {
    config: Config,
    clock: Clock,
    client: Client,
    log: Log,
    core: Core,
    feed: Feed,
    metrics: Arc<Metrics>,
    boot_id: u64,
    /// Sequence and bytes of the last stored blocks, newest last.
    recent: VecDeque<(u64, Bytes)>,
    lookups: Arc<tokio::sync::Semaphore>,
    stopped: watch::Receiver<bool>,
}

/// How a term ended.
enum End {
    Stopped,
    Lost { rival: bool },
}

impl Service {
    async fn terms(&mut self, ready: impl FnOnce()) -> Result<(), ServiceError> {
        let (mut ready, mut back_off) = (Some(ready), BACK_OFF_MIN);
        let mut stopped = self.stopped.clone();
        self.know_market().await;
        loop {
            let begun = tokio::select! {
                begun = self.begin() => begun,
                _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            };
            let (orders, out) = match begun {
                Ok(begun) => begun,
                Err(ServiceError::Log(error)) if error.is_passing() => {
                    tracing::warn!(%error, "term not begun");
                    self.core.dropped(self.clock.now_us());
                    self.pass(back_off).await;
                    back_off = (back_off * 2).min(BACK_OFF_MAX);
                    continue;
                }
                Err(error) => return Err(error),
            };
            back_off = BACK_OFF_MIN;
            self.metrics.term.set(i64::try_from(self.core.state.writer_epoch()).unwrap_or(i64::MAX));
            tracing::info!(
                epoch = self.core.state.writer_epoch(),
                sequence = self.core.state.sequence(),
                "leading"
            );
            if let Some(ready) = ready.take() {
                ready();
            }
            let end = self.lead(orders, out).await?;
            self.metrics.term.set(0);
            self.core.dropped(self.clock.now_us());
            match end {
                End::Stopped => {
                    let _gone = tokio::time::timeout(BEAT, self.client.flush()).await;
                    return Ok(());
                }
                End::Lost { rival } => {
                    self.metrics.step_downs.inc();
                    if rival || self.rival_wrote().await {
                        self.stand_by().await?;
                    } else {
                        self.pass(BACK_OFF_MIN).await;
                    }
                }
            }
        }
    }

    /// Folds to the end of the log and stores the block that begins a term.
    async fn begin(&mut self) -> Result<(Subscriber, Subscriber), ServiceError> {
        let last = self.log.last_sequence().await?;
        self.log.fold(&mut self.core.state, last).await?;
        let out = self.subscribe(subject::report_out(self.config.partition)).await?;
        let block = Bytes::from(self.core.term(self.boot_id, self.clock.now_us())?.finish());
        let last = self.core.state.sequence();
        let append = self.log.clone().append(block, last).await;
        append.map_err(|error| LogError::Bus(error.to_string()))?;
        self.core.stored();
        self.note_stored();
        let orders = self.subscribe(subject::order(self.config.partition)).await?;
        self.beat().await;
        Ok((orders, out))
    }

    async fn subscribe(&self, subject: String) -> Result<Subscriber, ServiceError> {
        self.client.subscribe(subject).await.map_err(|error| ServiceError::Subscribe(error.to_string()))
    }

    /// Whether the log holds a block of a higher writer epoch than the term that was just lost.
    async fn rival_wrote(&mut self) -> bool {
        let epoch = self.core.state.writer_epoch();
        let Ok(last) = self.log.last_sequence().await else { return false };
        self.log.fold(&mut self.core.state, last).await.is_ok() && self.core.state.writer_epoch() > epoch
    }

    /// Waits until nobody has led for a while.
    async fn stand_by(&mut self) -> Result<(), ServiceError> {
        tracing::warn!("another writer leads this partition: standing by");
        let mut life = self.subscribe(subject::life(self.config.partition)).await?;
        let mut stopped = self.stopped.clone();
        let silence = tokio::time::sleep(RIVAL_SILENCE);
        tokio::pin!(silence);
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
                Some(_) = life.next() => {
                    silence.as_mut().reset(tokio::time::Instant::now() + RIVAL_SILENCE);
                }
                event = self.feed.next() => self.feed.apply(event, &mut self.core.market, self.clock.now_us()),
                () = &mut silence => return Ok(()),
            }
        }
    }

    /// Waits for the market, but not for ever: an order that comes before it is refused for good.
    async fn know_market(&mut self) {
        let end = tokio::time::sleep(MARKET_WAIT);
        tokio::pin!(end);
        let shards = usize::from(self.config.shards);
        while self.core.market.current_shards(self.clock.now_us()) < shards {
            tokio::select! {
                event = self.feed.next() => self.feed.apply(event, &mut self.core.market, self.clock.now_us()),
                () = &mut end => {
                    tracing::warn!("the market is not whole yet; its orders will be refused");
                    return;
                }
            }
        }
    }

    /// Lets time pass; the market goes on.
    async fn pass(&mut self, time: Duration) {
        let end = tokio::time::sleep(time);
        tokio::pin!(end);
        loop {
            tokio::select! {
                event = self.feed.next() => self.feed.apply(event, &mut self.core.market, self.clock.now_us()),
                () = &mut end => return,
            }
        }
    }

    async fn beat(&self) {
        let life = Life {
            partition: self.config.partition,
            writer_epoch: self.core.state.writer_epoch(),
            last_sequence: self.core.state.sequence(),
            durability: self.metrics.durability(),
        };
        let publish = self.client.publish(subject::life(self.config.partition), life.encode().into());
        let _best_effort = tokio::time::timeout(BEAT, publish).await;
    }

    fn note_stored(&self) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let state = &self.core.state;
        self.metrics.blocks.inc();
        self.metrics.sequence.set(i64::try_from(state.sequence()).unwrap_or(i64::MAX));
        self.metrics.open_orders.set(gauge(state.open_orders()));
        self.metrics.ids.set(gauge(state.ids()));
        self.metrics.alerts.set(gauge(state.alerts().len()));
        self.metrics.voided.set(i64::try_from(state.voided()).unwrap_or(i64::MAX));
    }
}
