//! The real engine against a naive oracle, over seeded random histories: a lossy bus, publishers that restart, six
//! sessions in all forms that subscribe, stall, pause and change rates. Clients decode real bytes.
//!
//! `MODEL_HISTORIES` sets how many, `MODEL_SEED` replays one. A failure names its seed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by its panic")]
#![expect(clippy::print_stdout, reason = "names of rules and digests are its result")]

mod model {
    pub(crate) mod client;
    pub(crate) mod directed;
    pub(crate) mod feed;
    pub(crate) mod going;
    pub(crate) mod lists;
    pub(crate) mod losses;
    pub(crate) mod random;
    pub(crate) mod roam;
    pub(crate) mod shown;
    pub(crate) mod thin;
    pub(crate) mod world;
}

use model::world::World;
use std::sync::atomic::{AtomicU64, Ordering};

/// Histories of one test run unless told otherwise.
const HISTORIES: u64 = 20_000;

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's own knob")]
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// Breaks one rule for this run, when the build can and `MODEL_MUTANT` names one; `list` names all.
#[cfg(feature = "mutants")]
fn break_a_rule() {
    #[expect(clippy::disallowed_methods, reason = "a test's own knob")]
    let Ok(name) = std::env::var("MODEL_MUTANT") else { return };
    if name == "list" {
        gateway::mutants::NAMES.iter().for_each(|name| println!("mutant {name}"));
        std::process::exit(0);
    }
    assert!(gateway::mutants::choose(&name), "no rule of this name: {name}");
}

#[cfg(not(feature = "mutants"))]
fn break_a_rule() {}

#[test]
fn every_view_ends_as_the_table_and_every_event_is_accounted_for() {
    break_a_rule();
    if let Some(seed) = setting("MODEL_SEED") {
        let digest = World::new(seed).run(true);
        println!("seed {seed}: digest {digest:016x}");
        return;
    }
    let histories = setting("MODEL_HISTORIES").unwrap_or(HISTORIES);
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= histories {
                        return;
                    }
                    World::new(seed).run(false);
                }
            });
        }
    });
    let found = model::client::FOUND.load(Ordering::Relaxed);
    let turned = model::client::TURNED.load(Ordering::Relaxed);
    println!(
        "{histories} histories; the view's hash told of damage {found} times, {turned} slots changed their rate"
    );
    assert!(turned > histories / 100, "hardly a slot changed its rate");
    assert!(found > 0 || histories < 1_000, "no history had damage that only the hash can tell");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in [3, 77, 4_242] {
        assert_eq!(World::new(seed).run(false), World::new(seed).run(false));
    }
}

#[test]
fn a_catch_up_goes_on_from_the_middle_while_low_ids_move() {
    break_a_rule();
    model::directed::a_catch_up_goes_on_from_the_middle();
}

#[test]
fn in_a_quiet_market_nothing_is_called_stale() {
    break_a_rule();
    model::directed::quiet_is_not_stale_for_half_an_hour();
}

#[test]
fn an_instrument_that_is_listed_no_more_is_stale() {
    break_a_rule();
    model::directed::what_is_listed_no_more_is_stale();
}

#[test]
fn a_thin_session_starves_no_symbol() {
    break_a_rule();
    model::thin::starves_nobody();
}

#[test]
fn a_thin_session_is_told_first_what_is_on_screen() {
    break_a_rule();
    model::thin::looks_at_the_screen_first();
}

#[test]
fn a_client_that_moves_between_gateways_loses_nothing_and_is_told_nothing_twice() {
    break_a_rule();
    let roam = |seed| model::roam::Roam::new(seed).run();
    if let Some(seed) = setting("ROAM_SEED") {
        return println!("seed {seed}: told {:?}", roam(seed));
    }
    let histories = setting("MODEL_HISTORIES").unwrap_or(HISTORIES) / 4;
    let mut told = [0; 3];
    for seed in 0..histories {
        roam(seed).iter().zip(&mut told).for_each(|(of, sum)| *sum += of);
    }
    let [unchanged, on, anew] = told;
    println!("{histories} histories; (channel, symbol) unchanged {unchanged}, in full {on}, anew {anew}");
    assert!(histories < 100 || (unchanged > 100 && on > 100), "nothing went on");
}

#[test]
fn a_loss_at_the_new_gateway_is_declared_to_whom_comes_back() {
    break_a_rule();
    model::roam::a_loss_elsewhere_is_declared();
}
