//! The fold: everything that a partition's blocks say, and nothing else. Changes only by [`State::apply`].
//!
//! `decide` applies each effect as it makes it, so the state is *stored + undecided*. A journal of what was there
//! before turns it back into the stored state when a block is not stored ([`State::rollback`]); after its publish ack
//! the journal is dropped ([`State::commit`]). The alternatives, a second copy of the index or a new fold at each
//! step-down, cost memory or time that grow for ever.
//!
//! The index of ids is kept for ever: 16 bytes of hash of account + ClOrdID and 8 bytes of place, which is the order
//! while it is open and later the block of the id's last report.

mod alerts;
mod fast;
mod index;

pub use alerts::Standing;
pub(crate) use fast::BuildFast;
pub use index::Place;

use crate::book::Book;
use crate::mutants::broken;
use crate::order::{Forbidden, Order};
use index::{Ids, Key};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use wire::alert::ClAlertId;
use wire::block::{Block, Effect};
use wire::order::{AccountId, ClOrdId, ExecutionReport, OrdStatus, Side, Symbol};

/// Why a block cannot be folded. The log and this program disagree: the service must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A block of another partition.
    #[error("block of partition {0}")]
    Partition(u16),
    /// An account's reports are not contiguous.
    #[error("report {found} of account {account} where {expected} is due")]
    ReportGap {
        /// Whose.
        account: AccountId,
        /// Due.
        expected: u64,
        /// Found.
        found: u64,
    },
    /// An effect on an order that is not open, or an order that is there twice.
    #[error("effect on order {0}, which is not in the state for it")]
    Order(u64),
    /// A transition that the state machine does not have.
    #[error("order {0}: {1}")]
    Forbidden(u64, Forbidden),
    /// The report's quantities are not those that follow from the effects before.
    #[error("order {0}: the report's quantities do not add up")]
    Quantities(u64),
    /// An accepted order without its terms, or one that may not rest.
    #[error("order {0}: incomplete")]
    Incomplete(u64),
    /// A writer epoch, match or place in time that no next one could follow, or a place in time that is taken.
    #[error("a counter of {0}, which no writer gives")]
    Counter(u64),
    /// An effect on an alert that does not stand, or one that is there twice; by its report.
    #[error("report {0}: an alert that is not in the state for it")]
    Alert(u64),
    /// An effect of a later version of the service.
    #[error("the log holds sessions, limits or kills, which this version does not know")]
    Unsupported,
}

/// An account as the log knows it.
#[derive(Debug)]
pub struct Account {
    id: AccountId,
    report_seq: u64,
    open: BTreeSet<u64>,
    alerts: BTreeMap<ClAlertId, u64>,
}

impl Account {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.id
    }

    /// Number of its last report.
    #[must_use]
    pub fn report_seq(&self) -> u64 {
        self.report_seq
    }

    /// Numbers of its open orders, oldest first.
    #[must_use]
    pub fn open(&self) -> &BTreeSet<u64> {
        &self.open
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Counters {
    writer_epoch: u64,
    sequence: u64,
    orders: u64,
    matches: u64,
    priority: u64,
    alerts: u64,
}

/// What was there before a change. Held in place: the journal's memory is used again for each block.
#[derive(Debug)]
enum Undo {
    Order(u64, Option<Order>),
    Id(Key, Option<Place>),
    ReportSeq(u32, u64),
    Alert(u64, Option<Box<Standing>>),
}

/// A partition's state.
#[derive(Debug)]
pub struct State {
    partition: u16,
    now: Counters,
    stored: Counters,
    accounts: Vec<Account>,
    account_positions: HashMap<AccountId, u32, BuildFast>,
    books: Vec<Book>,
    book_positions: HashMap<Symbol, u32, BuildFast>,
    orders: HashMap<u64, Order, BuildFast>,
    ids: Ids,
    alerts: HashMap<u64, Box<Standing>, BuildFast>,
    moved_alerts: Vec<u64>,
    journal: Vec<Undo>,
    voided: u64,
}

impl State {
    /// The state before the first block.
    #[must_use]
    pub fn new(partition: u16) -> Self {
        Self {
            partition,
            now: Counters::default(),
            stored: Counters::default(),
            accounts: Vec::new(),
            account_positions: HashMap::default(),
            books: Vec::new(),
            book_positions: HashMap::default(),
            orders: HashMap::default(),
            ids: Ids::default(),
            alerts: HashMap::default(),
            moved_alerts: Vec::new(),
            journal: Vec::new(),
            voided: 0,
        }
    }

    /// Partition.
    #[must_use]
    pub fn partition(&self) -> u16 {
        self.partition
    }

    /// Highest writer epoch seen.
    #[must_use]
    pub fn writer_epoch(&self) -> u64 {
        self.now.writer_epoch
    }

    /// Last block that is stored and folded.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.stored.sequence
    }

    /// Blocks ignored because a higher writer epoch had been seen.
    #[must_use]
    pub fn voided(&self) -> u64 {
        self.voided
    }

    /// Ids known.
    #[must_use]
    pub fn ids(&self) -> usize {
        self.ids.len()
    }

    /// Open orders.
    #[must_use]
    pub fn open_orders(&self) -> usize {
        self.orders.len()
    }

    /// Number that the next order gets.
    #[must_use]
    pub fn next_order(&self) -> u64 {
        self.now.orders + 1
    }

    /// Number that the next match gets.
    #[must_use]
    pub fn next_match(&self) -> u64 {
        self.now.matches + 1
    }

    /// Place in time that the next order gets.
    #[must_use]
    pub fn next_priority(&self) -> u64 {
        self.now.priority + 1
    }

    /// An account, if it ever had a report.
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.account_positions.get(id).map(|position| &self.accounts[*position as usize])
    }

    /// The account of an order.
    #[must_use]
    pub fn account_of(&self, order: &Order) -> &Account {
        &self.accounts[order.account as usize]
    }

    /// An open order.
    #[must_use]
    pub fn order(&self, number: u64) -> Option<&Order> {
        self.orders.get(&number)
    }

    /// Where an id's present state is, if the id is known.
    #[must_use]
    pub fn place(&self, account: &AccountId, id: &ClOrdId) -> Option<Place> {
        self.ids.find(Key::new(account, id))
    }

    /// The resting orders of a symbol, if there ever were any.
    #[must_use]
    pub fn book(&self, symbol: &Symbol) -> Option<&Book> {
        self.book_positions.get(symbol).map(|position| &self.books[*position as usize])
    }

    /// Folds a stored block. A block of an overcome writer is ignored.
    ///
    /// # Errors
    /// [`FoldError`]; the state is then as before the block.
    pub fn fold(&mut self, block: &Block, sequence: u64) -> Result<(), FoldError> {
        if block.partition != self.partition {
            return Err(FoldError::Partition(block.partition));
        }
        if block.writer_epoch < self.now.writer_epoch {
            self.voided += 1;
            self.commit(sequence);
            return Ok(());
        }
        if block.writer_epoch == u64::MAX {
            return Err(FoldError::Counter(block.writer_epoch));
        }
        self.now.writer_epoch = block.writer_epoch;
        for effect in block.steps.iter().flat_map(|step| &step.effects) {
            if let Err(error) = self.apply(effect, sequence) {
                self.rollback();
                return Err(error);
            }
        }
        self.moved_alerts.clear();
        self.commit(sequence);
        Ok(())
    }

    /// The block of that sequence is stored: what was applied since stays.
    pub fn commit(&mut self, sequence: u64) {
        self.now.sequence = sequence;
        self.stored = self.now;
        self.journal.clear();
    }

    /// Back to the last stored block.
    pub fn rollback(&mut self) {
        while let Some(undo) = self.journal.pop() {
            match undo {
                Undo::Order(number, before) => {
                    self.put_order(number, before);
                }
                Undo::Id(key, before) => {
                    self.ids.put(key, before);
                }
                Undo::ReportSeq(account, before) => self.accounts[account as usize].report_seq = before,
                Undo::Alert(number, before) => {
                    self.put_alert(number, before);
                }
            }
        }
        self.now = self.stored;
    }

    /// Begins a term in the undecided state.
    pub fn set_writer_epoch(&mut self, epoch: u64) {
        self.now.writer_epoch = epoch;
    }

    /// Applies one effect of block `block`.
    ///
    /// # Errors
    /// [`FoldError`] when the effect does not follow from the state.
    pub fn apply(&mut self, effect: &Effect, block: u64) -> Result<(), FoldError> {
        match effect {
            Effect::Term { .. } => Ok(()),
            Effect::OrderAccepted { report, priority } => self.accepted(report, *priority, block),
            Effect::Execution { match_id: u64::MAX, .. } => Err(FoldError::Counter(u64::MAX)),
            Effect::Execution { report, match_id } => {
                self.now.matches = self.now.matches.max(*match_id);
                self.executed(report, block)
            }
            Effect::Cancelled { report } => self.cancelled(report, block),
            Effect::Replaced { report, priority } => self.replaced(report, *priority, block),
            Effect::Rejected { report } | Effect::Burned { report } => {
                self.reported(report.account, report.report_seq)?;
                self.set_id(&report.account, &report.cl_ord_id, Place::Block(block));
                Ok(())
            }
            Effect::AlertSet { report, armed } => self.alert_set(report, *armed, block),
            Effect::AlertArmed { account, cl_alert_id } => self.alert_armed(account, cl_alert_id),
            Effect::AlertFired { report } => self.alert_ended(report, true, block),
            Effect::AlertGone { report } => self.alert_ended(report, false, block),
            Effect::SessionOpened { .. }
            | Effect::SessionClosed { .. }
            | Effect::LimitSet { .. }
            | Effect::KillSet { .. } => Err(FoldError::Unsupported),
        }
    }

    fn accepted(&mut self, report: &ExecutionReport, priority: u64, block: u64) -> Result<(), FoldError> {
        let number = report.order_id.number;
        let terms = report.terms.ok_or(FoldError::Incomplete(number))?;
        if number != self.now.orders + 1 {
            return Err(FoldError::Order(number));
        }
        if terms.qty <= 0 || report.leaves_qty != terms.qty || report.cum_qty != 0 {
            return Err(FoldError::Quantities(number));
        }
        self.later(priority)?;
        let account = self.reported(report.account, report.report_seq)?;
        let order = Order {
            number,
            account,
            book: self.book_position(terms.symbol),
            cl_ord_id: report.cl_ord_id,
            terms,
            cum_qty: 0,
            cum_notional: 0,
            priority,
            report_seq: report.report_seq,
            block,
        };
        (self.now.orders, self.now.priority) = (number, self.now.priority.max(priority));
        self.set_order(number, Some(order));
        // Whoever meets the error rolls back.
        let before = self.set_id(&report.account, &report.cl_ord_id, Place::Order(number));
        if before.is_some() { Err(FoldError::Order(number)) } else { Ok(()) }
    }

    fn executed(&mut self, report: &ExecutionReport, block: u64) -> Result<(), FoldError> {
        let mut order = self.open_order(report)?;
        let number = order.number;
        let status = order
            .fill(report.last_qty, report.last_price)
            .map_err(|forbidden| FoldError::Forbidden(number, forbidden))?;
        if (status, order.cum_qty, order.leaves_qty())
            != (report.ord_status, report.cum_qty, report.leaves_qty)
        {
            return Err(FoldError::Quantities(number));
        }
        self.reported(report.account, report.report_seq)?;
        (order.report_seq, order.block) = (report.report_seq, block);
        if status == OrdStatus::Filled {
            self.close(&order, block);
        } else {
            self.set_order(number, Some(order));
        }
        Ok(())
    }

    fn cancelled(&mut self, report: &ExecutionReport, block: u64) -> Result<(), FoldError> {
        let order = self.open_order(report)?;
        if report.cum_qty != order.cum_qty || report.leaves_qty != 0 {
            return Err(FoldError::Quantities(order.number));
        }
        self.reported(report.account, report.report_seq)?;
        self.close(&order, block);
        if report.cl_ord_id != order.cl_ord_id {
            self.set_id(&report.account, &report.cl_ord_id, Place::Block(block));
        }
        Ok(())
    }

    fn replaced(&mut self, report: &ExecutionReport, priority: u64, block: u64) -> Result<(), FoldError> {
        let mut order = self.open_order(report)?;
        let number = order.number;
        let terms = report.terms.ok_or(FoldError::Incomplete(number))?;
        let before = order.cl_ord_id;
        if priority != order.priority {
            self.later(priority)?;
        }
        order
            .replace(report.cl_ord_id, terms.qty, terms.price, priority)
            .map_err(|forbidden| FoldError::Forbidden(number, forbidden))?;
        if report.leaves_qty != order.leaves_qty() || report.cum_qty != order.cum_qty {
            return Err(FoldError::Quantities(number));
        }
        self.reported(report.account, report.report_seq)?;
        self.now.priority = self.now.priority.max(priority);
        (order.report_seq, order.block) = (report.report_seq, block);
        self.set_order(number, Some(order));
        self.set_id(&report.account, &before, Place::Block(block));
        self.set_id(&report.account, &report.cl_ord_id, Place::Order(number));
        Ok(())
    }

    /// Whether a place in time is behind all that were given: two orders in one place would hide each other in a book.
    fn later(&self, priority: u64) -> Result<(), FoldError> {
        if priority > self.now.priority && priority < u64::MAX {
            Ok(())
        } else {
            Err(FoldError::Counter(priority))
        }
    }

    fn close(&mut self, order: &Order, block: u64) {
        let account = self.accounts[order.account as usize].id;
        self.set_order(order.number, None);
        if !broken("closed_order_frees_no_id") {
            self.set_id(&account, &order.cl_ord_id, Place::Block(block));
        }
    }

    fn open_order(&self, report: &ExecutionReport) -> Result<Order, FoldError> {
        let number = report.order_id.number;
        let order = self.orders.get(&number).ok_or(FoldError::Order(number))?;
        if self.accounts[order.account as usize].id != report.account {
            return Err(FoldError::Order(number));
        }
        Ok(*order)
    }

    /// Counts a report of its account; returns the account's position.
    fn reported(&mut self, id: AccountId, report_seq: u64) -> Result<u32, FoldError> {
        let position = self.account_position(id);
        let account = &mut self.accounts[position as usize];
        let expected = account.report_seq + 1;
        if report_seq != expected {
            return Err(FoldError::ReportGap { account: id, expected, found: report_seq });
        }
        self.journal.push(Undo::ReportSeq(position, account.report_seq));
        account.report_seq = expected;
        Ok(position)
    }

    /// Accounts and books are never taken out again: one without a report or order is as none.
    fn account_position(&mut self, id: AccountId) -> u32 {
        let next = u32::try_from(self.accounts.len()).unwrap_or(u32::MAX);
        let position = *self.account_positions.entry(id).or_insert(next);
        if position == next {
            self.accounts.push(Account { id, report_seq: 0, open: BTreeSet::new(), alerts: BTreeMap::new() });
        }
        position
    }

    fn book_position(&mut self, symbol: Symbol) -> u32 {
        let next = u32::try_from(self.books.len()).unwrap_or(u32::MAX);
        let position = *self.book_positions.entry(symbol).or_insert(next);
        if position == next {
            self.books.push(Book::default());
        }
        position
    }

    fn set_order(&mut self, number: u64, order: Option<Order>) {
        let before = self.put_order(number, order);
        if !broken("undo_covers_orders") {
            self.journal.push(Undo::Order(number, before));
        }
    }

    /// Writes a row and what derives from it: the book and the account's open orders.
    fn put_order(&mut self, number: u64, order: Option<Order>) -> Option<Order> {
        let before = match order {
            Some(order) => self.orders.insert(number, order),
            None => self.orders.remove(&number),
        };
        if let Some((side, price, old)) = before.as_ref().and_then(resting) {
            self.books[old.book as usize].remove(side, price, old.priority);
        }
        if let Some((side, price, new)) = order.as_ref().and_then(resting) {
            let exponents = (new.terms.price_exponent, new.terms.qty_exponent);
            self.books[new.book as usize].insert(side, price, new.priority, number, exponents);
        }
        match (&before, &order) {
            (None, Some(new)) => _ = self.accounts[new.account as usize].open.insert(number),
            (Some(old), None) => _ = self.accounts[old.account as usize].open.remove(&number),
            _ => {}
        }
        before
    }

    fn set_id(&mut self, account: &AccountId, id: &ClOrdId, place: Place) -> Option<Place> {
        self.set_key(Key::new(account, id), place)
    }

    fn set_key(&mut self, key: Key, place: Place) -> Option<Place> {
        let before = self.ids.put(key, Some(place));
        if !broken("undo_covers_ids") {
            self.journal.push(Undo::Id(key, before));
        }
        before
    }

    /// A hash of everything that the log determines: equal for equal logs, however they were folded.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.now.writer_epoch, self.now.orders, self.now.matches, self.now.priority).hash(&mut hasher);
        let mut numbers: Vec<&u64> = self.orders.keys().collect();
        numbers.sort_unstable();
        for order in numbers.iter().map(|number| &self.orders[number]) {
            (order.number, order.cl_ord_id, self.accounts[order.account as usize].id).hash(&mut hasher);
            (order.terms.symbol, order.terms.qty, order.terms.price, order.terms.side).hash(&mut hasher);
            (order.cum_qty, order.cum_notional, order.priority, order.report_seq).hash(&mut hasher);
            order.block.hash(&mut hasher);
        }
        let mut accounts: Vec<&Account> = self.accounts.iter().filter(|a| a.report_seq > 0).collect();
        accounts.sort_unstable_by_key(|account| account.id);
        for account in accounts {
            (account.id, account.report_seq, &account.open).hash(&mut hasher);
        }
        self.hash_alerts(&mut hasher);
        (self.ids.len(), self.ids.sum()).hash(&mut hasher);
        hasher.finish()
    }
}

/// Side, price and row of an order that may stand in a book.
fn resting(order: &Order) -> Option<(Side, i64, &Order)> {
    order.terms.price.map(|price| (order.terms.side, price, order))
}
