//! What operators may, on real sockets: notices to those who are meant, sessions of all gateways, and refusals.

mod support;

use gateway::bus::Word;
use serde_json::json;
use std::rc::Rc;
use support::client::Client;
use support::{Memory, with_gateway};
use wire::presence::{GatewayBeat, Notice, SESSIONS_WAIT};

const OPERATOR: &[&str] = &["--demo-operators", "A1"];

fn beat(gateway: &str, stopping: bool) -> bytes::Bytes {
    serde_json::to_vec(&GatewayBeat { gateway: gateway.to_owned(), stopping }).unwrap_or_default().into()
}

#[test]
fn a_notice_reaches_each_live_session_that_it_is_for_once() {
    let bus = Memory::new(&["A.X"]);
    let other_gateway = Rc::clone(&bus);
    with_gateway(OPERATOR, &bus, |address| async move {
        let mut operator = Client::hello(address, "json", "A1").await;
        let mut meant = Client::hello(address, "compact", "A2").await;
        let mut silent = Client::connect(address, "json").await;
        operator.until("heartbeat").await;
        assert!(other_gateway.hears_notices());
        let all = r#"{"op":"notice.send","id":1,"text":"Back at \"nine\""}"#;
        let sent = operator.ask(all, "notice.sent").await;
        assert_eq!(sent["id"], 1);
        for client in [&mut operator, &mut meant] {
            let notice = client.until("notice").await;
            assert_eq!((&notice["code"], &notice["from"]), (&"operator".into(), &"A1".into()));
            assert_eq!(notice["text"], "Back at \"nine\"");
        }
        let one = r#"{"op":"notice.send","text":"only you","account":"A2"}"#;
        operator.ask(one, "notice.sent").await;
        assert_eq!(meant.until("notice").await["text"], "only you");
        // From another gateway; damaged ones are nothing.
        other_gateway.said(Word::Notice, bytes::Bytes::from_static(b"x"));
        let notice = Notice { text: "elsewhere".into(), from: "OPS".into(), account: None, ts_us: 5 };
        other_gateway.said(Word::Notice, serde_json::to_vec(&notice).unwrap().into());
        let notice = operator.until("notice").await;
        assert_eq!((&notice["text"], &notice["ts_us"]), (&"elsewhere".into(), &5.into()));
        // Who has not said hello is nobody yet.
        let welcome = silent.ask(r#"{"op":"hello"}"#, "welcome").await;
        assert_eq!(welcome["account"], serde_json::Value::Null);
        assert_eq!(silent.seen, ["welcome"]);
    });
}

#[test]
fn only_an_operator_may_say_and_ask() {
    let bus = Memory::new(&["A.X"]);
    with_gateway(OPERATOR, &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A2").await;
        let mut nobody = Client::connect(address, "json").await;
        nobody.ask(r#"{"op":"hello"}"#, "welcome").await;
        for client in [&mut client, &mut nobody] {
            for request in [r#"{"op":"sessions","id":4}"#, r#"{"op":"notice.send","id":4,"text":"a"}"#] {
                let error = client.ask(request, "error").await;
                assert_eq!((&error["code"], &error["number"]), (&"not_operator".into(), &1401.into()));
                assert_eq!(error["id"], 4);
            }
        }
        client.ask(r#"{"op":"ping"}"#, "pong").await;
        assert!(!client.seen.iter().any(|op| op == "notice"));
        let mut operator = Client::hello(address, "json", "A1").await;
        let mut refused = 0;
        for _ in 0..30 {
            operator.send(r#"{"op":"notice.send","text":"a","account":"A2"}"#).await;
        }
        for _ in 0..30 {
            let answer = operator.until_any(&["notice.sent", "error"]).await;
            refused += u32::from(answer["code"] == "too_often");
        }
        assert!((15..=20).contains(&refused), "{refused}");
    });
}

#[test]
fn sessions_are_listed_and_a_gateway_that_does_not_answer_is_named() {
    let bus = Memory::new(&["A.X"]);
    let other_gateway = Rc::clone(&bus);
    with_gateway(OPERATOR, &bus, |address| async move {
        let mut operator = Client::connect(address, "json").await;
        let hello = r#"{"op":"hello","session":"desk","account":"A1"}"#;
        let boot_id = operator.ask(hello, "welcome").await["boot_id"].clone();
        let mut other = Client::hello(address, "compact", "A2").await;
        let subscribe = r#"{"op":"subscribe","channel":"quote","symbols":["A.X"],"interval_ms":50}"#;
        other.ask(subscribe, "subscribed").await;
        operator.until("heartbeat").await;
        let ask = r#"{"op":"sessions","id":9}"#;
        let list = operator.ask(ask, "sessions").await;
        assert_eq!((&list["id"], &list["missing"], &list["more"]), (&9.into(), &json!([]), &false.into()));
        assert_eq!(list["gateways"], json!([{"gateway": boot_id, "count": 2, "told": 2}]));
        let shown = |at: usize, field: &str| list["sessions"][at][field].clone();
        assert_eq!((shown(0, "session"), shown(0, "account")), ("desk".into(), "A1".into()));
        assert_eq!((shown(0, "operator"), shown(1, "operator")), (true.into(), false.into()));
        assert_eq!((shown(1, "session"), shown(1, "account")), ("t".into(), "A2".into()));
        assert_eq!((shown(1, "form"), shown(1, "subscriptions")), ("compact".into(), 1.into()));
        assert_eq!((shown(1, "slots"), shown(1, "blocked")), (1.into(), false.into()));
        assert!(shown(1, "frames").is_u64() && shown(1, "backlog").is_u64());
        assert!(shown(1, "connected_us").as_i64() > Some(0) && shown(0, "gateway") == boot_id);
        let named = operator.ask(r#"{"op":"sessions","account":"A2"}"#, "sessions").await;
        assert_eq!(named["sessions"].as_array().map(Vec::len), Some(1));
        // One that beats and never answers is named, within the bound and not before it.
        other_gateway.said(Word::Beat, beat("gone", false));
        let before = tokio::time::Instant::now();
        let list = operator.ask(ask, "sessions").await;
        assert!(before.elapsed() >= SESSIONS_WAIT);
        assert_eq!(
            (&list["missing"], list["sessions"].as_array().map(Vec::len)),
            (&json!(["gone"]), Some(2))
        );
        other_gateway.said(Word::Beat, beat("gone", true));
        operator.ask(r#"{"op":"ping"}"#, "pong").await;
        assert_eq!(operator.ask(ask, "sessions").await["missing"], json!([]));
    });
}
