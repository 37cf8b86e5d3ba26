//! Conflates market data for WebSocket clients and carries their orders.
//!
//! Pure, without a clock or a socket: [`ingest`] keeps the shards complete, [`last_value`] holds one row an instrument,
//! [`lane`] decides what a flush holds.
//!
//! Around it: [`bus`] is the link to NATS, [`clock`] and [`config`] are what their names say.

#![deny(clippy::float_arithmetic)]

pub mod bits;
pub mod bus;
pub mod clock;
pub mod config;
pub mod control;
pub mod directory;
pub mod engine;
pub mod flush;
pub mod http;
pub mod ingest;
pub mod lane;
pub mod last_value;
pub mod market;
pub mod metrics;
pub mod offer;
pub mod orders;
pub mod outbox;
pub mod session;
pub mod shell;
pub mod slot;
pub mod worker;
