//! Text to [`Request`]: one pass of simd-json into a tape, one pass over the tape. The tape and the parser's buffers
//! are kept and used again. What each `op` may hold stands in `ops`.

mod alerts;
mod ops;
mod view;

use super::request::{REQUEST_SYMBOLS_MAX, Request};
use super::{DEPTH_MAX, Fault};
use crate::error::ErrorCode;
use crate::num::Number;
use crate::order::ClOrdId;
use simd_json::{Buffers, Node, StaticNode, Tape};

macro_rules! fields {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Every field of every request.
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        enum Field { $($name),* }

        impl Field {
            const NAMES: &'static [&'static str] = &[$($text),*];

            fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

fields! {
    Op = "op", Id = "id", Session = "session", Account = "account", Token = "token", Resume = "resume",
    Channel = "channel", Symbols = "symbols", IntervalMs = "interval_ms", Early = "early",
    EventTime = "event_time", T = "t", ClOrdId = "cl_ord_id", OrigClOrdId = "orig_cl_ord_id", Symbol = "symbol",
    Side = "side", Type = "type", Qty = "qty", Price = "price", Tif = "tif", ExpiresMs = "expires_ms",
    CancelOnDisconnect = "cancel_on_disconnect", GraceMs = "grace_ms", Depth = "depth",
    Buckets = "buckets", MaxAgeMs = "max_age_ms", Fields = "fields", Filter = "filter", Period = "period", EveryMs = "every_ms",
    Adaptive = "adaptive", BytesPerS = "bytes_per_s",
    ClAlertId = "cl_alert_id", Condition = "condition", ExpiresUs = "expires_us", Note = "note", Text = "text",
}

const FIELDS: usize = Field::NAMES.len();
const _: () = assert!(FIELDS <= 64);

const fn set(fields: &[Field]) -> u64 {
    let mut bits = 1_u64 << Field::Op as u8 | 1 << Field::Id as u8;
    let mut i = 0;
    while i < fields.len() {
        bits |= 1 << fields[i] as u8;
        i += 1;
    }
    bits
}

/// Reads requests. One serves all sessions of a thread.
pub struct Decoder {
    buffers: Buffers,
    tape: Tape<'static>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self { buffers: Buffers::with_max_depth(1_024, DEPTH_MAX), tape: Tape(Vec::with_capacity(64)) }
    }
}

impl Decoder {
    /// Reads one text message. The message is overwritten in the course of it.
    ///
    /// # Errors
    /// A [`Fault`] that names the first thing wrong.
    pub fn decode<'a>(&mut self, text: &'a mut [u8]) -> Result<Request<'a>, Fault> {
        let mut tape: Tape<'a> = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = simd_json::fill_tape(text, &mut self.buffers, &mut tape);
        let request = match parsed {
            Ok(()) => read(&tape.0),
            Err(error) => {
                Err(fault(ErrorCode::BadJson, format!("not JSON: {}", plain(&error.to_string(), 96))))
            }
        };
        if tape.0.capacity() > 4 * REQUEST_SYMBOLS_MAX {
            tape = Tape(Vec::new());
        }
        self.tape = tape.reset();
        request
    }
}

fn fault(code: ErrorCode, message: String) -> Fault {
    Fault { id: None, code, message }
}

fn bad(field: &str, why: &str) -> Fault {
    fault(ErrorCode::BadField, format!("{field}: {why}"))
}

/// Nodes that one value takes.
fn width(node: &Node<'_>) -> usize {
    match node {
        Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
        Node::String(_) | Node::Static(_) => 1,
    }
}

/// Characters of names.
const NAME_CHARACTERS: &str = "A-Z a-z 0-9 . - _ / : + # @ =";

/// Where each field of the message stands.
struct Message<'t, 'a> {
    nodes: &'t [Node<'a>],
    at: [u32; FIELDS],
    seen: u64,
    unknown: Option<&'a str>,
}

fn read<'a>(nodes: &[Node<'a>]) -> Result<Request<'a>, Fault> {
    let Some(Node::Object { len, .. }) = nodes.first() else {
        return Err(fault(ErrorCode::BadJson, "a message is one JSON object".to_owned()));
    };
    let mut message = Message { nodes, at: [0; FIELDS], seen: 0, unknown: None };
    let scanned = message.scan(*len);
    let id = message.whole(Field::Id, 0, i64::MAX as u64).map(|id| id.filter(|id| *id <= MAX_WHOLE));
    let echo = id.as_ref().ok().copied().flatten();
    let request = scanned.and_then(|()| {
        if let Ok(None) | Err(_) = id
            && message.has(Field::Id)
        {
            return Err(bad("id", "a whole number from 0 to 2^53 - 1"));
        }
        message.op()
    });
    request.map(|op| Request { id: echo, op }).map_err(|fault| Fault { id: echo, ..fault })
}

/// 2^53 − 1.
const MAX_WHOLE: u64 = (1 << 53) - 1;

impl<'a> Message<'_, 'a> {
    fn scan(&mut self, len: usize) -> Result<(), Fault> {
        let mut at = 1;
        let mut repeated = None;
        for _ in 0..len {
            let (Some(Node::String(key)), Some(value)) = (self.nodes.get(at), self.nodes.get(at + 1)) else {
                return Err(fault(ErrorCode::BadJson, "a message is one JSON object".to_owned()));
            };
            match Field::parse(key) {
                Some(field) => {
                    let bit = 1_u64 << field as u8;
                    if self.seen & bit != 0 {
                        repeated = repeated.or(Some(*key));
                    }
                    self.seen |= bit;
                    self.at[field as usize] = u32::try_from(at + 1).unwrap_or(0);
                }
                None if self.unknown == Some(*key) => repeated = repeated.or(Some(*key)),
                None => self.unknown = self.unknown.or(Some(*key)),
            }
            at += 1 + width(value);
        }
        match repeated {
            Some(key) => Err(fault(ErrorCode::DuplicateKey, format!("{}: stands twice", shown(key)))),
            None => Ok(()),
        }
    }

    fn has(&self, field: Field) -> bool {
        self.seen & 1_u64 << field as u8 != 0
    }

    fn node(&self, field: Field) -> Option<&Node<'a>> {
        if self.has(field) { self.nodes.get(self.at[field as usize] as usize) } else { None }
    }

    /// Refuses every field that `allowed` does not name.
    fn only(&self, allowed: u64) -> Result<(), Fault> {
        if let Some(key) = self.unknown {
            return Err(bad(&shown(key), "no such field"));
        }
        let extra = self.seen & !allowed;
        if extra != 0 {
            return Err(bad(Field::NAMES[extra.trailing_zeros() as usize], "no field of this request"));
        }
        Ok(())
    }

    fn text(&self, field: Field) -> Result<&'a str, Fault> {
        match self.node(field) {
            Some(Node::String(text)) => Ok(text),
            Some(_) => Err(bad(Field::NAMES[field as usize], "a text")),
            None => Err(bad(Field::NAMES[field as usize], "missing")),
        }
    }

    fn cl_ord_id(&self, field: Field) -> Result<ClOrdId, Fault> {
        let text = self.text(field)?;
        ClOrdId::new(text).map_err(|error| {
            bad(Field::NAMES[field as usize], &format!("{error}: 1 to 36 of {NAME_CHARACTERS}"))
        })
    }

    fn number(&self, field: Field) -> Result<Number, Fault> {
        let name = Field::NAMES[field as usize];
        let text = match self.node(field) {
            Some(Node::String(text)) => text,
            Some(_) => return Err(bad(name, "a decimal number as a text, like \"0.5\"")),
            None => return Err(bad(name, "missing")),
        };
        text.parse().map_err(|error| bad(name, &format!("{error}")))
    }

    fn whole(&self, field: Field, min: u64, max: u64) -> Result<Option<u64>, Fault> {
        let Some(node) = self.node(field) else { return Ok(None) };
        let name = Field::NAMES[field as usize];
        whole(node, min, max)
            .map(Some)
            .ok_or_else(|| bad(name, &format!("a whole number from {min} to {max}")))
    }
}

fn whole(node: &Node<'_>, min: u64, max: u64) -> Option<u64> {
    let value = match node {
        Node::Static(StaticNode::U64(value)) => *value,
        Node::Static(StaticNode::I64(value)) => u64::try_from(*value).ok()?,
        _ => return None,
    };
    (min..=max).contains(&value).then_some(value)
}

/// What a message may repeat of a client's text: the first 48 characters, none of them a control character.
fn shown(text: &str) -> String {
    plain(text, 48)
}

fn plain(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests;
