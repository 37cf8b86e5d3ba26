//! A block: one message of a partition's log, holding decisions and never inputs to decide again.
//!
//! A block is a list of steps; a step is the digest of one input and all its effects. order-api appends one block at
//! a time; who reads the log applies effects only, and reports derive from them ([`Block::reports`]). Layout: see
//! `docs/orders.md`.
//!
//! ```
//! use tickgate_wire::block::{Block, BlockWriter, Effect, Input, Step};
//! let mut writer = BlockWriter::new(0, 7);
//! writer.push(&Step { input: Input::Term, ts_us: 5, effects: vec![Effect::Term { boot_id: 9 }] });
//! let block = Block::decode(&writer.finish())?;
//! assert_eq!((block.writer_epoch, block.steps.len()), (7, 1));
//! # Ok::<(), tickgate_wire::block::BlockError>(())
//! ```

mod life;
#[cfg(test)]
mod tests;

pub use life::{Durability, Life};

use crate::alert::codec as alerts;
use crate::alert::{AlertReport, ClAlertId};
use crate::cursor::{Damaged, Reader, put_signed, put_varint};
use crate::num::Number;
use crate::order::codec::{self, Context, put_number, put_report, put_text};
use crate::order::{AccountId, ClOrdId, ExecutionReport, SessionName};

/// Version of this layout.
pub const BLOCK_SCHEMA: u8 = 1;

/// Most bytes of a block.
pub const BLOCK_BYTES_MAX: usize = 512 * 1024;

/// Most steps of a block.
pub const BLOCK_STEPS_MAX: usize = 256;

/// Most effects of a step: as many fills as an account may have open orders, and two of the order's own.
pub const STEP_EFFECTS_MAX: usize = 1_002;

/// No step begins behind this, so that any step fits: 1,002 effects of at most [`EFFECT_BYTES_MAX`] are below it.
const BEGIN_BYTES_MAX: usize = BLOCK_BYTES_MAX - STEP_EFFECTS_MAX * EFFECT_BYTES_MAX - 256;

/// Most bytes of one effect.
pub const EFFECT_BYTES_MAX: usize = codec::REPORT_BYTES_MAX + 16;

/// Most effects of a step that are about alerts; with their notes they are longer than others.
pub const STEP_ALERTS_MAX: usize = 256;

const _: () =
    assert!(STEP_ALERTS_MAX * (alerts::ALERT_REPORT_BYTES_MAX + 2) < STEP_EFFECTS_MAX * EFFECT_BYTES_MAX);
const _: () = assert!(BEGIN_BYTES_MAX > 128 * 1024, "many steps must fit before the last one");

/// Why bytes are no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Of another schema than [`BLOCK_SCHEMA`].
    #[error("block of schema {0}, this version reads {BLOCK_SCHEMA}")]
    Schema(u8),
    /// An effect or input that this version does not know: a fold must stop.
    #[error("unknown {0} tag {1}: a newer writer has written here")]
    UnknownTag(&'static str, u8),
    /// Past a bound.
    #[error("block exceeds a bound")]
    Bounds,
    /// Cut short or not what a writer writes.
    #[error("damaged block")]
    Damaged,
}

impl From<Damaged> for BlockError {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

/// What caused a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A writer begins its term.
    Term,
    /// A request.
    Request(Digest),
    /// The market reached resting orders, or a timer fired.
    Market,
}

/// What of a request goes on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// Whose.
    pub account: AccountId,
    /// Session that sent it.
    pub session: SessionName,
    /// Epoch of that session.
    pub session_epoch: u32,
    /// 0 new, 1 cancel, 2 replace, 4 resolve: the act's number in a request. 6 a new alert, 7 the cancel of one.
    pub kind: u8,
    /// The act's id; of an alert its `cl_alert_id`.
    pub cl_ord_id: ClOrdId,
    /// When the gateway received it, µs.
    pub received_us: i64,
}

/// One input and all that followed from it; indivisible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The cause.
    pub input: Input,
    /// When it was decided, µs since the Unix epoch, writer's clock.
    pub ts_us: i64,
    /// In order; at most [`STEP_EFFECTS_MAX`].
    pub effects: Vec<Effect>,
}

/// One change of the partition's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A writer's term began; the block's epoch is its number.
    Term {
        /// The writer's process.
        boot_id: u64,
    },
    /// An order lives.
    OrderAccepted {
        /// The report.
        report: ExecutionReport,
        /// Its place in time: lower trades first at the same price.
        priority: u64,
    },
    /// An order traded. Both sides of a match between clients are in the same step.
    Execution {
        /// The report.
        report: ExecutionReport,
        /// Number of the match; two clients' sides share it.
        match_id: u64,
    },
    /// The rest of an order is gone.
    Cancelled {
        /// The report.
        report: ExecutionReport,
    },
    /// An order has another quantity or price.
    Replaced {
        /// The report; its `cl_ord_id` is the order's id from now on.
        report: ExecutionReport,
        /// Place in time, the old one if it was kept.
        priority: u64,
    },
    /// An order, cancel or replace was refused.
    Rejected {
        /// The report.
        report: ExecutionReport,
    },
    /// An id never will be an order.
    Burned {
        /// The report.
        report: ExecutionReport,
    },
    /// A session began an epoch.
    SessionOpened {
        /// Whose.
        account: AccountId,
        /// Name.
        session: SessionName,
        /// Epoch from now on.
        session_epoch: u32,
    },
    /// A session's epoch ended.
    SessionClosed {
        /// Whose.
        account: AccountId,
        /// Name.
        session: SessionName,
        /// Epoch from now on.
        session_epoch: u32,
    },
    /// A limit of an account was set.
    LimitSet {
        /// Whose.
        account: AccountId,
        /// Which.
        limit: u8,
        /// To what.
        value: Number,
    },
    /// Trading was stopped or allowed again.
    KillSet {
        /// Whose; `None` = all.
        account: Option<AccountId>,
        /// Stopped.
        on: bool,
    },
    /// An alert stands.
    AlertSet {
        /// The report.
        report: AlertReport,
        /// Whether it has nothing to wait for first: its price is on the other side, or it has no level.
        armed: bool,
    },
    /// The price of a standing alert was seen on the other side: from now on it fires when it is seen beyond. Clients
    /// are not told.
    AlertArmed {
        /// Whose.
        account: AccountId,
        /// Which.
        cl_alert_id: ClAlertId,
    },
    /// An alert's condition came true: it is gone.
    AlertFired {
        /// The report.
        report: AlertReport,
    },
    /// An alert was cancelled or expired, or its id was burned.
    AlertGone {
        /// The report.
        report: AlertReport,
    },
}

/// What a block tells an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Of an order.
    Order(ExecutionReport),
    /// Of an alert.
    Alert(AlertReport),
}

impl Told {
    /// Whose.
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        match self {
            Self::Order(report) => &report.account,
            Self::Alert(report) => &report.account,
        }
    }

    /// Running number among the account's reports.
    #[must_use]
    pub const fn report_seq(&self) -> u64 {
        match self {
            Self::Order(report) => report.report_seq,
            Self::Alert(report) => report.report_seq,
        }
    }
}

impl Effect {
    const fn is_alert(&self) -> bool {
        matches!(self, Self::AlertArmed { .. }) || self.alert().is_some()
    }

    /// The report that this effect is told by, if it is one of an alert.
    #[must_use]
    pub const fn alert(&self) -> Option<&AlertReport> {
        match self {
            Self::AlertSet { report, .. } | Self::AlertFired { report } | Self::AlertGone { report } => {
                Some(report)
            }
            _ => None,
        }
    }

    /// The report that this effect is told by, if it is one of an order.
    #[must_use]
    pub const fn report(&self) -> Option<&ExecutionReport> {
        match self {
            Self::OrderAccepted { report, .. }
            | Self::Execution { report, .. }
            | Self::Cancelled { report }
            | Self::Replaced { report, .. }
            | Self::Rejected { report }
            | Self::Burned { report } => Some(report),
            _ => None,
        }
    }
}

/// A whole block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Partition that it belongs to.
    pub partition: u16,
    /// The writer's term. A reader that has seen a higher one ignores the block.
    pub writer_epoch: u64,
    /// In order.
    pub steps: Vec<Step>,
}

impl Block {
    /// Reads a block.
    ///
    /// # Errors
    /// [`BlockError`]; never panics, whatever the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(BlockError::Bounds);
        }
        let reader = &mut Reader::new(bytes);
        let schema = reader.u8()?;
        if schema != BLOCK_SCHEMA {
            return Err(BlockError::Schema(schema));
        }
        let partition = u16::try_from(reader.little(2)?).map_err(|_| BlockError::Damaged)?;
        let writer_epoch = reader.little(8)?;
        let count = reader.little(2)?;
        if count > BLOCK_STEPS_MAX as u64 {
            return Err(BlockError::Bounds);
        }
        let steps = (0..count).map(|_| step(reader, partition)).collect::<Result<_, _>>()?;
        if reader.is_empty() { Ok(Self { partition, writer_epoch, steps }) } else { Err(BlockError::Damaged) }
    }

    /// The writer epoch of a block's bytes, without reading the rest.
    #[must_use]
    pub fn peek_epoch(bytes: &[u8]) -> Option<u64> {
        let reader = &mut Reader::new(bytes);
        let schema = reader.u8().ok()?;
        reader.take(2).ok()?;
        (schema == BLOCK_SCHEMA).then(|| reader.little(8).ok()).flatten()
    }

    /// Every report of the block in order, with `block` set to the sequence under which it is stored.
    pub fn reports(&self, sequence: u64) -> impl Iterator<Item = ExecutionReport> + '_ {
        let effects = self.steps.iter().flat_map(|step| &step.effects);
        effects.filter_map(Effect::report).map(move |report| ExecutionReport { block: sequence, ..*report })
    }

    /// Every report of an order or an alert, in order: what accounts are told, by contiguous `report_seq` each.
    pub fn told(&self, sequence: u64) -> impl Iterator<Item = Told> + '_ {
        let effects = self.steps.iter().flat_map(|step| &step.effects);
        effects.filter_map(move |effect| {
            let order =
                effect.report().map(|report| Told::Order(ExecutionReport { block: sequence, ..*report }));
            let alert = || effect.alert().map(|report| AlertReport { block: sequence, ..report.clone() });
            order.or_else(|| alert().map(Told::Alert))
        })
    }
}

/// Builds a block in one buffer.
#[derive(Debug, Clone)]
pub struct BlockWriter {
    bytes: Vec<u8>,
    partition: u16,
    steps: u16,
}

const COUNT_AT: usize = 11;
const HEADER_BYTES: usize = 13;

impl BlockWriter {
    /// An empty block.
    #[must_use]
    pub fn new(partition: u16, writer_epoch: u64) -> Self {
        let mut bytes = Vec::with_capacity(4_096);
        bytes.push(BLOCK_SCHEMA);
        bytes.extend(partition.to_le_bytes());
        bytes.extend(writer_epoch.to_le_bytes());
        bytes.extend([0, 0]);
        Self { bytes, partition, steps: 0 }
    }

    /// Whether it holds no step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// Whether it must be finished before the next step.
    #[must_use]
    pub fn is_full(&self) -> bool {
        usize::from(self.steps) >= BLOCK_STEPS_MAX || self.bytes.len() >= BEGIN_BYTES_MAX
    }

    /// Adds a step. Reports' `block` is not written.
    ///
    /// # Panics
    /// When the block [`is_full`](Self::is_full) or the step has more than [`STEP_EFFECTS_MAX`] effects, or more than
    /// [`STEP_ALERTS_MAX`] about alerts: a broken bound must never reach the log.
    pub fn push(&mut self, step: &Step) {
        assert!(
            !self.is_full()
                && step.effects.len() <= STEP_EFFECTS_MAX
                && step.effects.iter().filter(|effect| effect.is_alert()).count() <= STEP_ALERTS_MAX,
            "a block's bounds are its writer's"
        );
        let out = &mut self.bytes;
        put_signed(out, step.ts_us);
        let mut context = Context { partition: self.partition, ts_us: step.ts_us, ..Context::default() };
        match &step.input {
            Input::Term => out.push(0),
            Input::Request(digest) => {
                out.extend([1, digest.kind]);
                put_text(out, digest.account.as_bytes());
                put_text(out, digest.session.as_bytes());
                put_varint(out, u64::from(digest.session_epoch));
                put_text(out, digest.cl_ord_id.as_bytes());
                put_signed(out, step.ts_us.wrapping_sub(digest.received_us));
                (context.account, context.cl_ord_id) = (Some(digest.account), Some(digest.cl_ord_id));
            }
            Input::Market => out.push(2),
        }
        put_varint(out, step.effects.len() as u64);
        step.effects.iter().for_each(|effect| put_effect(out, effect, &mut context));
        self.steps += 1;
    }

    /// The block's bytes.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes[COUNT_AT..HEADER_BYTES].copy_from_slice(&self.steps.to_le_bytes());
        self.bytes
    }
}

fn put_effect(out: &mut Vec<u8>, effect: &Effect, context: &mut Context) {
    match effect {
        Effect::Term { boot_id } => {
            out.push(0);
            out.extend(boot_id.to_le_bytes());
        }
        Effect::OrderAccepted { report, priority } => {
            out.push(1);
            put_varint(out, *priority);
            put_report(out, report, context);
        }
        Effect::Execution { report, match_id } => {
            out.push(2);
            put_varint(out, *match_id);
            put_report(out, report, context);
        }
        Effect::Cancelled { report } => tagged(out, 3, report, context),
        Effect::Replaced { report, priority } => {
            out.push(4);
            put_varint(out, *priority);
            put_report(out, report, context);
        }
        Effect::Rejected { report } => tagged(out, 5, report, context),
        Effect::Burned { report } => tagged(out, 6, report, context),
        Effect::SessionOpened { account, session, session_epoch } => {
            put_session(out, 7, account, session, *session_epoch);
        }
        Effect::SessionClosed { account, session, session_epoch } => {
            put_session(out, 8, account, session, *session_epoch);
        }
        Effect::LimitSet { account, limit, value } => {
            out.push(9);
            put_text(out, account.as_bytes());
            out.push(*limit);
            put_number(out, *value);
        }
        Effect::KillSet { account, on } => {
            out.extend([10, u8::from(*on)]);
            put_text(out, account.as_ref().map_or(&[], |account| account.as_bytes()));
        }
        Effect::AlertSet { report, armed } => {
            out.extend([11, u8::from(*armed)]);
            alerts::put_report(out, report, context.ts_us);
        }
        Effect::AlertArmed { account, cl_alert_id } => {
            out.push(12);
            put_text(out, account.as_bytes());
            put_text(out, cl_alert_id.as_bytes());
        }
        Effect::AlertFired { report } => {
            out.push(13);
            alerts::put_report(out, report, context.ts_us);
        }
        Effect::AlertGone { report } => {
            out.push(14);
            alerts::put_report(out, report, context.ts_us);
        }
    }
}

fn tagged(out: &mut Vec<u8>, tag: u8, report: &ExecutionReport, context: &mut Context) {
    out.push(tag);
    put_report(out, report, context);
}

fn put_session(out: &mut Vec<u8>, tag: u8, account: &AccountId, session: &SessionName, epoch: u32) {
    out.push(tag);
    put_text(out, account.as_bytes());
    put_text(out, session.as_bytes());
    put_varint(out, u64::from(epoch));
}

fn step(reader: &mut Reader<'_>, partition: u16) -> Result<Step, BlockError> {
    let ts_us = reader.signed()?;
    let mut context = Context { partition, ts_us, ..Context::default() };
    let input = match reader.u8()? {
        0 => Input::Term,
        1 => {
            let digest = Digest {
                kind: reader.u8()?,
                account: codec::account(reader)?,
                session: codec::session(reader)?,
                session_epoch: epoch(reader)?,
                cl_ord_id: codec::cl_ord_id(reader)?,
                received_us: ts_us.wrapping_sub(reader.signed()?),
            };
            (context.account, context.cl_ord_id) = (Some(digest.account), Some(digest.cl_ord_id));
            Input::Request(digest)
        }
        2 => Input::Market,
        tag => return Err(BlockError::UnknownTag("input", tag)),
    };
    let count = usize::try_from(reader.varint()?).map_err(|_| BlockError::Bounds)?;
    if count > STEP_EFFECTS_MAX {
        return Err(BlockError::Bounds);
    }
    let effects = (0..count).map(|_| effect(reader, &mut context)).collect::<Result<_, _>>()?;
    Ok(Step { input, ts_us, effects })
}

fn epoch(reader: &mut Reader<'_>) -> Result<u32, BlockError> {
    u32::try_from(reader.varint()?).map_err(|_| BlockError::Damaged)
}

fn effect(reader: &mut Reader<'_>, context: &mut Context) -> Result<Effect, BlockError> {
    Ok(match reader.u8()? {
        0 => Effect::Term { boot_id: reader.little(8)? },
        1 => Effect::OrderAccepted { priority: reader.varint()?, report: codec::report(reader, context)? },
        2 => Effect::Execution { match_id: reader.varint()?, report: codec::report(reader, context)? },
        3 => Effect::Cancelled { report: codec::report(reader, context)? },
        4 => Effect::Replaced { priority: reader.varint()?, report: codec::report(reader, context)? },
        5 => Effect::Rejected { report: codec::report(reader, context)? },
        6 => Effect::Burned { report: codec::report(reader, context)? },
        7 => Effect::SessionOpened {
            account: codec::account(reader)?,
            session: codec::session(reader)?,
            session_epoch: epoch(reader)?,
        },
        8 => Effect::SessionClosed {
            account: codec::account(reader)?,
            session: codec::session(reader)?,
            session_epoch: epoch(reader)?,
        },
        9 => Effect::LimitSet {
            account: codec::account(reader)?,
            limit: reader.u8()?,
            value: codec::number(reader)?,
        },
        10 => kill(reader)?,
        11 => {
            let armed = flag(reader)?;
            Effect::AlertSet { armed, report: alerts::report(reader, context.ts_us)? }
        }
        12 => Effect::AlertArmed { account: codec::account(reader)?, cl_alert_id: codec::cl_ord_id(reader)? },
        13 => Effect::AlertFired { report: alerts::report(reader, context.ts_us)? },
        14 => Effect::AlertGone { report: alerts::report(reader, context.ts_us)? },
        tag => return Err(BlockError::UnknownTag("effect", tag)),
    })
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, BlockError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(BlockError::Damaged),
    }
}

fn kill(reader: &mut Reader<'_>) -> Result<Effect, BlockError> {
    let on = flag(reader)?;
    let name = codec::text(reader)?;
    let account = match name {
        [] => None,
        name => Some(AccountId::from_bytes(name).map_err(|_| BlockError::Damaged)?),
    };
    Ok(Effect::KillSet { account, on })
}
