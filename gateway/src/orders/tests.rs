//! Reports go to every live session of their account, from the log only, in its order.

use super::*;
use wire::block::{BlockWriter, Digest, Effect, Input, Step};
use wire::order::{ClOrdId, ExecType, ExecutionReport, OrdStatus, OrderId, SessionName};

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

fn report(name: &str, report_seq: u64) -> ExecutionReport {
    ExecutionReport {
        account: account(name),
        report_seq,
        block: 0,
        order_id: OrderId::default(),
        cl_ord_id: ClOrdId::new("c-1").unwrap(),
        orig_cl_ord_id: None,
        exec_type: ExecType::Rejected,
        ord_status: OrdStatus::Rejected,
        terms: None,
        last_qty: 0,
        last_price: 0,
        leaves_qty: 0,
        cum_qty: 0,
        cum_notional: 0,
        reason: Some(wire::order::Reason::UnknownSymbol),
        ts_us: 5,
    }
}

fn block(epoch: u64, reports: &[ExecutionReport]) -> Vec<u8> {
    let mut writer = BlockWriter::new(0, epoch);
    for report in reports {
        let digest = Digest {
            kind: 0,
            account: report.account,
            session: SessionName::default(),
            session_epoch: 0,
            cl_ord_id: report.cl_ord_id,
            received_us: 4,
        };
        let effects = vec![Effect::Rejected { report: *report }];
        writer.push(&Step { input: Input::Request(digest), ts_us: 5, effects });
    }
    writer.finish()
}

fn started() -> Relay {
    let mut relay = Relay::new(1, 100);
    relay.join(account("A1"), 1, 0);
    relay.join(account("A1"), 2, 0);
    relay.join(account("A2"), 3, 0);
    relay.position_mut(0).unwrap().read_last(7);
    relay
}

fn offer(relay: &mut Relay, sequence: u64, bytes: &[u8]) -> (Take, Vec<(u64, u64, Vec<SessionKey>)>) {
    let mut out = Vec::new();
    let take = relay
        .block(0, sequence, bytes, |report, sessions| {
            let Told::Order(order) = report else { panic!("{report:?}") };
            out.push((order.report_seq, order.block, sessions.to_vec()))
        })
        .unwrap();
    (take, out)
}

#[test]
fn every_live_session_of_the_account_gets_the_report_with_its_block() {
    let mut relay = started();
    let bytes = block(1, &[report("A1", 1), report("A2", 1), report("A9", 4)]);
    let (take, out) = offer(&mut relay, 8, &bytes);
    assert_eq!(take, Take::Apply);
    assert_eq!(out, [(1, 8, vec![1, 2]), (1, 8, vec![3])]);
    relay.leave(&account("A1"), 1);
    let (_, out) = offer(&mut relay, 9, &block(1, &[report("A1", 2)]));
    assert_eq!(out, [(2, 9, vec![2])]);
    assert_eq!(relay.counters().report_gaps, 0);
}

#[test]
fn copies_and_blocks_of_an_ended_term_tell_nothing() {
    let mut relay = started();
    offer(&mut relay, 8, &block(3, &[report("A1", 1)]));
    assert!(offer(&mut relay, 8, &block(3, &[report("A1", 1)])).1.is_empty());
    assert!(offer(&mut relay, 9, &block(2, &[report("A1", 2)])).1.is_empty());
    assert_eq!(relay.counters().blocks_void, 1);
    assert_eq!(offer(&mut relay, 12, &block(3, &[report("A1", 3)])).0, Take::Gap);
}

#[test]
fn a_report_out_of_sequence_and_a_damaged_block_are_counted() {
    let mut relay = started();
    offer(&mut relay, 8, &block(1, &[report("A1", 1), report("A1", 3)]));
    assert_eq!(relay.counters().report_gaps, 1);
    assert!(relay.block(0, 9, b"x", |_, _| {}).is_err());
    assert_eq!(relay.counters().blocks_bad, 1);
    assert_eq!(relay.partition(0).unwrap().position.applied(), 9);
}

#[test]
fn a_partition_is_alive_while_its_writer_beats() {
    let mut relay = started();
    assert!(!relay.partitions()[0].is_alive(0));
    let life = Life { partition: 0, writer_epoch: 1, last_sequence: 9, durability: Durability::SyncAlways };
    relay.life(life, 1_000);
    assert!(relay.partitions()[0].is_alive(2_000) && !relay.partitions()[0].is_alive(3_002_000));
    assert_eq!(relay.partitions()[0].position.missing(), Some(8));
    assert_eq!(durability_word(relay.partitions()[0].durability()), "sync_always");
}
