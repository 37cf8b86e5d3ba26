//! order-api: decides orders and keeps the one durable log of a partition.
//!
//! ```text
//! ord.<p> request ─► service ─► decide (risk ─► order, venue ─► effects ─► state) ─► block ─► log ─► PubAck ─► replies
//! tick.<shard>    ─► service ─► market ─┘ resting orders that the quote reaches
//! start, step-down ◄─ log: fold of blocks (effects only) ─► state
//! ```
//!
//! The core ([`order`], [`state`], [`book`], [`market`], [`risk`], [`venue`], [`watch`], [`decide`]) is pure: it takes requests,
//! quotes and the time as arguments. Everything that names NATS is in [`log`] and [`service`]. What is promised and
//! why: `docs/orders.md`.

#![deny(clippy::float_arithmetic)]

pub mod book;
pub mod clock;
pub mod config;
pub mod decide;
mod http;
pub mod log;
pub mod market;
pub mod metrics;
mod mutants;
pub mod order;
pub mod risk;
pub mod service;
pub mod state;
pub mod venue;
pub mod watch;
