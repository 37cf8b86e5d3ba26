//! What is written is read back, and damaged bytes are refused or misread but never break a reader.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use tickgate_wire::frame::compact::{encode, head};
use tickgate_wire::frame::view::{Joined, QUOTE, TRADE, Update, View};
use tickgate_wire::frame::{Form, Kind, Print, PrintRange, QuoteImage, State, TradeImage, fixed, json};
use tickgate_wire::instrument::Instrument;
use tickgate_wire::tick::{Aggressor, Quote};

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
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

    /// Up to 2^bits − 1, with every number of bits equally likely, so that small and wide values both come.
    fn spread(&mut self, bits: u64) -> i64 {
        let bits = self.below(bits + 1);
        (self.next() & ((1 << bits) - 1)).cast_signed()
    }

    fn signed(&mut self, bits: u64) -> i64 {
        let value = self.spread(bits);
        if self.below(2) == 0 { value } else { -value }
    }

    fn state(&mut self) -> State {
        State::from_u8(u8::try_from(self.below(4)).unwrap()).unwrap()
    }

    fn side(&mut self) -> Aggressor {
        if self.below(2) == 0 { Aggressor::Buy } else { Aggressor::Sell }
    }
}

const INSTRUMENT: fn() -> Instrument = || Instrument {
    symbol: "A.B".to_owned(),
    price_exponent: -3,
    qty_exponent: -6,
    tick_size: 1,
    lot_size: 1,
    has_aggressor: true,
    has_size: false,
};

/// Symbols of the wire set that a history uses.
const SYMBOLS: u32 = 150;

/// A publisher's state of one symbol, and the bytes of its changes.
struct Writer {
    form: Form,
    random: Random,
    frame: u32,
    quotes: Vec<QuoteImage>,
    trades: Vec<TradeImage>,
}

impl Writer {
    fn new(form: Form, seed: u64) -> Self {
        let size = SYMBOLS as usize;
        let (quotes, trades) = (vec![QuoteImage::default(); size], vec![TradeImage::default(); size]);
        Self { form, random: Random(seed), frame: 0, quotes, trades }
    }

    fn some(&mut self) -> Vec<u32> {
        let share = 1 + self.random.below(60);
        let some: Vec<u32> = (0..SYMBOLS).filter(|_| self.random.below(60) < share).collect();
        if some.is_empty() {
            vec![u32::try_from(self.random.below(u64::from(SYMBOLS))).unwrap()]
        } else {
            some
        }
    }

    fn message(&mut self, kind: Kind, items: &[(u32, Vec<u8>)]) -> Vec<u8> {
        self.frame += 1;
        let (frame, mut out) = (self.frame, Vec::new());
        match self.form {
            Form::Compact => {
                let head = head::Head { kind, slot: 0, frame, tick: 5, lag_us: 7, whole_ns: None };
                let items = items.iter().map(|(id, bytes)| (*id as usize, bytes.as_slice()));
                head::message(&mut out, &head, SYMBOLS as usize, items);
            }
            Form::Fixed => {
                let head = fixed::Head { kind, listed: false, slot: 0, frame, ts_flush: 5, watermark: None };
                fixed::header(&mut out, &head);
                items.iter().for_each(|(_, bytes)| out.extend_from_slice(bytes));
            }
            Form::Json => {
                json::begin(&mut out, &json::Head { kind, frame, slot: 0, tick: 5, t_us: 7 });
                let elements: Vec<&[u8]> = items.iter().map(|(_, bytes)| bytes.as_slice()).collect();
                out.extend_from_slice(&elements.join(&b','));
                json::end(&mut out);
            }
        }
        out
    }

    fn quotes(&mut self, full: bool) -> Vec<u8> {
        let mut items = Vec::new();
        let ids = if full && self.frame < 2 { (0..SYMBOLS).collect() } else { self.some() };
        for id in ids {
            let old = self.quotes[id as usize];
            let random = &mut self.random;
            let mut now =
                QuoteImage { ver: old.ver + random.below(12), feed_epoch: 9, epoch_count: 1, ..old };
            let small = random.below(3) > 0;
            let field = |random: &mut Random, old: i64| match random.below(3) {
                0 => old,
                _ if small => (old + random.signed(7)).max(0),
                _ => random.spread(53),
            };
            now.quote = Quote {
                bid: field(random, old.quote.bid),
                ask: field(random, old.quote.ask),
                bid_size: field(random, old.quote.bid_size),
                ask_size: field(random, old.quote.ask_size),
            };
            if random.below(10) == 0 {
                now.state = random.state();
            }
            if full {
                now.lost += random.below(now.ver - old.ver + 1);
            }
            let mut out = Vec::new();
            match self.form {
                Form::Compact if full => encode::quote_full(&mut out, &now),
                Form::Compact => encode::quote(&mut out, &old, &now),
                Form::Fixed => {
                    let events = if full { now.ver } else { now.ver - old.ver };
                    fixed::quote(&mut out, id, events, &now, false);
                }
                Form::Json => json::quote(&mut out, id, now.ver - old.ver, &now, &INSTRUMENT()),
            }
            items.push((id, out));
            self.quotes[id as usize] = now;
        }
        self.message(if full { Kind::QuoteFull } else { Kind::Quote }, &items)
    }

    fn next_print(&mut self, last: &Print) -> Print {
        let random = &mut self.random;
        let price = if random.below(3) > 0 { last.price + random.signed(9) } else { random.signed(40) };
        let qty = if random.below(3) == 0 { last.qty } else { random.spread(30) };
        let gap = if random.below(3) > 0 { 0 } else { random.spread(20).unsigned_abs() };
        let trade_id = if random.below(20) == 0 { random.below(1 << 52) } else { last.trade_id + 1 + gap };
        Print { price, qty, trade_id, aggressor: random.side(), ts_event: 0, ts_recv: 0 }
    }

    fn prints(&mut self) -> Vec<u8> {
        let mut items = Vec::new();
        for id in self.some() {
            let base = self.trades[id as usize];
            let mut run = Vec::new();
            for _ in 0..=self.random.below(5) {
                let last = self.trades[id as usize].last;
                let print = self.next_print(&last);
                add(&mut self.trades[id as usize], &print);
                run.push(print);
            }
            match self.form {
                Form::Compact => {
                    let mut out = Vec::new();
                    encode::prints(&mut out, &base.last, run.iter());
                    items.push((id, out));
                }
                Form::Fixed => items.extend(run.iter().map(|print| {
                    let mut out = Vec::new();
                    fixed::trade(&mut out, id, print, 1);
                    (id, out)
                })),
                Form::Json => items.extend(run.iter().map(|print| {
                    let mut out = Vec::new();
                    json::trade(&mut out, id, 9, print, false, &INSTRUMENT());
                    (id, out)
                })),
            }
        }
        self.message(Kind::Trade, &items)
    }

    fn totals(&mut self) -> Vec<u8> {
        let mut items = Vec::new();
        let ids = if self.frame < 2 { (0..SYMBOLS).collect() } else { self.some() };
        for id in ids {
            let image = &mut self.trades[id as usize];
            (image.feed_epoch, image.epoch_count) = (9, 1);
            for _ in 0..self.random.below(4) {
                let last = self.trades[id as usize].last;
                let print = self.next_print(&last);
                add(&mut self.trades[id as usize], &print);
            }
            let image = &mut self.trades[id as usize];
            image.state = self.random.state();
            let range = (self.random.below(2) == 0).then(|| {
                let first = image.last.price + self.random.signed(6);
                let (low, high) = (first.min(image.last.price) - 3, first.max(image.last.price) + 2);
                PrintRange { first, high, low }
            });
            let mut out = Vec::new();
            match self.form {
                Form::Compact => {
                    encode::trade_full(&mut out, image, [].iter());
                    encode::trailer(&mut out, image.last.price, range, range.is_none());
                }
                Form::Fixed => fixed::trade_full(&mut out, id, image, range, range.is_none()),
                Form::Json => json::trade_full(&mut out, id, image, range, range.is_none(), &INSTRUMENT()),
            }
            items.push((id, out));
        }
        self.message(Kind::TradeFull, &items)
    }

    fn next(&mut self) -> Vec<u8> {
        match self.frame {
            0 => self.quotes(true),
            1 => self.totals(),
            _ => match self.random.below(10) {
                0 => self.quotes(true),
                1 => self.totals(),
                2..=5 => self.prints(),
                _ => self.quotes(false),
            },
        }
    }
}

fn add(image: &mut TradeImage, print: &Print) {
    image.tc += 1;
    image.volume += print.qty;
    image.buy_volume += if print.aggressor == Aggressor::Buy { print.qty } else { 0 };
    image.notional += i128::from(print.price) * i128::from(print.qty);
    image.last = *print;
}

fn subscribed(form: Form) -> View {
    let mut view = View::new(form);
    for channel in [QUOTE, TRADE] {
        view.joined(
            channel,
            0,
            50,
            0,
            (0..SYMBOLS).map(|id| Joined { id, has_aggressor: true, has_size: true }),
        );
    }
    view
}

#[test]
fn whatever_is_written_is_read_back_in_every_form() {
    for form in Form::ALL {
        for seed in 0..12 {
            let (mut writer, mut view) = (Writer::new(form, seed), subscribed(form));
            for _ in 0..120 {
                let bytes = writer.next();
                let received = view.message(&bytes, &mut |_| {}).unwrap();
                assert!(!received.gap && received.records > 0);
            }
            for id in 0..SYMBOLS {
                let (quote, written) = (view.quote(id).unwrap(), &writer.quotes[id as usize]);
                assert_eq!(
                    (quote.quote, quote.state),
                    (written.quote, written.state),
                    "{form:?} {seed} {id}"
                );
                assert_eq!((quote.total, quote.lost), (written.ver, written.lost));
                let (trade, written) = (view.trade(id).unwrap(), &writer.trades[id as usize]);
                assert_eq!((trade.total, trade.volume), (written.tc, written.volume), "{form:?} {seed} {id}");
                assert_eq!(trade.buy_volume, written.buy_volume);
                let last = (trade.last.price, trade.last.qty, trade.last.trade_id);
                assert_eq!(last, (written.last.price, written.last.qty, written.last.trade_id));
            }
            assert!(view.account(QUOTE).identity_ok() && view.account(TRADE).identity_ok());
        }
    }
}

#[test]
fn damaged_messages_break_no_reader() {
    let mut random = Random(1);
    let (mut refused, mut read) = (0_u32, 0_u32);
    for form in Form::ALL {
        let (mut writer, mut view) = (Writer::new(form, 77), subscribed(form));
        let mut updates = 0_u64;
        for _ in 0..7_000 {
            let mut bytes = writer.next();
            damage(&mut random, &mut bytes);
            let mut count = |update: Update| updates += u64::from(matches!(update, Update::Quote { .. }));
            match view.message(&bytes, &mut count) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
            if random.below(50) == 0 {
                view.heartbeat(random.signed(62), writer.frame);
            }
        }
    }
    assert!(refused > 1_000 && read > 1_000, "{refused} {read}");
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = usize::try_from(random.below(bytes.len().max(1) as u64)).unwrap();
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), 0xff),
            2 if at < bytes.len() => {
                bytes.remove(at);
            }
            3 if at < bytes.len() => bytes[at..].fill(0xff),
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
}
