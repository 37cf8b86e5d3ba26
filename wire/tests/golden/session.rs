//! One whole session in each form: what a client reads, message by message, and the account it must come to (P1, P2).
//! It holds a lost frame, a repair, a loss on the bus, a new feed epoch, a change of rate and a lost last frame. Its
//! heartbeats tell the view's hash (P11), the same in every form.

use crate::cases::{EPOCH, NS, print, quote, state};
use crate::pin;
use serde_json::{Value, json};
use tickgate_wire::frame::compact::{encode, head};
use tickgate_wire::frame::view::{Account, Joined, QUOTE, TRADE, View};
use tickgate_wire::frame::{Form, Kind, Print, PrintRange, QuoteImage, TradeImage, fixed, json as form};
use tickgate_wire::instrument::Instrument;
use tickgate_wire::tick::Aggressor;
use tickgate_wire::view_hash::ViewHash;

const T_US: i64 = 1_723_075_200_150_000;

fn instrument() -> Instrument {
    Instrument {
        symbol: "BTCUSDT.BINANCE".to_owned(),
        price_exponent: -2,
        qty_exponent: -5,
        tick_size: 1,
        lot_size: 1,
        has_aggressor: true,
        has_size: true,
    }
}

struct Writer {
    form: Form,
    frame: u32,
    quotes: Vec<u32>,
    slot: u8,
    steps: Vec<Value>,
}

type Item = (u32, Vec<u8>);

impl Writer {
    fn text(&mut self, value: Value) {
        self.steps.push(json!({ "text": value }));
    }

    fn message(&mut self, kind: Kind, listed: bool, items: &[Item]) {
        self.frame += 1;
        let (slot, frame, mut bytes) = (self.slot, self.frame, Vec::new());
        let interval_ms = if slot == 0 { 50 } else { 100 };
        let tick = u64::try_from(T_US / (interval_ms * 1_000)).unwrap() + u64::from(frame) / 2;
        let t_us = i64::try_from(tick).unwrap() * interval_ms * 1_000 + 304;
        match self.form {
            Form::Compact => {
                let whole_ns = (frame == 1).then(|| u64::try_from(t_us * 1_000).unwrap());
                let head = head::Head { kind, slot, frame, tick, lag_us: 310, whole_ns };
                let set: &[u32] =
                    if matches!(kind, Kind::Quote | Kind::QuoteFull) { &self.quotes } else { &[7] };
                let rank = |id: u32| set.iter().position(|other| *other == id).unwrap();
                let items = items.iter().map(|(id, bytes)| (rank(*id), bytes.as_slice()));
                head::message(&mut bytes, &head, set.len(), items);
            }
            Form::Fixed => {
                let head = fixed::Head { kind, listed, slot, frame, ts_flush: t_us * 1_000, watermark: None };
                fixed::header(&mut bytes, &head);
                items.iter().for_each(|(_, record)| bytes.extend_from_slice(record));
            }
            Form::Json => {
                form::begin(&mut bytes, &form::Head { kind, frame, slot, tick, t_us });
                let elements: Vec<&str> =
                    items.iter().map(|item| std::str::from_utf8(&item.1).unwrap()).collect();
                bytes.extend_from_slice(elements.join(",").as_bytes());
                form::end(&mut bytes);
                return self.text(serde_json::from_slice(&bytes).unwrap());
            }
        }
        self.steps.push(json!({ "hex": crate::hex(&bytes) }));
    }

    fn quotes(&mut self, full: bool, changes: &[(u32, QuoteImage, QuoteImage)]) {
        let record = |(id, base, now): &(u32, QuoteImage, QuoteImage)| {
            let (mut out, events) = (Vec::new(), now.ver.wrapping_sub(base.ver));
            match self.form {
                Form::Compact if full => encode::quote_full(&mut out, now),
                Form::Compact => encode::quote(&mut out, base, now),
                Form::Fixed => fixed::quote(&mut out, *id, if full { now.ver } else { events }, now, true),
                Form::Json => form::quote(&mut out, *id, if full { 0 } else { events }, now, &instrument()),
            }
            (*id, out)
        };
        let items: Vec<Item> = changes.iter().map(record).collect();
        self.message(if full { Kind::QuoteFull } else { Kind::Quote }, false, &items);
    }

    fn prints(&mut self, base: &TradeImage, prints: &[Print], listed: bool) {
        let mut items = Vec::new();
        let mut out = Vec::new();
        match self.form {
            Form::Compact => {
                encode::prints(&mut out, &base.last, prints.iter());
                items.push((7, out));
            }
            _ => {
                for print in prints {
                    let mut out = Vec::new();
                    match self.form {
                        Form::Fixed => fixed::trade(&mut out, 7, print, base.epoch_count),
                        _ => form::trade(&mut out, 7, base.feed_epoch, print, listed, &instrument()),
                    }
                    items.push((7, out));
                }
            }
        }
        self.message(Kind::Trade, listed, &items);
    }

    fn totals(&mut self, now: &TradeImage, listed: &[Print], range: Option<PrintRange>, partial: bool) {
        let mut out = Vec::new();
        match self.form {
            Form::Compact => {
                encode::trade_full(&mut out, now, listed.iter());
                encode::trailer(&mut out, now.last.price, range, partial);
            }
            Form::Fixed => fixed::trade_full(&mut out, 7, now, range, partial),
            Form::Json => form::trade_full(&mut out, 7, now, range, partial, &instrument()),
        }
        self.message(Kind::TradeFull, false, &[(7, out)]);
        if self.form != Form::Compact && !listed.is_empty() {
            self.prints(now, listed, true);
        }
    }

    /// Claims what the reference holds here; nothing where a frame is missing or a symbol has not come since.
    fn heartbeat(&mut self, last_frame: u32) {
        let t_us = T_US + i64::from(self.frame) * 25_000;
        let (mut view, ..) = run(self.form, &self.steps);
        view.heartbeat(t_us, last_frame);
        self.text(json!({
            "op": "heartbeat", "t_us": t_us, "last_frame": last_frame, "watermark_us": T_US - 1_000,
            "hash": view.hash().map(ViewHash::text), "clock_offset_us": null,
        }));
    }

    fn beat(&mut self) {
        self.heartbeat(self.frame);
    }

    fn subscribed(&mut self, channel: &str, ids: &[u32]) {
        let symbol = |id: &u32| {
            json!({
                "symbol": format!("S{id}.TEST"), "id": id, "price_exponent": -2, "qty_exponent": -5,
                "tick_size": "0.01", "lot_size": "0.00001", "has_aggressor": true, "has_size": true,
            })
        };
        let symbols: Vec<Value> = ids.iter().map(symbol).collect();
        self.text(json!({
            "op": "subscribed", "id": 1, "channel": channel, "slot": 0, "interval_ms": 50, "phase_us": 0,
            "stale_after_ms": 400, "quiet_after_ms": 1000, "symbols": symbols, "rejected": [], "more": false,
        }));
    }
}

/// The totals after more prints.
fn after(image: &TradeImage, prints: &[Print]) -> TradeImage {
    let mut now = *image;
    for print in prints {
        now.tc += 1;
        now.volume += print.qty;
        now.buy_volume += if print.aggressor == Aggressor::Buy { print.qty } else { 0 };
        now.notional += i128::from(print.price) * i128::from(print.qty);
        now.last = *print;
    }
    now
}

fn steps(form: Form) -> Vec<Value> {
    let mut to = Writer { form, frame: 0, quotes: vec![7, 9], slot: 0, steps: Vec::new() };
    to.text(json!({ "op": "welcome", "session": null, "server_time_us": T_US, "form": "test" }));
    to.subscribed("quote", &[7, 9]);
    let (seven, nine) = (quote(6_100_010, 6_100_011, 51_900, 300, 100), quote(500, 501, 10, 20, 5));
    to.quotes(true, &[(7, seven, seven), (9, nine, nine)]);
    to.subscribed("trade", &[7]);
    let last = print(6_100_000, 9, 5_020, Aggressor::Buy);
    let mut traded = TradeImage { last, ..crate::cases::totals(last, 10, 0) };
    to.beat();
    to.totals(&traded, &[], None, false);
    to.beat();
    let mut base = seven;
    let mut step = |to: &mut Writer, now: QuoteImage| {
        to.quotes(false, &[(7, base, now)]);
        base = now;
    };
    step(&mut to, quote(6_100_012, 6_100_013, 40_000, 300, 103));
    let two = [print(6_100_001, 9, 5_021, Aggressor::Buy), print(6_100_000, 4, 5_024, Aggressor::Sell)];
    to.prints(&traded, &two, false);
    traded = after(&traded, &two);
    step(&mut to, quote(6_100_012, 6_100_013, 40_000, 300, 112));
    to.quotes(false, &[(9, nine, quote(500, 502, 10, 20, 6))]);
    to.beat();
    to.frame += 2; // two frames never arrive
    step(&mut to, quote(6_100_020, 6_100_022, 1, 2, 114));
    to.text(json!({ "op": "repairing", "symbols": 3, "rejected": [] }));
    let caught_up = quote(6_100_030, 6_100_031, 5, 6, 134);
    to.quotes(true, &[(7, caught_up, caught_up), (9, nine, quote(500, 502, 10, 20, 6))]);
    base = caught_up;
    let missed: Vec<Print> = (0..6).map(|n| print(6_100_100 - n * 50, 3, 5_030, Aggressor::Sell)).collect();
    traded = after(&traded, &missed);
    to.totals(&traded, &[], Some(PrintRange { first: 6_100_100, high: 6_100_100, low: 6_099_850 }), true);
    let mut step = |to: &mut Writer, now: QuoteImage| {
        to.quotes(false, &[(7, base, now)]);
        base = now;
    };
    step(&mut to, quote(6_100_031, 6_100_032, 5, 6, 136));
    let lossy = QuoteImage { lost: 4, ..quote(6_100_040, 6_100_041, 7, 8, 146) };
    to.quotes(true, &[(7, lossy, lossy)]);
    let listed = [print(6_100_005, 2, 5_050, Aggressor::Buy), print(6_100_006, 1, 5_051, Aggressor::Buy)];
    traded = after(&traded, &listed);
    // Two were lost and one could not be listed; the publisher's totals know them.
    traded = TradeImage { tc: traded.tc + 3, lost: 2, volume: traded.volume + 30, ..traded };
    traded.notional += 30 * 6_100_000;
    to.totals(&traded, &listed, None, true);
    to.beat();
    let next = |image: QuoteImage| QuoteImage { feed_epoch: EPOCH + 60_000, epoch_count: 2, ..image };
    let first = next(quote(6_100_000, 6_100_002, 1, 1, 1));
    to.quotes(true, &[(7, first, first)]);
    to.totals(
        &TradeImage { feed_epoch: EPOCH + 60_000, epoch_count: 2, ..TradeImage::default() },
        &[],
        None,
        false,
    );
    to.beat();
    let second = next(quote(6_100_001, 6_100_002, 1, 1, 2));
    to.quotes(false, &[(7, first, second)]);
    to.text(
        json!({ "op": "unsubscribed", "id": 2, "channel": "trade", "slot": 0, "ids": [7], "rejected": [],
        "more": false }),
    );
    to.beat();
    to.text(json!({ "op": "rate_set", "id": 3, "channels": ["quote"], "from_slot": 0, "slot": 1, "interval_ms": 100,
        "phase_us": 0, "ids": [7], "rejected": [], "more": false }));
    to.beat();
    (to.quotes, to.slot) = (vec![7], 1);
    to.quotes(false, &[(7, second, next(quote(6_100_001, 6_100_003, 1, 1, 3)))]);
    to.beat();
    to.heartbeat(to.frame + 1);
    to.steps
}

/// Runs the steps through the reference view. Returns the view, after which steps a repair is to be asked, and the hash
/// at each heartbeat, which must be what is claimed.
fn run(form: Form, steps: &[Value]) -> (View, Vec<usize>, Vec<Option<String>>) {
    let (mut view, mut repairs, mut hashes) = (View::new(form), Vec::new(), Vec::new());
    for (at, step) in steps.iter().enumerate() {
        let lost = match step["hex"].as_str() {
            Some(hex) => {
                let byte = |byte: &str| u8::from_str_radix(byte, 16).unwrap();
                let bytes: Vec<u8> = hex.split(' ').map(byte).collect();
                view.message(&bytes, &mut |_| {}).unwrap().gap
            }
            None => control(&mut view, &step["text"]),
        };
        if lost {
            repairs.push(at);
        }
        if step["text"]["op"] == "heartbeat" {
            let held = view.hash().map(ViewHash::text);
            assert_eq!(held.as_deref(), step["text"]["hash"].as_str(), "{form:?}: step {at}");
            hashes.push(held);
        }
    }
    (view, repairs, hashes)
}

fn control(view: &mut View, text: &Value) -> bool {
    let number = |key: &str| text[key].as_u64().unwrap();
    let small = |key: &str| u8::try_from(number(key)).unwrap();
    let ids = || -> Vec<u32> {
        let ids = text["ids"].as_array().unwrap().iter();
        ids.map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
    };
    let channel = if text["channel"] == "trade" { TRADE } else { QUOTE };
    match text["op"].as_str().unwrap() {
        "subscribed" => {
            let symbols = text["symbols"].as_array().unwrap().iter();
            let joined = symbols.map(|symbol| Joined {
                id: u32::try_from(symbol["id"].as_u64().unwrap()).unwrap(),
                has_aggressor: symbol["has_aggressor"] == true,
                has_size: symbol["has_size"] == true,
            });
            view.joined(channel, small("slot"), u32::try_from(number("interval_ms")).unwrap(), 0, joined);
            false
        }
        "unsubscribed" => {
            view.left(channel, small("slot"), &ids());
            false
        }
        "rate_set" => {
            let interval_ms = u32::try_from(number("interval_ms")).unwrap();
            view.moved(small("from_slot"), small("slot"), interval_ms, 0, &ids());
            false
        }
        "heartbeat" => {
            view.heartbeat(text["t_us"].as_i64().unwrap(), u32::try_from(number("last_frame")).unwrap())
        }
        "quotes" | "trades" | "trade_totals" => {
            let bytes = serde_json::to_vec(text).unwrap();
            view.message(&bytes, &mut |_| {}).unwrap().gap
        }
        _ => false,
    }
}

fn account_value(account: &Account) -> Value {
    json!({
        "published": account.published, "delivered": account.delivered, "merged": account.merged,
        "declared_lost": account.lost, "periods": account.periods, "broken": account.broken,
    })
}

fn expected(published: u64, delivered: u64, merged: u64, lost: u64, periods: u64) -> Account {
    Account { published, delivered, merged, lost, periods, broken: 0 }
}

#[test]
fn a_whole_session_adds_up_in_every_form() {
    let (mut sessions, mut claims) = (Vec::new(), Vec::new());
    for form in Form::ALL {
        let steps = steps(form);
        let (view, repairs, hashes) = run(form, &steps);
        claims.push(hashes);
        // In `json` every quote has its totals, so that one after a lost frame still counts by itself.
        let quotes = if form == Form::Json { expected(49, 9, 36, 4, 3) } else { expected(49, 8, 37, 4, 3) };
        assert_eq!(view.account(QUOTE), quotes, "{form:?}");
        assert_eq!(view.account(TRADE), expected(13, 4, 7, 2, 2), "{form:?}");
        assert!(view.account(QUOTE).identity_ok() && view.account(TRADE).identity_ok());
        assert_eq!(repairs.len(), 2, "{form:?}: {repairs:?}");
        sessions.push(json!({
            "form": form.subprotocol().rsplit('.').next(), "steps": steps, "repair_after_steps": repairs,
            "accounts": { "quote": account_value(&quotes), "trade": account_value(&expected(13, 4, 7, 2, 2)) },
            "quotes_before_last_step": [{
                "id": 7, "state": state(tickgate_wire::frame::State::Live), "bid": 6_100_001, "ask": 6_100_003,
                "bid_size": 1, "ask_size": 1, "total": 3,
            }],
        }));
    }
    assert!(
        claims.iter().all(|hashes| *hashes == claims[0]),
        "the hash does not depend on the form: {claims:?}"
    );
    // Nothing is claimed before the first trade totals and behind the lost last frame.
    let told: Vec<bool> = claims[0].iter().map(Option::is_some).collect();
    assert_eq!(told, [false, true, true, true, true, true, true, true, false]);
    let mut bytes =
        serde_json::to_vec_pretty(&json!({ "sessions": sessions, "t_us": T_US, "ns": NS.to_string() }))
            .unwrap();
    bytes.push(b'\n');
    pin("sessions.json", &bytes);
}
