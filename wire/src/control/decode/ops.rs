//! What each `op` may hold, and its meaning.

use super::alerts::{ALERT_CANCEL, ALERT_NEW, NOTICE_SEND, SESSIONS};
use super::{Field, MAX_WHOLE, Message, NAME_CHARACTERS, bad, fault, set, shown, whole, width};
use crate::alert::AlertAct;
use crate::control::request::{
    BYTES_PER_S, Channel, Cursor, EXPIRES_MS_MAX, Hello, INTERVAL_MS_DEFAULT, MAX_AGE_MS, Names, Op,
    REQUEST_BUCKETS_MAX, REQUEST_PATTERNS_MAX, REQUEST_SYMBOLS_MAX, STATS_MS, Selection, SetRate, Subscribe,
};
use crate::control::{Fault, TOKEN_BYTES_MAX, Token};
use crate::error::ErrorCode;
use crate::instrument::valid_pattern;
use crate::num::Number;
use crate::order::{Act, NewOrder, OrdType, SessionName, Side, Symbol, TimeInForce};
use crate::view_hash::BUCKETS;
use simd_json::{Node, StaticNode};

const HELLO: u64 = set(&[Field::Session, Field::Account, Field::Token, Field::Resume]);
const AUTH: u64 = set(&[Field::Token]);
const SUBSCRIBE: u64 = set(&[
    Field::Channel,
    Field::Symbols,
    Field::IntervalMs,
    Field::Early,
    Field::EventTime,
    Field::Depth,
    Field::Fields,
    Field::Filter,
    Field::Period,
    Field::MaxAgeMs,
    Field::Adaptive,
    Field::Resume,
]);
const SELECTION: u64 = set(&[Field::Channel, Field::Symbols]);
const SET_RATE: u64 = set(&[Field::Channel, Field::Symbols, Field::IntervalMs, Field::Adaptive]);
const BUDGET: u64 = set(&[Field::BytesPerS]);
const VISIBLE: u64 = set(&[Field::Symbols]);
const HASHES: u64 = set(&[Field::Buckets]);
const STATS: u64 = set(&[Field::EveryMs]);
const PING: u64 = set(&[Field::T]);
const NEW_ORDER: u64 = set(&[
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
const CANCEL: u64 = set(&[Field::ClOrdId, Field::OrigClOrdId]);
const REPLACE: u64 = set(&[Field::ClOrdId, Field::OrigClOrdId, Field::Qty, Field::Price]);
const BY_ID: u64 = set(&[Field::ClOrdId]);
const PLAIN: u64 = set(&[]);

const fn asked<'a>(act: Act) -> Op<'a> {
    Op::Order { act, expires_ms: None }
}

impl<'a> Message<'_, 'a> {
    pub(super) fn op(&self) -> Result<Op<'a>, Fault> {
        let op = match self.node(Field::Op) {
            Some(Node::String(op)) => *op,
            Some(_) => return Err(fault(ErrorCode::UnknownOp, "op: a text".to_owned())),
            None => return Err(fault(ErrorCode::UnknownOp, "op: missing".to_owned())),
        };
        let allowed = match op {
            "hello" => HELLO,
            "auth" => AUTH,
            "subscribe" => SUBSCRIBE,
            "unsubscribe" | "repair" => SELECTION,
            "set_rate" => SET_RATE,
            "budget" => BUDGET,
            "visible" => VISIBLE,
            "hashes" => HASHES,
            "ping" => PING,
            "stats" => STATS,
            "order.new" => NEW_ORDER,
            "order.cancel" => CANCEL,
            "order.replace" => REPLACE,
            "order.status" | "order.resolve" => BY_ID,
            "pause" | "unpause" | "orders" | "alerts" => PLAIN,
            "alert.new" => ALERT_NEW,
            "alert.cancel" => ALERT_CANCEL,
            "notice.send" => NOTICE_SEND,
            "sessions" => SESSIONS,
            "order.cancel_all" => {
                return Err(fault(ErrorCode::NotSupportedYet, "op: order.cancel_all".to_owned()));
            }
            _ => return Err(fault(ErrorCode::UnknownOp, format!("op: no such request: {}", shown(op)))),
        };
        self.only(allowed)?;
        Ok(match op {
            "hello" => Op::Hello(self.hello()?),
            "auth" => Op::Auth(self.token()?),
            "subscribe" => Op::Subscribe(self.subscribe()?),
            "unsubscribe" => Op::Unsubscribe(self.selection()?),
            "repair" if !self.has(Field::Channel) && !self.has(Field::Symbols) => Op::Repair(None),
            "repair" => Op::Repair(Some(self.selection()?)),
            "set_rate" => self.set_rate().map(Op::SetRate)?,
            "budget" => Op::Budget(self.bytes_per_s()?),
            "visible" => Op::Visible(self.symbols(0)?),
            "hashes" => Op::Hashes(self.buckets()?),
            "ping" => Op::Ping { t: self.whole(Field::T, 0, MAX_WHOLE)? },
            "stats" => Op::Stats { every_ms: self.stats_every()? },
            "order.new" => self.order_new()?,
            "order.cancel" => asked(Act::Cancel {
                cl_ord_id: self.cl_ord_id(Field::ClOrdId)?,
                orig_cl_ord_id: self.cl_ord_id(Field::OrigClOrdId)?,
            }),
            "order.replace" => asked(Act::Replace {
                cl_ord_id: self.cl_ord_id(Field::ClOrdId)?,
                orig_cl_ord_id: self.cl_ord_id(Field::OrigClOrdId)?,
                qty: self.number(Field::Qty)?,
                price: self.price()?,
            }),
            "order.status" => asked(Act::Status { cl_ord_id: self.cl_ord_id(Field::ClOrdId)? }),
            "order.resolve" => asked(Act::Resolve { cl_ord_id: self.cl_ord_id(Field::ClOrdId)? }),
            "pause" => Op::Pause,
            "unpause" => Op::Unpause,
            "alert.new" => self.alert_new()?,
            "alert.cancel" => self.alert_cancel()?,
            "alerts" => Op::Alert(AlertAct::List),
            "notice.send" => self.notice_send()?,
            "sessions" => Op::Sessions { account: self.named_account()? },
            _ => asked(Act::Open),
        })
    }

    fn hello(&self) -> Result<Hello<'a>, Fault> {
        let session = if self.has(Field::Session) {
            SessionName::new(self.text(Field::Session)?)
                .map_err(|error| bad("session", &format!("{error}: at most 32 of {NAME_CHARACTERS}")))?
        } else {
            SessionName::default()
        };
        let token = if self.has(Field::Token) { Some(self.token()?) } else { None };
        Ok(Hello { session, account: self.named_account()?, token, resume: self.cursor()? })
    }

    /// Whether it is one is for whoever verifies it; no message repeats any of it.
    fn token(&self) -> Result<Token<'a>, Fault> {
        match self.text(Field::Token)? {
            token if token.len() <= TOKEN_BYTES_MAX => Ok(Token(token)),
            _ => Err(bad("token", "at most 8192 bytes")),
        }
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
        let (channel, symbols) = (self.channel()?, self.symbols(1)?);
        let view = self.view(channel)?;
        let interval_ms = self.interval()?.unwrap_or(INTERVAL_MS_DEFAULT);
        let max_age_ms = self.whole(Field::MaxAgeMs, *MAX_AGE_MS.start(), *MAX_AGE_MS.end())?;
        let max_age_ms = max_age_ms.and_then(|ms| u32::try_from(ms).ok());
        let adaptive = self.flag(Field::Adaptive)?;
        let resume = self.has(Field::Resume).then(|| self.text(Field::Resume)).transpose()?;
        Ok(Subscribe { channel, symbols, interval_ms, max_age_ms, view, adaptive, resume })
    }

    fn set_rate(&self) -> Result<SetRate<'a>, Fault> {
        let interval_ms = self.interval()?.ok_or_else(|| bad("interval_ms", "missing"))?;
        let adaptive = self.flag(Field::Adaptive)?;
        Ok(SetRate { channel: self.channel()?, symbols: self.symbols(1)?, interval_ms, adaptive })
    }

    fn selection(&self) -> Result<Selection<'a>, Fault> {
        Ok(Selection { channel: self.channel()?, symbols: self.symbols(1)? })
    }

    fn order_new(&self) -> Result<Op<'a>, Fault> {
        self.unsupported_flag(Field::CancelOnDisconnect)?;
        if self.has(Field::GraceMs) {
            return Err(fault(
                ErrorCode::NotSupportedYet,
                "grace_ms: comes with cancel_on_disconnect".to_owned(),
            ));
        }
        let symbol = Symbol::new(self.text(Field::Symbol)?)
            .map_err(|error| bad("symbol", &format!("{error}: 1 to 48 of A-Z a-z 0-9 . - _ / : +")))?;
        let side = Side::from_word(self.text(Field::Side)?).ok_or_else(|| bad("side", "buy or sell"))?;
        let ord_type = match self.text(Field::Type)? {
            "post_only" => return Err(fault(ErrorCode::NotSupportedYet, "type: post_only".to_owned())),
            word => OrdType::from_word(word).ok_or_else(|| bad("type", "limit or market"))?,
        };
        let tif = TimeInForce::from_word(self.text(Field::Tif)?)
            .ok_or_else(|| bad("tif", "day, ioc, fok or gtc"))?;
        let price = self.price()?;
        match (ord_type, price) {
            (OrdType::Limit, None) => return Err(bad("price", "missing in a limit order")),
            (OrdType::Market, Some(_)) => return Err(bad("price", "no field of a market order")),
            _ => {}
        }
        let cl_ord_id = self.cl_ord_id(Field::ClOrdId)?;
        let qty = self.number(Field::Qty)?;
        Ok(Op::Order {
            act: Act::New(NewOrder { cl_ord_id, symbol, side, ord_type, tif, qty, price }),
            expires_ms: self.whole(Field::ExpiresMs, 1, EXPIRES_MS_MAX)?,
        })
    }

    fn price(&self) -> Result<Option<Number>, Fault> {
        if self.has(Field::Price) { self.number(Field::Price).map(Some) } else { Ok(None) }
    }

    /// A flag whose meaning comes later: `false` is what happens anyway, `true` is refused.
    fn unsupported_flag(&self, field: Field) -> Result<(), Fault> {
        if self.flag(field)? {
            let name = Field::NAMES[field as usize];
            return Err(fault(ErrorCode::NotSupportedYet, format!("{name}: true")));
        }
        Ok(())
    }

    /// A flag that is false where it is not there.
    fn flag(&self, field: Field) -> Result<bool, Fault> {
        match self.node(field) {
            None => Ok(false),
            Some(Node::Static(StaticNode::Bool(flag))) => Ok(*flag),
            Some(_) => Err(bad(Field::NAMES[field as usize], "true or false")),
        }
    }

    fn bytes_per_s(&self) -> Result<Option<u32>, Fault> {
        let field = Field::BytesPerS;
        let value = match self.node(field) {
            None => return Err(bad("bytes_per_s", "missing")),
            Some(Node::Static(StaticNode::Null)) => return Ok(None),
            Some(node) => whole(node, (*BYTES_PER_S.start()).into(), (*BYTES_PER_S.end()).into()),
        };
        let value = value.and_then(|value| u32::try_from(value).ok());
        value.map(Some).ok_or_else(|| bad("bytes_per_s", "a whole number from 1000 to 100000000, or null"))
    }

    fn channel(&self) -> Result<Channel, Fault> {
        let word = self.text(Field::Channel)?;
        Channel::from_word(word)
            .ok_or_else(|| fault(ErrorCode::UnknownChannel, format!("channel: no such: {}", shown(word))))
    }

    /// A list of at least `least` names.
    fn symbols(&self, least: usize) -> Result<Names<'a>, Fault> {
        let what = &format!("a list of {least} to 4096 symbols or patterns");
        let Some(Node::Array { len, .. }) = self.node(Field::Symbols) else {
            return Err(bad("symbols", if self.has(Field::Symbols) { what } else { "missing" }));
        };
        if !(least..=REQUEST_SYMBOLS_MAX).contains(len) {
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
        if names.iter().filter(|name| name.contains('*')).count() > REQUEST_PATTERNS_MAX {
            return Err(bad("symbols", "at most 64 patterns"));
        }
        Ok(Names(names))
    }

    /// 0, or within [`STATS_MS`].
    fn stats_every(&self) -> Result<u32, Fault> {
        let what = || bad("every_ms", "0 or 1000 to 60000");
        let asked = self.whole(Field::EveryMs, 0, *STATS_MS.end())?.ok_or_else(what)?;
        u32::try_from(asked).ok().filter(|ms| *ms == 0 || STATS_MS.contains(&asked)).ok_or_else(what)
    }

    fn buckets(&self) -> Result<Option<Vec<u8>>, Fault> {
        let what = || bad("buckets", "a list of 1 to 8 numbers from 0 to 63");
        let len = match self.node(Field::Buckets) {
            None => return Ok(None),
            Some(Node::Array { len, .. }) if (1..=REQUEST_BUCKETS_MAX).contains(len) => *len,
            Some(_) => return Err(what()),
        };
        let first = self.at[Field::Buckets as usize] as usize + 1;
        let nodes = self.nodes.get(first..).unwrap_or_default().iter().take(len);
        let bucket =
            |node| whole(node, 0, u64::from(BUCKETS) - 1).and_then(|number| u8::try_from(number).ok());
        nodes.map(bucket).collect::<Option<Vec<u8>>>().map(Some).ok_or_else(what)
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
}
