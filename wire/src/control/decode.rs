//! Text to [`Request`]: one pass of simd-json into a tape, one pass over the tape. The tape and the parser's buffers
//! are kept and used again.

use super::request::{
    Cancel, Channel, Cursor, EXPIRES_MS_MAX, Hello, INTERVAL_MS_DEFAULT, Names, NewOrder, Op, OrderType,
    REQUEST_SYMBOLS_MAX, Replace, Request, Selection, SetRate, Side, Subscribe, TimeInForce, valid_name,
};
use super::{DEPTH_MAX, Fault};
use crate::error::ErrorCode;
use crate::instrument::{valid_pattern, valid_symbol};
use crate::num::Number;
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
}

const FIELDS: usize = Field::NAMES.len();
const _: () = assert!(FIELDS <= 32);

const fn set(fields: &[Field]) -> u32 {
    let mut bits = 1 << Field::Op as u8 | 1 << Field::Id as u8;
    let mut i = 0;
    while i < fields.len() {
        bits |= 1 << fields[i] as u8;
        i += 1;
    }
    bits
}

const HELLO: u32 = set(&[Field::Session, Field::Account, Field::Token, Field::Resume]);
const SUBSCRIBE: u32 =
    set(&[Field::Channel, Field::Symbols, Field::IntervalMs, Field::Early, Field::EventTime, Field::Depth]);
const SELECTION: u32 = set(&[Field::Channel, Field::Symbols]);
const SET_RATE: u32 = set(&[Field::Channel, Field::Symbols, Field::IntervalMs]);
const PING: u32 = set(&[Field::T]);
const NEW_ORDER: u32 = set(&[
    Field::ClOrdId,
    Field::Symbol,
    Field::Side,
    Field::Type,
    Field::Qty,
    Field::Price,
    Field::Tif,
    Field::ExpiresMs,
    Field::CancelOnDisconnect,
    Field::GraceMs,
]);
const CANCEL: u32 = set(&[Field::ClOrdId, Field::OrigClOrdId]);
const REPLACE: u32 = set(&[Field::ClOrdId, Field::OrigClOrdId, Field::Qty, Field::Price]);
const BY_ID: u32 = set(&[Field::ClOrdId]);
const PLAIN: u32 = set(&[]);

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
            Err(error) => Err(fault(ErrorCode::BadJson, format!("not JSON: {error}"))),
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

/// Where each field of the message stands.
struct Message<'t, 'a> {
    nodes: &'t [Node<'a>],
    at: [u32; FIELDS],
    seen: u32,
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
                    let bit = 1 << field as u8;
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
        self.seen & 1 << field as u8 != 0
    }

    fn node(&self, field: Field) -> Option<&Node<'a>> {
        if self.has(field) { self.nodes.get(self.at[field as usize] as usize) } else { None }
    }

    /// Refuses every field that `allowed` does not name.
    fn only(&self, allowed: u32) -> Result<(), Fault> {
        if let Some(key) = self.unknown {
            return Err(bad(&shown(key), "no such field"));
        }
        let extra = self.seen & !allowed;
        if extra != 0 {
            return Err(bad(Field::NAMES[extra.trailing_zeros() as usize], "no field of this request"));
        }
        Ok(())
    }

    fn op(&self) -> Result<Op<'a>, Fault> {
        let op = match self.node(Field::Op) {
            Some(Node::String(op)) => *op,
            Some(_) => return Err(fault(ErrorCode::UnknownOp, "op: a text".to_owned())),
            None => return Err(fault(ErrorCode::UnknownOp, "op: missing".to_owned())),
        };
        let allowed = match op {
            "hello" => HELLO,
            "subscribe" => SUBSCRIBE,
            "unsubscribe" | "repair" => SELECTION,
            "set_rate" => SET_RATE,
            "ping" => PING,
            "order.new" => NEW_ORDER,
            "order.cancel" => CANCEL,
            "order.replace" => REPLACE,
            "order.status" | "order.resolve" => BY_ID,
            "pause" | "unpause" | "orders" => PLAIN,
            "order.cancel_all" => {
                return Err(fault(ErrorCode::NotSupportedYet, "op: order.cancel_all".to_owned()));
            }
            _ => return Err(fault(ErrorCode::UnknownOp, format!("op: no such request: {}", shown(op)))),
        };
        self.only(allowed)?;
        Ok(match op {
            "hello" => Op::Hello(self.hello()?),
            "subscribe" => Op::Subscribe(self.subscribe()?),
            "unsubscribe" => Op::Unsubscribe(self.selection()?),
            "repair" if !self.has(Field::Channel) && !self.has(Field::Symbols) => Op::Repair(None),
            "repair" => Op::Repair(Some(self.selection()?)),
            "set_rate" => self.set_rate().map(Op::SetRate)?,
            "ping" => Op::Ping { t: self.whole(Field::T, 0, MAX_WHOLE)? },
            "order.new" => Op::OrderNew(self.order_new()?),
            "order.cancel" => Op::OrderCancel(Cancel {
                cl_ord_id: self.name(Field::ClOrdId)?,
                orig_cl_ord_id: self.name(Field::OrigClOrdId)?,
            }),
            "order.replace" => Op::OrderReplace(Replace {
                cl_ord_id: self.name(Field::ClOrdId)?,
                orig_cl_ord_id: self.name(Field::OrigClOrdId)?,
                qty: self.number(Field::Qty)?,
                price: self.number(Field::Price)?,
            }),
            "order.status" => Op::OrderStatus(self.name(Field::ClOrdId)?),
            "order.resolve" => Op::OrderResolve(self.name(Field::ClOrdId)?),
            "pause" => Op::Pause,
            "unpause" => Op::Unpause,
            _ => Op::Orders,
        })
    }

    fn hello(&self) -> Result<Hello<'a>, Fault> {
        if self.has(Field::Token) {
            return Err(fault(ErrorCode::NotSupportedYet, "token: this gateway checks none yet".to_owned()));
        }
        let optional = |field| if self.has(field) { self.name(field).map(Some) } else { Ok(None) };
        Ok(Hello {
            session: optional(Field::Session)?,
            account: optional(Field::Account)?,
            resume: self.cursor()?,
        })
    }

    fn cursor(&self) -> Result<Option<Cursor>, Fault> {
        let Some(node) = self.node(Field::Resume) else { return Ok(None) };
        let Node::Object { len, .. } = node else {
            return Err(bad("resume", "an object of report_seq and block"));
        };
        let (mut report_seq, mut block) = (None, None);
        let mut at = self.at[Field::Resume as usize] as usize + 1;
        for _ in 0..*len {
            let (Some(Node::String(key)), Some(value)) = (self.nodes.get(at), self.nodes.get(at + 1)) else {
                return Err(bad("resume", "an object of report_seq and block"));
            };
            let place = match *key {
                "report_seq" => &mut report_seq,
                "block" => &mut block,
                _ => return Err(bad(&format!("resume.{}", shown(key)), "no such field")),
            };
            if place.is_some() {
                return Err(fault(ErrorCode::DuplicateKey, format!("resume.{key}: stands twice")));
            }
            *place = Some(
                whole(value, 0, MAX_WHOLE)
                    .ok_or_else(|| bad(&format!("resume.{key}"), "a whole number from 0 to 2^53 - 1"))?,
            );
            at += 1 + width(value);
        }
        let report_seq = report_seq.ok_or_else(|| bad("resume.report_seq", "missing"))?;
        Ok(Some(Cursor { report_seq, block }))
    }

    fn subscribe(&self) -> Result<Subscribe<'a>, Fault> {
        for field in [Field::Early, Field::EventTime] {
            self.unsupported_flag(field)?;
        }
        let (channel, symbols) = (self.channel()?, self.symbols()?);
        if self.has(Field::Depth) {
            return Err(bad("depth", "no field of this channel"));
        }
        let interval_ms = self.interval()?.unwrap_or(INTERVAL_MS_DEFAULT);
        Ok(Subscribe { channel, symbols, interval_ms })
    }

    fn set_rate(&self) -> Result<SetRate<'a>, Fault> {
        let interval_ms = self.interval()?.ok_or_else(|| bad("interval_ms", "missing"))?;
        Ok(SetRate { channel: self.channel()?, symbols: self.symbols()?, interval_ms })
    }

    fn selection(&self) -> Result<Selection<'a>, Fault> {
        Ok(Selection { channel: self.channel()?, symbols: self.symbols()? })
    }

    fn order_new(&self) -> Result<NewOrder<'a>, Fault> {
        self.unsupported_flag(Field::CancelOnDisconnect)?;
        if self.has(Field::GraceMs) {
            return Err(fault(
                ErrorCode::NotSupportedYet,
                "grace_ms: comes with cancel_on_disconnect".to_owned(),
            ));
        }
        let symbol = self.text(Field::Symbol)?;
        if !valid_symbol(symbol) {
            return Err(bad("symbol", "1 to 48 characters of A-Z a-z 0-9 . - _ / : +"));
        }
        let side = match self.text(Field::Side)? {
            "buy" => Side::Buy,
            "sell" => Side::Sell,
            _ => return Err(bad("side", "buy or sell")),
        };
        let order_type = match self.text(Field::Type)? {
            "limit" => OrderType::Limit,
            "market" => OrderType::Market,
            "post_only" => return Err(fault(ErrorCode::NotSupportedYet, "type: post_only".to_owned())),
            _ => return Err(bad("type", "limit or market")),
        };
        let time_in_force = match self.text(Field::Tif)? {
            "day" => TimeInForce::Day,
            "ioc" => TimeInForce::Ioc,
            "fok" => TimeInForce::Fok,
            "gtc" => TimeInForce::Gtc,
            _ => return Err(bad("tif", "day, ioc, fok or gtc")),
        };
        let price = if self.has(Field::Price) { Some(self.number(Field::Price)?) } else { None };
        match (order_type, price) {
            (OrderType::Limit, None) => return Err(bad("price", "missing in a limit order")),
            (OrderType::Market, Some(_)) => return Err(bad("price", "no field of a market order")),
            _ => {}
        }
        Ok(NewOrder {
            cl_ord_id: self.name(Field::ClOrdId)?,
            symbol,
            side,
            order_type,
            qty: self.number(Field::Qty)?,
            price,
            time_in_force,
            expires_ms: self.whole(Field::ExpiresMs, 1, EXPIRES_MS_MAX)?,
        })
    }

    /// A flag whose meaning comes later: `false` is what happens anyway, `true` is refused.
    fn unsupported_flag(&self, field: Field) -> Result<(), Fault> {
        let name = Field::NAMES[field as usize];
        match self.node(field) {
            None | Some(Node::Static(StaticNode::Bool(false))) => Ok(()),
            Some(Node::Static(StaticNode::Bool(true))) => {
                Err(fault(ErrorCode::NotSupportedYet, format!("{name}: true")))
            }
            Some(_) => Err(bad(name, "true or false")),
        }
    }

    fn channel(&self) -> Result<Channel, Fault> {
        match self.text(Field::Channel)? {
            "quote" => Ok(Channel::Quote),
            "trade" => Ok(Channel::Trade),
            later @ ("book" | "bar" | "status") => {
                Err(fault(ErrorCode::NotSupportedYet, format!("channel: {later}")))
            }
            other => Err(fault(ErrorCode::UnknownChannel, format!("channel: no such: {}", shown(other)))),
        }
    }

    fn symbols(&self) -> Result<Names<'a>, Fault> {
        let what = "a list of 1 to 4096 symbols or patterns";
        let Some(Node::Array { len, .. }) = self.node(Field::Symbols) else {
            return Err(bad("symbols", if self.has(Field::Symbols) { what } else { "missing" }));
        };
        if !(1..=REQUEST_SYMBOLS_MAX).contains(len) {
            return Err(bad("symbols", what));
        }
        let first = self.at[Field::Symbols as usize] as usize + 1;
        let mut names = Vec::with_capacity(*len);
        for (i, node) in self.nodes.get(first..).unwrap_or_default().iter().take(*len).enumerate() {
            match node {
                Node::String(name) if valid_pattern(name) => names.push(*name),
                Node::String(name) => {
                    return Err(bad(
                        &format!("symbols[{i}]"),
                        &format!("no symbol or pattern: {}", shown(name)),
                    ));
                }
                _ => return Err(bad(&format!("symbols[{i}]"), "a text")),
            }
        }
        Ok(Names(names))
    }

    fn interval(&self) -> Result<Option<u32>, Fault> {
        let value = self.whole(Field::IntervalMs, 0, u64::from(u32::MAX))?;
        match value.map(u32::try_from).transpose() {
            Ok(Some(ms)) if !crate::RATES_MS.contains(&ms) => Err(fault(
                ErrorCode::BadInterval,
                "interval_ms: one of 0, 10, 20, 50, 100, 250, 500, 1000".to_owned(),
            )),
            Ok(value) => Ok(value),
            Err(_) => Err(bad("interval_ms", "a whole number")),
        }
    }

    fn text(&self, field: Field) -> Result<&'a str, Fault> {
        match self.node(field) {
            Some(Node::String(text)) => Ok(text),
            Some(_) => Err(bad(Field::NAMES[field as usize], "a text")),
            None => Err(bad(Field::NAMES[field as usize], "missing")),
        }
    }

    fn name(&self, field: Field) -> Result<&'a str, Fault> {
        let text = self.text(field)?;
        if valid_name(text) {
            Ok(text)
        } else {
            Err(bad(
                Field::NAMES[field as usize],
                "1 to 32 printable ASCII characters without space, \" and \\",
            ))
        }
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
    text.chars().take(48).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
