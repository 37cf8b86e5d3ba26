//! What operators say to all clients, and what they ask of all gateways. JSON on the bus, between gateways only.
//!
//! Nothing here is kept: who is not there does not hear it. Every list is bounded, and every answer names the gateway.

use crate::order::{AccountId, SessionName};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most characters of a notice.
pub const NOTICE_CHARS_MAX: usize = 256;

/// Most sessions of one answer, of one gateway and of all together.
pub const SESSIONS_MAX: usize = 1_000;

/// How long all gateways together may take to answer.
pub const SESSIONS_WAIT: Duration = Duration::from_millis(500);

/// Most gateways that one keeps in mind.
pub const GATEWAYS_MAX: usize = 1_024;

/// A gateway that was not heard for this long is forgotten, µs.
pub const GATEWAY_FORGOTTEN_US: i64 = 10_000_000;

/// Whether a text may be a notice: 1 to [`NOTICE_CHARS_MAX`] characters, none of them a control character.
#[must_use]
pub fn valid_notice(text: &str) -> bool {
    (1..=NOTICE_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// An operator's words, on [`crate::subject::NOTICE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The words.
    pub text: String,
    /// The operator's account.
    pub from: String,
    /// For the sessions of this account; `None` = for all.
    pub account: Option<String>,
    /// When it was said, µs since the Unix epoch, clock of the gateway that took it.
    pub ts_us: i64,
}

impl Notice {
    /// Reads one; a text out of bounds is refused like damaged bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let notice: Self = serde_json::from_slice(bytes).ok()?;
        let account = notice.account.as_ref().is_none_or(|account| AccountId::new(account).is_ok());
        (valid_notice(&notice.text) && account).then_some(notice)
    }
}

/// A gateway's beat, once a second on [`crate::subject::GATEWAY_LIFE`]: who must answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayBeat {
    /// Its run, as `boot_id` of `welcome`.
    pub gateway: String,
    /// Whether it stops, so that nobody waits for it any more.
    pub stopping: bool,
}

/// A request on [`crate::subject::SESSIONS`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsAsked {
    /// Only those of this account.
    pub account: Option<String>,
}

/// One gateway's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsAnswer {
    /// Its run.
    pub gateway: String,
    /// How many match; more than are listed when there are more than [`SESSIONS_MAX`].
    pub count: usize,
    /// By rising `number`.
    pub sessions: Vec<SessionState>,
}

/// One live session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// Run of its gateway.
    pub gateway: String,
    /// Its number there; given again when it ends.
    pub number: u32,
    /// Its name; none = unnamed, or no hello yet.
    pub session: Option<String>,
    /// Its account; none = market data only, or no hello yet.
    pub account: Option<String>,
    /// Whether it may say and ask what operators may.
    pub operator: bool,
    /// Form of its market data.
    pub form: String,
    /// Symbols held over all channels.
    pub subscriptions: usize,
    /// Slots in use.
    pub slots: usize,
    /// Whether its socket is full.
    pub blocked: bool,
    /// Symbols that it is owed because its socket was full.
    pub backlog: usize,
    /// Data frames sent so far.
    pub frames: u32,
    /// When it connected, µs since the Unix epoch.
    pub connected_us: i64,
}

impl SessionsAnswer {
    /// Reads one; a list past its bound is refused.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let answer: Self = serde_json::from_slice(bytes).ok()?;
        (answer.sessions.len() <= SESSIONS_MAX).then_some(answer)
    }
}

impl SessionState {
    /// The name as it is shown.
    #[must_use]
    pub fn shown(name: &SessionName) -> Option<String> {
        (*name != SessionName::UNNAMED).then(|| name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_read_as_it_was_said_and_bad_ones_are_refused() {
        let good =
            Notice { text: "é".repeat(256), from: "OPS".into(), account: Some("A1".into()), ts_us: 5 };
        let bytes = serde_json::to_vec(&good).unwrap();
        assert_eq!(Notice::decode(&bytes), Some(good.clone()));
        for bad in [
            Notice { text: String::new(), ..good.clone() },
            Notice { text: "x".repeat(257), ..good.clone() },
            Notice { text: "a\u{7}".into(), ..good.clone() },
            Notice { account: Some("A 1".into()), ..good },
        ] {
            assert_eq!(Notice::decode(&serde_json::to_vec(&bad).unwrap()), None, "{bad:?}");
        }
        assert!((0..bytes.len()).all(|end| Notice::decode(&bytes[..end]).is_none()));
    }

    #[test]
    fn a_list_past_its_bound_is_refused() {
        let session = SessionState {
            gateway: "g".into(),
            number: 0,
            session: None,
            account: None,
            operator: false,
            form: "json".into(),
            subscriptions: 0,
            slots: 0,
            blocked: false,
            backlog: 0,
            frames: 0,
            connected_us: 0,
        };
        let answer = |count: usize| {
            let sessions = vec![session.clone(); count];
            SessionsAnswer::decode(
                &serde_json::to_vec(&SessionsAnswer { gateway: "g".into(), count, sessions }).unwrap(),
            )
        };
        assert!(answer(SESSIONS_MAX).is_some() && answer(SESSIONS_MAX + 1).is_none());
    }
}
