//! Blocks: round trips, golden bytes, bounds, damaged and foreign bytes.

use super::*;
use crate::order::tests::{Random, damage};

fn effect(random: &mut Random) -> Effect {
    let (account, number) = (random.account(), random.next());
    let (session, session_epoch) = (SessionName::default(), 7);
    match random.below(15) {
        0 => Effect::Term { boot_id: number },
        1 => Effect::OrderAccepted { report: random.report(5), priority: number },
        2 => Effect::Execution { report: random.report(5), match_id: number },
        3 => Effect::Cancelled { report: random.report(5) },
        4 => Effect::Replaced { report: random.report(5), priority: number },
        5 => Effect::Rejected { report: random.report(5) },
        6 => Effect::Burned { report: random.report(5) },
        7 => Effect::SessionOpened { account, session, session_epoch },
        8 => Effect::SessionClosed { account, session, session_epoch },
        9 => Effect::LimitSet { account, limit: 3, value: Number { mantissa: -5, exponent: -2 } },
        10 => Effect::AlertSet { report: random.alert_report(), armed: number & 1 == 0 },
        11 => Effect::AlertArmed { account, cl_alert_id: random.id() },
        12 => Effect::AlertFired { report: random.alert_report() },
        13 => Effect::AlertGone { report: random.alert_report() },
        _ => Effect::KillSet { account: (number & 1 == 0).then_some(account), on: number & 2 == 0 },
    }
}

fn step(random: &mut Random) -> Step {
    let digest = Digest {
        account: random.account(),
        session: SessionName::default(),
        session_epoch: 9,
        kind: 2,
        cl_ord_id: random.id(),
        received_us: random.next().cast_signed(),
    };
    let input = random.pick(&[Input::Term, Input::Market, Input::Request(digest)]);
    let effects = (0..random.below(5)).map(|_| effect(random)).collect();
    Step { input, ts_us: random.next().cast_signed(), effects }
}

fn block(random: &mut Random) -> Block {
    let steps = (0..random.below(6)).map(|_| step(random)).collect();
    Block { partition: 5, writer_epoch: random.next(), steps }
}

fn write(block: &Block) -> Vec<u8> {
    let mut writer = BlockWriter::new(block.partition, block.writer_epoch);
    block.steps.iter().for_each(|step| writer.push(step));
    writer.finish()
}

#[test]
fn blocks_round_trip() {
    let mut random = Random(1);
    for _ in 0..2_000 {
        let block = block(&mut random);
        let bytes = write(&block);
        assert_eq!(Block::peek_epoch(&bytes), Some(block.writer_epoch));
        assert_eq!(Block::decode(&bytes), Ok(block));
    }
}

#[test]
fn damaged_blocks_never_panic_and_cut_ones_are_refused() {
    let mut random = Random(2);
    for _ in 0..200 {
        let bytes = write(&block(&mut random));
        for end in 0..bytes.len() {
            assert!(Block::decode(&bytes[..end]).is_err());
        }
        damage(&mut random, &bytes, |bytes| _ = Block::decode(bytes));
    }
}

#[test]
fn what_a_newer_writer_wrote_stops_the_reader() {
    let mut bytes = write(&Block { partition: 0, writer_epoch: 1, steps: Vec::new() });
    bytes[0] = 2;
    assert_eq!(Block::decode(&bytes), Err(BlockError::Schema(2)));
    let term = Step { input: Input::Term, ts_us: 0, effects: vec![Effect::Term { boot_id: 0 }] };
    let mut bytes = write(&Block { partition: 0, writer_epoch: 1, steps: vec![term] });
    let tag = bytes.len() - 9;
    bytes[tag] = 15;
    assert_eq!(Block::decode(&bytes), Err(BlockError::UnknownTag("effect", 15)));
    assert_eq!(Block::decode(&[0; BLOCK_BYTES_MAX + 1]), Err(BlockError::Bounds));
}

#[test]
fn a_block_has_these_bytes_and_tells_its_reports() {
    let report = ExecutionReport {
        account: "A1".parse().unwrap(),
        report_seq: 42,
        block: 0,
        order_id: crate::order::OrderId { partition: 1, number: 9 },
        cl_ord_id: "c-1".parse().unwrap(),
        orig_cl_ord_id: None,
        exec_type: crate::order::ExecType::New,
        ord_status: crate::order::OrdStatus::New,
        terms: Some(crate::order::Terms {
            symbol: "A.X".parse().unwrap(),
            side: crate::order::Side::Buy,
            ord_type: crate::order::OrdType::Limit,
            tif: crate::order::TimeInForce::Gtc,
            price_exponent: -2,
            qty_exponent: 0,
            qty: 8,
            price: Some(10_000),
        }),
        last_qty: 0,
        last_price: 0,
        leaves_qty: 8,
        cum_qty: 0,
        cum_notional: 0,
        reason: None,
        ts_us: 1_000,
    };
    let digest = Digest {
        account: report.account,
        session: SessionName::default(),
        session_epoch: 0,
        kind: 0,
        cl_ord_id: report.cl_ord_id,
        received_us: 900,
    };
    let effects = vec![Effect::OrderAccepted { report, priority: 3 }];
    let step = Step { input: Input::Request(digest), ts_us: 1_000, effects };
    let bytes = write(&Block { partition: 1, writer_epoch: 2, steps: vec![step] });
    let expected = concat!(
        "01",
        "0100",
        "0200000000000000",
        "0100",
        "d00f",
        "01",
        "00",
        "024131",
        "00",
        "00",
        "03632d31",
        "c801",
        "01",
        "01",
        "03",
        "3800",
        "2a",
        "09",
        "00",
        "03412e58",
        "61",
        "02",
        "00",
        "10",
        "a09c01",
        "08",
    );
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
    let told: Vec<ExecutionReport> = Block::decode(&bytes).unwrap().reports(77).collect();
    assert_eq!(told, [ExecutionReport { block: 77, ..report }]);
}

#[test]
fn any_step_fits_behind_the_last_place_where_one_may_begin() {
    let mut random = Random(3);
    let mut writer = BlockWriter::new(0, 1);
    let effects = || -> Vec<Effect> {
        let mut random = Random(9);
        (0..STEP_EFFECTS_MAX).map(|_| Effect::Cancelled { report: random.report(0) }).collect()
    };
    while !writer.is_full() {
        writer.push(&Step { input: Input::Market, ts_us: 0, effects: vec![effect(&mut random)] });
    }
    let mut writer = BlockWriter::new(0, 1);
    while !writer.is_full() {
        writer.push(&Step { input: Input::Market, ts_us: 0, effects: effects() });
    }
    let bytes = writer.finish();
    assert!(bytes.len() <= BLOCK_BYTES_MAX && Block::decode(&bytes).is_ok(), "{}", bytes.len());
}

#[test]
fn a_beat_round_trips_and_may_grow() {
    let life = Life { partition: 3, writer_epoch: 4, last_sequence: 5, durability: Durability::SyncAlways };
    let mut bytes = life.encode();
    bytes.push(9);
    assert_eq!(Life::decode(&bytes), Ok(life));
    assert!((0..20).all(|end| Life::decode(&bytes[..end]).is_err()));
}
