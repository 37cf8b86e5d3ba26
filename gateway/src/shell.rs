//! What all tasks of a gateway share on its one thread: the engine, the relay, the sessions, and the bus.
//!
//! Nothing here waits. A borrow of the engine or the relay never lives over an await, and after each use of the engine
//! [`Shell::settle`] does what it asked for.

mod obey;

use crate::auth::{At, Auth};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Client, Standing, Terms};
use crate::engine::{Engine, EngineConfig, SessionEvent};
use crate::http::{Admission, Refusal};
use crate::last_value::Bounds;
use crate::memory;
use crate::metrics::{Metrics, Present, ShardState};
use crate::operators::Gateways;
use crate::orders::{Relay, SessionKey};
use crate::session::Link;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use tokio::sync::Notify;
use wire::block::Told;
use wire::close::CloseReason;
use wire::control::Decoder;
use wire::control::alerts::AlertTold;
use wire::control::orders::Report;
use wire::control::reply::{Limits, Notice, text};

/// One live session.
#[derive(Debug)]
pub struct Live {
    /// Its own state.
    pub client: Client,
    /// Its socket.
    pub link: Rc<Link>,
    /// Tells it from an earlier session of the same number.
    pub serial: u32,
    /// What the shell has done about who it is.
    pub standing: Standing,
    /// Why it ends, as far as known.
    pub reason: CloseReason,
}

impl Live {
    /// How the relay knows it.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        key(self.client.session, self.serial)
    }
}

/// A session's number and serial in one.
const fn key(session: u32, serial: u32) -> SessionKey {
    (serial as u64) << 32 | session as u64
}

/// Shared state of one gateway.
pub struct Shell {
    /// Time.
    pub clock: Clock,
    /// Configuration.
    pub config: Config,
    /// The bus.
    pub bus: Rc<dyn Bus>,
    /// What is the same for all sessions.
    pub terms: Terms,
    /// The count at the door.
    pub admission: Rc<Admission>,
    /// Figures.
    pub metrics: Metrics,
    /// Market data and all outboxes.
    pub engine: RefCell<Engine<Rc<Link>>>,
    /// Orders and reports.
    pub relay: RefCell<Relay>,
    /// Gateways that beat.
    pub gateways: RefCell<Gateways>,
    /// Live sessions by their number in the engine.
    pub sessions: RefCell<Vec<Option<Box<Live>>>>,
    /// Reads control messages.
    pub decoder: RefCell<Decoder>,
    /// Wakes the market task when shards may be wanted that are not followed.
    pub interest: Notify,
    /// Whether the wanted shards may have changed.
    pub interest_changed: Cell<bool>,
    /// Shards that were asked for without a session, as bits: they are followed for a while.
    pub asked_for: Cell<u64>,
    /// Set once the gateway stops: no order is taken any more.
    pub stopping: Cell<bool>,
    /// When sessions will be ended, µs, once the gateway was told to stop.
    pub draining_until_us: Cell<Option<i64>>,
    nudges: Vec<Notify>,
    serial: Cell<u32>,
    complained_us: Cell<i64>,
    complaints: Cell<u64>,
    events: RefCell<Vec<SessionEvent>>,
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Shell {
    /// A gateway that has heard nothing.
    #[must_use]
    pub fn new(config: Config, auth: Auth, bus: Rc<dyn Bus>, clock: Clock) -> Self {
        let now_us = clock.now_us();
        let bounds = Bounds {
            stale_after_us: i64::from(config.stale_after_ms) * 1_000,
            quiet_after_us: i64::from(config.quiet_after_ms) * 1_000,
        };
        let memory_max = config.memory_max.or_else(memory::of_machine).unwrap_or(u64::MAX);
        let engine = EngineConfig { shards: config.shards, bounds, memory_max, ..EngineConfig::default() };
        let orders_per_s = config.limits.orders_per_s();
        let terms = Terms {
            auth,
            demo_operators: config.demo_operators.clone(),
            limits: Limits {
                message_bytes: wire::MESSAGE_BYTES_MAX,
                symbols: wire::SESSION_SYMBOLS_MAX,
                slots: crate::engine::SLOTS_MAX,
                orders_per_s,
                requests_per_s: config.limits.requests_per_s(),
                sessions: config.limits.sessions_of_an_account(),
            },
            stale_after_ms: u64::from(config.stale_after_ms),
            quiet_after_ms: u64::from(config.quiet_after_ms),
            boot_id: format!("{:x}-{:x}", clock.start_us(), std::process::id()),
        };
        Self {
            engine: RefCell::new(Engine::new(engine, now_us)),
            relay: RefCell::new(Relay::new(config.partitions, orders_per_s)),
            gateways: RefCell::default(),
            sessions: RefCell::default(),
            admission: Rc::new(Admission::new(config.sessions_max)),
            decoder: RefCell::default(),
            metrics: Metrics::default(),
            interest: Notify::new(),
            interest_changed: Cell::new(false),
            asked_for: Cell::new(0),
            stopping: Cell::new(false),
            draining_until_us: Cell::new(None),
            nudges: (0..config.partitions).map(|_| Notify::new()).collect(),
            serial: Cell::new(0),
            complained_us: Cell::new(i64::MIN),
            complaints: Cell::new(0),
            events: RefCell::default(),
            clock,
            config,
            bus,
            terms,
        }
    }

    /// Shards of the feed.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.config.shards
    }

    /// Now, by both clocks.
    #[must_use]
    pub fn at(&self) -> At {
        let now_us = self.clock.now_us();
        At { now_us, wall_us: now_us - self.clock.offset_us() }
    }

    /// Lets reports go where a session's account and token now say, and unneeded shards go.
    pub fn stand(&self, session: u32) {
        let now_us = self.clock.now_us();
        let mut sessions = self.sessions.borrow_mut();
        let Some(Some(live)) = sessions.get_mut(session as usize) else { return };
        let standing = live.client.standing(&self.engine.borrow());
        let before = std::mem::replace(&mut live.standing, standing);
        if before == standing {
            return;
        }
        let (mut relay, key) = (self.relay.borrow_mut(), live.key());
        if before.reports != standing.reports {
            before.reports.iter().for_each(|account| relay.leave(account, key));
            standing.reports.into_iter().for_each(|account| relay.join(account, key, now_us));
        }
        self.look_at_interest();
    }

    /// A number that no session had before, for four billion sessions.
    pub fn next_serial(&self) -> u32 {
        let serial = self.serial.get().wrapping_add(1);
        self.serial.set(serial);
        serial
    }

    /// Says at most once a second what went wrong, with the number of things that were not said.
    pub fn complain(&self, now_us: i64, what: fmt::Arguments<'_>) {
        if now_us.saturating_sub(self.complained_us.get()) < 1_000_000 {
            self.complaints.set(self.complaints.get() + 1);
            return;
        }
        self.complained_us.set(now_us);
        let unsaid = self.complaints.take();
        tracing::warn!(unsaid, "{what}");
    }

    /// The bus may have lost something.
    pub fn suspect(self: &Rc<Self>) {
        self.engine.borrow_mut().suspect(self.clock.now_us());
    }

    /// A shard has a new publisher, or one that lost its memory: everybody who holds its symbols is told. Informative;
    /// what it means for each symbol its records say.
    pub fn tell_restart(&self, shard: u16, feed_epoch: u64) {
        let now_us = self.clock.now_us();
        let notice = Notice {
            code: "feed_restarted",
            shard: Some(shard),
            feed_epoch: Some(feed_epoch),
            ..Notice::default()
        };
        let notice = text("notice", &notice);
        let mut engine = self.engine.borrow_mut();
        for live in self.sessions.borrow().iter().flatten() {
            let session = live.client.session;
            if engine.outbox(session).is_some_and(|outbox| outbox.shards & (1 << shard) != 0) {
                engine.answer(session, notice.as_bytes(), now_us);
            }
        }
    }

    /// Flushes what is due; returns when to come again, µs.
    pub fn run_due(self: &Rc<Self>) -> i64 {
        let due_us = self.engine.borrow_mut().run_due(|| self.clock.now_us());
        self.settle();
        due_us
    }

    /// Wakes the follower of a partition.
    pub fn nudge(&self, partition: u16) {
        if let Some(nudge) = self.nudges.get(usize::from(partition)) {
            nudge.notify_one();
        }
    }

    /// Waits for the next [`Shell::nudge`].
    ///
    /// # Cancel safety
    /// Cancel safe; a nudge that nobody waits for is kept.
    pub async fn nudged(&self, partition: u16) {
        match self.nudges.get(usize::from(partition)) {
            Some(nudge) => nudge.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Shards of new symbols may have to be followed.
    pub fn look_at_interest(&self) {
        self.interest_changed.set(true);
        self.interest.notify_one();
    }

    /// Somebody without a session asked for symbols of these shards.
    pub fn ask_for(&self, shards: u64) {
        self.asked_for.set(self.asked_for.get() | shards);
        self.look_at_interest();
    }

    /// Hands reports of orders and alerts to the sessions of their account.
    pub fn tell_reports(self: &Rc<Self>, reports: &[(Told, Vec<SessionKey>)]) {
        let now_us = self.clock.now_us();
        for (report, sessions) in reports {
            let report = match report {
                Told::Order(report) => text("report", &Report::new(report)),
                Told::Alert(report) => text("alert", &AlertTold::new(report)),
            };
            for key in sessions {
                self.tell(*key, &report, now_us);
            }
        }
        self.settle();
    }

    /// Puts a text into a session's lossless lane, if it still lives. Settle afterwards.
    pub fn tell(&self, key: SessionKey, message: &str, now_us: i64) {
        if let Some(session) = self.session_of(key) {
            self.engine.borrow_mut().report(session, message.as_bytes(), now_us);
        }
    }

    /// The number of a session, if it still lives.
    #[must_use]
    pub fn session_of(&self, key: SessionKey) -> Option<u32> {
        let session = u32::try_from(key & u64::from(u32::MAX)).ok()?;
        let sessions = self.sessions.borrow();
        let live = sessions.get(session as usize)?.as_ref()?;
        (live.key() == key).then_some(session)
    }

    /// How the relay knows a session.
    #[must_use]
    pub fn key_of(&self, session: u32) -> Option<SessionKey> {
        self.sessions.borrow().get(session as usize)?.as_ref().map(|live| live.key())
    }

    /// A session's key and socket.
    #[must_use]
    pub fn link_of(&self, session: u32) -> Option<(SessionKey, Rc<Link>)> {
        let sessions = self.sessions.borrow();
        let live = sessions.get(session as usize)?.as_ref()?;
        Some((live.key(), Rc::clone(&live.link)))
    }

    /// Remembers why a session ends; the first reason counts.
    pub fn note_reason(&self, session: u32, reason: CloseReason) {
        if let Some(Some(live)) = self.sessions.borrow_mut().get_mut(session as usize)
            && live.reason == CloseReason::Normal
        {
            live.reason = reason;
        }
    }

    /// Ends a session with a close frame behind all that is queued. Settle afterwards.
    pub fn close(&self, session: u32, reason: CloseReason) {
        self.note_reason(session, reason);
        if let Some((_, link)) = self.link_of(session) {
            link.closing();
        }
        self.engine.borrow_mut().close(session, reason, self.clock.now_us());
    }

    /// Whether any order request waits for its writer.
    #[must_use]
    pub fn has_in_flight(&self) -> bool {
        self.sessions.borrow().iter().flatten().any(|live| live.client.in_flight > 0)
    }

    /// Does what the engine asked for since the last time.
    pub fn settle(self: &Rc<Self>) {
        let Ok(mut events) = self.events.try_borrow_mut() else { return };
        loop {
            self.engine.borrow_mut().take_events(&mut events);
            if events.is_empty() {
                return;
            }
            for event in events.drain(..) {
                obey::obey(self, event);
            }
        }
    }

    /// All figures as Prometheus text.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let now_us = self.clock.now_us();
        let engine = self.engine.borrow();
        let shard = |shard| ShardState {
            counters: engine.ingest.counters(shard),
            age_us: engine.ingest.age_us(shard, now_us),
            whole: engine.ingest.is_whole(shard),
        };
        self.metrics.render(&Present {
            counters: engine.counters(),
            relay: self.relay.borrow().counters(),
            shards: (0..self.shards()).map(shard).collect(),
            bus_dropped: self.bus.alarm().dropped(),
            unknown_index: engine.ingest.unknown_index(),
            clients: engine.sessions(),
            blocked: engine.blocked(),
            thin: engine.over_budget(),
            subscriptions: engine.subscriptions(),
            instruments: engine.directory.len(),
            bus_connected: self.bus.alarm().is_connected(),
            connections: self.admission.open(),
            connections_max: self.admission.connections_max(),
            refused: Refusal::ALL.map(|why| self.admission.refused(why)),
            memory: engine.memory,
            resident_bytes: memory::resident_bytes(),
        })
    }
}
