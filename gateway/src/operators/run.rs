//! Operators on the bus: beats, notices and questions in, answers out. What to say is decided by [`super`].

use super::{Gathered, OperatorAct, is_operator};
use crate::bus::{BusError, Question, Word};
use crate::control::form_word;
use crate::orders::SessionKey;
use crate::outbox::Outbox;
use crate::shell::{Live, Shell};
use bytes::Bytes;
use futures_util::stream::StreamExt;
use std::rc::Rc;
use std::time::Duration;
use wire::control::reply::{self, Error, NoticeSent, PART_SYMBOLS_MAX, Sessions, text};
use wire::error::ErrorCode;
use wire::order::AccountId;
use wire::presence::{
    GatewayBeat, Notice, SESSIONS_MAX, SESSIONS_WAIT, SessionState, SessionsAnswer, SessionsAsked,
};

const BEAT: Duration = Duration::from_secs(1);

/// Wait before a bus that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

fn bytes<T: serde::Serialize>(value: &T) -> Bytes {
    // Types of `presence` hold no map with other than text keys, so that writing them cannot fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// Runs until dropped: tells that this gateway lives, hears the others and the notices, answers questions.
pub async fn run(shell: Rc<Shell>) {
    loop {
        if let Err(error) = run_once(&shell).await {
            let now_us = shell.clock.now_us();
            shell.complain(now_us, format_args!("gateways and notices: {error}"));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn run_once(shell: &Rc<Shell>) -> Result<(), BusError> {
    let mut notices = shell.bus.hear(Word::Notice).await?;
    let mut beats = shell.bus.hear(Word::Beat).await?;
    let mut questions = shell.bus.questions().await?;
    let mut every = tokio::time::interval(BEAT);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let ended = || BusError::Lost("subscription ended".to_owned());
    loop {
        tokio::select! {
            notice = notices.next() => deliver(shell, &notice.ok_or_else(ended)?),
            beat = beats.next() => heard(shell, &beat.ok_or_else(ended)?),
            question = questions.next() => answer(shell, question.ok_or_else(ended)?),
            _ = every.tick() => if shell.bus.alarm().is_connected() {
                beat(shell, false).await?;
            },
        }
    }
}

async fn beat(shell: &Rc<Shell>, stopping: bool) -> Result<(), BusError> {
    let beat = GatewayBeat { gateway: shell.terms.boot_id.clone(), stopping };
    // Bounded: a link that is lost now is not waited for.
    let said = tokio::time::timeout(BEAT, shell.bus.say(Word::Beat, bytes(&beat))).await;
    said.unwrap_or(Err(BusError::TimedOut))
}

/// Says that nobody must wait for this gateway any more, where that is possible at once.
pub async fn goodbye(shell: &Rc<Shell>) {
    if shell.bus.alarm().is_connected() {
        let _best_effort = beat(shell, true).await;
    }
}

fn heard(shell: &Rc<Shell>, payload: &Bytes) {
    let now_us = shell.clock.now_us();
    match serde_json::from_slice::<GatewayBeat>(payload) {
        Ok(beat) => shell.gateways.borrow_mut().beat(beat, now_us),
        Err(error) => shell.complain(now_us, format_args!("a gateway's beat: {error}")),
    }
}

/// Puts a notice into the lossless lane of every live session that it is for.
fn deliver(shell: &Rc<Shell>, payload: &Bytes) {
    let now_us = shell.clock.now_us();
    let Some(notice) = Notice::decode(payload) else {
        return shell.complain(now_us, format_args!("a notice is damaged or out of bounds"));
    };
    let message = reply::Notice {
        code: "operator",
        text: Some(&notice.text),
        from: Some(&notice.from),
        ts_us: Some(notice.ts_us),
        ..reply::Notice::default()
    };
    let message = text("notice", &message);
    let account = notice.account.as_ref().and_then(|account| AccountId::new(account).ok());
    let meant =
        |live: &&Live| live.client.hello.is_some_and(|known| account.is_none() || known.account == account);
    let keys: Vec<SessionKey> =
        shell.sessions.borrow().iter().flatten().map(Box::as_ref).filter(meant).map(Live::key).collect();
    for key in keys {
        shell.tell(key, &message, now_us);
    }
    shell.settle();
}

fn answer(shell: &Rc<Shell>, (payload, to): Question) {
    let Ok(asked) = serde_json::from_slice::<SessionsAsked>(&payload) else { return };
    let answer = bytes(&own_sessions(shell, asked.account.as_deref()));
    let answering = shell.bus.answer(to, answer);
    tokio::task::spawn_local(async move {
        let _asker_may_be_gone = tokio::time::timeout(SESSIONS_WAIT, answering).await;
    });
}

/// This gateway's sessions.
fn own_sessions(shell: &Rc<Shell>, account: Option<&str>) -> SessionsAnswer {
    let sessions = shell.sessions.borrow();
    let named = |live: &Live| live.client.hello.and_then(|known| known.account);
    let meant =
        |live: &&Live| account.is_none_or(|account| named(live).is_some_and(|name| name.as_str() == account));
    let mut answer = SessionsAnswer { gateway: shell.terms.boot_id.clone(), count: 0, sessions: Vec::new() };
    for live in sessions.iter().flatten().map(Box::as_ref).filter(meant) {
        answer.count += 1;
        if answer.sessions.len() < SESSIONS_MAX {
            answer.sessions.push(state(shell, live));
        }
    }
    answer
}

fn state(shell: &Rc<Shell>, live: &Live) -> SessionState {
    let engine = shell.engine.borrow();
    let outbox = engine.outbox(live.client.session);
    let known = live.client.hello;
    let granted = engine.entitlements(live.client.session).map(AsRef::as_ref);
    SessionState {
        gateway: shell.terms.boot_id.clone(),
        number: live.client.session,
        session: known.and_then(|known| SessionState::shown(&known.name)),
        account: known.and_then(|known| known.account).map(|account| account.to_string()),
        operator: is_operator(&shell.terms, known.as_ref(), granted),
        form: form_word(live.client.form).to_owned(),
        subscriptions: outbox.map_or(0, Outbox::symbols),
        slots: outbox.map_or(0, |outbox| outbox.slots.len()),
        blocked: outbox.is_some_and(|outbox| outbox.busy),
        backlog: outbox.map_or(0, |outbox| outbox.slots.iter().map(|slot| slot.owed_ids().count()).sum()),
        frames: outbox.map_or(0, |outbox| outbox.frame),
        connected_us: live.client.opened_us,
    }
}

/// Does what an operator asks; the answer goes to the session when it is there.
pub fn act(shell: &Rc<Shell>, session: u32, id: Option<u64>, from: AccountId, act: OperatorAct) {
    let Some(key) = shell.key_of(session) else { return };
    if !shell.bus.alarm().is_connected() {
        // The bus client would keep it and say it when the link is back: too late.
        let error = Error::new(id, ErrorCode::BusUnavailable, "the bus is not connected; not done");
        return shell.tell(key, &text("error", &error), shell.clock.now_us());
    }
    let shell = Rc::clone(shell);
    tokio::task::spawn_local(async move {
        let done = match act {
            OperatorAct::Notice { text: words, account } => {
                let account = account.map(|account| account.to_string());
                send(
                    &shell,
                    key,
                    id,
                    Notice { text: words, from: from.to_string(), account, ts_us: shell.clock.now_us() },
                )
                .await
            }
            OperatorAct::Sessions { account } => gather(&shell, key, id, account).await,
        };
        if let Err(error) = done {
            let error = format!("{error}; it is not known whether all gateways were reached");
            let error = Error::new(id, ErrorCode::BusUnavailable, &error);
            shell.tell(key, &text("error", &error), shell.clock.now_us());
        }
        shell.settle();
    });
}

async fn send(shell: &Rc<Shell>, key: SessionKey, id: Option<u64>, notice: Notice) -> Result<(), BusError> {
    tracing::info!(from = notice.from, account = notice.account, "an operator's notice");
    let said = tokio::time::timeout(BEAT, shell.bus.say(Word::Notice, bytes(&notice))).await;
    said.unwrap_or(Err(BusError::TimedOut))?;
    let sent = NoticeSent { id, ts_us: notice.ts_us };
    shell.tell(key, &text("notice.sent", &sent), shell.clock.now_us());
    Ok(())
}

async fn gather(
    shell: &Rc<Shell>,
    key: SessionKey,
    id: Option<u64>,
    account: Option<AccountId>,
) -> Result<(), BusError> {
    let now_us = shell.clock.now_us();
    let mut gathered = Gathered::of(shell.gateways.borrow_mut().alive(now_us).cloned().collect());
    let asked = SessionsAsked { account: account.map(|account| account.to_string()) };
    let deadline = tokio::time::Instant::now() + SESSIONS_WAIT;
    let asking = tokio::time::timeout_at(deadline, shell.bus.ask_all(bytes(&asked))).await;
    let mut answers = asking.unwrap_or(Err(BusError::TimedOut))?;
    while !gathered.is_whole() {
        let Ok(Some(answer)) = tokio::time::timeout_at(deadline, answers.next()).await else { break };
        if let Some(answer) = SessionsAnswer::decode(&answer) {
            gathered.take(answer);
        }
    }
    let (sessions, gateways) = gathered.told();
    let missing = gathered.missing();
    let now_us = shell.clock.now_us();
    let mut parts: Vec<_> = sessions.chunks(PART_SYMBOLS_MAX).collect();
    let last = parts.pop().unwrap_or_default();
    for sessions in parts {
        let part = Sessions { id, sessions, gateways: None, missing: None, more: true };
        shell.tell(key, &text("sessions", &part), now_us);
    }
    let part =
        Sessions { id, sessions: last, gateways: Some(gateways), missing: Some(&missing), more: false };
    shell.tell(key, &text("sessions", &part), now_us);
    Ok(())
}
