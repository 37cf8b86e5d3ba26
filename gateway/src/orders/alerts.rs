//! One request about alerts: the way of an order request to the partition's writer and back, with the same limits.

use super::submit::{About, Sent, admit, land, parts, refuse, stored};
use crate::bus::BusError;
use crate::control::Known;
use crate::metrics::OrderOutcome;
use crate::shell::Shell;
use bytes::Bytes;
use std::rc::Rc;
use wire::alert::{AlertAct, AlertReply, AlertRequest};
use wire::control::alerts::{AlertReplied, AlertText, Alerts};
use wire::control::reply::text;
use wire::error::ErrorCode;

/// Sends a request to its writer; the answer goes to the session when it comes. Settle afterwards.
pub fn submit_alert(shell: &Rc<Shell>, session: u32, id: Option<u64>, known: Known, act: AlertAct) {
    let now_us = shell.clock.now_us();
    let Some(account) = known.account else { return };
    shell.metrics.order_received();
    let about = About::Alert(act.cl_alert_id());
    let Some((key, sent)) = admit(shell, session, id, &account, about, now_us) else { return };
    let request = AlertRequest { account, session: known.name, session_epoch: 0, received_us: now_us, act };
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

fn tell(shell: &Rc<Shell>, sent: &Sent, answer: Result<Bytes, BusError>) {
    let now_us = shell.clock.now_us();
    let ended = |outcome| shell.metrics.order_ended(outcome, now_us - sent.received_us);
    match answer.map(|bytes| AlertReply::decode(&bytes)) {
        Err(BusError::NoResponders) => {
            ended(OrderOutcome::Unavailable);
            refuse(shell, sent, ErrorCode::OrderUnavailable, "no writer takes requests now; not taken");
        }
        Ok(Ok(AlertReply::Malformed)) => {
            ended(OrderOutcome::Refused);
            tracing::error!(account = %sent.account, "the writer could not read a request; is it of an older version?");
            refuse(shell, sent, ErrorCode::Internal, "the writer could not read the request; not taken");
        }
        Ok(Ok(AlertReply::Refused { refusal, .. })) => {
            ended(OrderOutcome::Refused);
            refuse(shell, sent, refusal.code(), refusal.words());
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

/// A statement of the gateway: an `alert`, the same request again, or `alert.cancel` decides.
fn unknown(shell: &Rc<Shell>, sent: &Sent, now_us: i64) {
    let About::Alert(Some(cl_alert_id)) = &sent.about else {
        return refuse(shell, sent, ErrorCode::OrderUnavailable, "the writer did not answer");
    };
    let reply = AlertReplied::unknown(sent.id, cl_alert_id.as_str());
    shell.tell(sent.key, &text("alert.reply", &reply), now_us);
}

fn answered(shell: &Rc<Shell>, sent: &Sent, answer: &AlertReply, now_us: i64) {
    match answer {
        AlertReply::Decided { outcome, report } => {
            stored(shell, sent.partition, report.block);
            let reply = AlertReplied::decided(sent.id, *outcome, report);
            shell.tell(sent.key, &text("alert.reply", &reply), now_us);
        }
        AlertReply::List { block, report_seq, alerts } => {
            stored(shell, sent.partition, *block);
            for (part, more) in parts(alerts) {
                let (block, report_seq) = (*block, *report_seq);
                let alerts = part.iter().map(AlertText::new).collect();
                let reply = Alerts { id: sent.id, block, report_seq, alerts, more };
                shell.tell(sent.key, &text("alerts", &reply), now_us);
            }
        }
        AlertReply::Refused { .. } | AlertReply::Malformed => {}
    }
}
