//! The writer's core: one request or one move of the market in, one step of effects out. Pure.
//!
//! Each effect is applied to the state as it is made; the step goes into the block that the caller is building. The
//! caller (`service`) stores the block and then calls [`Core::stored`], or [`Core::dropped`]. No answer may leave
//! before the block that was being built when it was given is stored.

mod acts;
mod alerts;
#[cfg(test)]
mod tests;

pub use alerts::last_alert;

use crate::market::{Market, Trading};
use crate::mutants::broken;
use crate::order::Order;
use crate::risk::Limits;
use crate::state::{FoldError, Place, State};
use crate::venue;
use crate::watch::Hit;
use wire::alert::{AlertReply, ClAlertId};
use wire::block::{Block, BlockWriter, Digest, Effect, Input, STEP_EFFECTS_MAX, Step};
use wire::order::{
    AccountId, Act, ClOrdId, ExecType, ExecutionReport, OrdStatus, OrderId, OrderReply, OrderRequest,
    Outcome, Reason, Side,
};

/// Most market steps of one block, so that requests keep their share.
const MARKET_STEPS_MAX: usize = 64;

/// What to tell who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This.
    Reply(OrderReply),
    /// [`Outcome::Known`] with the id's last report, which stands in a block: see [`last_report`].
    InBlock {
        /// Whose.
        account: AccountId,
        /// The id.
        cl_ord_id: ClOrdId,
        /// Sequence of the block.
        block: u64,
    },
    /// This, about an alert.
    Alert(AlertReply),
    /// [`Outcome::Known`] with the alert's last report, which stands in a block: see [`last_alert`].
    AlertInBlock {
        /// Whose.
        account: AccountId,
        /// The id.
        cl_alert_id: ClAlertId,
        /// Sequence of the block.
        block: u64,
    },
}

/// State, market and limits of a partition.
#[derive(Debug)]
pub struct Core {
    /// The fold.
    pub state: State,
    /// The live market.
    pub market: Market,
    limits: Limits,
    effects: Vec<Effect>,
    /// What the block under way says of alerts.
    hits: Vec<(u64, Hit)>,
}

impl Core {
    /// A core at the beginning of its log.
    #[must_use]
    pub fn new(state: State, market: Market, limits: Limits) -> Self {
        Self { state, market, limits, effects: Vec::new(), hits: Vec::new() }
    }

    /// The block that begins a term: the next writer epoch is in force in the undecided state.
    ///
    /// # Errors
    /// [`FoldError`] never in practice; see [`Core::request`].
    pub fn term(&mut self, boot_id: u64, now_us: i64) -> Result<BlockWriter, FoldError> {
        self.follow_all_alerts(now_us);
        self.state.set_writer_epoch(self.state.writer_epoch() + 1);
        let mut writer = self.block();
        self.emit(Effect::Term { boot_id })?;
        self.push(&mut writer, Input::Term, now_us);
        Ok(writer)
    }

    /// An empty block of this term.
    #[must_use]
    pub fn block(&self) -> BlockWriter {
        BlockWriter::new(self.state.partition(), self.state.writer_epoch())
    }

    /// The block that was built is stored.
    pub fn stored(&mut self) {
        let sequence = self.state.sequence() + 1;
        self.state.commit(sequence);
        self.hits.clear();
    }

    /// The block that was built is not known to be stored: back to what is.
    pub fn dropped(&mut self, now_us: i64) {
        self.state.rollback();
        self.restore_hits(now_us);
    }

    /// Decides one request into `writer`, which must not be full.
    ///
    /// # Errors
    /// [`FoldError`] when an own effect does not follow from the own state: a bug, after which nothing may be stored.
    pub fn request(
        &mut self,
        request: &OrderRequest,
        now_us: i64,
        writer: &mut BlockWriter,
    ) -> Result<Answer, FoldError> {
        let account = request.account;
        let Some(cl_ord_id) = request.act.cl_ord_id() else {
            return Ok(Answer::Reply(self.open_orders(&account, now_us)));
        };
        let present = self.present(&account, cl_ord_id, now_us);
        if let Some(answer) = present.filter(|_| !broken("known_id_acts_on_nothing")) {
            return Ok(answer);
        }
        let kind = match &request.act {
            Act::Status { .. } => return Ok(Answer::Reply(OrderReply::NotKnown { cl_ord_id })),
            Act::New(_) => 0,
            Act::Cancel { .. } => 1,
            Act::Replace { .. } => 2,
            Act::Resolve { .. } | Act::Open => 4,
        };
        // Cancels go through for a while beyond the limit: they must always be possible for what is open.
        let spare = if matches!(kind, 1 | 2) { self.limits.ids_max / 8 } else { 0 };
        if self.state.ids() >= self.limits.ids_max + spare {
            return Ok(Answer::Reply(OrderReply::IdsExhausted));
        }
        let expired = request.expires_us.is_some_and(|expires_us| now_us > expires_us);
        match &request.act {
            Act::New(order) => self.new_order(&account, order, expired, now_us)?,
            Act::Cancel { cl_ord_id, orig_cl_ord_id } => {
                self.cancel(&account, *cl_ord_id, *orig_cl_ord_id, expired, now_us)?;
            }
            Act::Replace { cl_ord_id, orig_cl_ord_id, qty, price } => {
                let change = acts::Change { cl_ord_id: *cl_ord_id, qty: *qty, price: *price };
                self.replace(&account, *orig_cl_ord_id, change, expired, now_us)?;
            }
            _ => self.burn(&account, cl_ord_id, now_us)?,
        }
        let answer = self.decided(cl_ord_id);
        let digest = Digest {
            account,
            session: request.session,
            session_epoch: request.session_epoch,
            kind,
            cl_ord_id,
            received_us: request.received_us,
        };
        self.push(writer, Input::Request(digest), now_us);
        Ok(answer)
    }

    /// Lets the live quote fill the resting orders that it reaches, into `writer`.
    ///
    /// # Errors
    /// As [`Core::request`].
    pub fn market_steps(&mut self, now_us: i64, writer: &mut BlockWriter) -> Result<(), FoldError> {
        let mut steps = 0;
        for row in self.market.take_moved() {
            if writer.is_full() || steps == MARKET_STEPS_MAX {
                self.market.mark(row);
                continue;
            }
            if self.market_step(row, now_us)? {
                self.push(writer, Input::Market, now_us);
                steps += 1;
            }
        }
        Ok(())
    }

    fn market_step(&mut self, row: usize, now_us: i64) -> Result<bool, FoldError> {
        let view = self.market.view_row(row, now_us);
        let mut room = STEP_EFFECTS_MAX;
        for side in [Side::Buy, Side::Sell] {
            let state = &self.state;
            let Some(book) = state.book(&self.market.symbol(row)).filter(|book| !book.is_empty()) else {
                break;
            };
            match view.trading {
                Trading::Stale => {
                    self.market.mark(row); // looked at again when the quote is proven current
                    break;
                }
                Trading::Current if book.exponents() == view.exponents => {}
                _ => break,
            }
            let open = |number| state.order(number).map_or(0, Order::leaves_qty);
            let fills = venue::reached(side, book, view.opposite(side), room, open);
            room -= fills.len();
            for (number, fill) in fills {
                let match_id = self.state.next_match();
                self.execute(number, fill.qty, fill.price, match_id, now_us)?;
                self.market.take(row, side, fill.qty);
            }
        }
        if room == 0 {
            self.market.mark(row);
        }
        Ok(!self.effects.is_empty())
    }

    /// Answers an id that is known, whatever is asked of it.
    fn present(&self, account: &AccountId, cl_ord_id: ClOrdId, now_us: i64) -> Option<Answer> {
        Some(match self.state.place(account, &cl_ord_id)? {
            Place::Block(block) => Answer::InBlock { account: *account, cl_ord_id, block },
            Place::Order(number) => {
                let report = Box::new(self.status(self.state.order(number)?, now_us));
                Answer::Reply(OrderReply::Decided { outcome: Outcome::Known, cl_ord_id, report })
            }
        })
    }

    fn status(&self, order: &Order, now_us: i64) -> ExecutionReport {
        let account = self.state.account_of(order).id();
        let base = self.base(&account, order.cl_ord_id, None, now_us);
        let report = order.report(&base, ExecType::Status, order.status());
        ExecutionReport { report_seq: order.report_seq, block: order.block, ..report }
    }

    fn open_orders(&self, id: &AccountId, now_us: i64) -> OrderReply {
        let account = self.state.account(id);
        let numbers = account.into_iter().flat_map(|account| account.open());
        let orders = numbers.filter_map(|number| self.state.order(*number));
        OrderReply::Open {
            block: self.state.sequence(),
            report_seq: account.map_or(0, crate::state::Account::report_seq),
            orders: orders.map(|order| self.status(order, now_us)).collect(),
        }
    }

    /// The answer to a request whose step has just been made: its first report.
    fn decided(&self, cl_ord_id: ClOrdId) -> Answer {
        let Some(report) = self.effects.first().and_then(Effect::report) else {
            return Answer::Reply(OrderReply::NotKnown { cl_ord_id });
        };
        let outcome = match report.exec_type {
            ExecType::Rejected | ExecType::CancelRejected => Outcome::Rejected,
            _ => Outcome::Stored,
        };
        let report = Box::new(ExecutionReport { block: self.state.sequence() + 1, ..*report });
        Answer::Reply(OrderReply::Decided { outcome, cl_ord_id, report })
    }

    /// A report of the account's next number that names no order yet.
    fn base(
        &self,
        account: &AccountId,
        cl_ord_id: ClOrdId,
        orig_cl_ord_id: Option<ClOrdId>,
        now_us: i64,
    ) -> ExecutionReport {
        let last = self.state.account(account).map_or(0, crate::state::Account::report_seq);
        ExecutionReport {
            account: *account,
            report_seq: last + 1,
            block: 0,
            order_id: OrderId { partition: self.state.partition(), number: 0 },
            cl_ord_id,
            orig_cl_ord_id,
            exec_type: ExecType::Rejected,
            ord_status: OrdStatus::Rejected,
            terms: None,
            last_qty: 0,
            last_price: 0,
            leaves_qty: 0,
            cum_qty: 0,
            cum_notional: 0,
            reason: None,
            ts_us: now_us,
        }
    }

    fn burn(&mut self, account: &AccountId, cl_ord_id: ClOrdId, now_us: i64) -> Result<(), FoldError> {
        let report = self.base(account, cl_ord_id, None, now_us);
        self.emit(Effect::Burned { report: ExecutionReport { reason: Some(Reason::Burned), ..report } })
    }

    fn execute(
        &mut self,
        number: u64,
        qty: i64,
        price: i64,
        match_id: u64,
        now_us: i64,
    ) -> Result<(), FoldError> {
        let mut order = *self.state.order(number).ok_or(FoldError::Order(number))?;
        let status = order.fill(qty, price).map_err(|forbidden| FoldError::Forbidden(number, forbidden))?;
        let account = self.state.account_of(&order).id();
        let base = self.base(&account, order.cl_ord_id, None, now_us);
        let report = order.report(&base, ExecType::Trade, status);
        let report = ExecutionReport { last_qty: qty, last_price: price, ..report };
        self.emit(Effect::Execution { report, match_id })
    }

    fn emit(&mut self, effect: Effect) -> Result<(), FoldError> {
        self.state.apply(&effect, self.state.sequence() + 1)?;
        self.effects.push(effect);
        Ok(())
    }

    fn push(&mut self, writer: &mut BlockWriter, input: Input, ts_us: i64) {
        let mut step = Step { input, ts_us, effects: std::mem::take(&mut self.effects) };
        writer.push(&step);
        step.effects.clear();
        self.effects = step.effects;
    }
}

/// The last report of a block that tells an id's state: one that bears the id, or one that cancelled or replaced the
/// order that bore it.
#[must_use]
pub fn last_report(
    block: &Block,
    sequence: u64,
    account: &AccountId,
    id: &ClOrdId,
) -> Option<ExecutionReport> {
    let tells = |report: &ExecutionReport| {
        let refused = report.exec_type == ExecType::CancelRejected;
        report.account == *account
            && (report.cl_ord_id == *id || (report.orig_cl_ord_id.as_ref() == Some(id) && !refused))
    };
    block.reports(sequence).filter(tells).last()
}
