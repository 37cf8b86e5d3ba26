//! The socket's JSON messages: what a client may ask ([`Request`], read by [`Decoder`]) and what it is told
//! ([`reply`]).
//!
//! Every text message is one JSON object whose `op` names its kind. A request may carry `id`, a whole number that its
//! reply echoes. Prices and quantities are strings in the grammar of [`crate::num`]; every other number is a whole
//! number with a stated range; nothing here is ever a float. An unknown field, a repeated key, a value of the wrong
//! type or out of range is a [`Fault`] that names the field and ends nothing else.

pub mod alerts;
mod auth;
mod decode;
pub mod filter;
pub mod orders;
pub mod reply;
mod request;

pub use auth::{Entitlements, GRANT_SYMBOLS_MAX, Grant, TOKEN_BYTES_MAX, Token};
pub use decode::Decoder;
pub use request::{
    BYTES_PER_S, Channel, Cursor, DEPTHS, EXPIRES_MS_MAX, Fields, Hello, INTERVAL_MS_DEFAULT, Names, Op,
    Period, REQUEST_SYMBOLS_MAX, Request, Selection, SetRate, Subscribe, View,
};

use crate::error::ErrorCode;

/// Deepest nesting of a request: an object, and in it an object or an array.
pub const DEPTH_MAX: usize = 8;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The request's `id`, where it could be read.
    pub id: Option<u64>,
    /// Which error.
    pub code: ErrorCode,
    /// What is wrong, naming the field.
    pub message: String,
}
