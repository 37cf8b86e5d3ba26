//! What operators may: say a notice to sessions of all gateways, and see who is connected. Pure; `run` does it on the
//! bus.
//!
//! A notice is for those who are connected: it is not kept, and reaches each live session once, in its lossless lane.
//! Sessions are asked of all gateways at once; a gateway that beats and does not answer in time is named.

mod run;
#[cfg(test)]
mod tests;

pub use run::{act, goodbye, run};

use crate::control::{Known, Terms};
use std::collections::BTreeMap;
use wire::control::Entitlements;
use wire::control::reply::SessionsOf;
use wire::order::AccountId;
use wire::presence::{
    GATEWAY_FORGOTTEN_US, GATEWAYS_MAX, GatewayBeat, SESSIONS_MAX, SessionState, SessionsAnswer,
};

/// Requests of an operator's session in a second.
pub const ACTS_PER_S: u32 = 10;

/// What an operator asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorAct {
    /// `notice.send`.
    Notice {
        /// The words.
        text: String,
        /// For the sessions of this account; none = for all.
        account: Option<AccountId>,
    },
    /// `sessions`.
    Sessions {
        /// Only those of this account.
        account: Option<AccountId>,
    },
}

/// Whether a session is an operator's. The one place that says so.
#[must_use]
pub fn is_operator(terms: &Terms, known: Option<&Known>, granted: Option<&Entitlements>) -> bool {
    let Some(account) = known.and_then(|known| known.account) else { return false };
    // With tokens every session has entitlements, and there are no demo accounts.
    granted.map_or_else(|| terms.demo_operators.contains(&account), |granted| granted.operator)
}

/// Gateways that beat, by their runs. Bounded: beyond [`GATEWAYS_MAX`] a new one is not taken up.
#[derive(Debug, Default)]
pub struct Gateways {
    heard: BTreeMap<String, i64>,
}

impl Gateways {
    /// Takes a beat.
    pub fn beat(&mut self, beat: GatewayBeat, now_us: i64) {
        self.forget(now_us);
        if beat.stopping {
            self.heard.remove(&beat.gateway);
        } else if self.heard.len() < GATEWAYS_MAX || self.heard.contains_key(&beat.gateway) {
            self.heard.insert(beat.gateway, now_us);
        }
    }

    /// Those that must answer now.
    pub fn alive(&mut self, now_us: i64) -> impl Iterator<Item = &String> {
        self.forget(now_us);
        self.heard.keys()
    }

    fn forget(&mut self, now_us: i64) {
        self.heard.retain(|_, heard_us| now_us - *heard_us <= GATEWAY_FORGOTTEN_US);
    }
}

/// Answers to one question, as they come.
#[derive(Debug, Default)]
pub struct Gathered {
    expected: Vec<String>,
    answers: BTreeMap<String, SessionsAnswer>,
}

impl Gathered {
    /// A question that these gateways must answer.
    #[must_use]
    pub fn of(expected: Vec<String>) -> Self {
        Self { expected, answers: BTreeMap::new() }
    }

    /// Takes an answer; the first of a gateway counts.
    pub fn take(&mut self, answer: SessionsAnswer) {
        if self.answers.len() < GATEWAYS_MAX {
            self.answers.entry(answer.gateway.clone()).or_insert(answer);
        }
    }

    /// Whether everybody has answered.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.expected.iter().all(|gateway| self.answers.contains_key(gateway))
    }

    /// Gateways that have not answered.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.expected.iter().filter(|gateway| !self.answers.contains_key(*gateway)).cloned().collect()
    }

    /// The sessions told, by gateway and number, at most [`SESSIONS_MAX`], and how many each gateway has.
    #[must_use]
    pub fn told(&self) -> (Vec<SessionState>, Vec<SessionsOf<'_>>) {
        let mut sessions = Vec::new();
        let mut gateways = Vec::with_capacity(self.answers.len());
        for (gateway, answer) in &self.answers {
            let told = answer.sessions.len().min(SESSIONS_MAX - sessions.len());
            sessions.extend(answer.sessions.iter().take(told).cloned());
            gateways.push(SessionsOf { gateway, count: answer.count, told });
        }
        (sessions, gateways)
    }
}
