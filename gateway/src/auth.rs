//! Who a session is, and what it may see and do. Pure: time, keys and tokens are handed in.
//!
//! Without keys this is development: accounts are named, not proved, and all market data is open. With keys a token
//! says both ([`token`]); what needs none is public by configuration. Handshake, hello and HTTP ask here ([`Auth`]);
//! [`crate::control`] holds each message against what was granted.

mod crypto;
pub mod http;
pub mod keys;
pub mod life;
pub mod origins;
pub mod seats;
pub mod token;
pub mod watch;

use keys::KeySet;
use seats::{Seat, Seats};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use token::{Refused, Verified};
use wire::control::Entitlements;
use wire::order::AccountId;

/// A key that is not known makes the key file looked at, at most this often, µs.
const LOOK_AGAIN_US: i64 = 1_000_000;

/// The two clocks: a token is judged by the wall's, what lasts by the other.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// Core time, µs: never steps.
    pub now_us: i64,
    /// The machine's clock, µs since the Unix epoch.
    pub wall_us: i64,
}

/// Where the keys come from when one is not known: the newest set, if it can be had at once.
pub type Look = Box<dyn Fn() -> Option<KeySet>>;

struct Tokens {
    keys: RefCell<KeySet>,
    look: Look,
    looked_us: Cell<i64>,
}

/// What a proved (or, in development, believed) client may become a session with.
#[derive(Debug)]
pub struct Pass {
    /// What its token says.
    pub verified: Verified,
    /// Its place among the account's sessions.
    pub seat: Seat,
}

/// Why nobody gets a [`Pass`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPass {
    /// The token.
    Refused(Refused),
    /// The account has as many sessions as it may.
    Full,
}

/// Judges who comes.
pub struct Auth {
    /// Accounts that a hello may name without proof; empty with keys.
    pub demo_accounts: Vec<AccountId>,
    /// What needs no token; none = there are no tokens, and everything is open.
    pub public: Option<Rc<Entitlements>>,
    /// Places of accounts.
    pub seats: Rc<Seats>,
    tokens: Option<Tokens>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Auth {
    /// Nobody proves anything; these accounts may be named.
    #[must_use]
    pub fn development(demo_accounts: Vec<AccountId>, sessions_max: u32) -> Self {
        Self { demo_accounts, public: None, seats: Seats::new(sessions_max), tokens: None }
    }

    /// Tokens of these keys say who somebody is; these symbols need none.
    #[must_use]
    pub fn by_tokens(keys: KeySet, look: Look, public: Vec<String>, sessions_max: u32) -> Self {
        let tokens = Tokens { keys: RefCell::new(keys), look, looked_us: Cell::new(i64::MIN) };
        Self {
            demo_accounts: Vec::new(),
            public: Some(Rc::new(Entitlements::to_see(public))),
            seats: Seats::new(sessions_max),
            tokens: Some(tokens),
        }
    }

    /// Takes a newer set of keys.
    pub fn renew(&self, keys: KeySet) {
        if let Some(tokens) = &self.tokens {
            tokens.keys.replace(keys);
        }
    }

    /// Whether a key is still there: what it has signed ends with it.
    #[must_use]
    pub fn knows(&self, kid: &str) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| tokens.keys.borrow().find(Some(kid)).is_some())
    }

    /// Whether nothing can be had without a token.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.public.as_ref().is_some_and(|public| public.data.is_empty())
    }

    /// Verifies a token. One of an unknown key makes the keys looked for once more.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn verify(&self, token: &str, at: At) -> Result<Verified, Refused> {
        let Some(tokens) = &self.tokens else { return Err(Refused::NotTaken) };
        let verified = token::verify(token, &tokens.keys.borrow(), at.wall_us);
        let since_us = at.now_us.saturating_sub(tokens.looked_us.get());
        if !matches!(verified, Err(Refused::UnknownKey)) || since_us < LOOK_AGAIN_US {
            return verified;
        }
        tokens.looked_us.set(at.now_us);
        let Some(keys) = (tokens.look)() else { return verified };
        tokens.keys.replace(keys);
        token::verify(token, &tokens.keys.borrow(), at.wall_us)
    }

    /// Verifies a token and takes a place for its account.
    ///
    /// # Errors
    /// See [`NoPass`].
    pub fn pass(&self, token: &str, at: At) -> Result<Pass, NoPass> {
        let verified = self.verify(token, at).map_err(NoPass::Refused)?;
        let seat = self.seats.take(verified.account).ok_or(NoPass::Full)?;
        Ok(Pass { verified, seat })
    }
}
