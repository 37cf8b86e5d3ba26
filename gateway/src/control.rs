//! What a session may ask about itself and its market data, done at once on the engine. Pure.
//!
//! Every request is answered with the settings in force, item by item; a refused item ends nothing else. Orders are not
//! handled here but handed back ([`Then::Order`]), as is the account that a session is proved to be ([`Then::Welcomed`]).

mod access;
mod hashes;
mod operators;
mod subscribe;
#[cfg(test)]
mod tests;
mod thin;

use crate::auth::Auth;
use crate::auth::life::Life;
use crate::auth::seats::Seat;
use crate::engine::Engine;
use crate::operators::OperatorAct;
use crate::orders::rate::Bucket;
use crate::outbox::Socket;
use wire::alert::AlertAct;
use wire::close::CloseReason;
use wire::control::reply::{self, Limits, Plain, Pong, Rejected, Repairing, StatsSet, text};
use wire::control::{self, Decoder, Fault, Op, Request};
use wire::error::ErrorCode;
use wire::frame::Form;
use wire::order::{AccountId, Act, SessionName};

/// A session must say hello within this time, µs.
pub const HELLO_WITHIN_US: i64 = 15_000_000;

/// Messages that are no JSON which a session may send in a minute.
pub const BAD_JSON_PER_MINUTE: u32 = 20;

/// A session may ask for a repair this often, µs.
const REPAIR_EVERY_US: i64 = 1_000_000;

/// What is the same for all sessions.
#[derive(Debug)]
pub struct Terms {
    /// Who may do what.
    pub auth: Auth,
    /// Demo accounts whose sessions are operators'.
    pub demo_operators: Vec<AccountId>,
    /// Limits as told.
    pub limits: Limits,
    /// Bound of STALE.
    pub stale_after_ms: u64,
    /// Bound of QUIET.
    pub quiet_after_ms: u64,
    /// This run of the gateway.
    pub boot_id: String,
}

/// One session's own state beside its outbox.
#[derive(Debug)]
pub struct Client {
    /// Number in the engine; it may be given again when the session ends.
    pub session: u32,
    /// Form of its market data.
    pub form: Form,
    /// When it was opened, µs.
    pub opened_us: i64,
    /// What its hello said; none before.
    pub hello: Option<Known>,
    /// Order requests that wait for their writer.
    pub in_flight: u32,
    pub(crate) life: Option<Box<Life>>,
    pub(crate) seat: Option<Box<Seat>>,
    authenticated_us: i64,
    requests: Bucket,
    /// Only operators have one.
    operator_acts: Option<Box<Bucket>>,
    bad_json: u32,
    bad_json_since_us: i64,
    repaired_us: i64,
    hashed_us: i64,
}

/// Who a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: SessionName,
    /// Its account; none = market data only.
    pub account: Option<AccountId>,
}

/// What follows from a session's account and token outside its own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// The account whose reports it gets.
    pub reports: Option<AccountId>,
    /// Its token is over, so that it holds less than before.
    pub over: bool,
}

/// What is left for the caller to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Done,
    /// Other shards may be wanted than before.
    Interest,
    /// The session said hello: reports of its account are for it.
    Welcomed(Known),
    /// An order request of this account, to be sent to its writer.
    Order {
        /// The request's id.
        id: Option<u64>,
        /// Whose.
        known: Known,
        /// What is asked.
        act: Box<Act>,
        /// Taken within this time or never.
        expires_ms: Option<u64>,
    },
    /// A request of this account about its alerts, to be sent to its writer.
    Alert {
        /// The request's id.
        id: Option<u64>,
        /// Whose.
        known: Known,
        /// What is asked.
        act: Box<AlertAct>,
    },
    /// What an operator asks of all gateways.
    Operator {
        /// The request's id.
        id: Option<u64>,
        /// The operator's account.
        from: AccountId,
        /// What is asked.
        act: Box<OperatorAct>,
    },
    /// The session must end.
    Close(CloseReason),
}

impl Client {
    /// A session that has said nothing.
    #[must_use]
    pub fn new(session: u32, form: Form, terms: &Terms, now_us: i64) -> Self {
        Self {
            session,
            form,
            opened_us: now_us,
            hello: None,
            in_flight: 0,
            life: None,
            seat: None,
            authenticated_us: i64::MIN,
            requests: Bucket::full(terms.limits.requests_per_s, now_us),
            operator_acts: None,
            bad_json: 0,
            bad_json_since_us: now_us,
            repaired_us: i64::MIN,
            hashed_us: i64::MIN,
        }
    }

    /// Whether the time for a hello is over.
    #[must_use]
    pub fn is_silent(&self, now_us: i64) -> bool {
        self.hello.is_none() && now_us - self.opened_us > HELLO_WITHIN_US
    }

    fn too_many_bad(&mut self, now_us: i64) -> bool {
        if now_us - self.bad_json_since_us > 60_000_000 {
            (self.bad_json_since_us, self.bad_json) = (now_us, 0);
        }
        self.bad_json += 1;
        self.bad_json >= BAD_JSON_PER_MINUTE
    }
}

/// One request in hand.
pub(crate) struct Desk<'a, S> {
    pub(crate) engine: &'a mut Engine<S>,
    pub(crate) client: &'a mut Client,
    pub(crate) terms: &'a Terms,
    pub(crate) now_us: i64,
}

/// Takes one text message of a session; it is overwritten in the course of it.
pub fn message<S: Socket>(
    decoder: &mut Decoder,
    message: &mut [u8],
    engine: &mut Engine<S>,
    client: &mut Client,
    terms: &Terms,
    now_us: i64,
) -> Then {
    if !client.requests.take(now_us) {
        return Then::Close(CloseReason::Rate);
    }
    let decoded = decoder.decode(message);
    let mut desk = Desk { engine, client, terms, now_us };
    if let Some(reason) = desk.age() {
        return Then::Close(reason);
    }
    match decoded {
        Ok(request) => desk.request(&request),
        Err(fault) => desk.fault(&fault),
    }
}

/// Looks at a session's token: warns, ends what needs it, and says when the session must end.
pub fn age<S: Socket>(
    engine: &mut Engine<S>,
    client: &mut Client,
    terms: &Terms,
    now_us: i64,
) -> Option<CloseReason> {
    Desk { engine, client, terms, now_us }.age()
}

impl<S: Socket> Desk<'_, S> {
    pub(crate) fn answer(&mut self, text: &str) {
        self.engine.answer(self.client.session, text.as_bytes(), self.now_us);
    }

    pub(crate) fn error(&mut self, id: Option<u64>, code: ErrorCode, message: &str) {
        self.answer(&text("error", &reply::Error::new(id, code, message)));
    }

    fn fault(&mut self, fault: &Fault) -> Then {
        self.error(fault.id, fault.code, &fault.message);
        if fault.code == ErrorCode::BadJson && self.client.too_many_bad(self.now_us) {
            return Then::Close(CloseReason::Policy);
        }
        Then::Done
    }

    fn request(&mut self, request: &Request<'_>) -> Then {
        let id = request.id;
        let known = match (&request.op, self.client.hello) {
            (Op::Hello(hello), None) => return self.hello(id, hello),
            (Op::Hello(_), Some(_)) => {
                self.error(id, ErrorCode::AlreadyWelcome, "hello was said");
                return Then::Done;
            }
            (_, None) => {
                self.error(id, ErrorCode::HelloFirst, "say hello first");
                return Then::Done;
            }
            (_, Some(known)) => known,
        };
        match &request.op {
            Op::Order { act, expires_ms } => return self.order(id, known, act, *expires_ms),
            Op::Alert(act) => return self.alert(id, known, act),
            Op::NoticeSend { text, account } => {
                let act = OperatorAct::Notice { text: (*text).to_owned(), account: *account };
                return self.operator(id, known, act);
            }
            Op::Sessions { account } => {
                return self.operator(id, known, OperatorAct::Sessions { account: *account });
            }
            Op::Subscribe(asked) if !self.has_memory(asked) => self.refuse_for_memory(id, asked),
            Op::Subscribe(asked) => {
                self.subscribe(id, asked);
                return Then::Interest;
            }
            Op::Unsubscribe(asked) => {
                self.unsubscribe(id, asked);
                return Then::Interest;
            }
            Op::SetRate(asked) => self.set_rate(id, asked),
            Op::Repair(asked) => self.repair(id, asked.as_ref()),
            Op::Budget(bytes_per_s) => self.budget(id, *bytes_per_s),
            Op::Visible(names) => self.visible(id, names),
            Op::Hashes(buckets) => self.hashes(id, buckets.as_deref()),
            Op::Stats { every_ms } => {
                if !self.engine.tell_stats(self.client.session, *every_ms, self.now_us) {
                    self.error(id, ErrorCode::TooManyStats, "stats: as many sessions as may ask do so");
                    return Then::Done;
                }
                self.answer(&text("stats_set", &StatsSet { id, every_ms: *every_ms }));
            }
            Op::Pause => {
                self.engine.pause(self.client.session);
                self.answer(&text("paused", &Plain { id }));
            }
            Op::Unpause => {
                self.answer(&text("unpaused", &Plain { id }));
                self.engine.unpause(self.client.session, self.now_us);
            }
            Op::Ping { t } => {
                let pong = Pong { id, t: *t, received_us: self.now_us, sent_us: self.now_us };
                self.answer(&text("pong", &pong));
            }
            Op::Auth(token) => return self.auth(id, known, *token),
            Op::Hello(_) => {}
        }
        Then::Done
    }

    fn repair(&mut self, id: Option<u64>, asked: Option<&control::Selection<'_>>) {
        if self.now_us.saturating_sub(self.client.repaired_us) < REPAIR_EVERY_US {
            return self.error(id, ErrorCode::TooOften, "repair: at most one a second");
        }
        self.client.repaired_us = self.now_us;
        let session = self.client.session;
        let Some(asked) = asked else {
            let symbols = self.engine.outbox(session).map_or(0, crate::outbox::Outbox::symbols);
            self.answer(&text("repairing", &Repairing { id, symbols, rejected: Vec::new() }));
            return self.engine.repair(session, None, self.now_us);
        };
        let channel = asked.channel;
        let (held, rejected): (_, Vec<Rejected>) = self.held(channel, &asked.symbols);
        let mut ids = crate::bits::Bits::default();
        held.iter().for_each(|(_, id)| {
            ids.insert(*id);
        });
        self.answer(&text("repairing", &Repairing { id, symbols: held.len(), rejected }));
        self.engine.repair(session, Some((channel, &ids)), self.now_us);
    }
}

/// The word of a form.
#[must_use]
pub const fn form_word(form: Form) -> &'static str {
    match form {
        Form::Compact => "compact",
        Form::Fixed => "fixed",
        Form::Json => "json",
    }
}
