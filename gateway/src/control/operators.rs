//! Alerts and what operators ask, checked and handed back.

use super::{Desk, Known, Then};
use crate::operators::{ACTS_PER_S, OperatorAct, is_operator};
use crate::orders::rate::Bucket;
use crate::outbox::Socket;
use wire::alert::AlertAct;
use wire::control::Channel;
use wire::error::ErrorCode;

impl<S: Socket> Desk<'_, S> {
    pub(super) fn alert(&mut self, id: Option<u64>, known: Known, act: &AlertAct) -> Then {
        let hidden = |symbol: &str| !self.engine.may_see(self.client.session, Channel::Quote, symbol);
        let refusal = match (self.may_trade(&known), act) {
            (Some(refusal), _) => Some(refusal),
            (None, AlertAct::New { alert, .. }) if hidden(alert.symbol.as_str()) => {
                Some((ErrorCode::NotEntitled, "the token does not show the symbol's quotes"))
            }
            _ => None,
        };
        if let Some((code, why)) = refusal {
            self.error(id, code, why);
            return Then::Done;
        }
        Then::Alert { id, known, act: Box::new(act.clone()) }
    }

    pub(super) fn operator(&mut self, id: Option<u64>, known: Known, act: OperatorAct) -> Then {
        let granted = self.engine.entitlements(self.client.session).map(AsRef::as_ref);
        let is_over = self.client.life.as_ref().is_some_and(|life| life.is_over());
        let operator = known.account.filter(|_| is_operator(self.terms, Some(&known), granted) && !is_over);
        let Some(from) = operator else {
            self.error(id, ErrorCode::NotOperator, "only an operator's session may ask this");
            return Then::Done;
        };
        let now_us = self.now_us;
        let acts =
            self.client.operator_acts.get_or_insert_with(|| Box::new(Bucket::full(ACTS_PER_S, now_us)));
        if !acts.take(now_us) {
            self.error(id, ErrorCode::TooOften, "at most ten a second");
            return Then::Done;
        }
        Then::Operator { id, from, act: Box::new(act) }
    }
}
