//! Alerts: seeded histories of prices, requests, stored and dropped blocks and restarts against a naive oracle; and
//! what a history seldom meets.

use super::*;
use crate::mutants::{ALERT_RULES, BROKEN};
use std::collections::BTreeSet;
use wire::alert::{
    Alert, AlertAct, AlertReply, AlertReport, AlertRequest, AlertState, Condition, Direction,
    PARTITION_ALERTS_MAX, Refusal, Source,
};
use wire::tick::{Change, Quote, Status, Trade};

fn ask(account: &str, act: AlertAct) -> AlertRequest {
    AlertRequest {
        account: account.parse().unwrap(),
        session: SessionName::default(),
        session_epoch: 0,
        received_us: 0,
        act,
    }
}

fn crosses(source: Source, direction: Direction, level: i64) -> Condition {
    Condition::Crosses { source, direction, level: cents(level) }
}

fn set(id: &str, condition: Condition, expires_us: Option<i64>) -> AlertAct {
    let alert = Alert { symbol: "A.X".parse().unwrap(), condition, expires_us, note: "é".into() };
    AlertAct::New { cl_alert_id: id.parse().unwrap(), alert }
}

fn cancel(id: &str) -> AlertAct {
    AlertAct::Cancel { cl_alert_id: id.parse().unwrap() }
}

impl World {
    fn alert(&mut self, account: &str, act: AlertAct) -> Answer {
        if self.writer.is_full() {
            self.store();
        }
        self.core.alert_request(&ask(account, act), self.now_us, &mut self.writer).unwrap()
    }

    /// The report that an answer tells or names.
    fn alert_told(&mut self, account: &str, act: AlertAct) -> (Outcome, AlertReport) {
        let answer = self.alert(account, act);
        self.store();
        match answer {
            Answer::Alert(AlertReply::Decided { outcome, report }) => (outcome, *report),
            Answer::AlertInBlock { account, cl_alert_id, block } => {
                let bytes = &self.log[usize::try_from(block - 1).unwrap()];
                let stored = Block::decode(bytes).unwrap();
                (Outcome::Known, last_alert(&stored, block, &account, &cl_alert_id).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Effects of the steps that tell what came true.
    fn alert_effects(&mut self) -> Vec<Effect> {
        let before = self.steps();
        self.core.alert_steps(self.now_us, &mut self.writer).unwrap();
        let block = Block::decode(&self.writer.clone().finish()).unwrap();
        block.steps[before..].iter().flat_map(|step| step.effects.clone()).collect()
    }

    fn show(&mut self, shown: &Shown) {
        let [bid, ask, bid_size, ask_size] = shown.quote;
        let quote = Change::Quote(Quote { bid, ask, bid_size, ask_size });
        self.feed.send(&mut self.core.market, 0, quote, self.now_us);
        if let Some(price) = shown.last {
            let trade = Trade { price, qty: 1, ..Trade::default() };
            self.feed.send(&mut self.core.market, 0, Change::Trade(trade), self.now_us);
        }
    }

    /// The process is gone; another one folds what is stored and hears what the market shows now.
    fn restart(&mut self, shown: &Shown) {
        let mut market = Market::new(1, 400_000, self.now_us);
        self.feed = Feed::start(&mut market, &["A.X"], self.now_us);
        self.core = Core::new(self.fold(), market, Limits::default());
        self.term();
        self.show(shown);
    }
}

/// What the instrument shows.
#[derive(Debug, Clone, Default)]
struct Shown {
    quote: [i64; 4],
    last: Option<i64>,
}

/// One standing alert as the oracle has it.
#[derive(Debug, Clone)]
struct Waiting {
    condition: Condition,
    expires_us: Option<i64>,
    /// The log says that it is armed.
    armed: bool,
    /// This process saw its price on the other side.
    other_side: bool,
    /// This process saw it come true in time.
    due: bool,
}

/// A list that each event is held against from end to end.
#[derive(Debug, Clone, Default)]
struct Oracle {
    standing: HashMap<String, Waiting>,
    ended: HashMap<String, AlertState>,
}

/// Whether the price is at the level or before it, and whether it is beyond.
fn sides(condition: Condition, shown: &Shown) -> (bool, bool) {
    let [bid, ask, bid_size, ask_size] = shown.quote;
    let (bid, ask) = ((bid_size > 0).then_some(bid), (ask_size > 0).then_some(ask));
    let (price, level, up) = match condition {
        Condition::Crosses { source, direction, level } => {
            let price = match source {
                Source::Bid => bid,
                Source::Ask => ask,
                Source::Last => shown.last,
            };
            (price, level.mantissa, direction == Direction::Up)
        }
        Condition::Spread { above_ticks } => {
            let spread = bid.zip(ask).map(|(bid, ask)| ask - bid);
            return (true, spread.is_some_and(|spread| spread > 5 * i64::from(above_ticks)));
        }
        Condition::Stale { .. } => return (true, false),
    };
    price.map_or((false, false), |price| {
        let beyond = if up { price > level } else { price < level };
        (!beyond, beyond)
    })
}

impl Waiting {
    fn see(&mut self, shown: &Shown, now_us: i64) {
        let (other_side, beyond) = sides(self.condition, shown);
        let in_time = self.expires_us.is_none_or(|expires_us| now_us <= expires_us);
        self.due |= self.other_side && beyond && in_time;
        self.other_side |= other_side;
    }
}

impl Oracle {
    fn see(&mut self, shown: &Shown, now_us: i64) {
        self.standing.values_mut().for_each(|waiting| waiting.see(shown, now_us));
    }

    fn armed(&self) -> BTreeSet<String> {
        let armed = |(id, waiting): (&String, &Waiting)| (waiting.armed).then(|| id.clone());
        self.standing.iter().filter_map(armed).collect()
    }

    /// What is to be told now.
    fn step(&mut self, now_us: i64) -> BTreeSet<(String, AlertState)> {
        let mut told = BTreeSet::new();
        for (id, waiting) in &mut self.standing {
            let late = waiting.expires_us.is_some_and(|expires_us| now_us > expires_us);
            match (waiting.due, late) {
                (true, _) => _ = told.insert((id.clone(), AlertState::Fired)),
                (false, true) => _ = told.insert((id.clone(), AlertState::Expired)),
                _ => waiting.armed |= waiting.other_side,
            }
        }
        for (id, state) in &told {
            self.standing.remove(id);
            self.ended.insert(id.clone(), *state);
        }
        told
    }

    /// Back to what was stored; what this process saw it still knows, but for what was cancelled meanwhile.
    fn dropped(&mut self, kept: &Self, shown: &Shown, now_us: i64) {
        let now = std::mem::replace(self, kept.clone());
        for (id, waiting) in &mut self.standing {
            match (now.standing.get(id), now.ended.get(id)) {
                (Some(seen), _) => (waiting.other_side, waiting.due) = (seen.other_side, seen.due),
                (None, Some(AlertState::Fired)) => (waiting.other_side, waiting.due) = (true, true),
                _ => {
                    (waiting.other_side, waiting.due) = (waiting.armed, false);
                    waiting.see(shown, now_us);
                }
            }
        }
    }

    /// Another process: it knows what is stored.
    fn restarted(&mut self, kept: &Self, shown: &Shown, now_us: i64) {
        self.clone_from(kept);
        for waiting in self.standing.values_mut() {
            (waiting.other_side, waiting.due) = (waiting.armed, false);
            waiting.see(shown, now_us);
        }
    }
}

fn random_condition(random: &mut Random) -> Condition {
    let source = random.pick(&[Source::Bid, Source::Ask, Source::Last]);
    let direction = random.pick(&[Direction::Up, Direction::Down]);
    match random.below(6) {
        0 => Condition::Spread { above_ticks: u32::try_from(random.below(4)).unwrap() },
        _ => crosses(source, direction, 5 * random.between(196, 204)),
    }
}

/// Returns how many fired.
fn history(seed: u64) -> usize {
    let mut random = Random(seed);
    let (mut world, mut oracle, mut shown) = (World::start(), Oracle::default(), Shown::default());
    let mut kept = oracle.clone();
    for _ in 0..random.between(40, 160) {
        world.now_us += random.between(0, 300);
        match random.below(12) {
            0..=4 => {
                let bid = 5 * random.between(195, 204);
                let sizes = random.pick(&[[1, 1], [1, 1], [1, 1], [0, 1], [1, 0]]);
                shown.quote = [bid, bid + 5 * random.between(1, 5), sizes[0], sizes[1]];
                if random.below(2) == 0 {
                    shown.last = Some(5 * random.between(195, 205));
                }
                world.show(&shown);
                oracle.see(&shown, world.now_us);
            }
            5 | 6 => ask_some(&mut random, &mut world, &mut oracle, &shown, seed),
            7 | 8 => {
                let told = world.alert_effects();
                compare(&told, &mut oracle, world.now_us, seed);
            }
            9 | 10 => {
                world.store();
                kept.clone_from(&oracle);
                assert_eq!(world.core.state.fingerprint(), world.fold().fingerprint(), "seed {seed}");
            }
            _ if random.below(2) == 0 => {
                world.drop_block();
                oracle.dropped(&kept, &shown, world.now_us);
                assert_eq!(
                    world.core.state.fingerprint(),
                    world.fold().fingerprint(),
                    "seed {seed}: dropped"
                );
            }
            _ => {
                world.restart(&shown);
                oracle.restarted(&kept, &shown, world.now_us);
            }
        }
    }
    let told = world.alert_effects();
    compare(&told, &mut oracle, world.now_us, seed);
    world.store();
    ends(&world, &oracle, seed)
}

fn ask_some(random: &mut Random, world: &mut World, oracle: &mut Oracle, shown: &Shown, seed: u64) {
    let id = format!("a-{}", random.below(30));
    let known = oracle.standing.contains_key(&id) || oracle.ended.contains_key(&id);
    if random.below(4) == 0 {
        let answer = world.alert("A", cancel(&id));
        let state = if known { AlertState::Cancelled } else { AlertState::Burned };
        match answer {
            Answer::Alert(AlertReply::Decided { outcome: Outcome::Stored, report }) => {
                assert_eq!(report.state, state, "seed {seed}");
                assert!(!oracle.ended.contains_key(&id), "seed {seed}: {id} ended twice");
                oracle.standing.remove(&id);
                oracle.ended.insert(id, state);
            }
            _ => assert!(oracle.ended.contains_key(&id), "seed {seed}: {answer:?}"),
        }
        return;
    }
    let condition = random_condition(random);
    let expires_us = (random.below(3) == 0).then(|| world.now_us + random.between(0, 3_000));
    let answer = world.alert("A", set(&id, condition, expires_us));
    let Answer::Alert(AlertReply::Decided { outcome: Outcome::Stored, .. }) = answer else {
        return assert!(known, "seed {seed}: {answer:?}");
    };
    assert!(!known, "seed {seed}: {id} lives twice");
    let other_side = sides(condition, shown).0;
    let mut waiting = Waiting { condition, expires_us, armed: other_side, other_side, due: false };
    waiting.see(shown, world.now_us);
    oracle.standing.insert(id, waiting);
}

fn compare(effects: &[Effect], oracle: &mut Oracle, now_us: i64, seed: u64) {
    let before = oracle.clone();
    let mut armed = oracle.armed();
    let expected = oracle.step(now_us);
    let mut told = BTreeSet::new();
    for effect in effects {
        if let Effect::AlertArmed { cl_alert_id, .. } = effect {
            armed.insert(cl_alert_id.to_string());
        }
        let Some(report) = effect.alert() else { continue };
        let id = report.cl_alert_id.to_string();
        if let (Effect::AlertFired { report }, Condition::Crosses { direction, level, .. }) =
            (effect, before.standing[&id].condition)
        {
            let beyond = report.seen > level.mantissa;
            assert_eq!(beyond, direction == Direction::Up, "seed {seed}: {report:?}");
            assert_ne!(report.seen, level.mantissa, "seed {seed}: {report:?}");
        }
        armed.remove(&id);
        assert!(told.insert((id, report.state)), "seed {seed}: told twice: {report:?}");
    }
    assert_eq!(told, expected, "seed {seed}: {before:?}");
    assert_eq!(armed, oracle.armed(), "seed {seed}: armed");
}

/// Over the whole log: each id is set once and ends once, as the oracle says, and its account's reports are contiguous.
fn ends(world: &World, oracle: &Oracle, seed: u64) -> usize {
    let (mut set, mut ended) = (BTreeSet::new(), HashMap::new());
    let mut last = 0;
    for (sequence, bytes) in (1..).zip(&world.log) {
        for told in Block::decode(bytes).unwrap().told(sequence) {
            last += 1;
            assert_eq!(told.report_seq(), last, "seed {seed}");
            let wire::block::Told::Alert(report) = told else { panic!("seed {seed}: {told:?}") };
            let id = report.cl_alert_id.to_string();
            if report.state == AlertState::Standing {
                assert!(set.insert(id), "seed {seed}: set twice");
            } else {
                assert_eq!(ended.insert(id, report.state), None, "seed {seed}: {report:?}");
            }
        }
    }
    assert_eq!(ended, oracle.ended, "seed {seed}");
    let standing: BTreeSet<String> = set.into_iter().filter(|id| !ended.contains_key(id)).collect();
    assert_eq!(standing, oracle.standing.keys().cloned().collect(), "seed {seed}");
    ended.values().filter(|state| **state == AlertState::Fired).count()
}

#[test]
fn every_alert_fires_once_and_never_without_its_crossing() {
    let fired: usize = (0..2_000).map(history).sum();
    assert!(fired > 2_000, "{fired}");
}

#[test]
fn each_rule_of_alerts_broken_on_purpose_is_noticed() {
    for rule in ALERT_RULES {
        BROKEN.set(Some(rule));
        let noticed = (0..300).any(|seed| std::panic::catch_unwind(|| history(seed)).is_err());
        BROKEN.set(None);
        assert!(noticed, "{rule}");
    }
}

#[test]
fn a_log_of_before_alerts_still_folds() {
    let mut state = State::new(0);
    for (sequence, line) in (1..).zip(include_str!("../../../tests/data/log_before_alerts.hex").lines()) {
        let digits: Vec<char> = line.chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
        state.fold(&Block::decode(&bytes).unwrap(), sequence).unwrap();
    }
    assert_eq!((state.sequence(), state.open_orders(), state.ids()), (47, 6, 73));
    assert_eq!((state.next_order(), state.next_match()), (48, 34));
    let seq = |account: &str| state.account(&account.parse().unwrap()).unwrap().report_seq();
    assert_eq!((seq("A"), seq("B"), seq("C"), state.alerts().len()), (48, 50, 37, 0));
}

#[test]
fn an_alert_is_idempotent_by_its_id_for_ever_and_apart_from_orders() {
    let mut world = World::start();
    world.show(&Shown { quote: [1_000, 1_005, 5, 5], last: None });
    let up = |level| set("x-1", crosses(Source::Bid, Direction::Up, level), None);
    let (outcome, first) = world.alert_told("A", up(1_010));
    assert_eq!((outcome, first.state, first.report_seq), (Outcome::Stored, AlertState::Standing, 1));
    assert_eq!(world.alert_told("A", up(1_020)), (Outcome::Known, first), "what was set stays");
    let (outcome, order) = world.told("A", new("x-1", Side::Buy, 1, Some(500), TimeInForce::Gtc));
    assert_eq!(
        (outcome, order.report_seq),
        (Outcome::Stored, 2),
        "another space of ids, one sequence of reports"
    );
    world.show(&Shown { quote: [1_015, 1_020, 5, 5], last: None });
    assert_eq!(world.alert_effects().len(), 1);
    world.store();
    for act in [up(1_010), cancel("x-1"), up(900)] {
        let (outcome, report) = world.alert_told("A", act);
        assert_eq!((outcome, report.state, report.seen), (Outcome::Known, AlertState::Fired, 1_015));
        assert_eq!((report.report_seq, report.block), (3, 4));
    }
    let (outcome, burned) = world.alert_told("A", cancel("x-2"));
    assert_eq!((outcome, burned.state), (Outcome::Stored, AlertState::Burned));
    let (outcome, never) = world.alert_told("A", set("x-2", Condition::Spread { above_ticks: 9 }, None));
    assert_eq!((outcome, never.state), (Outcome::Known, AlertState::Burned), "burned: it never will stand");
    let Answer::Alert(AlertReply::List { alerts, report_seq, .. }) = world.alert("A", AlertAct::List) else {
        panic!()
    };
    assert_eq!((alerts.len(), report_seq), (0, 4));
}

#[test]
fn what_cannot_be_an_alert_is_refused_and_its_id_stays_free() {
    let mut world = World::start();
    world.now_us = 5_000;
    let mut refused = |act: AlertAct| match world.alert("A", act) {
        Answer::Alert(AlertReply::Refused { refusal, .. }) => Some(refusal),
        _ => None,
    };
    let level = |mantissa, exponent| Condition::Crosses {
        source: Source::Last,
        direction: Direction::Down,
        level: Number { mantissa, exponent },
    };
    let other = Alert {
        symbol: "B.X".parse().unwrap(),
        condition: level(1, 0),
        expires_us: None,
        note: String::new(),
    };
    let unknown = AlertAct::New { cl_alert_id: "a".parse().unwrap(), alert: other };
    assert_eq!(refused(unknown), Some(Refusal::UnknownSymbol));
    assert_eq!(refused(set("a", level(1, -3), None)), Some(Refusal::BadLevel));
    assert_eq!(refused(set("a", level(0, 0), None)), Some(Refusal::BadLevel));
    assert_eq!(refused(set("a", level(-1, 0), None)), Some(Refusal::BadLevel));
    assert_eq!(refused(set("a", level(1, 0), Some(4_999))), Some(Refusal::Expired));
    for number in 0..256 {
        assert_eq!(refused(set(&format!("a-{number}"), level(1, 0), None)), None);
    }
    assert_eq!(refused(set("a", level(1, 0), None)), Some(Refusal::TooMany));
    assert_eq!(refused(cancel("a-0")), None);
    assert_eq!(refused(set("a", level(1, 0), None)), None);
}

#[test]
fn a_partition_holds_so_many_and_all_of_them_fire_at_once_within_the_bounds_of_blocks() {
    let mut world = World::start();
    world.show(&Shown { quote: [1_000, 1_005, 5, 5], last: None });
    for number in 0..PARTITION_ALERTS_MAX {
        let account = format!("A{}", number / 256);
        let act = set(&format!("a-{number}"), crosses(Source::Bid, Direction::Up, 1_005), None);
        assert!(matches!(world.alert(&account, act), Answer::Alert(AlertReply::Decided { .. })));
    }
    let more = set("more", crosses(Source::Bid, Direction::Up, 1_005), None);
    let answer = world.alert("Z", more);
    assert!(
        matches!(answer, Answer::Alert(AlertReply::Refused { refusal: Refusal::Exhausted, .. })),
        "{answer:?}"
    );
    world.store();
    world.show(&Shown { quote: [1_010, 1_015, 5, 5], last: None });
    world.show(&Shown { quote: [1_000, 1_005, 5, 5], last: None });
    let mut fired = 0;
    loop {
        let effects = world.alert_effects();
        fired += effects.iter().filter(|effect| matches!(effect, Effect::AlertFired { .. })).count();
        world.store();
        if effects.is_empty() {
            break;
        }
    }
    assert_eq!((fired, world.core.state.alerts().len()), (PARTITION_ALERTS_MAX, 0));
}

#[test]
fn stale_for_longer_fires_once_and_a_fresh_market_does_not() {
    let mut world = World::start();
    world.show(&Shown { quote: [1_000, 1_005, 5, 5], last: None });
    world.alert_told("A", set("s-1", Condition::Stale { longer_than_ms: 500 }, None));
    let mut fired = Vec::new();
    for _ in 0..40 {
        world.now_us += 50_000;
        for effect in world.alert_effects() {
            let Effect::AlertFired { report } = effect else { panic!("{effect:?}") };
            fired.push((world.now_us, report.seen));
        }
        world.store();
    }
    // 400 ms are the proof's bound, then it is looked at every 50 ms.
    assert_eq!(fired, [(1_000_000, 550)]);
    world.alert_told("A", set("s-2", Condition::Stale { longer_than_ms: 100 }, None));
    for _ in 0..20 {
        world.now_us += 50_000;
        world.feed.send(&mut world.core.market, 0, Change::Status(Status::Open), world.now_us);
        assert_eq!(world.alert_effects(), []);
    }
    // A process that starts beside a silent feed knows no instrument: that is stale too.
    world.core = Core::new(world.fold(), Market::new(1, 400_000, world.now_us), Limits::default());
    world.term();
    world.alert_effects();
    world.now_us += 150_000;
    assert!(matches!(world.alert_effects()[..], [Effect::AlertFired { .. }]));
}

#[test]
fn a_restart_loses_no_crossing_of_an_armed_alert() {
    let mut world = World::start();
    let low = Shown { quote: [1_000, 1_005, 5, 5], last: None };
    let high = Shown { quote: [1_050, 1_055, 5, 5], last: None };
    world.show(&low);
    world.alert_told("A", set("up", crosses(Source::Bid, Direction::Up, 1_010), None));
    world.alert_told("A", set("down", crosses(Source::Bid, Direction::Down, 1_010), None));
    world.restart(&high);
    let ids = |effects: &[Effect]| -> Vec<String> {
        effects.iter().filter_map(|e| Some(e.alert()?.cl_alert_id.to_string())).collect()
    };
    let effects = world.alert_effects();
    assert_eq!(ids(&effects), ["up"], "crossed while nobody led");
    // Killed between the decision and its block: the next one decides it again.
    world.restart(&high);
    assert_eq!(ids(&world.alert_effects()), ["up"]);
    world.store();
    world.restart(&low);
    assert_eq!(ids(&world.alert_effects()), ["down"], "armed by the block that fired the other");
    world.store();
    world.restart(&high);
    assert_eq!(world.alert_effects(), []);
}
