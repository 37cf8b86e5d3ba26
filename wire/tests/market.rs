//! Books, bars and status: what is written is read back in every form, and a wrong book is told as wrong.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "support/mutate.rs"]
mod mutate;

use mutate::Random;
use tickgate_wire::frame::book::SIDES;
use tickgate_wire::frame::compact::{encode, head};
use tickgate_wire::frame::view::{BAR, BOOK, Joined, STATUS, Update, View};
use tickgate_wire::frame::{Bar, BookImage, Form, Kind, Level, State, StatusImage, fixed, json};
use tickgate_wire::instrument::Instrument;
use tickgate_wire::tick::Status;

const SYMBOLS: u32 = 9;

fn instrument() -> Instrument {
    Instrument {
        symbol: "A.B".to_owned(),
        price_exponent: -3,
        qty_exponent: -6,
        tick_size: 1,
        lot_size: 1,
        has_aggressor: true,
        has_size: true,
    }
}

fn message(form: Form, kind: Kind, frame: u32, items: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    match form {
        Form::Compact => {
            let head = head::Head { kind, slot: 2, frame, tick: 5, lag_us: 7, whole_ns: None };
            let items = items.iter().map(|(id, bytes)| (*id as usize, bytes.as_slice()));
            head::message(&mut out, &head, SYMBOLS as usize, items);
        }
        Form::Fixed => {
            let head = fixed::Head { kind, listed: false, slot: 2, frame, ts_flush: 5, watermark: None };
            fixed::header(&mut out, &head);
            items.iter().for_each(|(_, bytes)| out.extend_from_slice(bytes));
        }
        Form::Json => {
            json::begin(&mut out, &json::Head { kind, frame, slot: 2, tick: 5, t_us: 7 });
            let elements: Vec<&[u8]> = items.iter().map(|(_, bytes)| bytes.as_slice()).collect();
            out.extend_from_slice(&elements.join(&b','));
            json::end(&mut out);
        }
    }
    out
}

fn subscribed(form: Form, depth: usize) -> View {
    let mut view = View::new(form);
    for channel in [BOOK, BAR, STATUS] {
        let symbols = (0..SYMBOLS).map(|id| Joined { id, has_aggressor: true, has_size: true });
        view.joined(channel, 2, 50, 0, symbols);
    }
    view.book_depth(2, depth);
    view
}

fn state(random: &mut Random) -> State {
    State::from_u8(random.byte() % 5).unwrap()
}

/// The publisher's book after some level events, with wide and narrow prices and quantities.
fn moved(random: &mut Random, book: &BookImage) -> BookImage {
    let mut now = BookImage { feed_epoch: 9, epoch_count: 1, ..*book };
    let wide = random.chance(10);
    for _ in 0..random.below(12) {
        let side = random.pick(&SIDES);
        let spread = if wide { 50 } else { random.pick(&[3, 5, 9, 17]) };
        let qty = if random.chance(3) { 0 } else { random.spread(if wide { 53 } else { 20 }) };
        let held = now.sides[side as usize].as_slice();
        let price = if held.is_empty() || random.chance(3) {
            1_000 + random.signed(spread)
        } else {
            held[random.index(held.len())].price
        };
        now.sides[side as usize].set(side, Level { price, qty });
        now.lver += 1;
    }
    if random.chance(9) {
        now.state = state(random);
    }
    (now.ts_event, now.ts_recv) = (random.spread(50) * 1_000, random.spread(50) * 1_000);
    now
}

fn book(form: Form, id: u32, old: Option<&BookImage>, new: &BookImage, depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    match (form, old) {
        (Form::Compact, None) => encode::book_full(&mut out, new),
        (Form::Compact, Some(old)) => encode::book(&mut out, old, new, depth),
        (Form::Fixed, None) => fixed::book_full(&mut out, id, new),
        (Form::Fixed, Some(old)) => fixed::book(&mut out, id, old, new, depth),
        (Form::Json, None) => json::book_full(&mut out, id, new, &instrument()),
        (Form::Json, Some(old)) => json::book(&mut out, id, old, new, depth, &instrument()),
    }
    out
}

#[test]
fn books_follow_in_every_form_and_depth() {
    for form in Form::ALL {
        for (seed, depth) in [(1, 5), (2, 10), (3, 20), (4, 1)] {
            let (mut random, mut view) = (Random(seed), subscribed(form, depth));
            let mut held = vec![BookImage::default(); SYMBOLS as usize];
            let (mut events, mut lost) = (0, 0);
            for frame in 1..600 {
                let full = frame == 1 || random.chance(20);
                let mut items = Vec::new();
                for id in 0..SYMBOLS {
                    if frame > 1 && random.chance(3) {
                        continue;
                    }
                    let old = &mut held[id as usize];
                    let mut new = moved(&mut random, old);
                    if full {
                        new.lost += random.below(new.lver - old.lver + 1);
                    }
                    let (was, now) = (old.truncated(depth), new.truncated(depth));
                    items.push((id, book(form, id, (!full).then_some(&was), &now, depth)));
                    if frame > 1 {
                        (events, lost) = (events + new.lver - old.lver, lost + new.lost - old.lost);
                    }
                    *old = new;
                }
                let kind = if full { Kind::BookFull } else { Kind::BookDelta };
                let bytes = message(form, kind, frame, &items);
                let received = view.message(&bytes, &mut |_| {}).unwrap();
                assert!(!received.gap && !received.wrong, "{form:?} {depth} {frame}");
                for id in 0..SYMBOLS {
                    let (view, held) = (view.book(id).unwrap(), held[id as usize].truncated(depth));
                    assert_eq!(
                        (view.sides, view.state),
                        (held.sides, held.state),
                        "{form:?} {depth} {frame}"
                    );
                    assert_eq!((view.total, view.lost), (held.lver, held.lost));
                    assert_eq!(view.checksum, held.checksum());
                }
            }
            let account = view.account(BOOK);
            assert!(account.identity_ok() && account.published > 1_000, "{account:?}");
            assert_eq!((account.published, account.lost, account.periods), (events, lost, SYMBOLS.into()));
            assert!(view.hash().is_none(), "bars and status have not come");
        }
    }
}

#[test]
fn a_book_that_cannot_follow_is_told_and_shown_no_more() {
    for form in Form::ALL {
        let mut random = Random(5);
        let (mut a, mut other) = (BookImage::default(), BookImage::default());
        for _ in 0..40 {
            (a, other) = (moved(&mut random, &a), moved(&mut random, &other));
        }
        (other.lver, other.state) = (a.lver, a.state);
        let mut next = moved(&mut random, &other);
        next.lver = other.lver + 4;
        let mut view = subscribed(form, 5);
        let (a, other, next) = (a.truncated(5), other.truncated(5), next.truncated(5));
        let full = |image: &BookImage| vec![(3, book(form, 3, None, image, 5))];
        view.message(&message(form, Kind::BookFull, 1, &full(&a)), &mut |_| {}).unwrap();
        let delta = vec![(3, book(form, 3, Some(&other), &next, 5))];
        let mut told = vec![];
        let bytes = message(form, Kind::BookDelta, 2, &delta);
        let received = view.message(&bytes, &mut |update| told.push(update)).unwrap();
        assert!(received.wrong && !received.gap, "{form:?}");
        assert!(
            matches!(told[..], [Update::Book { id: 3, events: 4, full: false, wrong: true, .. }]),
            "{told:?}"
        );
        assert!(view.book(3).is_none());
        assert_eq!(view.wrong_books(), 1);
        let received = view.message(&message(form, Kind::BookFull, 3, &full(&next)), &mut |_| {}).unwrap();
        assert!(!received.wrong, "{form:?}");
        assert_eq!(view.book(3).unwrap().sides, next.sides);
        assert!(view.account(BOOK).identity_ok());
        assert_eq!(view.account(BOOK).published, 4);
    }
}

#[test]
fn a_fixed_delta_is_never_longer_than_the_book() {
    let (mut old, mut new) = (BookImage::default(), BookImage::default());
    for n in 0..20 {
        for side in SIDES {
            old.sides[side as usize].set(side, Level { price: n, qty: 1 });
            new.sides[side as usize].set(side, Level { price: 100 + n, qty: 1 });
        }
    }
    let mut out = Vec::new();
    fixed::book(&mut out, 7, &new, &old, 20);
    assert_eq!(out.len() / 56, 40, "bids sank and asks sank: everything is new");
}

fn bar(random: &mut Random, start_us: i64, tc: u64) -> Bar {
    let (open, close) = (random.signed(40), random.signed(40));
    let volume = random.spread(53);
    Bar {
        start_us,
        open,
        high: open.max(close) + random.spread(9),
        low: open.min(close) - random.spread(9),
        close,
        volume,
        buy_volume: random.below(volume.unsigned_abs() + 1).cast_signed(),
        notional: i128::from(random.signed(60)) * i128::from(random.spread(30)),
        count: 1 + random.spread(20).unsigned_abs(),
        tc,
        closed: random.chance(2),
        partial: random.chance(3),
    }
}

#[test]
fn bars_and_status_come_back_in_every_form() {
    for form in Form::ALL {
        let (mut random, mut view) = (Random(8), subscribed(form, 5));
        let (mut start_us, mut frame) = (1_723_075_200_000_000, 0);
        for round in 0..300 {
            let (mut bars, mut statuses, mut expected) = (Vec::new(), Vec::new(), Vec::new());
            for id in 0..SYMBOLS {
                start_us += 60_000_000;
                let count = if round == 0 { 0 } else { random.below(4) };
                let run: Vec<Bar> = (0..count).map(|_| bar(&mut random, start_us, round * 9)).collect();
                let now = state(&mut random);
                let status = StatusImage {
                    feed_epoch: 9,
                    epoch_count: 9,
                    state: now,
                    status: Status::from_u8(random.byte() % 4).unwrap(),
                    ts_event: random.spread(50) * 1_000,
                    ts_recv: 0,
                };
                let (mut one, mut other) = (Vec::new(), Vec::new());
                match form {
                    Form::Compact => {
                        encode::bars(&mut one, 9, now, &run);
                        encode::status(&mut other, &status);
                    }
                    Form::Fixed => {
                        fixed::bars(&mut one, id, 9, now, &run);
                        fixed::status(&mut other, id, &status);
                    }
                    Form::Json => {
                        json::bars(&mut one, id, 9, now, &run, &instrument());
                        json::status(&mut other, id, &status);
                    }
                }
                bars.push((id, one));
                statuses.push((id, other));
                expected.push((run, status));
            }
            let (mut told, update) = (Vec::new(), |told: &mut Vec<(u32, Bar)>, update| {
                if let Update::Bar { id, bar } = update {
                    told.push((id, bar));
                }
            });
            for (kind, items) in [(Kind::Bar, &bars), (Kind::Status, &statuses)] {
                frame += 1;
                let bytes = message(form, kind, frame, items);
                assert!(!view.message(&bytes, &mut |one| update(&mut told, one)).unwrap().gap);
            }
            let mut told = told.into_iter();
            for (id, (run, status)) in (0..SYMBOLS).zip(&expected) {
                for bar in run {
                    assert_eq!(told.next(), Some((id, *bar)), "{form:?}");
                }
                let (bars, held) = (view.bar(id).unwrap(), view.status(id).unwrap());
                assert!(run.last().is_none_or(|last| *last == bars.last));
                assert_eq!((bars.state, bars.epoch), (status.state, 9));
                assert_eq!((held.status, held.state), (status.status, status.state));
                assert_eq!((held.epoch, held.ts_event), (9, status.ts_event));
            }
            assert_eq!(told.next(), None);
        }
        void_after_a_new_epoch(form, &mut view, frame);
    }
}

fn void_after_a_new_epoch(form: Form, view: &mut View, frame: u32) {
    let mut out = Vec::new();
    match form {
        Form::Compact => encode::bars(&mut out, 10, State::Stale, &[]),
        Form::Fixed => fixed::bars(&mut out, 4, 10, State::Stale, &[]),
        Form::Json => json::bars(&mut out, 4, 10, State::Stale, &[], &instrument()),
    }
    view.message(&message(form, Kind::Bar, frame + 1, &[(4, out)]), &mut |_| {}).unwrap();
    assert_eq!(view.bar(4).unwrap().last, Bar::default());
    view.heartbeat(0, frame + 2);
    assert!(view.bar(4).is_none() && view.status(4).is_none(), "a frame is missing");
}
