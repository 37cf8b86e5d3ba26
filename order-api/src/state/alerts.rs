//! The part of the fold that is about alerts. Which instrument stands where is not here: an alert is set, armed, and
//! ends once, as the log says.

use super::index::Key;
use super::{FoldError, Place, State, Undo};
use std::hash::{Hash, Hasher};
use wire::alert::{Alert, AlertReport, AlertState, ClAlertId};
use wire::order::AccountId;

/// A standing alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Position of its account in the state.
    pub account: u32,
    /// Its id.
    pub cl_alert_id: ClAlertId,
    /// What it is; a level is in the exponent that its instrument had.
    pub alert: Alert,
    /// Whether it fires when its price is seen beyond the level.
    pub armed: bool,
    /// Its account's number of the report that set it.
    pub report_seq: u64,
    /// Block of that report.
    pub block: u64,
    /// When it was set, µs.
    pub ts_us: i64,
}

impl State {
    /// A standing alert. Numbers count the alerts of the log; clients never see them.
    #[must_use]
    pub fn alert(&self, number: u64) -> Option<&Standing> {
        self.alerts.get(&number).map(Box::as_ref)
    }

    /// All standing alerts.
    pub fn alerts(&self) -> impl ExactSizeIterator<Item = (u64, &Standing)> {
        self.alerts.iter().map(|(number, standing)| (*number, standing.as_ref()))
    }

    /// Numbers of an account's standing alerts, oldest first.
    pub fn alerts_of(&self, account: &AccountId) -> impl Iterator<Item = u64> + '_ {
        self.account(account).into_iter().flat_map(|account| account.alerts.values().copied())
    }

    /// How many alerts of an account stand.
    #[must_use]
    pub fn alert_count(&self, account: &AccountId) -> usize {
        self.account(account).map_or(0, |account| account.alerts.len())
    }

    /// An account's standing alert of this id.
    #[must_use]
    pub fn alert_number(&self, account: &AccountId, id: &ClAlertId) -> Option<u64> {
        self.account(account)?.alerts.get(id).copied()
    }

    /// The block that holds the last report of an alert, if its id is known.
    #[must_use]
    pub fn alert_block(&self, account: &AccountId, id: &ClAlertId) -> Option<u64> {
        match self.ids.find(Key::of_alert(account, id))? {
            Place::Block(block) => Some(block),
            Place::Order(_) => None, // never written under an alert's key
        }
    }

    /// Whose a standing alert is.
    #[must_use]
    pub fn owner(&self, standing: &Standing) -> AccountId {
        self.accounts[standing.account as usize].id
    }

    /// Hands out the numbers whose alerts came, went or were armed since the last time, also by a rollback, but not by a
    /// fold of stored blocks: after one, compare with [`State::alerts`].
    pub fn take_moved_alerts(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.moved_alerts)
    }

    pub(super) fn alert_set(
        &mut self,
        report: &AlertReport,
        armed: bool,
        block: u64,
    ) -> Result<(), FoldError> {
        let forbidden = FoldError::Alert(report.report_seq);
        let alert = report.alert.as_ref().ok_or(forbidden)?;
        if report.state != AlertState::Standing || self.knows_alert(report) {
            return Err(forbidden);
        }
        let account = self.reported(report.account, report.report_seq)?;
        self.now.alerts += 1;
        let standing = Standing {
            account,
            cl_alert_id: report.cl_alert_id,
            alert: alert.clone(),
            armed,
            report_seq: report.report_seq,
            block,
            ts_us: report.ts_us,
        };
        self.set_alert(self.now.alerts, Some(Box::new(standing)));
        self.set_key(Key::of_alert(&report.account, &report.cl_alert_id), Place::Block(block));
        Ok(())
    }

    pub(super) fn alert_armed(&mut self, account: &AccountId, id: &ClAlertId) -> Result<(), FoldError> {
        let number = self.alert_number(account, id).ok_or(FoldError::Alert(0))?;
        let standing =
            self.alerts.get(&number).filter(|standing| !standing.armed).ok_or(FoldError::Alert(0))?;
        let armed = Box::new(Standing { armed: true, ..standing.as_ref().clone() });
        self.set_alert(number, Some(armed));
        Ok(())
    }

    /// An alert fired, was cancelled or expired, or its unknown id was burned.
    pub(super) fn alert_ended(
        &mut self,
        report: &AlertReport,
        fired: bool,
        block: u64,
    ) -> Result<(), FoldError> {
        let forbidden = FoldError::Alert(report.report_seq);
        let number = self.alert_number(&report.account, &report.cl_alert_id);
        match (report.state, number) {
            (AlertState::Fired, Some(number)) if fired => self.set_alert(number, None),
            (AlertState::Cancelled | AlertState::Expired, Some(number)) if !fired => {
                self.set_alert(number, None)
            }
            (AlertState::Burned, None) if !fired && !self.knows_alert(report) => {}
            _ => return Err(forbidden),
        }
        self.reported(report.account, report.report_seq)?;
        self.set_key(Key::of_alert(&report.account, &report.cl_alert_id), Place::Block(block));
        Ok(())
    }

    fn knows_alert(&self, report: &AlertReport) -> bool {
        self.alert_block(&report.account, &report.cl_alert_id).is_some()
    }

    fn set_alert(&mut self, number: u64, alert: Option<Box<Standing>>) {
        let before = self.put_alert(number, alert);
        self.journal.push(Undo::Alert(number, before));
    }

    /// Writes a row and what derives from it: the account's list, and the note that it moved.
    pub(super) fn put_alert(&mut self, number: u64, alert: Option<Box<Standing>>) -> Option<Box<Standing>> {
        let new = alert.as_ref().map(|new| (new.account, new.cl_alert_id));
        let before = match alert {
            Some(alert) => self.alerts.insert(number, alert),
            None => self.alerts.remove(&number),
        };
        match (new, &before) {
            (Some((account, id)), _) => _ = self.accounts[account as usize].alerts.insert(id, number),
            (None, Some(old)) => _ = self.accounts[old.account as usize].alerts.remove(&old.cl_alert_id),
            (None, None) => {}
        }
        self.moved_alerts.push(number);
        before
    }

    pub(super) fn hash_alerts(&self, hasher: &mut impl Hasher) {
        let mut numbers: Vec<&u64> = self.alerts.keys().collect();
        numbers.sort_unstable();
        for number in numbers {
            let standing = &self.alerts[number];
            (number, standing.cl_alert_id, self.owner(standing), standing.armed).hash(hasher);
            (standing.report_seq, standing.block, standing.ts_us, standing.alert.symbol).hash(hasher);
            (standing.alert.expires_us, &standing.alert.note).hash(hasher);
        }
    }
}
