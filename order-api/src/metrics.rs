//! Counters and the few facts that readiness tells. Written by `service`, read by `http`.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::{AtomicU8, Ordering};
use wire::block::Durability;

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests taken.
    pub requests: Counter,
    /// Requests whose bytes were damaged.
    pub malformed: Counter,
    /// Replies sent.
    pub replies: Counter,
    /// Blocks stored.
    pub blocks: Counter,
    /// Bytes of stored blocks.
    pub block_bytes: Counter,
    /// Times that this process lost its term.
    pub step_downs: Counter,
    /// Past states that could not be looked up: no reply was sent.
    pub lookups_dropped: Counter,
    /// Messages that the NATS library dropped because a subscription was full.
    pub slow_consumers: Counter,
    /// Last stored block.
    pub sequence: Gauge,
    /// Term in force, 0 while stepped down.
    pub term: Gauge,
    /// Open orders.
    pub open_orders: Gauge,
    /// Standing alerts.
    pub alerts: Gauge,
    /// Ids known.
    pub ids: Gauge,
    /// Blocks of overcome writers that were ignored.
    pub voided: Gauge,
    /// Shards of the market that are complete and current.
    pub current_shards: Gauge,
    durability: AtomicU8,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("order_api"),
            requests: Counter::default(),
            malformed: Counter::default(),
            replies: Counter::default(),
            blocks: Counter::default(),
            block_bytes: Counter::default(),
            step_downs: Counter::default(),
            lookups_dropped: Counter::default(),
            slow_consumers: Counter::default(),
            sequence: Gauge::default(),
            term: Gauge::default(),
            open_orders: Gauge::default(),
            alerts: Gauge::default(),
            ids: Gauge::default(),
            voided: Gauge::default(),
            current_shards: Gauge::default(),
            durability: AtomicU8::new(0),
        };
        let registry = &mut metrics.registry;
        for (name, help, counter) in [
            ("requests", "Requests taken", &metrics.requests),
            ("malformed", "Requests with damaged bytes", &metrics.malformed),
            ("replies", "Replies sent", &metrics.replies),
            ("blocks", "Blocks stored", &metrics.blocks),
            ("block_bytes", "Bytes of stored blocks", &metrics.block_bytes),
            ("step_downs", "Terms lost", &metrics.step_downs),
            ("lookups_dropped", "Past states not looked up, no reply sent", &metrics.lookups_dropped),
            ("slow_consumers", "Drops by the NATS library", &metrics.slow_consumers),
        ] {
            registry.register(name, help, counter.clone());
        }
        for (name, help, gauge) in [
            ("sequence", "Last stored block", &metrics.sequence),
            ("term", "Writer epoch in force, 0 while stepped down", &metrics.term),
            ("open_orders", "Open orders", &metrics.open_orders),
            ("alerts", "Standing alerts", &metrics.alerts),
            ("ids", "Ids known", &metrics.ids),
            ("voided_blocks", "Blocks of overcome writers ignored", &metrics.voided),
            ("current_shards", "Shards complete and current", &metrics.current_shards),
        ] {
            registry.register(name, help, gauge.clone());
        }
        metrics
    }
}

impl Metrics {
    /// The text of `/metrics`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _infallible = encode(&mut text, &self.registry);
        text
    }

    /// What is known of the log's durability.
    #[must_use]
    pub fn durability(&self) -> Durability {
        match self.durability.load(Ordering::Relaxed) {
            1 => Durability::SyncAlways,
            2 => Durability::NotDurable,
            _ => Durability::Unproven,
        }
    }

    /// Says it.
    pub fn set_durability(&self, durability: Durability) {
        self.durability.store(durability as u8, Ordering::Relaxed);
    }

    /// The JSON of `/readyz`, and whether this process leads its partition.
    #[must_use]
    pub fn readiness(&self) -> (bool, String) {
        let durability = match self.durability() {
            Durability::SyncAlways => "sync_always",
            Durability::Unproven => "unproven",
            Durability::NotDurable => "not durable",
        };
        let ready = self.term.get() > 0;
        let text = format!(
            "{{\"ready\":{ready},\"writer_epoch\":{},\"sequence\":{},\"durability\":\"{durability}\",\"current_shards\":{}}}\n",
            self.term.get(),
            self.sequence.get(),
            self.current_shards.get()
        );
        (ready, text)
    }
}
