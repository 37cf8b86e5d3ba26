//! Orders on a real socket: replies, reports from the log only, no writer, a lost block.

#![expect(clippy::expect_used, reason = "a test ends by its panic")]

mod support;

use gateway::bus::BusError;
use std::cell::Cell;
use std::rc::Rc;
use support::client::Client;
use support::{Memory, with_gateway, with_stoppable_gateway};
use tokio::sync::Notify;
use wire::block::{BlockWriter, Digest, Durability, Effect, Input, Life, Step};
use wire::order::{
    Act, ExecType, ExecutionReport, OrdStatus, OrderId, OrderReply, OrderRequest, Outcome, Reason,
};

const ORDER: &str = r#"{"op":"order.new","id":3,"cl_ord_id":"c-1","symbol":"A.X","side":"buy","type":"limit","qty":"0.5","price":"1.00","tif":"gtc"}"#;

fn report(request: &OrderRequest, report_seq: u64) -> ExecutionReport {
    ExecutionReport {
        account: request.account,
        report_seq,
        block: 0,
        order_id: OrderId::default(),
        cl_ord_id: request.act.cl_ord_id().expect("an act on an id"),
        orig_cl_ord_id: None,
        exec_type: ExecType::Rejected,
        ord_status: OrdStatus::Rejected,
        terms: None,
        last_qty: 0,
        last_price: 0,
        leaves_qty: 0,
        cum_qty: 0,
        cum_notional: 0,
        reason: Some(Reason::UnknownSymbol),
        ts_us: 9,
    }
}

fn block(request: &OrderRequest, report: &ExecutionReport) -> Vec<u8> {
    let mut writer = BlockWriter::new(0, 1);
    let digest = Digest {
        kind: 0,
        account: request.account,
        session: request.session,
        session_epoch: 0,
        cl_ord_id: report.cl_ord_id,
        received_us: request.received_us,
    };
    let effects = vec![Effect::Rejected { report: *report }];
    writer.push(&Step { input: Input::Request(digest), ts_us: 9, effects });
    writer.finish()
}

/// A writer that rejects everything, durably; the first `lost` republished blocks never arrive.
fn rejecting(bus: &Memory, lost: u64) {
    let count = Cell::new(0);
    bus.serve_orders(Box::new(move |bus, request| {
        count.set(count.get() + 1);
        let mut report = report(request, count.get());
        report.block = bus.store(block(request, &report), count.get() > lost);
        let cl_ord_id = report.cl_ord_id;
        Ok(OrderReply::Decided { outcome: Outcome::Rejected, cl_ord_id, report: Box::new(report) })
    }));
}

async fn heard(client: &mut Client) {
    client.until("heartbeat").await;
}

#[test]
fn a_request_is_answered_and_every_session_of_the_account_gets_the_report() {
    let bus = Memory::new(&["A.X"]);
    rejecting(&bus, 0);
    let seen = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut one = Client::hello(address, "json", "A1").await;
        let mut two = Client::hello(address, "compact", "A1").await;
        let mut other = Client::hello(address, "json", "A2").await;
        heard(&mut one).await;
        let reply = one.ask(ORDER, "order.reply").await;
        assert_eq!(
            (&reply["id"], &reply["outcome"], &reply["block"]),
            (&3.into(), &"rejected".into(), &1.into())
        );
        let report = two.until("report").await;
        assert_eq!(
            (&report["seq"], &report["block"], &report["cl_ord_id"]),
            (&1.into(), &1.into(), &"c-1".into())
        );
        assert_eq!(report["reason"], "unknown_symbol");
        let pong = other.ask(r#"{"op":"ping"}"#, "pong").await;
        assert_eq!(pong["op"], "pong");
        let request = seen.requests.borrow()[0];
        assert!(matches!(request.act, Act::New(order) if order.qty.to_string() == "0.5"));
    });
}

#[test]
fn an_order_behind_what_ends_the_session_is_not_taken() {
    let bus = Memory::new(&["A.X"]);
    rejecting(&bus, 0);
    let seen = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        heard(&mut client).await;
        // Written without a pause, so that the gateway reads all of it at once.
        for _ in 0..20 {
            client.send("no json").await;
        }
        client.send(ORDER).await;
        assert_eq!(client.closed().await, 1008);
        assert!(seen.requests.borrow().is_empty());
    });
}

#[test]
fn a_block_that_was_not_republished_is_read_from_the_log() {
    let bus = Memory::new(&["A.X"]);
    rejecting(&bus, 2);
    let writer = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        heard(&mut client).await;
        client.send(ORDER).await;
        assert_eq!(client.until("report").await["seq"], 1);
        client.send(&ORDER.replace("c-1", "c-2")).await;
        assert_eq!(client.until("report").await["seq"], 2);
        let last_sequence = writer.store(
            {
                let request = writer.requests.borrow()[0];
                block(&request, &report(&request, 3))
            },
            false,
        );
        writer.live(Life {
            partition: 0,
            writer_epoch: 1,
            last_sequence,
            durability: Durability::SyncAlways,
        });
        assert_eq!(client.until("report").await["seq"], 3);
    });
}

#[test]
fn without_a_writer_an_order_is_refused_at_once_and_without_an_answer_its_outcome_is_unknown() {
    let bus = Memory::new(&["A.X"]);
    let silent = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        heard(&mut client).await;
        let error = client.ask(ORDER, "error").await;
        assert_eq!(
            (&error["code"], &error["retry"], &error["cl_ord_id"]),
            (&"order_unavailable".into(), &"after_ms".into(), &"c-1".into())
        );
        silent.serve_orders(Box::new(|_, _| Err(BusError::TimedOut)));
        let reply = client.ask(ORDER, "order.reply").await;
        assert_eq!(reply["outcome"], "unknown");
        assert!(reply.get("block").is_none() && reply.get("report_seq").is_none());
    });
}

#[test]
fn a_gateway_that_stops_answers_what_is_under_way_and_takes_nothing_more() {
    let bus = Memory::new(&["A.X"]);
    rejecting(&bus, 0);
    let hold = Rc::new(Notify::new());
    *bus.hold.borrow_mut() = Some(hold.clone());
    let seen = bus.clone();
    with_stoppable_gateway(&[], &bus, |address, stop| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        heard(&mut client).await;
        client.send(ORDER).await;
        client.ask(r#"{"op":"ping"}"#, "pong").await;
        stop.send(()).expect("the gateway runs");
        let error = client.ask(&ORDER.replace("c-1", "c-2"), "error").await;
        assert_eq!((&error["code"], &error["cl_ord_id"]), (&"order_unavailable".into(), &"c-2".into()));
        assert_eq!(seen.requests.borrow().len(), 1);
        hold.notify_one();
        assert_eq!(client.until("order.reply").await["cl_ord_id"], "c-1");
        assert_eq!(client.closed().await, 1001);
    });
}

#[test]
fn an_account_may_send_its_rate_and_no_more() {
    let bus = Memory::new(&["A.X"]);
    rejecting(&bus, 0);
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        heard(&mut client).await;
        for n in 0..130 {
            client.send(&ORDER.replace("c-1", &format!("r-{n}"))).await;
        }
        let error = client.until("error").await;
        assert_eq!(error["code"], "order_rate");
    });
}

#[test]
fn what_is_not_there_yet_is_refused_and_the_id_stays_free() {
    let bus = Memory::new(&["A.X"]);
    let seen: Rc<Memory> = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let mut client = Client::hello(address, "json", "A1").await;
        let flagged = ORDER.replace("\"id\":3", "\"id\":3,\"cancel_on_disconnect\":true");
        assert_eq!(client.ask(&flagged, "error").await["code"], "not_supported_yet");
        assert_eq!(client.ask(r#"{"op":"order.cancel_all"}"#, "error").await["code"], "not_supported_yet");
        assert!(seen.requests.borrow().is_empty());
    });
}
