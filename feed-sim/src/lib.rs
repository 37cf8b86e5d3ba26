//! Publishes market data to NATS: recordings of real venues, or a seeded market.
//!
//! A source hands on items by their due time; [`shards`] numbers and packs them; [`publish`] sends. The pace is open
//! loop: an item is due when the recording says, however late the one before was, and lateness is counted.

pub mod clock;
pub mod config;
pub mod event;
pub mod pace;
pub mod publish;
pub mod replay;
pub mod run;
pub mod shards;
pub mod simulate;
