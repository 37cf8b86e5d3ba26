//! Bytes of alerts on the bus and in blocks. Total: any bytes decode to a value or to [`Damaged`].

use super::{
    ACCOUNT_ALERTS_MAX, Alert, AlertAct, AlertReply, AlertReport, AlertRequest, AlertState, Condition,
    Direction, NOTE_CHARS_MAX, Refusal, SPREAD_TICKS_MAX, STALE_MS, Source, valid_note,
};
use crate::cursor::{Damaged, Reader, put_signed, put_varint};
use crate::order::Outcome;
use crate::order::codec::{
    ORDER_VERSION, account, cl_ord_id, finished, number, optional, put_number, put_optional, put_text,
    session, symbol,
};

/// First byte of requests and replies; those of orders begin with [`ORDER_VERSION`].
pub const ALERT_VERSION: u8 = 2;

/// Most bytes of one encoded report: names 33 + 37 + 49, numbers 10 each, a note of 64 characters.
pub const ALERT_REPORT_BYTES_MAX: usize = 120 + 8 * 10 + 4 * NOTE_CHARS_MAX + 8;

const MALFORMED: u8 = 3;

/// Whether bytes on `ord.<p>` are a request about an alert.
#[must_use]
pub fn is_alert(bytes: &[u8]) -> bool {
    bytes.first() == Some(&ALERT_VERSION)
}

fn put_alert(out: &mut Vec<u8>, alert: &Alert) {
    put_text(out, alert.symbol.as_bytes());
    match alert.condition {
        Condition::Crosses { source, direction, level } => {
            out.extend([source as u8, direction as u8]);
            put_number(out, level);
        }
        Condition::Spread { above_ticks } => {
            out.push(4);
            put_varint(out, u64::from(above_ticks));
        }
        Condition::Stale { longer_than_ms } => {
            out.push(5);
            put_varint(out, u64::from(longer_than_ms));
        }
    }
    put_optional(out, alert.expires_us, put_signed);
    put_varint(out, alert.note.len() as u64);
    out.extend(alert.note.as_bytes());
}

fn within(reader: &mut Reader<'_>, bounds: std::ops::RangeInclusive<u64>) -> Result<u32, Damaged> {
    let value = reader.varint()?;
    if bounds.contains(&value) { u32::try_from(value).map_err(|_| Damaged) } else { Err(Damaged) }
}

fn condition(reader: &mut Reader<'_>) -> Result<Condition, Damaged> {
    let source = match reader.u8()? {
        1 => Source::Bid,
        2 => Source::Ask,
        3 => Source::Last,
        4 => return Ok(Condition::Spread { above_ticks: within(reader, 0..=SPREAD_TICKS_MAX)? }),
        5 => return Ok(Condition::Stale { longer_than_ms: within(reader, STALE_MS)? }),
        _ => return Err(Damaged),
    };
    let direction = match reader.u8()? {
        1 => Direction::Up,
        2 => Direction::Down,
        _ => return Err(Damaged),
    };
    Ok(Condition::Crosses { source, direction, level: number(reader)? })
}

fn alert(reader: &mut Reader<'_>) -> Result<Alert, Damaged> {
    let symbol = symbol(reader)?;
    let condition = condition(reader)?;
    let expires_us = optional(reader, Reader::signed)?;
    let length = usize::try_from(reader.varint()?).map_err(|_| Damaged)?;
    let note = std::str::from_utf8(reader.take(length)?).map_err(|_| Damaged)?;
    if !valid_note(note) {
        return Err(Damaged);
    }
    Ok(Alert { symbol, condition, expires_us, note: note.to_owned() })
}

/// Appends a report without its block; its time is told from `ts_us` on.
pub(crate) fn put_report(out: &mut Vec<u8>, report: &AlertReport, ts_us: i64) {
    out.push(report.state as u8);
    put_text(out, report.account.as_bytes());
    put_text(out, report.cl_alert_id.as_bytes());
    put_varint(out, report.report_seq);
    put_signed(out, report.ts_us.wrapping_sub(ts_us));
    put_optional(out, report.alert.as_ref(), put_alert);
    put_signed(out, report.seen);
}

/// Reads what [`put_report`] wrote, with the same time.
pub(crate) fn report(reader: &mut Reader<'_>, ts_us: i64) -> Result<AlertReport, Damaged> {
    let state = match reader.u8()? {
        0 => AlertState::Standing,
        1 => AlertState::Fired,
        2 => AlertState::Cancelled,
        3 => AlertState::Expired,
        4 => AlertState::Burned,
        _ => return Err(Damaged),
    };
    Ok(AlertReport {
        state,
        account: account(reader)?,
        cl_alert_id: cl_ord_id(reader)?,
        report_seq: reader.varint()?,
        block: 0,
        ts_us: ts_us.wrapping_add(reader.signed()?),
        alert: optional(reader, alert)?,
        seen: reader.signed()?,
    })
}

fn put_whole_report(out: &mut Vec<u8>, report: &AlertReport) {
    put_varint(out, report.block);
    put_report(out, report, 0);
}

fn whole_report(reader: &mut Reader<'_>) -> Result<AlertReport, Damaged> {
    let block = reader.varint()?;
    Ok(AlertReport { block, ..report(reader, 0)? })
}

impl AlertRequest {
    /// Appends the bytes of `ord.<p>`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(ALERT_VERSION);
        put_text(out, self.account.as_bytes());
        put_text(out, self.session.as_bytes());
        put_varint(out, u64::from(self.session_epoch));
        put_signed(out, self.received_us);
        match &self.act {
            AlertAct::New { cl_alert_id, alert } => {
                out.push(0);
                put_text(out, cl_alert_id.as_bytes());
                put_alert(out, alert);
            }
            AlertAct::Cancel { cl_alert_id } => {
                out.push(1);
                put_text(out, cl_alert_id.as_bytes());
            }
            AlertAct::List => out.push(2),
        }
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Damaged`] for anything but one whole request of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let reader = &mut Reader::new(bytes);
        if reader.u8()? != ALERT_VERSION {
            return Err(Damaged);
        }
        let request = Self {
            account: account(reader)?,
            session: session(reader)?,
            session_epoch: u32::try_from(reader.varint()?).map_err(|_| Damaged)?,
            received_us: reader.signed()?,
            act: match reader.u8()? {
                0 => AlertAct::New { cl_alert_id: cl_ord_id(reader)?, alert: alert(reader)? },
                1 => AlertAct::Cancel { cl_alert_id: cl_ord_id(reader)? },
                2 => AlertAct::List,
                _ => return Err(Damaged),
            },
        };
        finished(reader, request)
    }
}

impl AlertReply {
    /// Appends the bytes of the answer.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(ALERT_VERSION);
        match self {
            Self::Decided { outcome, report } => {
                out.extend([0, outcome.number()]);
                put_whole_report(out, report);
            }
            Self::Refused { cl_alert_id, refusal } => {
                out.extend([1, *refusal as u8]);
                put_text(out, cl_alert_id.as_bytes());
            }
            Self::List { block, report_seq, alerts } => {
                out.push(2);
                put_varint(out, *block);
                put_varint(out, *report_seq);
                put_varint(out, alerts.len() as u64);
                alerts.iter().for_each(|alert| put_whole_report(out, alert));
            }
            Self::Malformed => out.push(MALFORMED),
        }
    }

    /// Reads them. A writer that knows no alerts says in its own version that it cannot read the request.
    ///
    /// # Errors
    /// [`Damaged`] for anything but one whole reply of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        if bytes == [ORDER_VERSION, MALFORMED] {
            return Ok(Self::Malformed);
        }
        let reader = &mut Reader::new(bytes);
        if reader.u8()? != ALERT_VERSION {
            return Err(Damaged);
        }
        let reply = match reader.u8()? {
            0 => Self::Decided {
                outcome: Outcome::from_number(reader.u8()?).ok_or(Damaged)?,
                report: Box::new(whole_report(reader)?),
            },
            1 => {
                let number = reader.u8()?;
                let refusal = Refusal::ALL.into_iter().find(|refusal| *refusal as u8 == number);
                Self::Refused { refusal: refusal.ok_or(Damaged)?, cl_alert_id: cl_ord_id(reader)? }
            }
            2 => {
                let (block, report_seq) = (reader.varint()?, reader.varint()?);
                let count = usize::try_from(reader.varint()?).map_err(|_| Damaged)?;
                if count > ACCOUNT_ALERTS_MAX {
                    return Err(Damaged);
                }
                let alerts = (0..count).map(|_| whole_report(reader)).collect::<Result<_, _>>()?;
                Self::List { block, report_seq, alerts }
            }
            MALFORMED => Self::Malformed,
            _ => return Err(Damaged),
        };
        finished(reader, reply)
    }
}
