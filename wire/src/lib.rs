//! The vocabulary and the bytes of Tickgate: what travels on the bus, on the socket and in the order log.
//!
//! No I/O, no clock, no NATS, no tokio. Every service and client meets here and nowhere else.
//!
//! - [`num`]: decimal text to integer mantissas and back, exactly.
//! - [`instrument`]: symbols, ids, shards, definitions.
//! - [`tick`], [`batch`], [`shard`]: what a feed says, how it is packed on the bus, and the rules that keep a
//!   reader complete (sequence, gap, epoch, re-sync).
//! - [`book`], [`book_page`]: one instrument's levels as their events make them, and whole books on request.
//! - [`frame`]: market data as a client receives it, in three forms.
//! - [`cursor_shards`]: where a client stands in the feed, valid on any gateway.
//! - [`order`], [`alert`], [`block`]: requests and replies, execution reports, alerts, and the log of every decision.
//! - [`presence`]: what operators say and ask of all gateways.
//! - [`subject`]: the only place that spells a NATS subject.
//! - [`close`], [`error`]: how a socket ends, and the numbered errors that end nothing.

pub mod alert;
pub mod batch;
pub mod block;
pub mod book;
pub mod book_page;
pub mod close;
pub mod control;
pub mod cursor;
pub mod cursor_shards;
pub mod error;
pub mod frame;
pub mod instrument;
pub mod num;
pub mod order;
pub mod presence;
pub mod shard;
pub mod subject;
pub mod tick;
pub mod view_hash;

/// Version of the socket protocol; part of the subprotocol names (`tickgate.v1.compact`).
pub const PROTOCOL_VERSION: u8 = 1;

/// Largest integer that every client, JavaScript included, holds exactly: 2^53 − 1.
pub const MANTISSA_MAX: i64 = (1 << 53) - 1;

/// Shards a deployment uses unless told otherwise. Few, so that batches stay large.
pub const SHARDS_DEFAULT: u16 = 4;

/// Most shards a deployment may use.
pub const SHARDS_MAX: u16 = 64;

/// Most instruments of one shard: a snapshot of a shard is one bus message of at most 1 MiB.
pub const SHARD_INSTRUMENTS_MAX: usize = 4_000;

/// A quiet shard beats at least this often, in milliseconds.
pub const BEAT_MS: u64 = 100;

/// Rate classes in milliseconds; 0 is `raw`.
pub const RATES_MS: [u32; 8] = [0, 10, 20, 50, 100, 250, 500, 1000];

/// Largest text message a client may send, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Most symbols one session may hold over all channels.
pub const SESSION_SYMBOLS_MAX: usize = 16_384;
