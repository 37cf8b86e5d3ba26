//! The core as a whole: seeded histories against a naive oracle, with drops and restarts at any block; and the acts
//! that a history seldom meets.

mod alerts;
mod naive;

use super::*;
use crate::market::tests::Feed;
use naive::{Expected, Naive};
use std::collections::HashMap;
use wire::num::Number;
use wire::order::{NewOrder, OrdType, SessionName, TimeInForce};

pub(super) struct Random(u64);

impl Random {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below((high - low + 1).unsigned_abs())).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

fn number(mantissa: i64) -> Number {
    Number { mantissa, exponent: 0 }
}

fn cents(mantissa: i64) -> Number {
    Number { mantissa, exponent: -2 }
}

fn request(account: &str, act: Act) -> OrderRequest {
    OrderRequest {
        account: account.parse().unwrap(),
        session: SessionName::default(),
        session_epoch: 0,
        received_us: 0,
        expires_us: None,
        act,
    }
}

fn new(id: &str, side: Side, qty: i64, price: Option<i64>, tif: TimeInForce) -> Act {
    Act::New(NewOrder {
        cl_ord_id: id.parse().unwrap(),
        symbol: "A.X".parse().unwrap(),
        side,
        ord_type: if price.is_some() { OrdType::Limit } else { OrdType::Market },
        tif,
        qty: number(qty),
        price: price.map(cents),
    })
}

/// A core with a feed, its log so far, and the clock.
pub(super) struct World {
    core: Core,
    feed: Feed,
    log: Vec<Vec<u8>>,
    writer: BlockWriter,
    now_us: i64,
}

impl World {
    fn start() -> Self {
        let mut market = Market::new(1, 400_000, 0);
        let feed = Feed::start(&mut market, &["A.X"], 0);
        let core = Core::new(State::new(0), market, Limits::default());
        let mut world = Self { writer: core.block(), core, feed, log: Vec::new(), now_us: 0 };
        world.term();
        world
    }

    fn term(&mut self) {
        self.writer = self.core.term(1, self.now_us).unwrap();
        self.store();
    }

    /// The block under way is stored.
    fn store(&mut self) {
        let writer = std::mem::replace(&mut self.writer, self.core.block());
        if !writer.is_empty() {
            self.log.push(writer.finish());
            self.core.stored();
        }
    }

    /// The block under way is refused.
    fn drop_block(&mut self) {
        self.core.dropped(self.now_us);
        self.writer = self.core.block();
    }

    /// The fold of what is stored, in a new process.
    fn fold(&self) -> State {
        let mut state = State::new(0);
        for (sequence, bytes) in (1..).zip(&self.log) {
            state.fold(&Block::decode(bytes).unwrap(), sequence).unwrap();
        }
        state
    }

    fn ask(&mut self, request: &OrderRequest) -> Answer {
        if self.writer.is_full() {
            self.store();
        }
        self.core.request(request, self.now_us, &mut self.writer).unwrap()
    }

    /// Asks, stores, and looks up what a block tells.
    fn told(&mut self, account: &str, act: Act) -> (Outcome, ExecutionReport) {
        let answer = self.ask(&request(account, act));
        self.store();
        match answer {
            Answer::Reply(OrderReply::Decided { outcome, report, .. }) => (outcome, *report),
            Answer::InBlock { account, cl_ord_id, block } => {
                let bytes = &self.log[usize::try_from(block - 1).unwrap()];
                let stored = Block::decode(bytes).unwrap();
                (Outcome::Known, last_report(&stored, block, &account, &cl_ord_id).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Effects of the last step under way.
    fn last_effects(&self) -> Vec<Effect> {
        let block = Block::decode(&self.writer.clone().finish()).unwrap();
        block.steps.last().map(|step| step.effects.clone()).unwrap_or_default()
    }

    fn steps(&self) -> usize {
        Block::decode(&self.writer.clone().finish()).unwrap().steps.len()
    }
}

fn random_act(random: &mut Random) -> Act {
    let id = |random: &mut Random| -> ClOrdId { format!("c-{}", random.below(40)).parse().unwrap() };
    let side = random.pick(&[Side::Buy, Side::Sell]);
    let qty = random.between(1, 12);
    let price = 5 * random.between(195, 205);
    match random.below(12) {
        0..=5 => {
            let tif = random.pick(&[
                TimeInForce::Gtc,
                TimeInForce::Gtc,
                TimeInForce::Day,
                TimeInForce::Ioc,
                TimeInForce::Fok,
            ]);
            let price = (random.below(6) > 0).then_some(price);
            new(id(random).as_str(), side, qty, price, tif)
        }
        6 | 7 => Act::Cancel { cl_ord_id: id(random), orig_cl_ord_id: id(random) },
        8 | 9 => Act::Replace {
            cl_ord_id: id(random),
            orig_cl_ord_id: id(random),
            qty: number(qty),
            price: (random.below(2) > 0).then_some(cents(price)),
        },
        10 => Act::Resolve { cl_ord_id: id(random) },
        _ => Act::Status { cl_ord_id: id(random) },
    }
}

fn history(seed: u64) {
    let mut random = Random(seed);
    let (mut world, mut naive) = (World::start(), Naive::default());
    let mut accepted: HashMap<(String, String), u64> = HashMap::new();
    let mut kept = naive.clone();
    for _ in 0..random.between(30, 150) {
        match random.below(10) {
            0 | 1 => {
                let bid = 5 * random.between(194, 203);
                let quote = [bid, bid + 5 * random.between(1, 3), random.between(0, 9), random.between(0, 9)];
                world.feed.quote(&mut world.core.market, quote, world.now_us);
                naive.quote(quote);
                if !world.writer.is_full() {
                    let before = world.steps();
                    world.core.market_steps(world.now_us, &mut world.writer).unwrap();
                    let effects = if world.steps() > before { world.last_effects() } else { Vec::new() };
                    let expected = naive.market();
                    assert_eq!(Expected::of(&effects), expected, "seed {seed}: the quote's reach");
                    naive.apply(&effects);
                }
            }
            2 => {
                world.store();
                kept.clone_from(&naive);
                assert_eq!(world.core.state.fingerprint(), world.fold().fingerprint(), "seed {seed}");
            }
            3 if random.below(3) == 0 => {
                let restart = random.below(2) == 0;
                world.drop_block();
                naive.restore(&kept);
                let folded = world.fold();
                assert_eq!(world.core.state.fingerprint(), folded.fingerprint(), "seed {seed}: dropped");
                if restart {
                    world.core.state = folded;
                    world.term();
                }
            }
            _ => {
                world.now_us += random.between(0, 100);
                let asked = request(random.pick(&["A", "B", "C"]), random_act(&mut random));
                let known = asked
                    .act
                    .cl_ord_id()
                    .is_some_and(|id| world.core.state.place(&asked.account, &id).is_some());
                let before = world.steps();
                let answer = world.ask(&asked);
                let effects = if world.steps() > before { world.last_effects() } else { Vec::new() };
                assert!(!known || effects.is_empty(), "seed {seed}: a known id acted: {asked:?}");
                assert_eq!(known, is_known(&answer), "seed {seed}: {answer:?}");
                naive.check(&asked, &effects, seed);
                naive.apply(&effects);
            }
        }
    }
    world.store();
    count(&world, &mut accepted, seed);
}

fn is_known(answer: &Answer) -> bool {
    let reply = |reply: &OrderReply| matches!(reply, OrderReply::Decided { outcome: Outcome::Known, .. });
    match answer {
        Answer::InBlock { .. } => true,
        Answer::Reply(answer) => reply(answer),
        Answer::Alert(_) | Answer::AlertInBlock { .. } => panic!("of an order"),
    }
}

/// Over the whole log: one birth an id, quantities add up, reports contiguous (the fold checks that too).
fn count(world: &World, accepted: &mut HashMap<(String, String), u64>, seed: u64) {
    let mut filled: HashMap<u64, (i64, u128)> = HashMap::new();
    let mut sequences: HashMap<AccountId, u64> = HashMap::new();
    for (sequence, bytes) in (1..).zip(&world.log) {
        for report in Block::decode(bytes).unwrap().reports(sequence) {
            let last = sequences.entry(report.account).or_default();
            assert_eq!(report.report_seq, *last + 1, "seed {seed}");
            *last += 1;
            if report.exec_type == ExecType::New {
                let key = (report.account.to_string(), report.cl_ord_id.to_string());
                assert_eq!(accepted.insert(key, report.order_id.number), None, "seed {seed}: born twice");
            }
            if report.order_id.number == 0 || report.exec_type == ExecType::CancelRejected {
                continue;
            }
            let (cum, notional) = filled.entry(report.order_id.number).or_default();
            *cum += report.last_qty;
            *notional += u128::try_from(report.last_qty * report.last_price).unwrap();
            assert_eq!((report.cum_qty, report.cum_notional), (*cum, *notional), "seed {seed}");
            let total = report.terms.unwrap().qty;
            let leaves = if report.ord_status.is_open() { total - *cum } else { 0 };
            assert_eq!(report.leaves_qty, leaves, "seed {seed}: {report:?}");
            assert_eq!(report.ord_status == OrdStatus::Filled, *cum == total, "seed {seed}: {report:?}");
        }
    }
    assert_eq!(world.core.state.fingerprint(), world.fold().fingerprint(), "seed {seed}");
}

#[test]
fn random_histories_agree_with_the_oracle_and_with_their_fold() {
    (0..1_500).for_each(history);
}

#[test]
fn each_rule_broken_on_purpose_is_noticed() {
    use crate::mutants::{BROKEN, RULES};
    for rule in RULES {
        BROKEN.set(Some(rule));
        let noticed = (0..300).any(|seed| std::panic::catch_unwind(|| history(seed)).is_err());
        BROKEN.set(None);
        assert!(noticed, "{rule}");
    }
}

#[test]
fn a_fill_or_kill_order_is_whole_or_nothing() {
    let mut world = World::start();
    world.told("A", new("s-1", Side::Sell, 5, Some(1_000), TimeInForce::Gtc));
    let (outcome, _) = world.told("B", new("f-1", Side::Buy, 6, Some(1_000), TimeInForce::Fok));
    assert_eq!(outcome, Outcome::Stored);
    let (_, after) = world.told("B", Act::Status { cl_ord_id: "f-1".parse().unwrap() });
    assert_eq!((after.ord_status, after.cum_qty), (OrdStatus::Cancelled, 0));
    assert_eq!(after.reason, Some(Reason::FokUnfilled));
    world.told("B", new("f-2", Side::Buy, 5, Some(1_000), TimeInForce::Fok));
    let (_, after) = world.told("B", Act::Status { cl_ord_id: "f-2".parse().unwrap() });
    assert_eq!((after.ord_status, after.cum_qty), (OrdStatus::Filled, 5));
}

#[test]
fn an_order_past_the_bound_of_a_step_is_cut_and_a_fill_or_kill_one_refused() {
    let mut world = World::start();
    for number in 0..600 {
        let id = format!("s-{number}");
        world.ask(&request(
            if number < 300 { "A" } else { "B" },
            new(&id, Side::Sell, 1, Some(1_000), TimeInForce::Gtc),
        ));
    }
    let (outcome, report) = world.told("C", new("f", Side::Buy, 600, Some(1_000), TimeInForce::Fok));
    assert_eq!((outcome, report.reason), (Outcome::Rejected, Some(Reason::EffectsBound)));
    world.told("C", new("g", Side::Buy, 600, Some(1_000), TimeInForce::Gtc));
    let (_, report) = world.told("C", Act::Status { cl_ord_id: "g".parse().unwrap() });
    assert_eq!((report.cum_qty, report.ord_status), (500, OrdStatus::Cancelled));
    assert_eq!(report.reason, Some(Reason::EffectsBound));
    assert_eq!(world.core.state.open_orders(), 100);
}

#[test]
fn an_account_holds_a_thousand_open_orders_and_its_cancels_still_go_through() {
    let mut world = World::start();
    for number in 0..1_000 {
        world.ask(&request("A", new(&format!("b-{number}"), Side::Buy, 1, Some(500), TimeInForce::Gtc)));
    }
    let (outcome, report) = world.told("A", new("more", Side::Buy, 1, Some(500), TimeInForce::Day));
    assert_eq!((outcome, report.reason), (Outcome::Rejected, Some(Reason::TooManyOpenOrders)));
    let (outcome, _) = world.told("A", new("ioc", Side::Buy, 1, Some(500), TimeInForce::Ioc));
    assert_eq!(outcome, Outcome::Stored, "what never rests needs no place");
    let Answer::Reply(open) = world.ask(&request("A", Act::Open)) else { panic!() };
    let mut bytes = Vec::new();
    open.encode(&mut bytes);
    assert!(bytes.len() < 200_000 && OrderReply::decode(&bytes).as_ref() == Ok(&open));
    let act = Act::Cancel { cl_ord_id: "x".parse().unwrap(), orig_cl_ord_id: "b-0".parse().unwrap() };
    assert_eq!(world.told("A", act).1.ord_status, OrdStatus::Cancelled);
    let (outcome, _) = world.told("A", new("again", Side::Buy, 1, Some(500), TimeInForce::Gtc));
    assert_eq!(outcome, Outcome::Stored);
}

#[test]
fn every_id_of_a_chain_tells_its_own_end() {
    let mut world = World::start();
    let id = |text: &str| -> ClOrdId { text.parse().unwrap() };
    world.told("A", new("c-1", Side::Buy, 5, Some(1_000), TimeInForce::Gtc));
    let replace = |new: &str, orig: &str, qty| Act::Replace {
        cl_ord_id: id(new),
        orig_cl_ord_id: id(orig),
        qty: number(qty),
        price: None,
    };
    let (_, replaced) = world.told("A", replace("c-2", "c-1", 4));
    assert_eq!((replaced.exec_type, replaced.leaves_qty), (ExecType::Replaced, 4));
    let (outcome, refused) = world.told("A", replace("c-3", "c-1", 3));
    assert_eq!((outcome, refused.reason), (Outcome::Rejected, Some(Reason::TooLate)));
    world.told("A", Act::Cancel { cl_ord_id: id("c-4"), orig_cl_ord_id: id("c-2") });
    let expected = [
        ("c-1", ExecType::Replaced, "c-2"),
        ("c-2", ExecType::Cancelled, "c-4"),
        ("c-3", ExecType::CancelRejected, "c-3"),
        ("c-4", ExecType::Cancelled, "c-4"),
    ];
    for (asked, exec_type, bears) in expected {
        let (outcome, report) = world.told("A", Act::Status { cl_ord_id: id(asked) });
        assert_eq!((outcome, report.exec_type), (Outcome::Known, exec_type), "{asked}");
        assert_eq!(report.cl_ord_id, id(bears), "{asked}");
    }
    let (outcome, _) = world.told("B", new("c-1", Side::Buy, 5, Some(1_000), TimeInForce::Gtc));
    assert_eq!(outcome, Outcome::Stored, "ids are of an account");
}

#[test]
fn an_expired_request_is_refused_on_record_and_never_wakes_up() {
    let mut world = World::start();
    world.now_us = 10;
    let mut late = request("A", new("c-1", Side::Buy, 5, Some(1_000), TimeInForce::Gtc));
    late.expires_us = Some(9);
    world.ask(&late);
    let (outcome, report) = world.told("A", new("c-1", Side::Buy, 5, Some(1_000), TimeInForce::Gtc));
    assert_eq!((outcome, report.reason), (Outcome::Known, Some(Reason::Expired)));
}

#[test]
fn a_full_index_refuses_new_ids_and_keeps_them_free() {
    let mut world = World::start();
    world.core.limits.ids_max = 8;
    for number in 0..8 {
        world.told("A", new(&format!("c-{number}"), Side::Buy, 5, Some(1_000), TimeInForce::Gtc));
    }
    let asked = request("A", new("c-9", Side::Buy, 5, Some(1_000), TimeInForce::Gtc));
    assert_eq!(world.ask(&asked), Answer::Reply(OrderReply::IdsExhausted));
    assert!(world.writer.is_empty());
    let cancel = Act::Cancel { cl_ord_id: "x".parse().unwrap(), orig_cl_ord_id: "c-0".parse().unwrap() };
    assert_eq!(world.told("A", cancel).0, Outcome::Stored);
}

#[test]
fn an_overcome_writers_block_is_void() {
    let mut world = World::start();
    let mut zombie = BlockWriter::new(0, 1);
    zombie.push(&Step { input: Input::Market, ts_us: 0, effects: vec![Effect::Term { boot_id: 3 }] });
    world.term();
    let mut state = world.fold();
    let before = state.fingerprint();
    state.fold(&Block::decode(&zombie.finish()).unwrap(), 3).unwrap();
    assert_eq!((state.voided(), state.fingerprint(), state.sequence()), (1, before, 3));
}
