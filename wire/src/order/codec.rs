//! Bytes of requests, replies and reports on the bus. Total: any bytes decode to a value or to [`Damaged`].
//!
//! Codes are those of [`crate::cursor`]: varints, zigzag varints (`z`). A text is `u8 length, bytes`. A number as
//! written is `z mantissa, u8 decimals`. Layouts are drawn in `docs/orders.md`.

use super::{
    AccountId, Act, ClOrdId, ExecType, ExecutionReport, NewOrder, OPEN_ORDERS_MAX, OrdStatus, OrdType,
    OrderId, OrderReply, OrderRequest, Outcome, Reason, SessionName, Side, Symbol, Terms, TimeInForce,
};
use crate::MANTISSA_MAX;
use crate::cursor::{Damaged, Reader, put_signed, put_varint};
use crate::num::Number;

/// First byte of requests and replies.
pub const ORDER_VERSION: u8 = 1;

/// Most bytes of one encoded report.
pub const REPORT_BYTES_MAX: usize = 300;

/// What a report may leave out because the reader knows it already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context {
    pub(crate) account: Option<AccountId>,
    pub(crate) cl_ord_id: Option<ClOrdId>,
    pub(crate) symbol: Option<Symbol>,
    pub(crate) partition: u16,
    pub(crate) ts_us: i64,
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(text);
}

pub(crate) fn text<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Damaged> {
    let length = reader.u8()?;
    reader.take(usize::from(length))
}

macro_rules! read_name {
    ($($function:ident -> $name:ident;)*) => {$(
        pub(crate) fn $function(reader: &mut Reader<'_>) -> Result<$name, Damaged> {
            $name::from_bytes(text(reader)?).map_err(|_| Damaged)
        }
    )*};
}
read_name! { account -> AccountId; cl_ord_id -> ClOrdId; session -> SessionName; symbol -> Symbol; }

macro_rules! read_word {
    ($($function:ident -> $name:ident;)*) => {$(
        fn $function(reader: &mut Reader<'_>) -> Result<$name, Damaged> {
            $name::from_number(reader.u8()?).ok_or(Damaged)
        }
    )*};
}
read_word! {
    side -> Side; ord_type -> OrdType; tif -> TimeInForce; reason -> Reason; outcome -> Outcome;
}

pub(crate) fn put_number(out: &mut Vec<u8>, number: Number) {
    put_signed(out, number.mantissa);
    out.push(number.exponent.unsigned_abs());
}

pub(crate) fn number(reader: &mut Reader<'_>) -> Result<Number, Damaged> {
    let mantissa = mantissa(reader)?;
    Ok(Number { mantissa, exponent: exponent(reader)? })
}

fn mantissa(reader: &mut Reader<'_>) -> Result<i64, Damaged> {
    let mantissa = reader.signed()?;
    if (-MANTISSA_MAX..=MANTISSA_MAX).contains(&mantissa) { Ok(mantissa) } else { Err(Damaged) }
}

fn quantity(reader: &mut Reader<'_>) -> Result<i64, Damaged> {
    let quantity = i64::try_from(reader.varint()?).map_err(|_| Damaged)?;
    if quantity <= MANTISSA_MAX { Ok(quantity) } else { Err(Damaged) }
}

fn put_quantity(out: &mut Vec<u8>, quantity: i64) {
    put_varint(out, u64::try_from(quantity).unwrap_or(0));
}

fn exponent(reader: &mut Reader<'_>) -> Result<i8, Damaged> {
    match reader.u8()? {
        decimals @ 0..=18 => i8::try_from(decimals).map(|d| -d).map_err(|_| Damaged),
        _ => Err(Damaged),
    }
}

pub(crate) fn put_optional<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            put(out, value);
        }
    }
}

pub(crate) fn optional<'a, T>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Damaged>,
) -> Result<Option<T>, Damaged> {
    match reader.u8()? {
        0 => Ok(None),
        1 => read(reader).map(Some),
        _ => Err(Damaged),
    }
}

pub(crate) fn finished<T>(reader: &Reader<'_>, value: T) -> Result<T, Damaged> {
    if reader.is_empty() { Ok(value) } else { Err(Damaged) }
}

impl OrderRequest {
    /// Appends the bytes of `ord.<p>`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(ORDER_VERSION);
        put_text(out, self.account.as_bytes());
        put_text(out, self.session.as_bytes());
        put_varint(out, u64::from(self.session_epoch));
        put_signed(out, self.received_us);
        put_optional(out, self.expires_us, put_signed);
        match &self.act {
            Act::New(order) => {
                out.push(0);
                put_text(out, order.cl_ord_id.as_bytes());
                put_text(out, order.symbol.as_bytes());
                out.extend([order.side.number(), order.ord_type.number(), order.tif.number()]);
                put_number(out, order.qty);
                put_optional(out, order.price, put_number);
            }
            Act::Cancel { cl_ord_id, orig_cl_ord_id } => {
                out.push(1);
                put_text(out, cl_ord_id.as_bytes());
                put_text(out, orig_cl_ord_id.as_bytes());
            }
            Act::Replace { cl_ord_id, orig_cl_ord_id, qty, price } => {
                out.push(2);
                put_text(out, cl_ord_id.as_bytes());
                put_text(out, orig_cl_ord_id.as_bytes());
                put_number(out, *qty);
                put_optional(out, *price, put_number);
            }
            Act::Status { cl_ord_id } => {
                out.push(3);
                put_text(out, cl_ord_id.as_bytes());
            }
            Act::Resolve { cl_ord_id } => {
                out.push(4);
                put_text(out, cl_ord_id.as_bytes());
            }
            Act::Open => out.push(5),
        }
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Damaged`] for anything but one whole request of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let reader = &mut Reader::new(bytes);
        if reader.u8()? != ORDER_VERSION {
            return Err(Damaged);
        }
        let request = Self {
            account: account(reader)?,
            session: session(reader)?,
            session_epoch: u32::try_from(reader.varint()?).map_err(|_| Damaged)?,
            received_us: reader.signed()?,
            expires_us: optional(reader, Reader::signed)?,
            act: act(reader)?,
        };
        finished(reader, request)
    }
}

fn act(reader: &mut Reader<'_>) -> Result<Act, Damaged> {
    Ok(match reader.u8()? {
        0 => Act::New(NewOrder {
            cl_ord_id: cl_ord_id(reader)?,
            symbol: symbol(reader)?,
            side: side(reader)?,
            ord_type: ord_type(reader)?,
            tif: tif(reader)?,
            qty: number(reader)?,
            price: optional(reader, number)?,
        }),
        1 => Act::Cancel { cl_ord_id: cl_ord_id(reader)?, orig_cl_ord_id: cl_ord_id(reader)? },
        2 => Act::Replace {
            cl_ord_id: cl_ord_id(reader)?,
            orig_cl_ord_id: cl_ord_id(reader)?,
            qty: number(reader)?,
            price: optional(reader, number)?,
        },
        3 => Act::Status { cl_ord_id: cl_ord_id(reader)? },
        4 => Act::Resolve { cl_ord_id: cl_ord_id(reader)? },
        5 => Act::Open,
        _ => return Err(Damaged),
    })
}

impl OrderReply {
    /// Appends the bytes of the answer.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(ORDER_VERSION);
        match self {
            Self::Decided { outcome, cl_ord_id, report } => {
                out.extend([0, outcome.number()]);
                put_text(out, cl_ord_id.as_bytes());
                put_whole_report(out, report);
            }
            Self::NotKnown { cl_ord_id } => {
                out.push(1);
                put_text(out, cl_ord_id.as_bytes());
            }
            Self::Open { block, report_seq, orders } => {
                out.push(2);
                put_varint(out, *block);
                put_varint(out, *report_seq);
                put_varint(out, orders.len() as u64);
                orders.iter().for_each(|order| put_whole_report(out, order));
            }
            Self::Malformed => out.push(3),
            Self::IdsExhausted => out.push(4),
        }
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Damaged`] for anything but one whole reply of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let reader = &mut Reader::new(bytes);
        if reader.u8()? != ORDER_VERSION {
            return Err(Damaged);
        }
        let reply = match reader.u8()? {
            0 => Self::Decided {
                outcome: outcome(reader)?,
                cl_ord_id: cl_ord_id(reader)?,
                report: Box::new(whole_report(reader)?),
            },
            1 => Self::NotKnown { cl_ord_id: cl_ord_id(reader)? },
            2 => {
                let (block, report_seq) = (reader.varint()?, reader.varint()?);
                let count = usize::try_from(reader.varint()?).map_err(|_| Damaged)?;
                if count > OPEN_ORDERS_MAX {
                    return Err(Damaged);
                }
                let orders = (0..count).map(|_| whole_report(reader)).collect::<Result<_, _>>()?;
                Self::Open { block, report_seq, orders }
            }
            3 => Self::Malformed,
            4 => Self::IdsExhausted,
            _ => return Err(Damaged),
        };
        finished(reader, reply)
    }
}

/// A report alone, with its block.
fn put_whole_report(out: &mut Vec<u8>, report: &ExecutionReport) {
    put_varint(out, report.block);
    put_varint(out, u64::from(report.order_id.partition));
    put_report(out, report, &mut Context { partition: report.order_id.partition, ..Context::default() });
}

fn whole_report(reader: &mut Reader<'_>) -> Result<ExecutionReport, Damaged> {
    let block = reader.varint()?;
    let partition = u16::try_from(reader.varint()?).map_err(|_| Damaged)?;
    let mut report = report(reader, &mut Context { partition, ..Context::default() })?;
    report.block = block;
    Ok(report)
}

const OTHER_ACCOUNT: u8 = 1;
const OTHER_ID: u8 = 2;
const ORIG_ID: u8 = 4;
const TERMS: u8 = 8;
const OTHER_SYMBOL: u8 = 16;
const PRICE: u8 = 32;
const FILL: u8 = 64;
const REASON: u8 = 128;

/// Appends a report without its block and partition; `context` is what the reader has just read.
pub(crate) fn put_report(out: &mut Vec<u8>, report: &ExecutionReport, context: &mut Context) {
    let mut flags = 0;
    let mut set = |flag: u8, on: bool| flags |= if on { flag } else { 0 };
    set(OTHER_ACCOUNT, context.account != Some(report.account));
    set(OTHER_ID, context.cl_ord_id != Some(report.cl_ord_id));
    set(ORIG_ID, report.orig_cl_ord_id.is_some());
    let other_symbol = report.terms.is_some_and(|terms| context.symbol != Some(terms.symbol));
    set(TERMS, report.terms.is_some());
    set(OTHER_SYMBOL, other_symbol);
    set(PRICE, report.terms.is_some_and(|terms| terms.price.is_some()));
    set(FILL, report.last_qty != 0 || report.cum_qty != 0);
    set(REASON, report.reason.is_some());
    out.extend([flags, report.exec_type.number() << 4 | report.ord_status.number()]);
    if flags & OTHER_ACCOUNT != 0 {
        put_text(out, report.account.as_bytes());
    }
    if flags & OTHER_ID != 0 {
        put_text(out, report.cl_ord_id.as_bytes());
    }
    if let Some(orig) = &report.orig_cl_ord_id {
        put_text(out, orig.as_bytes());
    }
    put_varint(out, report.report_seq);
    put_varint(out, report.order_id.number);
    put_signed(out, report.ts_us.wrapping_sub(context.ts_us));
    if let Some(terms) = &report.terms {
        put_terms(out, terms, other_symbol);
        put_quantity(out, report.leaves_qty);
        context.symbol = Some(terms.symbol);
    }
    if flags & FILL != 0 {
        put_quantity(out, report.last_qty);
        put_signed(out, report.last_price);
        put_quantity(out, report.cum_qty);
        put_wide(out, report.cum_notional);
    }
    if let Some(reason) = report.reason {
        out.push(reason.number());
    }
    context.account = Some(report.account);
    context.cl_ord_id = Some(report.cl_ord_id);
    context.ts_us = report.ts_us;
}

fn put_terms(out: &mut Vec<u8>, terms: &Terms, with_symbol: bool) {
    if with_symbol {
        put_text(out, terms.symbol.as_bytes());
    }
    out.push(terms.side.number() << 6 | terms.ord_type.number() << 4 | terms.tif.number());
    out.extend([terms.price_exponent.unsigned_abs(), terms.qty_exponent.unsigned_abs()]);
    put_signed(out, terms.qty);
    if let Some(price) = terms.price {
        put_signed(out, price);
    }
}

fn terms(reader: &mut Reader<'_>, flags: u8, context: &mut Context) -> Result<Terms, Damaged> {
    if flags & OTHER_SYMBOL != 0 {
        context.symbol = Some(symbol(reader)?);
    }
    let words = reader.u8()?;
    Ok(Terms {
        symbol: context.symbol.ok_or(Damaged)?,
        side: Side::from_number(words >> 6).ok_or(Damaged)?,
        ord_type: OrdType::from_number(words >> 4 & 3).ok_or(Damaged)?,
        tif: TimeInForce::from_number(words & 15).ok_or(Damaged)?,
        price_exponent: exponent(reader)?,
        qty_exponent: exponent(reader)?,
        qty: mantissa(reader)?,
        price: if flags & PRICE != 0 { Some(mantissa(reader)?) } else { None },
    })
}

/// Reads what [`put_report`] wrote, with the same context.
pub(crate) fn report(reader: &mut Reader<'_>, context: &mut Context) -> Result<ExecutionReport, Damaged> {
    let flags = reader.u8()?;
    let words = reader.u8()?;
    if flags & TERMS == 0 && flags & (OTHER_SYMBOL | PRICE) != 0 {
        return Err(Damaged);
    }
    if flags & OTHER_ACCOUNT != 0 {
        context.account = Some(account(reader)?);
    }
    if flags & OTHER_ID != 0 {
        context.cl_ord_id = Some(cl_ord_id(reader)?);
    }
    let orig_cl_ord_id = if flags & ORIG_ID != 0 { Some(cl_ord_id(reader)?) } else { None };
    let report_seq = reader.varint()?;
    let order_id = OrderId { partition: context.partition, number: reader.varint()? };
    context.ts_us = context.ts_us.wrapping_add(reader.signed()?);
    let terms = if flags & TERMS != 0 { Some(terms(reader, flags, context)?) } else { None };
    let leaves_qty = if flags & TERMS != 0 { quantity(reader)? } else { 0 };
    let (mut last_qty, mut last_price, mut cum_qty, mut cum_notional) = (0, 0, 0, 0);
    if flags & FILL != 0 {
        (last_qty, last_price, cum_qty) = (quantity(reader)?, mantissa(reader)?, quantity(reader)?);
        cum_notional = wide(reader)?;
        // A price without a quantity is what no writer writes; read, it would not be written back.
        if last_qty == 0 && cum_qty == 0 {
            return Err(Damaged);
        }
    }
    Ok(ExecutionReport {
        account: context.account.ok_or(Damaged)?,
        report_seq,
        block: 0,
        order_id,
        cl_ord_id: context.cl_ord_id.ok_or(Damaged)?,
        orig_cl_ord_id,
        exec_type: ExecType::from_number(words >> 4).ok_or(Damaged)?,
        ord_status: OrdStatus::from_number(words & 15).ok_or(Damaged)?,
        terms,
        last_qty,
        last_price,
        leaves_qty,
        cum_qty,
        cum_notional,
        reason: if flags & REASON != 0 { Some(reason(reader)?) } else { None },
        ts_us: context.ts_us,
    })
}

/// A number of up to 126 bits as two varints of 63 bits, high first.
fn put_wide(out: &mut Vec<u8>, value: u128) {
    const LOW: u128 = (1 << 63) - 1;
    put_varint(out, u64::try_from(value >> 63 & LOW).unwrap_or(0));
    put_varint(out, u64::try_from(value & LOW).unwrap_or(0));
}

fn wide(reader: &mut Reader<'_>) -> Result<u128, Damaged> {
    let (high, low) = (reader.varint()?, reader.varint()?);
    if (high | low) >> 63 != 0 {
        return Err(Damaged);
    }
    Ok(u128::from(high) << 63 | u128::from(low))
}
