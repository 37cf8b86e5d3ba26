//! The fold of a partition's log on damaged blocks: it stops with an error and is then as it was, or it goes on to a state
//! that another fold of the same blocks comes to, and that a writer can work on.
//!
//! More cases: `FUZZ_ITERATIONS=1000000 cargo test -p order-api --test fuzz`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "../../wire/tests/support/mutate.rs"]
mod mutate;

use bytes::Bytes;
use mutate::{Random, fuzz};
use order_api::decide::Core;
use order_api::market::Market;
use order_api::risk::Limits;
use order_api::state::{FoldError, State};
use std::collections::BTreeSet;
use wire::batch::{BatchWriter, Header, SnapshotRow, snapshot_message};
use wire::block::{Block, Effect};
use wire::instrument::{Definitions, Instrument};
use wire::num::Number;
use wire::order::{Act, ClOrdId, NewOrder, OrdType, OrderRequest, SessionName, Side, Symbol, TimeInForce};
use wire::tick::{Change, Event, Quote};
use zerocopy::FromZeros;

const SYMBOLS: [&str; 2] = ["A.X", "B.X"];
const ACCOUNTS: [&str; 3] = ["A1", "A2", "A3"];

/// A market of two instruments with quotes.
fn market() -> Market {
    let mut market = Market::new(1, 400_000, 0);
    let instruments = SYMBOLS.map(|symbol| Instrument {
        symbol: symbol.to_owned(),
        price_exponent: -2,
        qty_exponent: 0,
        tick_size: 5,
        lot_size: 1,
        has_aggressor: true,
        has_size: true,
    });
    let instruments = instruments.to_vec();
    market.definitions(0, &Definitions { shard: 0, feed_epoch: 3, revision: 1, instruments });
    let mut header = Header::new_zeroed();
    (header.feed_epoch, header.first, header.revision) = (3.into(), 1.into(), 1.into());
    let rows = [SnapshotRow::new_zeroed(); 2];
    market.snapshot(0, &snapshot_message(header, rows.iter()), 0);
    let mut writer = BatchWriter::default();
    for index in 0..2 {
        let quote = Quote { bid: 995, ask: 1_005, bid_size: 7, ask_size: 9 };
        writer.push(&Event { index, number: 1, ts_event: 0, change: Change::Quote(quote) });
    }
    market.batch(0, &Bytes::from(writer.finish(header)), 0);
    market
}

fn request(random: &mut Random) -> OrderRequest {
    let id = |random: &mut Random| -> ClOrdId { format!("c-{}", random.below(30)).parse().unwrap() };
    let (cl_ord_id, orig_cl_ord_id) = (id(random), id(random));
    let qty = Number { mantissa: 1 + random.signed(3).abs(), exponent: 0 };
    let price = Number { mantissa: 1_000 + 5 * random.signed(2), exponent: -2 };
    let act = match random.below(8) {
        0 => Act::Cancel { cl_ord_id, orig_cl_ord_id },
        1 => Act::Replace { cl_ord_id, orig_cl_ord_id, qty, price: random.chance(2).then_some(price) },
        2 => Act::Resolve { cl_ord_id },
        kind => {
            let limit = kind > 3;
            let tif = random.pick(&[TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok]);
            Act::New(NewOrder {
                cl_ord_id,
                symbol: random.pick(&SYMBOLS).parse().unwrap(),
                side: random.pick(Side::ALL),
                ord_type: if limit { OrdType::Limit } else { OrdType::Market },
                tif: if limit { tif } else { TimeInForce::Ioc },
                qty,
                price: limit.then_some(price),
            })
        }
    };
    OrderRequest {
        account: random.pick(&ACCOUNTS).parse().unwrap(),
        session: SessionName::default(),
        session_epoch: 0,
        received_us: 0,
        expires_us: None,
        act,
    }
}

/// A writer's log of some blocks.
fn log(seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    let mut core = Core::new(State::new(0), market(), Limits::default());
    let mut log = vec![core.term(9, 0).unwrap().finish()];
    core.stored();
    for now_us in 1..25 {
        let mut writer = core.block();
        for _ in 0..=random.below(4) {
            core.request(&request(&mut random), now_us, &mut writer).unwrap();
        }
        core.market_steps(now_us, &mut writer).unwrap();
        if writer.is_empty() {
            continue;
        }
        log.push(writer.finish());
        core.stored();
    }
    log
}

/// A fold, and every symbol that it has met.
struct Fold {
    state: State,
    symbols: BTreeSet<Symbol>,
    accepted: Vec<Block>,
}

/// Prices and numbers of one side of a book.
type Levels = Vec<(i64, u64)>;

impl Fold {
    fn new() -> Self {
        Self { state: State::new(0), symbols: BTreeSet::new(), accepted: Vec::new() }
    }

    /// Folds a block as the next one; false when it is refused.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let Ok(block) = Block::decode(bytes) else { return false };
        let effects = block.steps.iter().flat_map(|step| &step.effects);
        let terms = effects.filter_map(Effect::report).filter_map(|report| report.terms);
        self.symbols.extend(terms.map(|terms| terms.symbol));
        let sequence = self.state.sequence() + 1;
        let taken = self.state.fold(&block, sequence).is_ok();
        if taken {
            self.accepted.push(block);
            assert_eq!(self.state.sequence(), sequence);
        }
        taken
    }

    /// Everything that can be seen of the state.
    fn seen(&self) -> (u64, [u64; 5], Vec<(Symbol, Levels, Levels)>) {
        let state = &self.state;
        let counters = [
            state.writer_epoch(),
            state.sequence(),
            state.next_order(),
            state.next_match(),
            state.next_priority(),
        ];
        let side = |symbol, side| state.book(symbol).map_or_else(Vec::new, |book| book.side(side).collect());
        let books =
            self.symbols.iter().map(|symbol| (*symbol, side(symbol, Side::Buy), side(symbol, Side::Sell)));
        let books = books.filter(|(_, buys, sells)| !buys.is_empty() || !sells.is_empty());
        (state.fingerprint(), counters, books.collect())
    }

    /// Each open order with a price stands in its book, once, at its price.
    fn books_hold_what_is_open(&self) {
        let mut standing = 0;
        for (symbol, buys, sells) in self.seen().2 {
            for (side, levels) in [(Side::Buy, buys), (Side::Sell, sells)] {
                for (price, number) in levels {
                    let terms = self.state.order(number).unwrap().terms;
                    assert_eq!((terms.symbol, terms.side, terms.price), (symbol, side, Some(price)));
                    standing += 1;
                }
            }
        }
        let priced =
            |number: &u64| self.state.order(*number).is_some_and(|order| order.terms.price.is_some());
        let numbers = 1..self.state.next_order();
        assert_eq!(numbers.filter(priced).count(), standing, "open orders that stand in no book");
    }
}

/// A writer begins a term on what was folded, and decides.
fn work_on(accepted: &[Block], random: &mut Random) {
    let mut state = State::new(0);
    for (sequence, block) in (1..).zip(accepted) {
        state.fold(block, sequence).unwrap();
    }
    let mut core = Core::new(state, market(), Limits::default());
    let mut writer = core.term(10, 50).unwrap();
    for _ in 0..6 {
        core.request(&request(random), 60, &mut writer).unwrap();
    }
    core.market_steps(60, &mut writer).unwrap();
    assert!(Block::decode(&writer.finish()).is_ok());
    core.dropped(0);
}

#[test]
fn fold_of_damaged_blocks() {
    let logs: Vec<Vec<Vec<u8>>> = (0..12).map(log).collect();
    let (mut taken, mut refused) = (0_u64, 0_u64);
    fuzz("fold_of_damaged_blocks", 60_000, |case| {
        let log = &logs[case.random.index(logs.len())];
        let end = case.random.index(log.len()) + 1;
        let mut fold = Fold::new();
        for (at, block) in log[..end].iter().enumerate() {
            // Damage grows likelier to the end, so that states differ from each other.
            let damaged = match case.random.below(4) {
                0 if at + 3 > end => case.mutated(std::slice::from_ref(block)),
                1 if at + 3 > end => case.mutated(log),
                2 if at + 3 > end => case.picked(log),
                _ => Vec::new(),
            };
            let before = fold.seen();
            if fold.take(&damaged) {
                taken += 1;
            } else {
                refused += u64::from(!damaged.is_empty());
                assert_eq!(fold.seen(), before, "a refused block changed the state");
            }
            fold.take(block);
        }
        fold.books_hold_what_is_open();
        let mut again = Fold { symbols: fold.symbols.clone(), ..Fold::new() };
        for (sequence, block) in (1..).zip(&fold.accepted) {
            again.state.fold(block, sequence).unwrap();
        }
        assert_eq!(again.seen(), fold.seen(), "two folds of the same blocks differ");
        assert_eq!(again.state.voided(), fold.state.voided());
        work_on(&fold.accepted, &mut case.random);
    });
    assert!(taken + refused < 1_000 || (taken > 100 && refused > 100), "{taken} {refused}");
}

#[test]
fn undamaged_logs_hold_every_kind_of_effect() {
    let mut kinds = [0_u32; 6];
    for seed in 0..12 {
        let mut fold = Fold::new();
        for bytes in log(seed) {
            assert!(fold.take(&bytes));
        }
        for effect in fold.accepted.iter().flat_map(|block| &block.steps).flat_map(|step| &step.effects) {
            let at = match effect {
                Effect::OrderAccepted { .. } => 0,
                Effect::Execution { .. } => 1,
                Effect::Cancelled { .. } => 2,
                Effect::Replaced { .. } => 3,
                Effect::Rejected { .. } => 4,
                Effect::Burned { .. } => 5,
                _ => continue,
            };
            kinds[at] += 1;
        }
    }
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
}

/// The first block that accepts an order which rests, and the state before it.
fn before_the_first_order() -> (State, Block) {
    let mut state = State::new(0);
    for (sequence, bytes) in (1..).zip(log(0)) {
        let block = Block::decode(&bytes).unwrap();
        let mut effects = block.steps.iter().flat_map(|step| &step.effects);
        if effects.any(|effect| matches!(effect, Effect::OrderAccepted { .. })) {
            return (state, block);
        }
        state.fold(&block, sequence).unwrap();
    }
    panic!("no order in the log");
}

#[test]
fn what_no_writer_gives_is_refused_and_changes_nothing() {
    type Change = fn(&mut Block);
    fn accepted(block: &mut Block) -> &mut Effect {
        let mut effects = block.steps.iter_mut().flat_map(|step| &mut step.effects);
        effects.find(|effect| matches!(effect, Effect::OrderAccepted { .. })).unwrap()
    }
    let changes: [Change; 5] = [
        |block| block.writer_epoch = u64::MAX,
        |block| {
            let Effect::OrderAccepted { report, .. } = accepted(block) else { return };
            report.terms.as_mut().unwrap().qty = -3;
        },
        |block| {
            let Effect::OrderAccepted { report, .. } = accepted(block) else { return };
            report.leaves_qty += 1;
        },
        |block| {
            let Effect::OrderAccepted { priority, .. } = accepted(block) else { return };
            *priority = u64::MAX;
        },
        |block| {
            let Effect::OrderAccepted { priority, .. } = accepted(block) else { return };
            *priority = 0;
        },
    ];
    for change in changes {
        let (mut state, mut block) = before_the_first_order();
        let (before, sequence) = (state.fingerprint(), state.sequence() + 1);
        change(&mut block);
        let refused = state.fold(&block, sequence);
        assert!(matches!(refused, Err(FoldError::Counter(_) | FoldError::Quantities(_))), "{refused:?}");
        assert_eq!((state.fingerprint(), state.sequence() + 1), (before, sequence));
    }
}
