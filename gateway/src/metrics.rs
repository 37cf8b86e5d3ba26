//! Every figure that the gateway gives out, as Prometheus text. Names bear their unit.
//!
//! What the engine and the relay count by themselves is copied in when somebody asks; only what happens in the shell
//! is counted here as it happens.

use crate::engine::Memory;
use crate::http::Refusal;
use crate::orders::RelayCounters;
use crate::outbox::Counters;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::atomic::Ordering;
use wire::close::CloseReason;
use wire::shard::ShardCounters;

/// Label of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShardLabel {
    shard: u16,
}

/// Label of why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabel {
    reason: &'static str,
}

/// Label of how an order request ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrderLabel {
    outcome: &'static str,
}

/// Label of why somebody was sent away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabel {
    reason: &'static str,
}

/// How an order request ended, for the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderOutcome {
    /// The writer answered.
    Answered,
    /// Nobody took it.
    Unavailable,
    /// No answer in time.
    Unknown,
    /// Above the account's rate or the session's requests in flight.
    Refused,
}

impl OrderOutcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

/// State of one shard at the moment of asking.
#[derive(Debug, Clone, Copy)]
pub struct ShardState {
    /// What its reader counted.
    pub counters: ShardCounters,
    /// Age of its proof, µs.
    pub age_us: i64,
    /// Whether it is whole.
    pub whole: bool,
}

/// What is copied in at the moment of asking.
#[derive(Debug, Default)]
pub struct Present {
    /// Of the engine.
    pub counters: Counters,
    /// Of the relay.
    pub relay: RelayCounters,
    /// Of the shards, by number.
    pub shards: Vec<ShardState>,
    /// Messages that the bus client dropped.
    pub bus_dropped: u64,
    /// Events whose instrument is not known.
    pub unknown_index: u64,
    /// Live sessions.
    pub clients: usize,
    /// Sessions whose socket is full.
    pub blocked: usize,
    /// Sessions whose market data waits for their budget.
    pub thin: usize,
    /// Symbols held over all sessions and channels.
    pub subscriptions: usize,
    /// Known instruments.
    pub instruments: usize,
    /// Whether the bus is connected.
    pub bus_connected: bool,
    /// Open connections.
    pub connections: u32,
    /// Most of them at a time.
    pub connections_max: u32,
    /// Sent away, by [`Refusal`].
    pub refused: [u64; Refusal::ALL.len()],
    /// The memory budget.
    pub memory: Memory,
    /// Resident memory of the process.
    pub resident_bytes: u64,
}

macro_rules! metrics {
    ($($kind:ident $name:ident = $text:literal, $help:literal;)*) => {
        /// All metrics.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $($name: $kind,)*
            closed: Family<CloseLabel, Counter>,
            refused: Family<RefusalLabel, Counter>,
            orders: Family<OrderLabel, Counter>,
            order_ack: Histogram,
            shard_age: Family<ShardLabel, Gauge>,
            shard_whole: Family<ShardLabel, Gauge>,
        }

        impl Default for Metrics {
            fn default() -> Self {
                let mut registry = Registry::default();
                $(
                    let $name = $kind::default();
                    registry.register($text, $help, $name.clone());
                )*
                let closed = Family::default();
                registry.register("gw_sessions_closed", "Sessions ended, by reason", closed.clone());
                let refused = Family::default();
                registry.register("gw_refused", "Connections and sessions answered 503, by reason", refused.clone());
                let orders = Family::default();
                registry.register("gw_order_requests", "Order requests, by how they ended", orders.clone());
                let order_ack = Histogram::new(ACK_BUCKETS_S);
                registry.register("gw_order_ack_seconds", "Order request to its writer's answer", order_ack.clone());
                let shard_age = Family::default();
                registry.register("gw_shard_proof_age_microseconds", "Age of a shard's proof", shard_age.clone());
                let shard_whole = Family::default();
                registry.register("gw_shard_whole", "1 while nothing of a shard is missing", shard_whole.clone());
                Self { registry, $($name,)* closed, refused, orders, order_ack, shard_age, shard_whole }
            }
        }
    };
}

const ACK_BUCKETS_S: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 4.0];

metrics! {
    Counter ticks_received = "gw_ticks_received", "Events applied to the table";
    Counter batches_received = "gw_batches_received", "Batches and beats taken from the bus";
    Counter bus_lost = "gw_bus_lost", "Events found missing by sequence";
    Counter events_repeated = "gw_events_repeated", "Events that came twice";
    Counter payloads_bad = "gw_payloads_bad", "Bus messages refused";
    Counter batches_old_epoch = "gw_batches_old_epoch", "Batches of an epoch that is over";
    Counter resyncs = "gw_resyncs", "Re-syncs of shards begun";
    Counter nats_dropped = "gw_nats_dropped", "Messages dropped by the bus client because their reader lagged";
    Counter unknown_index = "gw_events_unknown_instrument", "Events of instruments that no definition names";
    Counter frames_sent = "gw_frames_sent", "Market-data messages accepted by sockets";
    Counter records_sent = "gw_records_sent", "Records in market-data messages";
    Counter frame_bytes = "gw_frame_bytes", "Bytes accepted by sockets";
    Counter writes = "gw_writes", "Writes to sockets";
    Counter flushes = "gw_flushes", "Flushes of lanes that told something";
    Counter encodes = "gw_encodes", "Records encoded, each once per lane and form";
    Counter owed = "gw_updates_conflated", "Updates that a full socket turned into a bit, to be told later in full";
    Counter catch_ups = "gw_catch_up_groups", "Groups of full records that caught a session up";
    Counter slowed = "gw_slots_slowed", "Adaptive slots moved to a slower interval because their session could not follow";
    Counter recovered = "gw_slots_recovered", "Adaptive slots moved to a faster interval again";
    Counter reports = "gw_reports_sent", "Reports handed to sessions";
    Counter blocks = "gw_blocks_applied", "Blocks of order logs applied";
    Counter blocks_bad = "gw_blocks_bad", "Blocks that could not be read";
    Counter blocks_void = "gw_blocks_void", "Blocks of a writer whose term was over";
    Counter report_gaps = "gw_report_gaps", "Reports out of sequence in their account";
    Counter opened = "gw_sessions_opened", "Sessions opened";
    Counter orders_total = "gw_orders", "Order requests received";
    Gauge clients = "gw_clients", "Live sessions";
    Gauge blocked = "gw_sessions_blocked", "Sessions whose socket is full";
    Gauge thin = "gw_sessions_over_budget", "Sessions whose market data waits for their own byte budget";
    Gauge subscriptions = "gw_subscriptions", "Symbols held over all sessions and channels";
    Gauge instruments = "gw_instruments", "Known instruments";
    Gauge bus_connected = "gw_bus_connected", "1 while the bus is connected";
    Gauge connections = "gw_connections", "Open connections, HTTP and WebSocket";
    Gauge connections_max = "gw_connections_max", "Most connections at a time";
    Gauge memory = "gw_memory_bytes", "Counted memory of sessions, subscriptions, instruments and rings";
    Gauge memory_max = "gw_memory_max_bytes", "Counted memory above which nobody gets more";
    Gauge resident = "process_resident_memory_bytes", "Resident memory of the process";
    Counter subscriptions_refused = "gw_subscriptions_refused", "Subscribe requests refused for want of memory";
}

fn set(counter: &Counter, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}

fn level(gauge: &Gauge, value: usize) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

impl Metrics {
    /// A session was opened.
    pub fn session_opened(&self) {
        self.opened.inc();
    }

    /// A session ended.
    pub fn session_closed(&self, reason: CloseReason) {
        self.closed.get_or_create(&CloseLabel { reason: reason.text() }).inc();
    }

    /// An order request came in.
    pub fn order_received(&self) {
        self.orders_total.inc();
    }

    /// An order request ended after so long.
    #[expect(
        clippy::cast_precision_loss,
        clippy::float_arithmetic,
        reason = "a histogram's unit, not the tick path"
    )]
    pub fn order_ended(&self, outcome: OrderOutcome, took_us: i64) {
        self.orders.get_or_create(&OrderLabel { outcome: outcome.word() }).inc();
        if outcome == OrderOutcome::Answered {
            self.order_ack.observe(took_us.max(0) as f64 / 1_000_000.0);
        }
    }

    /// Everything as text.
    #[must_use]
    pub fn render(&self, present: &Present) -> String {
        self.copy_engine(present);
        self.copy_shards(present);
        let relay = &present.relay;
        set(&self.blocks, relay.blocks);
        set(&self.blocks_bad, relay.blocks_bad);
        set(&self.blocks_void, relay.blocks_void);
        set(&self.report_gaps, relay.report_gaps);
        set(&self.reports, relay.reports);
        set(&self.nats_dropped, present.bus_dropped);
        self.bus_connected.set(i64::from(present.bus_connected));
        self.copy_room(present);
        let mut out = String::with_capacity(8_192);
        // Writing into a String cannot fail.
        let _written = encode(&mut out, &self.registry);
        out
    }

    fn copy_engine(&self, present: &Present) {
        let counters = &present.counters;
        set(&self.frames_sent, counters.frames);
        set(&self.records_sent, counters.records);
        set(&self.frame_bytes, counters.bytes);
        set(&self.writes, counters.writes);
        set(&self.flushes, counters.flushes);
        set(&self.encodes, counters.encoded);
        set(&self.owed, counters.owed);
        set(&self.catch_ups, counters.catch_ups);
        set(&self.slowed, counters.slowed);
        set(&self.recovered, counters.recovered);
        set(&self.unknown_index, present.unknown_index);
        level(&self.clients, present.clients);
        level(&self.blocked, present.blocked);
        level(&self.thin, present.thin);
        level(&self.subscriptions, present.subscriptions);
        level(&self.instruments, present.instruments);
    }

    fn copy_room(&self, present: &Present) {
        self.connections.set(present.connections.into());
        self.connections_max.set(present.connections_max.into());
        for (why, count) in Refusal::ALL.into_iter().zip(present.refused) {
            set(&self.refused.get_or_create(&RefusalLabel { reason: why.word() }), count);
        }
        let bytes = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        bytes(&self.memory, present.memory.bytes());
        bytes(&self.memory_max, present.memory.max());
        bytes(&self.resident, present.resident_bytes);
        set(&self.subscriptions_refused, present.memory.refused);
    }

    fn copy_shards(&self, present: &Present) {
        let sum = |pick: fn(&ShardCounters) -> u64| present.shards.iter().map(|s| pick(&s.counters)).sum();
        set(&self.ticks_received, sum(|c| c.events));
        set(&self.batches_received, sum(|c| c.batches));
        set(&self.bus_lost, sum(|c| c.events_lost));
        set(&self.events_repeated, sum(|c| c.events_repeated));
        set(&self.payloads_bad, sum(|c| c.payloads_bad));
        set(&self.batches_old_epoch, sum(|c| c.batches_old_epoch));
        set(&self.resyncs, sum(|c| c.resyncs));
        for (shard, state) in (0..).zip(&present.shards) {
            self.shard_age.get_or_create(&ShardLabel { shard }).set(state.age_us);
            self.shard_whole.get_or_create(&ShardLabel { shard }).set(i64::from(state.whole));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_what_was_counted_and_bears_units() {
        let metrics = Metrics::default();
        metrics.session_closed(CloseReason::SlowConsumer);
        metrics.order_ended(OrderOutcome::Answered, 700);
        let counters = ShardCounters { events: 5, events_lost: 2, ..ShardCounters::default() };
        let shards = vec![ShardState { counters, age_us: 9, whole: true }];
        let text = metrics.render(&Present { shards, clients: 3, refused: [0, 4, 0], ..Present::default() });
        for line in [
            "gw_ticks_received_total 5",
            "gw_bus_lost_total 2",
            "gw_clients 3",
            "gw_refused_total{reason=\"descriptors\"} 4",
            "gw_sessions_closed_total{reason=\"slow_consumer\"} 1",
            "gw_order_requests_total{outcome=\"answered\"} 1",
            "gw_order_ack_seconds_bucket{le=\"0.001\"} 1",
            "gw_shard_proof_age_microseconds{shard=\"0\"} 9",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
