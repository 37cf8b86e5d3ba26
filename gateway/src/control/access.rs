//! `hello` and `auth`: who a session is, and what ends when its token does. What a session may see the engine holds
//! ([`Engine::entitle`]), so that wildcards that gain an instrument ask the same.

use super::subscribe::{bits, by_slot};
use super::{Desk, Known, Standing, Then, form_word};
use crate::auth::life::{Due, GRACE_US, Life};
use crate::auth::token::{Refused, Verified};
use crate::auth::{At, NoPass, Pass};
use crate::engine::Engine;
use crate::outbox::Socket;
use wire::RATES_MS;
use wire::close::CloseReason;
use wire::control::reply::{Authenticated, Limits, Notice, Unsubscribed, Used, Welcome, text};
use wire::control::{Channel, Hello, Names, Token};
use wire::error::ErrorCode;
use wire::order::{AccountId, Act};

/// A session may send a new token this often, µs.
const AUTH_EVERY_US: i64 = 1_000_000;

impl<S: Socket> Desk<'_, S> {
    fn at(&self) -> At {
        At { now_us: self.now_us, wall_us: self.now_us - self.engine.clock_offset_us }
    }

    fn limits(&self) -> Limits {
        Limits { symbols: self.engine.symbols_max(self.client.session), ..self.terms.limits }
    }

    fn used(&self, account: Option<&AccountId>) -> Used {
        let outbox = self.engine.outbox(self.client.session);
        Used {
            sessions: account.map_or(0, |account| self.terms.auth.seats.of(account)),
            symbols: outbox.map_or(0, crate::outbox::Outbox::symbols),
        }
    }

    fn refuse(&mut self, id: Option<u64>, no: NoPass) -> CloseReason {
        match no {
            NoPass::Refused(refused) => {
                self.error(id, refused.code(), refused.why());
                CloseReason::Auth
            }
            NoPass::Full => {
                self.error(id, ErrorCode::TooManySessions, "the account has as many sessions as it may");
                CloseReason::Rate
            }
        }
    }

    pub(super) fn hello(&mut self, id: Option<u64>, hello: &Hello<'_>) -> Then {
        let admitted = match hello.token {
            Some(token) => self.admit_token(id, token),
            None => self.admit_account(id, hello.account),
        };
        if let Err(then) = admitted {
            return then;
        }
        let mine = self.client.life.as_ref().map(|life| life.account);
        let account = mine.or(hello.account);
        if hello.account.is_some() && account != hello.account {
            self.error(id, ErrorCode::OtherAccount, "account: the token is another account's");
            return Then::Close(CloseReason::Auth);
        }
        let known = Known { name: hello.session, account };
        self.client.hello = Some(known);
        self.welcome(id, &known);
        Then::Welcomed(known)
    }

    fn admit_token(&mut self, id: Option<u64>, token: Token<'_>) -> Result<(), Then> {
        if self.client.life.is_some() {
            self.error(id, ErrorCode::BadField, "token: the handshake bore one already");
            return Err(Then::Done);
        }
        match self.terms.auth.pass(token.0, self.at()) {
            Ok(pass) => {
                self.client.enter(self.engine, pass);
                Ok(())
            }
            // Where there are no tokens at all the session has lost nothing.
            Err(NoPass::Refused(Refused::NotTaken)) => {
                self.refuse(id, NoPass::Refused(Refused::NotTaken));
                Err(Then::Done)
            }
            Err(no) => Err(Then::Close(self.refuse(id, no))),
        }
    }

    /// Without a token: what is public, or what the handshake's token said, or an account that needs no proof.
    fn admit_account(&mut self, id: Option<u64>, account: Option<AccountId>) -> Result<(), Then> {
        if self.client.life.is_some() {
            return Ok(());
        }
        if let Some(public) = &self.terms.auth.public {
            if self.terms.auth.is_closed() || account.is_some() {
                return Err(Then::Close(self.refuse(id, NoPass::Refused(Refused::Missing))));
            }
            self.engine.entitle(self.client.session, public.clone());
            return Ok(());
        }
        let Some(account) = account else { return Ok(()) };
        if !self.terms.auth.demo_accounts.contains(&account) {
            self.error(id, ErrorCode::UnknownAccount, "account: no such account here");
            return Err(Then::Done);
        }
        self.client.seat = self.terms.auth.seats.take(account).map(Box::new);
        if self.client.seat.is_none() { Err(Then::Close(self.refuse(id, NoPass::Full))) } else { Ok(()) }
    }

    fn welcome(&mut self, id: Option<u64>, known: &Known) {
        let entitlements = self.engine.entitlements(self.client.session).cloned();
        let auth = match (&self.client.life, known.account) {
            (Some(_), _) => "token",
            (None, Some(_)) => "demo",
            (None, None) => "none",
        };
        let welcome = Welcome {
            id,
            session: Some(known.name.as_str()).filter(|name| !name.is_empty()),
            session_epoch: 0,
            account: known.account.as_ref().map(AccountId::as_str),
            auth,
            resumed: false,
            form: form_word(self.client.form),
            boot_id: &self.terms.boot_id,
            limits: self.limits(),
            used: self.used(known.account.as_ref()),
            entitlements: entitlements.as_deref(),
            expires_at_us: self.client.life.as_ref().map(|life| life.expires_us),
            rates_ms: &RATES_MS,
            heartbeat_ms: 1_000,
            stale_after_ms: self.terms.stale_after_ms,
            quiet_after_ms: self.terms.quiet_after_ms,
            server_time_us: self.now_us,
        };
        self.answer(&text("welcome", &welcome));
    }

    /// A newer token. One that is refused changes nothing: the session lasts as long as it would have.
    pub(super) fn auth(&mut self, id: Option<u64>, known: Known, token: Token<'_>) -> Then {
        if self.now_us.saturating_sub(self.client.authenticated_us) < AUTH_EVERY_US {
            self.error(id, ErrorCode::TooOften, "auth: at most one a second");
            return Then::Done;
        }
        self.client.authenticated_us = self.now_us;
        let verified = match self.terms.auth.verify(token.0, self.at()) {
            Ok(verified) => verified,
            Err(refused) => {
                self.error(id, refused.code(), refused.why());
                return Then::Done;
            }
        };
        if known.account.is_some_and(|account| account != verified.account) {
            self.error(id, ErrorCode::OtherAccount, "token: of another account than the session's");
            return Then::Done;
        }
        if self.client.seat.is_none() {
            self.client.seat = self.terms.auth.seats.take(verified.account).map(Box::new);
            if self.client.seat.is_none() {
                self.error(id, ErrorCode::TooManySessions, "the account has as many sessions as it may");
                return Then::Done;
            }
        }
        self.client.trust(self.engine, &verified);
        let known = Known { account: Some(verified.account), ..known };
        self.client.hello = Some(known);
        self.withdraw();
        let Verified { entitlements, account, expires_us, .. } = &verified;
        let authenticated = Authenticated {
            id,
            account: account.as_str(),
            expires_at_us: *expires_us,
            entitlements,
            limits: self.limits(),
            used: self.used(Some(account)),
        };
        self.answer(&text("authenticated", &authenticated));
        Then::Welcomed(known)
    }

    /// Does what the age of the session's token asks for.
    pub(super) fn age(&mut self) -> Option<CloseReason> {
        let at = self.at();
        loop {
            let life = self.client.life.as_mut()?;
            let due = life.due(at, self.terms.auth.knows(&life.kid))?;
            let expires_at_us = Some(life.expires_us);
            match due {
                Due::Warn => {
                    let notice = Notice { code: "token_expiring", expires_at_us, ..Notice::default() };
                    self.answer(&text("notice", &notice));
                }
                Due::End => self.end_of_token(),
                Due::Close if self.terms.auth.is_closed() => return Some(CloseReason::Auth),
                Due::Close => {}
            }
        }
    }

    /// Only what is public is left.
    fn end_of_token(&mut self) {
        let after_ms = self.terms.auth.is_closed().then_some(GRACE_US / 1_000);
        self.answer(&text("notice", &Notice { code: "token_expired", after_ms, ..Notice::default() }));
        if let Some(public) = &self.terms.auth.public {
            self.engine.entitle(self.client.session, public.clone());
        }
        self.withdraw();
    }

    /// Takes from the session what it may not see any more, wildcards included.
    fn withdraw(&mut self) {
        let session = self.client.session;
        self.engine.withdraw_wildcards(session);
        for channel in Channel::ALL {
            let (mut held, _) = self.held(channel, &Names(vec!["*"]));
            held.retain(|(_, id)| {
                let instrument = self.engine.directory.instrument(*id);
                instrument.is_some_and(|known| !self.engine.may_see(session, channel, &known.symbol))
            });
            for (slot, ids) in by_slot(&held) {
                self.engine.leave(session, channel, slot, &bits(&ids));
                let part = Unsubscribed {
                    id: None,
                    channel: channel.word(),
                    slot: Some(slot),
                    ids: ids.iter().map(|id| id.0).collect(),
                    rejected: Vec::new(),
                    more: false,
                };
                self.answer(&text("unsubscribed", &part));
            }
        }
    }

    /// Why a session may not trade, if it may not.
    pub(super) fn may_trade(&self, known: &Known) -> Option<(ErrorCode, &'static str)> {
        match (known.account, &self.client.life) {
            (None, _) => Some((ErrorCode::NoAccount, "the session has no account")),
            (_, Some(life)) if life.is_over() => {
                Some((ErrorCode::TokenExpired, "the session's token is over: send a new one with auth"))
            }
            _ if self.engine.entitlements(self.client.session).is_some_and(|granted| !granted.trade) => {
                Some((ErrorCode::NotEntitled, "the token does not grant trade"))
            }
            _ => None,
        }
    }

    pub(super) fn order(
        &mut self,
        id: Option<u64>,
        known: Known,
        act: &Act,
        expires_ms: Option<u64>,
    ) -> Then {
        match self.may_trade(&known) {
            None => Then::Order { id, known, act: Box::new(*act), expires_ms },
            Some((code, why)) => {
                let mut error = wire::control::reply::Error::new(id, code, why);
                let cl_ord_id = act.cl_ord_id();
                error.cl_ord_id = cl_ord_id.as_ref().map(wire::order::ClOrdId::as_str);
                self.answer(&text("error", &error));
                Then::Done
            }
        }
    }
}

impl super::Client {
    /// Takes what the handshake or hello proved.
    pub fn enter<S: Socket>(&mut self, engine: &mut Engine<S>, pass: Pass) {
        self.trust(engine, &pass.verified);
        self.seat = Some(Box::new(pass.seat));
    }

    /// What follows from it all for the shell.
    pub(crate) fn standing<S: Socket>(&self, engine: &Engine<S>) -> Standing {
        let trades = engine.entitlements(self.session).is_none_or(|granted| granted.trade);
        Standing {
            reports: self.hello.and_then(|known| known.account).filter(|_| trades),
            over: self.life.as_ref().is_some_and(|life| life.is_over()),
        }
    }

    fn trust<S: Socket>(&mut self, engine: &mut Engine<S>, verified: &Verified) {
        engine.entitle(self.session, verified.entitlements.clone());
        self.life = Some(Box::new(Life::new(verified)));
    }
}
