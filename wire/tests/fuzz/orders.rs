//! Order requests, replies, blocks and beats.

use crate::mutate::{Random, fuzz};
use tickgate_wire::MANTISSA_MAX;
use tickgate_wire::block::{
    BLOCK_BYTES_MAX, Block, BlockWriter, Digest, Durability, EFFECT_BYTES_MAX, Effect, Input, Life, Step,
};
use tickgate_wire::num::Number;
use tickgate_wire::order::{
    Act, ExecType, ExecutionReport, NewOrder, OrdStatus, OrdType, OrderId, OrderReply, OrderRequest, Outcome,
    Reason, SessionName, Side, Terms, TimeInForce,
};

/// A name of `min` to `max` bytes; half of all are the longest.
fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(random: &mut Random, min: usize, max: usize) -> T {
    let len = if random.chance(2) { max } else { min + random.index(max - min + 1) };
    let text: String = (0..len).map(|_| char::from(random.pick(b"abcXYZ019.-_/:+"))).collect();
    text.parse().unwrap()
}

fn size(random: &mut Random) -> i64 {
    if random.chance(8) { MANTISSA_MAX } else { random.spread(53) }
}

fn number(random: &mut Random) -> Number {
    Number { mantissa: random.signed(53), exponent: -i8::try_from(random.below(19)).unwrap() }
}

fn report(random: &mut Random) -> ExecutionReport {
    let terms = (!random.chance(4)).then(|| Terms {
        symbol: name(random, 1, 48),
        side: random.pick(Side::ALL),
        ord_type: random.pick(OrdType::ALL),
        tif: random.pick(TimeInForce::ALL),
        price_exponent: number(random).exponent,
        qty_exponent: number(random).exponent,
        qty: size(random),
        price: random.chance(2).then(|| random.signed(53)),
    });
    let filled = random.chance(2);
    let fill = |value: i64| if filled { value } else { 0 };
    ExecutionReport {
        account: name(random, 1, 32),
        report_seq: random.next(),
        block: 0,
        order_id: OrderId { partition: 5, number: random.next() },
        cl_ord_id: name(random, 1, 36),
        orig_cl_ord_id: random.chance(2).then(|| name(random, 1, 36)),
        exec_type: random.pick(ExecType::ALL),
        ord_status: random.pick(OrdStatus::ALL),
        leaves_qty: if terms.is_some() { size(random) } else { 0 },
        terms,
        last_qty: fill(size(random)),
        last_price: fill(random.signed(53)),
        cum_qty: fill(size(random).max(1)),
        cum_notional: if filled { u128::from(random.next()) << random.below(63) } else { 0 },
        reason: random.chance(2).then(|| random.pick(Reason::ALL)),
        ts_us: random.next().cast_signed(),
    }
}

fn effect(random: &mut Random) -> Effect {
    let number = random.next();
    match random.below(11) {
        0 => Effect::Term { boot_id: number },
        1 => Effect::OrderAccepted { report: report(random), priority: number },
        2 => Effect::Execution { report: report(random), match_id: number },
        3 => Effect::Cancelled { report: report(random) },
        4 => Effect::Replaced { report: report(random), priority: number },
        5 => Effect::Rejected { report: report(random) },
        6 => Effect::Burned { report: report(random) },
        7 => {
            let (account, session) = (name(random, 1, 32), name(random, 0, 32));
            Effect::SessionOpened { account, session, session_epoch: 7 }
        }
        8 => Effect::SessionClosed {
            account: name(random, 1, 32),
            session: SessionName::default(),
            session_epoch: u32::MAX,
        },
        9 => {
            Effect::LimitSet { account: name(random, 1, 32), limit: 3, value: crate::orders::number(random) }
        }
        _ => Effect::KillSet { account: random.chance(2).then(|| name(random, 1, 32)), on: random.chance(2) },
    }
}

fn step(random: &mut Random) -> Step {
    let input = match random.below(3) {
        0 => Input::Term,
        1 => Input::Market,
        _ => Input::Request(Digest {
            account: name(random, 1, 32),
            session: name(random, 0, 32),
            session_epoch: 9,
            kind: random.byte(),
            cl_ord_id: name(random, 1, 36),
            received_us: random.next().cast_signed(),
        }),
    };
    let effects = (0..random.below(5)).map(|_| effect(random)).collect();
    Step { input, ts_us: random.next().cast_signed(), effects }
}

fn block(random: &mut Random) -> Block {
    let steps = (0..random.below(5)).map(|_| step(random)).collect();
    Block { partition: 5, writer_epoch: random.next(), steps }
}

fn act(random: &mut Random) -> Act {
    let (cl_ord_id, orig_cl_ord_id) = (name(random, 1, 36), name(random, 1, 36));
    match random.below(6) {
        0 => Act::New(NewOrder {
            cl_ord_id,
            symbol: name(random, 1, 48),
            side: random.pick(Side::ALL),
            ord_type: random.pick(OrdType::ALL),
            tif: random.pick(TimeInForce::ALL),
            qty: number(random),
            price: random.chance(2).then(|| number(random)),
        }),
        1 => Act::Cancel { cl_ord_id, orig_cl_ord_id },
        2 => {
            let price = random.chance(2).then(|| number(random));
            Act::Replace { cl_ord_id, orig_cl_ord_id, qty: number(random), price }
        }
        3 => Act::Status { cl_ord_id },
        4 => Act::Resolve { cl_ord_id },
        _ => Act::Open,
    }
}

fn request(random: &mut Random) -> OrderRequest {
    OrderRequest {
        account: name(random, 1, 32),
        session: name(random, 0, 32),
        session_epoch: u32::try_from(random.spread(32)).unwrap(),
        received_us: random.next().cast_signed(),
        expires_us: random.chance(2).then(|| random.next().cast_signed()),
        act: act(random),
    }
}

fn reply(random: &mut Random) -> OrderReply {
    match random.below(5) {
        0 => OrderReply::Decided {
            outcome: random.pick(Outcome::ALL),
            cl_ord_id: name(random, 1, 36),
            report: Box::new(ExecutionReport { block: random.next(), ..report(random) }),
        },
        1 => OrderReply::NotKnown { cl_ord_id: name(random, 1, 36) },
        2 => OrderReply::Open {
            block: random.next(),
            report_seq: random.next(),
            orders: (0..random.below(4)).map(|_| report(random)).collect(),
        },
        3 => OrderReply::Malformed,
        _ => OrderReply::IdsExhausted,
    }
}

fn write(block: &Block) -> Vec<u8> {
    let mut writer = BlockWriter::new(block.partition, block.writer_epoch);
    block.steps.iter().for_each(|step| writer.push(step));
    writer.finish()
}

fn bytes(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

fn corpus(mut one: impl FnMut(&mut Random) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut random = Random(5);
    (0..40).map(|_| one(&mut random)).collect()
}

#[test]
fn blocks() {
    let corpus = corpus(|random| write(&block(random)));
    let (mut taken, mut refused) = (0_u64, 0_u64);
    fuzz("blocks", 500_000, |case| {
        let whole = block(&mut case.random);
        let written = write(&whole);
        let effects: usize = whole.steps.iter().map(|step| step.effects.len()).sum();
        assert!(written.len() <= 13 + whole.steps.len() * 128 + effects * EFFECT_BYTES_MAX);
        assert_eq!(
            (Block::peek_epoch(&written), Block::decode(&written)),
            (Some(whole.writer_epoch), Ok(whole))
        );
        let bytes = case.mutated(&corpus);
        let Ok(read) = Block::decode(&bytes) else {
            refused += 1;
            return;
        };
        taken += 1;
        assert!(bytes.len() <= BLOCK_BYTES_MAX);
        assert_eq!(Block::peek_epoch(&bytes), Some(read.writer_epoch));
        // A step takes three bytes and an effect two; a vector grows to at most twice that, or to its first four.
        assert!(read.steps.capacity() <= 4 + bytes.len());
        assert!(read.steps.iter().all(|step| step.effects.capacity() <= 4 + bytes.len()));
        assert!(read.reports(77).all(|report| report.block == 77));
        assert_eq!(Block::decode(&write(&read)), Ok(read));
    });
    assert!(taken + refused < 1_000 || (taken > 100 && refused > 100), "{taken} {refused}");
}

#[test]
fn order_requests() {
    let corpus = corpus(|random| bytes(|out| request(random).encode(out)));
    let (mut taken, mut refused) = (0_u64, 0_u64);
    fuzz("order_requests", 500_000, |case| {
        let whole = request(&mut case.random);
        assert_eq!(OrderRequest::decode(&bytes(|out| whole.encode(out))), Ok(whole));
        match OrderRequest::decode(&case.mutated(&corpus)) {
            Ok(read) => {
                taken += 1;
                assert_eq!(OrderRequest::decode(&bytes(|out| read.encode(out))), Ok(read));
            }
            Err(_) => refused += 1,
        }
    });
    assert!(taken + refused < 1_000 || (taken > 100 && refused > 100), "{taken} {refused}");
}

#[test]
fn order_replies() {
    let corpus = corpus(|random| bytes(|out| reply(random).encode(out)));
    let (mut taken, mut refused) = (0_u64, 0_u64);
    fuzz("order_replies", 500_000, |case| {
        let whole = reply(&mut case.random);
        assert_eq!(OrderReply::decode(&bytes(|out| whole.encode(out))).as_ref(), Ok(&whole));
        let input = case.mutated(&corpus);
        match OrderReply::decode(&input) {
            Ok(read) => {
                taken += 1;
                if let OrderReply::Open { orders, .. } = &read {
                    assert!(orders.capacity() <= 4 + input.len());
                }
                assert_eq!(OrderReply::decode(&bytes(|out| read.encode(out))), Ok(read));
            }
            Err(_) => refused += 1,
        }
    });
    assert!(taken + refused < 1_000 || (taken > 100 && refused > 100), "{taken} {refused}");
}

#[test]
fn beats_of_a_partition() {
    let life = |random: &mut Random| Life {
        partition: 7,
        writer_epoch: random.next(),
        last_sequence: random.next(),
        durability: random.pick(&[Durability::Unproven, Durability::SyncAlways, Durability::NotDurable]),
    };
    let corpus = corpus(|random| life(random).encode());
    fuzz("beats_of_a_partition", 250_000, |case| {
        let whole = life(&mut case.random);
        assert_eq!(Life::decode(&whole.encode()), Ok(whole));
        if let Ok(read) = Life::decode(&case.mutated(&corpus)) {
            assert_eq!(Life::decode(&read.encode()), Ok(read));
        }
    });
}
