//! How long a session's token lasts: a warning, the end, and what follows it. Pure.

use super::At;
use super::token::Verified;
use std::rc::Rc;
use wire::order::AccountId;

/// A warning comes so long before the end, or a fifth of the token's life before it if that is less, µs.
const WARN_US: i64 = 60_000_000;

/// A session that has nothing without a token may still send a new one for so long, µs.
pub const GRACE_US: i64 = 5_000_000;

/// A session's token.
#[derive(Debug)]
pub struct Life {
    /// Whose.
    pub account: AccountId,
    /// When it is over, by the machine's clock, µs.
    pub expires_us: i64,
    /// The key that signed it.
    pub kid: Rc<str>,
    warn_us: i64,
    warned: bool,
    ended_us: Option<i64>,
    closed: bool,
}

/// What is due; each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Tell that the end is near.
    Warn,
    /// End what needs a token.
    End,
    /// End the session, if it has nothing without a token.
    Close,
}

impl Life {
    /// A good token.
    #[must_use]
    pub fn new(verified: &Verified) -> Self {
        let lead_us = WARN_US.min((verified.expires_us - verified.issued_us) / 5);
        Self {
            account: verified.account,
            expires_us: verified.expires_us,
            kid: Rc::clone(&verified.kid),
            warn_us: verified.expires_us - lead_us,
            warned: false,
            ended_us: None,
            closed: false,
        }
    }

    /// Whether the token is over, or its key was withdrawn.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.ended_us.is_some()
    }

    /// What is due now; `known` says whether the key is still there. Call it again until there is nothing.
    pub fn due(&mut self, at: At, known: bool) -> Option<Due> {
        if let Some(ended_us) = self.ended_us {
            let over = at.now_us - ended_us >= GRACE_US && !self.closed;
            self.closed |= over;
            return over.then_some(Due::Close);
        }
        if at.wall_us >= self.expires_us || !known {
            self.ended_us = Some(at.now_us);
            return Some(Due::End);
        }
        let near = at.wall_us >= self.warn_us && !self.warned;
        self.warned |= near;
        near.then_some(Due::Warn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::control::Entitlements;

    const S: i64 = 1_000_000;

    fn life(issued_s: i64, expires_s: i64) -> Life {
        Life::new(&Verified {
            account: AccountId::new("A1").unwrap(),
            entitlements: Rc::new(Entitlements::to_see(Vec::new())),
            issued_us: issued_s * S,
            expires_us: expires_s * S,
            kid: Rc::from("k"),
        })
    }

    fn at(now_s: i64, wall_s: i64) -> At {
        At { now_us: now_s * S, wall_us: wall_s * S }
    }

    #[test]
    fn each_thing_is_due_once_and_in_order() {
        for (issued, expires, warned) in [(0, 3_600, 3_540), (0, 100, 80)] {
            let mut life = life(issued, expires);
            assert_eq!(life.due(at(0, warned - 1), true), None);
            assert_eq!(life.due(at(0, warned), true), Some(Due::Warn));
            assert_eq!(life.due(at(0, expires - 1), true), None);
            assert!(!life.is_over());
            assert_eq!(life.due(at(50, expires), true), Some(Due::End));
            assert!(life.is_over());
            assert_eq!(life.due(at(54, expires), true), None);
            assert_eq!(life.due(at(55, expires), true), Some(Due::Close));
            assert_eq!(life.due(at(60, expires), true), None);
        }
    }

    #[test]
    fn the_end_is_by_the_wall_and_the_grace_by_what_never_steps() {
        let mut stepped = life(0, 3_600);
        assert_eq!(stepped.due(at(1, 4_000), true), Some(Due::End), "the machine's clock was set ahead");
        assert_eq!(stepped.due(at(2, 99_000), true), None, "and again");
        assert_eq!(stepped.due(at(2, 10), true), None, "and back");
        assert_eq!(stepped.due(at(6, 10), true), Some(Due::Close));
        let mut withdrawn = life(0, 3_600);
        assert_eq!(withdrawn.due(at(1, 1), false), Some(Due::End), "its key is gone");
    }
}
