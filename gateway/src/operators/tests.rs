//! Who must answer, what is told of the answers, and what the bounds cut.

use super::*;

fn beat(gateways: &mut Gateways, gateway: &str, stopping: bool, now_us: i64) {
    gateways.beat(GatewayBeat { gateway: gateway.to_owned(), stopping }, now_us);
}

fn alive(gateways: &mut Gateways, now_us: i64) -> Vec<String> {
    gateways.alive(now_us).cloned().collect()
}

fn answer(gateway: &str, count: usize) -> SessionsAnswer {
    let session = |number| SessionState {
        gateway: gateway.to_owned(),
        number,
        session: None,
        account: None,
        operator: false,
        form: "json".to_owned(),
        subscriptions: 0,
        slots: 0,
        blocked: false,
        backlog: 0,
        frames: 0,
        connected_us: 0,
    };
    let listed = u32::try_from(count.min(SESSIONS_MAX)).unwrap();
    SessionsAnswer { gateway: gateway.to_owned(), count, sessions: (0..listed).map(session).collect() }
}

#[test]
fn a_gateway_that_beats_must_answer_until_it_stops_or_is_forgotten() {
    let mut gateways = Gateways::default();
    beat(&mut gateways, "a", false, 0);
    beat(&mut gateways, "b", false, 0);
    beat(&mut gateways, "a", false, 9_000_000);
    assert_eq!(alive(&mut gateways, 10_000_000), ["a", "b"]);
    assert_eq!(alive(&mut gateways, 10_000_001), ["a"]);
    beat(&mut gateways, "a", true, 10_000_002);
    assert!(alive(&mut gateways, 10_000_002).is_empty());
    for number in 0..2 * GATEWAYS_MAX {
        beat(&mut gateways, &format!("g{number}"), false, 20_000_000);
    }
    assert_eq!(alive(&mut gateways, 20_000_000).len(), GATEWAYS_MAX);
}

#[test]
fn who_does_not_answer_is_named_and_the_first_answer_counts() {
    let mut gathered = Gathered::of(vec!["a".to_owned(), "b".to_owned()]);
    gathered.take(answer("b", 2));
    gathered.take(answer("b", 0));
    assert!(!gathered.is_whole());
    assert_eq!(gathered.missing(), ["a"]);
    gathered.take(answer("new", 1));
    gathered.take(answer("a", 0));
    assert!(gathered.is_whole() && gathered.missing().is_empty());
    let (sessions, gateways) = gathered.told();
    assert_eq!(sessions.len(), 3);
    let counts: Vec<_> = gateways.iter().map(|of| (of.gateway, of.count, of.told)).collect();
    assert_eq!(counts, [("a", 0, 0), ("b", 2, 2), ("new", 1, 1)]);
}

#[test]
fn a_thousand_sessions_are_told_and_the_rest_counted() {
    let mut gathered = Gathered::default();
    gathered.take(answer("a", 700));
    gathered.take(answer("b", 2_000));
    gathered.take(answer("c", 5));
    let (sessions, gateways) = gathered.told();
    assert_eq!(sessions.len(), SESSIONS_MAX);
    let counts: Vec<_> = gateways.iter().map(|of| (of.count, of.told)).collect();
    assert_eq!(counts, [(700, 700), (2_000, 300), (5, 0)]);
}
