//! Every NATS subject and stream name of Tickgate. Symbols and account names never become part of one.

/// Tick batches and beats of a shard: feed to gateways and order-api.
#[must_use]
pub fn tick(shard: u16) -> String {
    format!("tick.{shard}")
}

/// Request: the whole state of a shard (see `batch::Snapshot`).
#[must_use]
pub fn snapshot(shard: u16) -> String {
    format!("snap.{shard}")
}

/// Request: whole books of a shard's instruments (see `book_page`).
#[must_use]
pub fn book(shard: u16) -> String {
    format!("book.{shard}")
}

/// Request: the instruments of a shard (see `instrument::Definitions`).
#[must_use]
pub fn definitions(shard: u16) -> String {
    format!("inst.{shard}")
}

/// Request: one order request to a partition's writer.
#[must_use]
pub fn order(partition: u16) -> String {
    format!("ord.{partition}")
}

/// A partition's blocks, captured by its stream. Only order-api publishes here.
#[must_use]
pub fn report(partition: u16) -> String {
    format!("rep.{partition}")
}

/// A partition's blocks as republished once stored; gateways follow this.
#[must_use]
pub fn report_out(partition: u16) -> String {
    format!("out.rep.{partition}")
}

/// Prefix under which the stream republishes.
pub const REPUBLISH_PREFIX: &str = "out";

/// A partition's beat: last stored sequence and writer epoch, once a second.
#[must_use]
pub fn life(partition: u16) -> String {
    format!("life.{partition}")
}

/// An operator's notice to clients: one gateway to all (see `presence::Notice`).
pub const NOTICE: &str = "notice";

/// A gateway's beat, once a second (see `presence::GatewayBeat`).
pub const GATEWAY_LIFE: &str = "gw.life";

/// Request to all gateways: their sessions (see `presence::SessionsAsked`); each answers.
pub const SESSIONS: &str = "gw.sessions";

/// The stream of a partition's blocks.
#[must_use]
pub fn report_stream(partition: u16) -> String {
    format!("REPORTS_{partition}")
}
