//! Alerts of accounts: what a client asks of one, and what the market makes come true.

use super::{Answer, Core};
use crate::mutants::broken;
use crate::state::{FoldError, Standing};
use crate::watch::{Hit, is_armed};
use wire::alert::{
    ACCOUNT_ALERTS_MAX, Alert, AlertAct, AlertReply, AlertReport, AlertRequest, AlertState, ClAlertId,
    Condition, PARTITION_ALERTS_MAX, Refusal,
};
use wire::block::{Block, BlockWriter, Digest, Effect, Input, STEP_ALERTS_MAX};
use wire::num::Number;
use wire::order::{AccountId, Outcome};

/// Most steps of alerts in one block, so that requests keep their share.
const ALERT_STEPS_MAX: usize = 16;

impl Core {
    /// Decides one request about alerts into `writer`, which must not be full.
    ///
    /// # Errors
    /// As [`Core::request`].
    pub fn alert_request(
        &mut self,
        request: &AlertRequest,
        now_us: i64,
        writer: &mut BlockWriter,
    ) -> Result<Answer, FoldError> {
        let account = request.account;
        let Some(cl_alert_id) = request.act.cl_alert_id() else {
            return Ok(Answer::Alert(self.list_alerts(&account)));
        };
        let number = self.state.alert_number(&account, &cl_alert_id);
        let known = self.state.alert_block(&account, &cl_alert_id);
        let refusal = match (&request.act, number, known) {
            (AlertAct::New { .. }, Some(number), _) => {
                let report = Box::new(self.standing_report(number).ok_or(FoldError::Alert(0))?);
                return Ok(Answer::Alert(AlertReply::Decided { outcome: Outcome::Known, report }));
            }
            (_, None, Some(block)) => return Ok(Answer::AlertInBlock { account, cl_alert_id, block }),
            (AlertAct::New { alert, .. }, ..) => self.alert_new(&account, cl_alert_id, alert, now_us)?,
            (_, Some(number), _) => {
                self.alert_ends(number, AlertState::Cancelled, 0, now_us)?;
                None
            }
            (_, None, None) => self.alert_burn(&account, cl_alert_id, now_us)?,
        };
        if let Some(refusal) = refusal {
            return Ok(Answer::Alert(AlertReply::Refused { cl_alert_id, refusal }));
        }
        let report = self.effects.first().and_then(Effect::alert).ok_or(FoldError::Alert(0))?;
        let report = Box::new(AlertReport { block: self.state.sequence() + 1, ..report.clone() });
        let digest = Digest {
            account,
            session: request.session,
            session_epoch: request.session_epoch,
            kind: if matches!(request.act, AlertAct::New { .. }) { 6 } else { 7 },
            cl_ord_id: cl_alert_id,
            received_us: request.received_us,
        };
        self.push(writer, Input::Request(digest), now_us);
        Ok(Answer::Alert(AlertReply::Decided { outcome: Outcome::Stored, report }))
    }

    /// Tells what has come true since the last block, into `writer`.
    ///
    /// # Errors
    /// As [`Core::request`].
    pub fn alert_steps(&mut self, now_us: i64, writer: &mut BlockWriter) -> Result<(), FoldError> {
        self.market.pass(now_us);
        for _ in 0..ALERT_STEPS_MAX {
            if writer.is_full() {
                return Ok(());
            }
            while self.effects.len() < STEP_ALERTS_MAX {
                let Some((number, hit)) = self.market.watch().next_hit() else { break };
                self.alert_hit(number, hit, now_us)?;
            }
            if self.effects.is_empty() {
                return Ok(());
            }
            self.push(writer, Input::Market, now_us);
        }
        Ok(())
    }

    fn alert_hit(&mut self, number: u64, hit: Hit, now_us: i64) -> Result<(), FoldError> {
        let Some(standing) = self.state.alert(number) else { return Ok(()) };
        self.hits.push((number, hit));
        match hit {
            Hit::Armed if standing.armed => Ok(()),
            Hit::Armed => {
                let (account, cl_alert_id) = (self.state.owner(standing), standing.cl_alert_id);
                self.emit_alert(Effect::AlertArmed { account, cl_alert_id }, now_us)
            }
            Hit::Fired { seen, .. } => self.alert_ends(number, AlertState::Fired, seen, now_us),
            Hit::Expired => self.alert_ends(number, AlertState::Expired, 0, now_us),
        }
    }

    fn alert_new(
        &mut self,
        account: &AccountId,
        cl_alert_id: ClAlertId,
        alert: &Alert,
        now_us: i64,
    ) -> Result<Option<Refusal>, FoldError> {
        let condition = match self.check_alert(account, alert, now_us) {
            Ok(condition) => condition,
            Err(refusal) => return Ok(Some(refusal)),
        };
        let alert = Alert { condition, ..alert.clone() };
        let report = self.alert_report(account, cl_alert_id, AlertState::Standing, Some(alert), now_us);
        let armed = report.alert.as_ref().is_some_and(|alert| {
            self.market.seen(&alert.symbol).is_some_and(|seen| is_armed(alert.condition, &seen))
        });
        self.emit_alert(Effect::AlertSet { report, armed }, now_us)?;
        Ok(None)
    }

    fn check_alert(&self, account: &AccountId, alert: &Alert, now_us: i64) -> Result<Condition, Refusal> {
        if alert.expires_us.is_some_and(|expires_us| expires_us < now_us) {
            return Err(Refusal::Expired);
        }
        let view = self.market.view(&alert.symbol, now_us).ok_or(Refusal::UnknownSymbol)?;
        let condition = match alert.condition {
            Condition::Crosses { source, direction, level } => {
                let exponent = view.exponents.0;
                let mantissa = level.rescale(exponent).map_err(|_| Refusal::BadLevel)?;
                if mantissa <= 0 {
                    return Err(Refusal::BadLevel);
                }
                Condition::Crosses { source, direction, level: Number { mantissa, exponent } }
            }
            other => other,
        };
        if self.state.ids() >= self.limits.ids_max {
            return Err(Refusal::IdsExhausted);
        }
        if self.state.alert_count(account) >= ACCOUNT_ALERTS_MAX {
            return Err(Refusal::TooMany);
        }
        if self.state.alerts().len() >= PARTITION_ALERTS_MAX {
            return Err(Refusal::Exhausted);
        }
        Ok(condition)
    }

    fn alert_burn(
        &mut self,
        account: &AccountId,
        cl_alert_id: ClAlertId,
        now_us: i64,
    ) -> Result<Option<Refusal>, FoldError> {
        if self.state.ids() >= self.limits.ids_max {
            return Ok(Some(Refusal::IdsExhausted));
        }
        let report = self.alert_report(account, cl_alert_id, AlertState::Burned, None, now_us);
        self.emit_alert(Effect::AlertGone { report }, now_us)?;
        Ok(None)
    }

    fn alert_ends(
        &mut self,
        number: u64,
        state: AlertState,
        seen: i64,
        now_us: i64,
    ) -> Result<(), FoldError> {
        let standing = self.state.alert(number).ok_or(FoldError::Alert(0))?;
        let (account, id, alert) = (self.state.owner(standing), standing.cl_alert_id, standing.alert.clone());
        let report = AlertReport { seen, ..self.alert_report(&account, id, state, Some(alert), now_us) };
        let fired = state == AlertState::Fired;
        self.emit_alert(
            if fired { Effect::AlertFired { report } } else { Effect::AlertGone { report } },
            now_us,
        )
    }

    fn alert_report(
        &self,
        account: &AccountId,
        cl_alert_id: ClAlertId,
        state: AlertState,
        alert: Option<Alert>,
        ts_us: i64,
    ) -> AlertReport {
        let last = self.state.account(account).map_or(0, crate::state::Account::report_seq);
        AlertReport {
            account: *account,
            report_seq: last + 1,
            block: 0,
            cl_alert_id,
            state,
            alert,
            seen: 0,
            ts_us,
        }
    }

    fn standing_report(&self, number: u64) -> Option<AlertReport> {
        let Standing { cl_alert_id, report_seq, block, ts_us, .. } = *self.state.alert(number)?;
        let standing = self.state.alert(number)?;
        let (account, alert) = (self.state.owner(standing), Some(standing.alert.clone()));
        let report = self.alert_report(&account, cl_alert_id, AlertState::Standing, alert, ts_us);
        Some(AlertReport { report_seq, block, ..report })
    }

    fn list_alerts(&self, account: &AccountId) -> AlertReply {
        let mut numbers: Vec<u64> = self.state.alerts_of(account).collect();
        numbers.sort_unstable();
        AlertReply::List {
            block: self.state.sequence(),
            report_seq: self.state.account(account).map_or(0, crate::state::Account::report_seq),
            alerts: numbers.into_iter().filter_map(|number| self.standing_report(number)).collect(),
        }
    }

    fn emit_alert(&mut self, effect: Effect, now_us: i64) -> Result<(), FoldError> {
        self.emit(effect)?;
        self.follow_alerts(now_us);
        Ok(())
    }

    /// Lets the market watch what stands in the state since its last step or rollback.
    pub(super) fn follow_alerts(&mut self, now_us: i64) {
        for number in self.state.take_moved_alerts() {
            match self.state.alert(number) {
                Some(standing) => self.market.stand(number, standing, now_us),
                None => self.market.fall(number),
            }
        }
    }

    /// Lets the market watch exactly what stands in the state: after a fold.
    pub(super) fn follow_all_alerts(&mut self, now_us: i64) {
        let mut gone = Vec::new();
        for number in self.market.watch().numbers() {
            if self.state.alert(number).is_none() {
                gone.push(number);
            }
        }
        gone.into_iter().for_each(|number| self.market.fall(number));
        for (number, standing) in self.state.alerts() {
            self.market.stand(number, standing, now_us);
        }
    }

    /// What a block that is not known to be stored said of alerts is to be said again.
    pub(super) fn restore_hits(&mut self, now_us: i64) {
        self.follow_alerts(now_us);
        let hits = std::mem::take(&mut self.hits);
        if broken("dropped_hits_come_back") {
            return;
        }
        hits.into_iter().for_each(|(number, hit)| self.market.watch().restore(number, hit));
    }
}

/// The last report of a block on an alert.
#[must_use]
pub fn last_alert(block: &Block, sequence: u64, account: &AccountId, id: &ClAlertId) -> Option<AlertReport> {
    let mut effects = block.steps.iter().flat_map(|step| &step.effects).filter_map(Effect::alert);
    let last = effects.rfind(|report| report.account == *account && report.cl_alert_id == *id);
    last.map(|report| AlertReport { block: sequence, ..report.clone() })
}
