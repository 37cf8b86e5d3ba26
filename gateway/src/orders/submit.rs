//! One order request: from its session to its partition's writer, and the answer back into the session's lossless lane.

use super::{IN_FLIGHT_MAX, SessionKey};
use crate::bus::BusError;
use crate::control::Known;
use crate::metrics::OrderOutcome;
use crate::shell::Shell;
use bytes::Bytes;
use std::rc::Rc;
use wire::alert::ClAlertId;
use wire::control::orders::{OrderState, Orders, Reply};
use wire::control::reply::{self, PART_SYMBOLS_MAX, text};
use wire::error::ErrorCode;
use wire::order::{AccountId, Act, ClOrdId, OrderReply, OrderRequest};

/// What a request is about, with the id that it names.
#[derive(Debug, Clone, Copy)]
pub(super) enum About {
    Order(Option<ClOrdId>),
    Alert(Option<ClAlertId>),
}

/// A request on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) key: SessionKey,
    pub(super) id: Option<u64>,
    pub(super) account: AccountId,
    pub(super) about: About,
    pub(super) partition: u16,
    pub(super) received_us: i64,
}

/// Sends a request to its writer; the answer goes to the session when it comes. Settle afterwards.
pub fn submit(
    shell: &Rc<Shell>,
    session: u32,
    id: Option<u64>,
    known: Known,
    act: Act,
    expires_ms: Option<u64>,
) {
    let now_us = shell.clock.now_us();
    let Some(account) = known.account else { return };
    shell.metrics.order_received();
    let Some((key, sent)) = admit(shell, session, id, &account, About::Order(act.cl_ord_id()), now_us) else {
        return;
    };
    let expires_us = expires_ms.and_then(|ms| i64::try_from(ms).ok()).map(|ms| now_us + ms * 1_000);
    let request =
        OrderRequest { account, session: known.name, session_epoch: 0, received_us: now_us, expires_us, act };
    let mut payload = Vec::with_capacity(160);
    request.encode(&mut payload);
    let answer = shell.bus.order(sent.partition, Bytes::from(payload));
    let shell = Rc::clone(shell);
    tokio::task::spawn_local(async move {
        let answer = answer.await;
        land(&shell, key);
        tell(&shell, &sent, answer);
        shell.settle();
    });
}

/// Counts the request in, or says why not.
pub(super) fn admit(
    shell: &Rc<Shell>,
    session: u32,
    id: Option<u64>,
    account: &AccountId,
    about: About,
    now_us: i64,
) -> Option<(SessionKey, Sent)> {
    let mut sessions = shell.sessions.borrow_mut();
    let live = sessions.get_mut(session as usize)?.as_mut()?;
    let mut relay = shell.relay.borrow_mut();
    let partition = relay.partition_of(account);
    let key = live.key();
    let sent = Sent { key, id, account: *account, about, partition, received_us: now_us };
    let refusal = if live.client.in_flight >= IN_FLIGHT_MAX {
        Some((ErrorCode::OrderRate, "too many requests wait for their writer"))
    } else if !relay.may_send(account, now_us) {
        Some((ErrorCode::OrderRate, "above the account's orders a second"))
    } else if shell.stopping.get() {
        Some((ErrorCode::OrderUnavailable, "this gateway is stopping; not taken"))
    } else if !shell.bus.alarm().is_connected() {
        // The bus client would keep it and send it when the link is back: an order must not wake up late.
        Some((ErrorCode::OrderUnavailable, "the bus is not connected; not taken"))
    } else if !relay.partition(partition).is_some_and(|known| known.position.is_known()) {
        Some((ErrorCode::OrderUnavailable, "the partition's log is not being followed yet; not taken"))
    } else {
        None
    };
    let Some((code, why)) = refusal else {
        live.client.in_flight += 1;
        return Some((key, sent));
    };
    drop((sessions, relay));
    let outcome =
        if code == ErrorCode::OrderRate { OrderOutcome::Refused } else { OrderOutcome::Unavailable };
    shell.metrics.order_ended(outcome, 0);
    refuse(shell, &sent, code, why);
    None
}

/// Counts the request out.
pub(super) fn land(shell: &Rc<Shell>, key: SessionKey) {
    let Some(session) = shell.session_of(key) else { return };
    if let Some(Some(live)) = shell.sessions.borrow_mut().get_mut(session as usize) {
        live.client.in_flight = live.client.in_flight.saturating_sub(1);
    }
}

pub(super) fn refuse(shell: &Rc<Shell>, sent: &Sent, code: ErrorCode, why: &str) {
    let mut error = reply::Error::new(sent.id, code, why);
    match &sent.about {
        About::Order(id) => error.cl_ord_id = id.as_ref().map(ClOrdId::as_str),
        About::Alert(id) => error.cl_alert_id = id.as_ref().map(ClAlertId::as_str),
    }
    shell.tell(sent.key, &text("error", &error), shell.clock.now_us());
}

fn tell(shell: &Rc<Shell>, sent: &Sent, answer: Result<Bytes, BusError>) {
    let now_us = shell.clock.now_us();
    let ended = |outcome| shell.metrics.order_ended(outcome, now_us - sent.received_us);
    let decoded = answer.map(|bytes| OrderReply::decode(&bytes));
    match decoded {
        Err(BusError::NoResponders) => {
            ended(OrderOutcome::Unavailable);
            refuse(shell, sent, ErrorCode::OrderUnavailable, "no writer takes orders now; not taken");
        }
        Ok(Ok(OrderReply::Malformed)) => {
            ended(OrderOutcome::Refused);
            tracing::error!(account = %sent.account, "the writer could not read a request; is it of another version?");
            refuse(shell, sent, ErrorCode::Internal, "the writer could not read the request; not taken");
        }
        Ok(Ok(OrderReply::IdsExhausted)) => {
            ended(OrderOutcome::Refused);
            refuse(
                shell,
                sent,
                ErrorCode::OrderIdsExhausted,
                "the partition holds as many ids as it may; not taken",
            );
        }
        Ok(Ok(answer)) => {
            ended(OrderOutcome::Answered);
            answered(shell, sent, &answer, now_us);
        }
        Ok(Err(_)) => {
            ended(OrderOutcome::Unknown);
            tracing::error!(account = %sent.account, "the writer's answer is damaged");
            unknown(shell, sent, now_us);
        }
        Err(BusError::TimedOut | BusError::Lost(_)) => {
            ended(OrderOutcome::Unknown);
            unknown(shell, sent, now_us);
        }
    }
}

/// The parts of a long answer, and whether another follows; an empty one has one.
pub(super) fn parts<T>(all: &[T]) -> impl Iterator<Item = (&[T], bool)> {
    let last = all.len().div_ceil(PART_SYMBOLS_MAX).max(1) - 1;
    (0..=last).map(move |at| {
        let begin = at * PART_SYMBOLS_MAX;
        (&all[begin..all.len().min(begin + PART_SYMBOLS_MAX)], at < last)
    })
}

/// A statement of the gateway, not a status: a report, a resend or `order.resolve` decides.
fn unknown(shell: &Rc<Shell>, sent: &Sent, now_us: i64) {
    match &sent.about {
        About::Order(Some(cl_ord_id)) => {
            let reply = Reply::undecided(sent.id, cl_ord_id.as_str(), "unknown");
            shell.tell(sent.key, &text("order.reply", &reply), now_us);
        }
        _ => refuse(shell, sent, ErrorCode::OrderUnavailable, "the writer did not answer"),
    }
}

fn answered(shell: &Rc<Shell>, sent: &Sent, answer: &OrderReply, now_us: i64) {
    match answer {
        OrderReply::Decided { outcome, cl_ord_id, report } => {
            stored(shell, sent.partition, report.block);
            let reply = Reply::decided(sent.id, cl_ord_id.as_str(), *outcome, report);
            shell.tell(sent.key, &text("order.reply", &reply), now_us);
        }
        OrderReply::NotKnown { cl_ord_id } => {
            let reply = Reply::undecided(sent.id, cl_ord_id.as_str(), "not_known");
            shell.tell(sent.key, &text("order.reply", &reply), now_us);
        }
        OrderReply::Open { block, report_seq, orders } => {
            stored(shell, sent.partition, *block);
            for (part, more) in parts(orders) {
                let (block, report_seq) = (*block, *report_seq);
                let orders = part.iter().map(OrderState::new).collect();
                let reply = Orders { id: sent.id, block, report_seq, orders, more };
                shell.tell(sent.key, &text("orders", &reply), now_us);
            }
        }
        OrderReply::Malformed | OrderReply::IdsExhausted => {}
    }
}

/// An answer names a block: where it is ahead of what was read, the log is read at once.
pub(super) fn stored(shell: &Rc<Shell>, partition: u16, block: u64) {
    let mut relay = shell.relay.borrow_mut();
    if let Some(position) = relay.position_mut(partition) {
        position.stored(block);
        if position.missing().is_some() {
            shell.nudge(partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_comes_in_parts_and_an_empty_one_in_one() {
        let told = |len: usize| {
            let all: Vec<usize> = (0..len).collect();
            let parts: Vec<_> = parts(&all).map(|(part, more)| (part.to_vec(), more)).collect();
            assert_eq!(parts.iter().flat_map(|(part, _)| part).copied().collect::<Vec<_>>(), all);
            parts.into_iter().map(|(part, more)| (part.len(), more)).collect::<Vec<_>>()
        };
        assert_eq!(told(0), [(0, false)]);
        assert_eq!(told(64), [(64, false)]);
        assert_eq!(told(129), [(64, true), (64, true), (1, false)]);
    }
}
