//! Market data into the view, in all forms: whole sessions in which messages are damaged, lost, repeated and mixed with
//! others. Whatever comes, the account of events stays an equation, and nothing is shown after damage.

use crate::mutate::{Case, fuzz};
use crate::{golden, tests, unhex};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tickgate_wire::frame::Form;
use tickgate_wire::frame::book::{SIDES, better};
use tickgate_wire::frame::view::{BAR, BOOK, CHANNELS, Joined, QUOTE, STATUS, TRADE, View};

/// What a client reads, in order.
#[derive(Debug, Clone)]
enum Step {
    Control(Value),
    Data(Vec<u8>),
}

fn steps(session: &Value) -> Vec<Step> {
    let step = |step: &Value| {
        if let Some(hex) = step["hex"].as_str() {
            return Step::Data(unhex(hex));
        }
        let text = &step["text"];
        match text["op"].as_str() {
            Some("quotes" | "trades" | "trade_totals" | "books" | "bars" | "statuses") => {
                Step::Data(serde_json::to_vec(text).unwrap())
            }
            _ => Step::Control(text.clone()),
        }
    };
    session["steps"].as_array().unwrap().iter().map(step).collect()
}

/// A session of books, bars and status in a form: what is told one behind the other, from the golden files.
fn market(form: &str) -> Vec<Step> {
    let text = std::fs::read(tests().join("data/manifest.json")).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let mut steps = Vec::new();
    for (channel, slot) in [("book", 3), ("book", 1), ("book", 2), ("bar", 4), ("bar", 1), ("bar", 2)]
        .into_iter()
        .chain([("status", 5), ("status", 1), ("status", 2)])
    {
        let symbols: Vec<Value> = [7, 9, 11].iter().map(|id| json!({ "id": id })).collect();
        steps.push(Step::Control(json!({
            "op": "subscribed", "channel": channel, "slot": slot, "interval_ms": 50, "symbols": symbols,
        })));
    }
    let names =
        ["book-full", "book", "book-wide", "bars", "bars-state", "status", "status-two", "books", "statuses"];
    let files = names.iter().chain(&names).map(|name| format!("{form}-{name}"));
    let messages = file["messages"].as_array().unwrap();
    for name in files {
        let Some(message) = messages.iter().find(|one| one["name"] == name.as_str()) else { continue };
        let file = tests().join("data").join(message["file"].as_str().unwrap());
        steps.push(Step::Data(std::fs::read(file).unwrap()));
    }
    assert!(steps.len() > 12, "{form}");
    steps
}

fn sessions() -> Vec<Vec<Step>> {
    let text = std::fs::read(tests().join("data/sessions.json")).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let sessions = file["sessions"].as_array().unwrap();
    assert!(sessions.iter().map(|one| &one["form"]).eq(["compact", "fixed", "json"]));
    sessions.iter().map(steps).collect()
}

fn number<T: TryFrom<i64, Error: std::fmt::Debug>>(value: &Value) -> T {
    value.as_i64().unwrap_or(0).try_into().unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().into_iter().flatten().map(number).collect()
}

fn channel(value: &Value) -> u8 {
    match value.as_str() {
        Some("quote") => QUOTE,
        Some("trade") => TRADE,
        Some("book") => BOOK,
        Some("bar") => BAR,
        _ => STATUS,
    }
}

/// Applies a control message; names the ids that joined.
fn control(view: &mut View, message: &Value, held: &mut BTreeSet<u32>) {
    let slot = number(&message["slot"]);
    let (interval_ms, phase_us) = (number(&message["interval_ms"]), number(&message["phase_us"]));
    match message["op"].as_str() {
        Some("subscribed" | "added") => {
            let symbols = message["symbols"].as_array().unwrap();
            let joined = symbols.iter().map(|symbol| {
                let has_aggressor = symbol["has_aggressor"] == true;
                Joined { id: number(&symbol["id"]), has_aggressor, has_size: symbol["has_size"] == true }
            });
            held.extend(joined.clone().map(|joined| joined.id));
            view.joined(channel(&message["channel"]), slot, interval_ms, phase_us, joined);
        }
        Some("unsubscribed") => view.left(channel(&message["channel"]), slot, &ids(&message["ids"])),
        Some("rate_set") => {
            view.moved(number(&message["from_slot"]), slot, interval_ms, phase_us, &ids(&message["ids"]));
        }
        Some("heartbeat") => _ = view.heartbeat(number(&message["t_us"]), number(&message["last_frame"])),
        _ => {}
    }
}

/// Feeds a message and checks what must hold after any bytes. True when it was read.
fn data(view: &mut View, bytes: &[u8], held: &BTreeSet<u32>) -> bool {
    let mut updates = 0;
    let read = view.message(bytes, &mut |update| {
        assert!(held.contains(&update.id()), "an update of {}, which is not held", update.id());
        updates += 1;
    });
    assert!(updates <= bytes.len(), "{updates} updates of {} bytes", bytes.len());
    match &read {
        Ok(received) => assert!(received.records <= bytes.len() as u64),
        Err(_) => {
            let shown = |id: &u32| {
                let told = view.quote(*id).is_some() || view.trade(*id).is_some();
                told || view.book(*id).is_some() || view.bar(*id).is_some() || view.status(*id).is_some()
            };
            assert!(!held.iter().any(shown), "something is shown after damage");
        }
    }
    for id in held {
        let Some(book) = view.book(*id) else { continue };
        assert_eq!(book.checksum, tickgate_wire::frame::book::checksum(&book.sides));
        for (side, levels) in SIDES.into_iter().zip(&book.sides) {
            let levels = levels.as_slice();
            assert!(levels.iter().all(|level| level.qty > 0), "{levels:?}");
            assert!(levels.windows(2).all(|two| better(side, two[0].price, two[1].price)), "{levels:?}");
        }
    }
    for channel in CHANNELS {
        let account = view.account(channel);
        let parts = [account.delivered, account.merged, account.lost].map(u128::from);
        assert_eq!(u128::from(account.published), parts.iter().sum(), "{account:?}");
    }
    read.is_ok()
}

fn session(case: &mut Case, form: Form, steps: &[Step], others: &[Vec<u8>]) -> (u64, u64) {
    let (mut view, mut held, mut counts) = (View::new(form), BTreeSet::new(), (0, 0));
    let mut feed = |view: &mut View, bytes: &[u8], held: &BTreeSet<u32>| {
        if data(view, bytes, held) { counts.0 += 1 } else { counts.1 += 1 }
    };
    for step in steps {
        match step {
            Step::Control(message) => {
                for _ in 0..=u64::from(case.random.chance(8)) {
                    control(&mut view, message, &mut held);
                }
            }
            Step::Data(bytes) => match case.random.below(8) {
                0 => {}
                1 | 2 => {
                    let bytes = case.mutated(std::slice::from_ref(bytes));
                    feed(&mut view, &bytes, &held);
                }
                3 => {
                    let other = case.mutated(others);
                    feed(&mut view, &other, &held);
                    feed(&mut view, bytes, &held);
                }
                _ => feed(&mut view, bytes, &held),
            },
        }
        if case.random.chance(30) {
            view.heartbeat(case.random.signed(63), u32::try_from(case.random.spread(32)).unwrap());
        }
    }
    counts
}

#[test]
fn view_of_damaged_sessions() {
    let sessions = sessions();
    let others = [golden("compact-"), golden("fixed-"), golden("json-")];
    let mut totals = [(0_u64, 0_u64); 3];
    fuzz("view_of_damaged_sessions", 36_000, |case| {
        let at = case.random.index(3);
        let form = [Form::Compact, Form::Fixed, Form::Json][at];
        let (read, refused) = session(case, form, &sessions[at], &others[at]);
        totals[at] = (totals[at].0 + read, totals[at].1 + refused);
    });
    let some = |(read, refused): &(u64, u64)| read + refused < 1_000 || (*read > 100 && *refused > 100);
    assert!(totals.iter().all(some), "{totals:?}");
}

#[test]
fn view_of_damaged_books_bars_and_status() {
    let forms = [(Form::Compact, "compact"), (Form::Fixed, "fixed"), (Form::Json, "json")];
    let sessions = forms.map(|(_, name)| market(name));
    let others = forms.map(|(_, name)| golden(&format!("{name}-")));
    let mut totals = [(0_u64, 0_u64); 3];
    fuzz("view_of_damaged_books_bars_and_status", 36_000, |case| {
        let at = case.random.index(3);
        let (read, refused) = session(case, forms[at].0, &sessions[at], &others[at]);
        totals[at] = (totals[at].0 + read, totals[at].1 + refused);
    });
    let some = |(read, refused): &(u64, u64)| read + refused < 1_000 || (*read > 100 && *refused > 100);
    assert!(totals.iter().all(some), "{totals:?}");
}

/// Every cut and every change of one byte of every golden message of these kinds.
#[test]
fn every_cut_and_every_byte_of_books_bars_and_status() {
    for (form, name) in [(Form::Compact, "compact"), (Form::Fixed, "fixed"), (Form::Json, "json")] {
        let (mut view, mut held) = (View::new(form), BTreeSet::new());
        let steps = market(name);
        for step in &steps {
            if let Step::Control(message) = step {
                control(&mut view, message, &mut held);
            }
        }
        let (mut read, mut refused) = (0, 0);
        for step in &steps {
            let Step::Data(bytes) = step else { continue };
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                for bit in 0..8 {
                    changed[at] = bytes[at] ^ (1 << bit);
                    if data(&mut view, &changed, &held) { read += 1 } else { refused += 1 }
                }
                if !data(&mut view, &bytes[..at], &held) {
                    refused += 1;
                }
                data(&mut view, bytes, &held);
            }
        }
        assert!(read > 100 && refused > 100, "{form:?} {read} {refused}");
    }
}

#[test]
fn an_undamaged_session_comes_to_its_account() {
    for (form, steps) in [Form::Compact, Form::Fixed, Form::Json].into_iter().zip(sessions()) {
        let (mut view, mut held) = (View::new(form), BTreeSet::new());
        for step in &steps {
            match step {
                Step::Control(message) => control(&mut view, message, &mut held),
                Step::Data(bytes) => assert!(data(&mut view, bytes, &held), "{form:?}"),
            }
        }
        assert!(view.account(QUOTE).published > 0 && view.account(TRADE).published > 0, "{form:?}");
    }
}
