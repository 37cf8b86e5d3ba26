//! The worker: owner of this thread's sessions. It answers the socket code's calls. Nothing here decides what is written,
//! or in which order.

use crate::auth::Pass;
use crate::control::{self, Client, Standing, Then};
use crate::drain;
use crate::http::{Asked, Page, Site};
use crate::operators;
use crate::orders::{submit, submit_alert};
use crate::outbox::Outbox;
use crate::routes;
use crate::session::{Goodbye, Host, Link, Silence};
use crate::shell::{Live, Shell};
use crate::stream::Events;
use hyper::{HeaderMap, StatusCode};
use std::rc::Rc;
use std::time::Duration;
use wire::close::CloseReason;
use wire::frame::Form;

/// How often silent sessions are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The gateway as its sockets see it.
#[derive(Debug)]
pub struct Worker(pub Rc<Shell>);

impl Worker {
    fn opened(&self, session: u32, client: Client, link: Rc<Link>) -> u32 {
        let shell = &self.0;
        let (serial, standing) = (shell.next_serial(), Standing::default());
        let live = Live { client, link, serial, standing, reason: CloseReason::Normal };
        let mut sessions = shell.sessions.borrow_mut();
        let at = session as usize;
        if sessions.len() <= at {
            sessions.resize_with(at + 1, || None);
        }
        sessions[at] = Some(Box::new(live));
        shell.metrics.session_opened();
        session
    }
}

impl Site for Worker {
    fn has_memory(&self) -> bool {
        self.0.engine.borrow().memory.has_room()
    }

    fn open(&self, link: Rc<Link>, form: Form, pass: Option<Pass>) -> u32 {
        let shell = &self.0;
        let now_us = shell.clock.now_us();
        let mut engine = shell.engine.borrow_mut();
        let session = engine.open(Rc::clone(&link), form, now_us);
        let mut client = Client::new(session, form, &shell.terms, now_us);
        if let Some(pass) = pass {
            client.enter(&mut engine, pass);
        }
        drop(engine);
        self.opened(session, client, link)
    }

    fn admit(&self, headers: &HeaderMap) -> Result<Option<Pass>, (StatusCode, &'static str)> {
        let shell = &self.0;
        shell.terms.auth.handshake(headers, shell.at()).map_err(|(status, why, _)| (status, why))
    }

    fn get(&self, asked: &Asked<'_>) -> Option<Page> {
        routes::answer(&self.0, asked)
    }

    fn stream(&self, asked: &Asked<'_>) -> Result<Events, Page> {
        Events::new(&mut self.0.decoder.borrow_mut(), asked)
    }

    fn open_stream(&self, link: Rc<Link>, stream: Events) -> u32 {
        let shell = &self.0;
        let now_us = shell.clock.now_us();
        let session = shell.engine.borrow_mut().open_events(Rc::clone(&link), now_us);
        let client = Client::new(session, Form::Json, &shell.terms, now_us);
        self.opened(session, client, link);
        for mut request in stream.requests() {
            self.text(session, &mut request);
        }
        let is_in = |live: &Live| live.client.hello.is_some();
        let is_in = self.0.sessions.borrow()[session as usize].as_deref().is_some_and(is_in);
        let symbols = self.0.engine.borrow().outbox(session).map_or(0, Outbox::symbols);
        // What is wrong was told. Nobody can ask again here, so the stream ends, and a browser asks anew.
        if !is_in || symbols == 0 {
            self.0.close(session, if is_in { CloseReason::TryLater } else { CloseReason::Auth });
            self.0.settle();
        }
        session
    }
}

impl Host for Worker {
    fn text(&self, session: u32, message: &mut [u8]) {
        let shell = &self.0;
        let now_us = shell.clock.now_us();
        // One read may hold more requests behind the one that ended the session: none of them is taken.
        if shell.engine.borrow().outbox(session).is_none_or(Outbox::is_closing) {
            return;
        }
        let then = {
            let mut sessions = shell.sessions.borrow_mut();
            let Some(Some(live)) = sessions.get_mut(session as usize) else { return };
            let mut engine = shell.engine.borrow_mut();
            let mut decoder = shell.decoder.borrow_mut();
            control::message(&mut decoder, message, &mut engine, &mut live.client, &shell.terms, now_us)
        };
        match then {
            Then::Interest => shell.look_at_interest(),
            Then::Done => {}
            Then::Welcomed(_) => drain::tell(shell, session),
            Then::Order { id, known, act, expires_ms } => submit(shell, session, id, known, *act, expires_ms),
            Then::Alert { id, known, act } => submit_alert(shell, session, id, known, *act),
            Then::Operator { id, from, act } => operators::act(shell, session, id, from, *act),
            Then::Close(reason) => shell.close(session, reason),
        }
        shell.stand(session);
        shell.settle();
    }

    fn binary(&self, _session: u32, _message: &mut [u8]) -> Result<(), CloseReason> {
        Err(CloseReason::Unsupported)
    }

    fn ping(&self, session: u32, payload: &[u8]) {
        let now_us = self.0.clock.now_us();
        self.0.engine.borrow_mut().pong(session, payload, now_us);
        self.0.settle();
    }

    fn goodbye(&self, session: u32, goodbye: Goodbye) {
        match goodbye {
            Goodbye::Fault(reason) => self.0.close(session, reason),
            Goodbye::Echo(payload) => {
                let now_us = self.0.clock.now_us();
                self.0.engine.borrow_mut().close_with(session, payload, now_us);
            }
        }
        self.0.settle();
    }

    fn has_room(&self, session: u32) -> bool {
        self.0.engine.borrow().outbox(session).is_none_or(Outbox::has_room)
    }

    fn ended(&self, session: u32) {
        let shell = &self.0;
        let live = shell.sessions.borrow_mut().get_mut(session as usize).and_then(Option::take);
        let Some(live) = live else { return };
        if let Some(account) = live.standing.reports {
            shell.relay.borrow_mut().leave(&account, live.key());
        }
        shell.metrics.session_closed(live.reason);
        shell.engine.borrow_mut().end(session);
        shell.look_at_interest();
    }

    fn now_us(&self) -> i64 {
        self.0.clock.now_us()
    }
}

/// Looks for sessions that are silent, have not said hello, or whose token ends. Runs until dropped.
pub async fn look(shell: Rc<Shell>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now_us = shell.clock.now_us();
        {
            let mut engine = shell.engine.borrow_mut();
            engine.clock_offset_us = shell.clock.offset_us();
            engine.count_memory();
        }
        for (session, reason) in aged(&shell, now_us) {
            if let Some(reason) = reason {
                shell.close(session, reason);
            }
            shell.stand(session);
        }
        for (session, act) in found(&shell, now_us) {
            match act {
                None => shell.engine.borrow_mut().ping(session, now_us),
                Some(reason) => shell.close(session, reason),
            }
        }
        shell.settle();
    }
}

/// Sessions with tokens, after what their age asks for; those with a reason are to be closed.
fn aged(shell: &Shell, now_us: i64) -> Vec<(u32, Option<CloseReason>)> {
    let mut sessions = shell.sessions.borrow_mut();
    let mut engine = shell.engine.borrow_mut();
    let tokens = sessions.iter_mut().flatten().filter(|live| live.client.life.is_some());
    let age = |live: &mut Box<Live>| {
        (live.client.session, control::age(&mut engine, &mut live.client, &shell.terms, now_us))
    };
    tokens.map(age).collect()
}

/// Sessions to be pinged (no reason) or closed.
fn found(shell: &Shell, now_us: i64) -> Vec<(u32, Option<CloseReason>)> {
    let sessions = shell.sessions.borrow();
    let act = |live: &Live| match live.link.silence(now_us) {
        _ if live.client.is_silent(now_us) => Some(Some(CloseReason::SlowConsumer)),
        Silence::End => Some(Some(CloseReason::NoPong)),
        Silence::Ping => Some(None),
        Silence::Fine => None,
    };
    sessions.iter().flatten().filter_map(|live| Some((live.client.session, act(live)?))).collect()
}
