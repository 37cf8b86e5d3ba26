//! Alerts on a real socket: replies, what the log tells every session of the account, refusals, no writer.

mod support;

use gateway::bus::BusError;
use std::cell::Cell;
use std::rc::Rc;
use support::client::Client;
use support::{Memory, with_gateway};
use wire::alert::{AlertAct, AlertReply, AlertReport, AlertRequest, AlertState, Refusal};
use wire::block::{BlockWriter, Effect, Input, Step};
use wire::order::Outcome;

const ALERT: &str = r#"{"op":"alert.new","id":3,"cl_alert_id":"a-1","symbol":"A.X","condition":{"on":"last","crosses":"down","level":"1.50"},"note":"é"}"#;

fn report(request: &AlertRequest, report_seq: u64, state: AlertState) -> AlertReport {
    let AlertAct::New { cl_alert_id, alert } = &request.act else { panic!("{request:?}") };
    AlertReport {
        account: request.account,
        report_seq,
        block: 0,
        cl_alert_id: *cl_alert_id,
        state,
        alert: Some(alert.clone()),
        seen: 149,
        ts_us: 9,
    }
}

fn block(effects: Vec<Effect>) -> Vec<u8> {
    let mut writer = BlockWriter::new(0, 1);
    writer.push(&Step { input: Input::Market, ts_us: 9, effects });
    writer.finish()
}

/// A writer that stores every alert, and fires it in the next block.
fn firing(bus: &Memory) {
    let seq = Cell::new(0);
    bus.serve_alerts(Box::new(move |bus, request| {
        let next = |state| {
            seq.set(seq.get() + 1);
            report(request, seq.get(), state)
        };
        let set = next(AlertState::Standing);
        let block_of_set =
            bus.store(block(vec![Effect::AlertSet { report: set.clone(), armed: true }]), true);
        bus.store(block(vec![Effect::AlertFired { report: next(AlertState::Fired) }]), true);
        let report = Box::new(AlertReport { block: block_of_set, ..set });
        Ok(AlertReply::Decided { outcome: Outcome::Stored, report })
    }));
}

#[test]
fn every_session_of_the_account_is_told_once_and_in_order() {
    let bus = Memory::new(&["A.X"]);
    firing(&bus);
    with_gateway(&[], &bus, |address| async move {
        let mut one = Client::hello(address, "json", "A1").await;
        let mut two = Client::hello(address, "compact", "A1").await;
        let mut other = Client::hello(address, "json", "A2").await;
        one.until("heartbeat").await;
        one.send(ALERT).await;
        // The answer may come before or after what the log tells.
        let mut first = Vec::new();
        while first.len() < 3 {
            first.push(one.until_any(&["alert.reply", "alert"]).await);
        }
        let place = first.iter().position(|message| message["op"] == "alert.reply").unwrap();
        let reply = first.remove(place);
        assert_eq!((&reply["id"], &reply["outcome"]), (&3.into(), &"stored".into()));
        assert_eq!((&reply["report_seq"], &reply["block"]), (&1.into(), &1.into()));
        assert_eq!((&reply["alert"]["state"], &reply["alert"]["note"]), (&"standing".into(), &"é".into()));
        for (client, mut told) in [(&mut one, first), (&mut two, Vec::new())] {
            while told.len() < 2 {
                told.push(client.until("alert").await);
            }
            let shown: Vec<_> = told.iter().map(|t| (t["seq"].as_u64(), t["state"].as_str())).collect();
            assert_eq!(shown, [(Some(1), Some("standing")), (Some(2), Some("fired"))]);
            assert_eq!((&told[1]["seen"], &told[1]["block"]), (&"1.49".into(), &2.into()));
            assert_eq!(told[1]["condition"]["level"], "1.50");
            client.ask(r#"{"op":"ping"}"#, "pong").await;
            assert_eq!(client.seen.iter().filter(|op| *op == "alert").count(), 2, "{:?}", client.seen);
        }
        other.ask(r#"{"op":"ping"}"#, "pong").await;
        assert!(!other.seen.iter().any(|op| op == "alert"), "{:?}", other.seen);
    });
}

#[test]
fn what_the_writer_refuses_is_a_numbered_error_about_the_alert() {
    let bus = Memory::new(&["A.X"]);
    let left = Rc::new(Cell::new(Refusal::ALL.len()));
    let next = Rc::clone(&left);
    bus.serve_alerts(Box::new(move |_, request| {
        next.set(next.get() - 1);
        let cl_alert_id = request.act.cl_alert_id().unwrap();
        Ok(AlertReply::Refused { cl_alert_id, refusal: Refusal::ALL[next.get()] })
    }));
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        client.until("heartbeat").await;
        while left.get() > 0 {
            let error = client.ask(ALERT, "error").await;
            let code = Refusal::ALL[left.get()].code();
            assert_eq!((&error["code"], &error["number"]), (&code.code().into(), &code.number().into()));
            assert_eq!((&error["cl_alert_id"], &error["id"]), (&"a-1".into(), &3.into()));
        }
        let mut nobody = Client::connect(address, "json").await;
        nobody.ask(r#"{"op":"hello"}"#, "welcome").await;
        assert_eq!(nobody.ask(ALERT, "error").await["code"], "no_account");
    });
}

#[test]
fn without_a_writer_nothing_was_taken_and_without_an_answer_nothing_is_known() {
    let bus = Memory::new(&["A.X"]);
    let asked = Rc::clone(&bus);
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        client.until("heartbeat").await;
        let error = client.ask(ALERT, "error").await;
        assert_eq!((&error["code"], &error["cl_alert_id"]), (&"order_unavailable".into(), &"a-1".into()));
        asked.serve_alerts(Box::new(|_, _| Err(BusError::TimedOut)));
        let reply = client.ask(ALERT, "alert.reply").await;
        assert_eq!((&reply["outcome"], &reply["report_seq"]), (&"unknown".into(), &serde_json::Value::Null));
        let error = client.ask(r#"{"op":"alerts","id":4}"#, "error").await;
        assert_eq!((&error["code"], &error["id"]), (&"order_unavailable".into(), &4.into()));
        asked.serve_alerts(Box::new(|_, _| Ok(AlertReply::Malformed)));
        assert_eq!(client.ask(ALERT, "error").await["code"], "internal");
        asked.serve_alerts(Box::new(|_, request| {
            assert_eq!(request.act, AlertAct::List);
            Ok(AlertReply::List { block: 0, report_seq: 5, alerts: Vec::new() })
        }));
        let list = client.ask(r#"{"op":"alerts","id":4}"#, "alerts").await;
        assert_eq!((&list["report_seq"], &list["more"]), (&5.into(), &false.into()));
    });
}
