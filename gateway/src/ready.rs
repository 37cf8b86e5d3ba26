//! What the gateway says of itself over HTTP: readiness and the list of instruments, as JSON.

use crate::ingest::Want;
use crate::orders::durability_word;
use crate::shell::Shell;
use serde::Serialize;
use wire::block::Durability;
use wire::control::Entitlements;
use wire::control::reply::Symbol;
use wire::instrument::InstrumentId;

#[derive(Serialize)]
struct Ready {
    /// Whether market data can be served, also to one more.
    ready: bool,
    /// Whether it was told to stop: sessions are served on for the lead time.
    draining: bool,
    bus: &'static str,
    clients: usize,
    instruments: usize,
    shards: Vec<Shard>,
    /// Whether every partition takes orders.
    orders: bool,
    durability: &'static str,
    partitions: Vec<Partition>,
    connections: Used<u32>,
    memory_bytes: Used<u64>,
    boot_id: String,
}

/// How much of a bound is used.
#[derive(Serialize)]
struct Used<T> {
    now: T,
    max: T,
}

#[derive(Serialize)]
struct Shard {
    shard: u16,
    /// `defining`: its instruments are not known yet; `idle`: nobody wants it; `syncing`; `synced`.
    state: &'static str,
    feed_epoch: u64,
}

#[derive(Serialize)]
struct Partition {
    partition: u16,
    alive: bool,
    applied: u64,
    durability: &'static str,
}

/// `/readyz`: whether a load balancer may send clients here, and why not. Orders do not decide it, since market data
/// goes on without them; they are told apart.
#[must_use]
pub fn readiness(shell: &Shell) -> (bool, String) {
    let now_us = shell.clock.now_us();
    let engine = shell.engine.borrow();
    let relay = shell.relay.borrow();
    let wanted = engine.shards_wanted();
    let shards: Vec<Shard> = (0..shell.shards())
        .map(|shard| {
            let state = match engine.wants(shard) {
                Want::Definitions => "defining",
                _ if wanted & (1 << shard) == 0 => "idle",
                Want::Snapshot => "syncing",
                Want::Nothing => "synced",
            };
            Shard { shard, state, feed_epoch: engine.ingest.epoch(shard) }
        })
        .collect();
    let partitions: Vec<Partition> = (0..)
        .zip(relay.partitions())
        .map(|(partition, known)| Partition {
            partition,
            alive: known.is_alive(now_us),
            applied: known.position.applied(),
            durability: durability_word(known.durability()),
        })
        .collect();
    let connected = shell.bus.alarm().is_connected();
    let whole = shards.iter().all(|shard| matches!(shard.state, "idle" | "synced"));
    let draining = shell.draining_until_us.get().is_some();
    let ready = connected && !draining && whole && engine.memory.has_room();
    let body = Ready {
        ready,
        draining,
        bus: if connected { "connected" } else { "disconnected" },
        clients: engine.sessions(),
        instruments: engine.directory.len(),
        orders: partitions.iter().all(|partition| partition.alive),
        durability: durability_word(worst(relay.partitions().iter().map(|known| known.durability()))),
        shards,
        partitions,
        connections: Used { now: shell.admission.open(), max: shell.admission.connections_max() },
        memory_bytes: Used { now: engine.memory.bytes(), max: engine.memory.max() },
        boot_id: shell.terms.boot_id.clone(),
    };
    (ready, serde_json::to_string(&body).unwrap_or_default())
}

/// The least that all partitions keep to.
fn worst(all: impl Iterator<Item = Durability>) -> Durability {
    let rank = |durability: &Durability| match durability {
        Durability::NotDurable => 0,
        Durability::Unproven => 1,
        Durability::SyncAlways => 2,
    };
    all.min_by_key(rank).unwrap_or(Durability::Unproven)
}

/// `/v1/instruments`: all known instruments of which somebody may see anything, as `subscribed` tells them.
#[must_use]
pub fn instruments(shell: &Shell, sight: Option<&Entitlements>) -> String {
    #[derive(Serialize)]
    struct List<'a> {
        instruments: Vec<Symbol<'a>>,
    }
    let engine = shell.engine.borrow();
    let directory = &engine.directory;
    let symbol =
        |id: InstrumentId, instrument| Symbol::new(id.0, directory.shard(id).unwrap_or(0), instrument);
    let seen =
        directory.iter().filter(|(_, known)| sight.is_none_or(|granted| granted.may_see_any(&known.symbol)));
    let instruments = seen.map(|(id, instrument)| symbol(id, instrument)).collect();
    serde_json::to_string(&List { instruments }).unwrap_or_default()
}
