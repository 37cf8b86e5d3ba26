//! A client of the model: splits real WebSocket frames, keeps a view, and holds each update against the history.

use super::feed::History;
use super::going::Going;
use super::lists::Lists;
use super::shown::{FILTERED, passes};
use gateway::outbox::{GROUP_BYTES_MAX, Socket, Write};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::control::Channel;
use wire::frame::view::{BAR, BOOK, CHANNELS, Joined, QUOTE, TRADE, Update, View};
use wire::frame::{Bar, Form, Kind, PrintRange, State};
use wire::tick::{Aggressor, BookSide, Quote};
use wire::view_hash::ViewHash;

/// Damage on the way that a hash told, over all histories.
pub(crate) static FOUND: AtomicU64 = AtomicU64::new(0);

/// Slots that changed their rate, over all histories.
pub(crate) static TURNED: AtomicU64 = AtomicU64::new(0);

/// A socket that takes as much as the world lets it.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    pub(crate) room: usize,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Wire(pub(crate) Rc<RefCell<Pipe>>);

impl Socket for Wire {
    fn try_write(&mut self, bytes: &[u8]) -> Write {
        let mut pipe = self.0.borrow_mut();
        let count = bytes.len().min(pipe.room);
        if count == 0 {
            return Write::WouldBlock;
        }
        pipe.room = pipe.room.saturating_sub(count);
        pipe.bytes.extend_from_slice(&bytes[..count]);
        Write::Wrote(count)
    }
}

/// What the clients' checks need to know.
pub(crate) struct Truth<'a> {
    pub(crate) histories: &'a HashMap<(String, u64), History>,
    pub(crate) symbols: &'a HashMap<u32, String>,
    /// Feed epoch of (instrument, the gateway's count of epochs).
    pub(crate) epochs: &'a HashMap<(u32, u64), u64>,
    /// Nothing is lost on the bus.
    pub(crate) calm: bool,
}

pub(crate) struct Client {
    pub(crate) wire: Wire,
    pub(crate) form: Form,
    pub(crate) view: View,
    pub(crate) session: u32,
    /// Was never blocked or paused, and lost no frame: must see every print.
    pub(crate) keeps_up: bool,
    /// A frame was lost: ask for repair.
    pub(crate) wants_repair: bool,
    /// The next market-data message is lost on its way.
    pub(crate) lose_next: bool,
    /// A message was lost on its way, and the client has not noticed yet.
    lost: bool,
    /// No message was ever lost on its way.
    intact: bool,
    /// The next quotes of a `fixed` client are damaged on their way, in a way that only the view's hash can tell.
    pub(crate) damage_next: bool,
    /// Shard of each symbol that was ever held.
    shards: HashMap<u32, u64>,
    /// Shards that are stale, as told.
    stale: BTreeSet<u64>,
    /// Times that one was older than this client wants it.
    pub(crate) aged: u64,
    /// View that each symbol's quote was last subscribed in.
    shown: HashMap<u32, usize>,
    /// Newest bar of each symbol, with its epoch.
    bars: HashMap<u32, (u64, Bar)>,
    /// The symbol whose quote stands wrong since.
    damaged: Option<u32>,
    /// Bytes of market data so far.
    data_bytes: usize,
    /// Reports on their way: number, and market data before it was queued.
    reports: VecDeque<(u64, usize)>,
    reported: u64,
    /// Market data when the client paused, and how much may still come.
    paused: Option<(usize, usize)>,
    /// Bytes a second that it allows, those that may come at once, since when, and market data before.
    budget: Option<(i64, i64, i64, usize)>,
    /// Time at which it reads; 0 = nothing is checked by it.
    pub(crate) now_us: i64,
    pub(crate) digest: u64,
    pub(crate) going: Going,
}

impl Client {
    pub(crate) fn new(form: Form, wire: Wire, session: u32) -> Self {
        let view = View::new(form);
        Self {
            wire,
            form,
            view,
            session,
            keeps_up: true,
            wants_repair: false,
            lose_next: false,
            lost: false,
            intact: true,
            damage_next: false,
            shards: HashMap::new(),
            stale: BTreeSet::new(),
            aged: 0,
            shown: HashMap::new(),
            bars: HashMap::new(),
            damaged: None,
            data_bytes: 0,
            reports: VecDeque::new(),
            reported: 0,
            paused: None,
            budget: None,
            now_us: 0,
            digest: 0,
            going: Going::default(),
        }
    }

    /// Reads all whole frames that have come.
    pub(crate) fn read(&mut self, truth: &Truth<'_>) {
        let mut bytes = std::mem::take(&mut self.wire.0.borrow_mut().bytes);
        let mut at = 0;
        while let Some((opcode, start, end)) = frame(&bytes[at..]) {
            let payload = bytes[at + start..at + end].to_vec();
            at += end;
            self.digest = self.digest.rotate_left(5) ^ wire::instrument::stable_hash(&payload);
            let is_data = opcode == 2
                || payload.starts_with(b"{\"op\":\"quotes\"")
                || [
                    &b"{\"op\":\"trade"[..],
                    b"{\"op\":\"books\"",
                    b"{\"op\":\"bars\"",
                    b"{\"op\":\"statuses\"",
                ]
                .iter()
                .any(|begin| payload.starts_with(begin));
            if is_data {
                self.data_bytes += end;
                let (begun, allowed) = self.paused.unwrap_or((0, usize::MAX));
                assert!(self.data_bytes - begun <= allowed, "market data in a pause");
                self.check_budget();
            }
            match opcode {
                1 | 2 if is_data && std::mem::take(&mut self.lose_next) => {
                    (self.keeps_up, self.intact, self.lost) = (false, false, true);
                }
                1 | 2 if is_data => {
                    let (payload, damaged) = self.damage(payload);
                    self.data(&payload, damaged, truth);
                }
                1 => self.control(&payload),
                other => panic!("opcode {other}"),
            }
        }
        bytes.drain(..at);
        self.wire.0.borrow_mut().bytes = bytes;
    }

    fn control(&mut self, payload: &[u8]) {
        let message: serde_json::Value = serde_json::from_slice(payload).unwrap();
        let number = |name: &str| message[name].as_i64().unwrap_or_else(|| panic!("{name} in {message}"));
        let ids = || {
            message["ids"]
                .as_array()
                .unwrap()
                .iter()
                .map(|id| narrow(id.as_i64().unwrap()))
                .collect::<Vec<_>>()
        };
        let channel = || {
            let word = message["channel"].as_str().unwrap();
            Channel::ALL.into_iter().zip(0..).find(|(channel, _)| channel.word() == word).unwrap().1
        };
        match message["op"].as_str().unwrap() {
            "subscribed" => self.subscribed(&message, channel()),
            "unsubscribed" => {
                self.view.left(channel(), u8::try_from(number("slot")).unwrap(), &ids());
                self.damaged = self.damaged.filter(|id| channel() != QUOTE || !ids().contains(id));
                let held: BTreeSet<u64> =
                    CHANNELS.iter().flat_map(|of| self.view.ids(*of)).map(|id| self.shards[&id]).collect();
                self.stale.retain(|shard| held.contains(shard));
            }
            "notice" => {
                let shard = message["shard"].as_u64().unwrap();
                let told = match message["code"].as_str().unwrap() {
                    "stale" => {
                        assert!(message["reason"].is_string() && number("age_ms") >= 0);
                        self.aged += u64::from(message["reason"] == "max_age");
                        self.stale.insert(shard);
                        true
                    }
                    "fresh" => self.stale.remove(&shard),
                    other => panic!("{other}"),
                };
                assert!(told, "shard {shard} was never called stale");
            }
            "rate_set" => {
                let (from, to) = (number("from_slot"), number("slot"));
                let (from, to) = (u8::try_from(from).unwrap(), u8::try_from(to).unwrap());
                self.view.moved(from, to, narrow(number("interval_ms")), number("phase_us"), &ids());
            }
            "rate_changed" => {
                let slot = u8::try_from(number("slot")).unwrap();
                self.view.rate_changed(slot, narrow(number("interval_ms")), number("phase_us"));
                assert!(number("interval_ms") >= number("asked_ms"), "faster than asked");
                TURNED.fetch_add(1, Ordering::Relaxed);
            }
            "heartbeat" => {
                let lost = self.view.heartbeat(number("t_us"), narrow(number("last_frame")));
                self.gap(lost);
                self.check_hash(message["hash"].as_str());
                self.reached(message["cursor"].as_str());
            }
            "report" => {
                let (expected, queued) = self.reports.pop_front().unwrap();
                assert_eq!(number("n").cast_unsigned(), expected, "reports come once, in order");
                let before = self.data_bytes - queued;
                assert!(before <= GROUP_BYTES_MAX, "{before} B of market data went ahead of a report");
            }
            other => panic!("{other}"),
        }
    }

    /// Symbols join a wire set.
    fn subscribed(&mut self, message: &serde_json::Value, channel: u8) {
        self.note_view(message);
        let number = |name: &str| message[name].as_i64().unwrap_or_else(|| panic!("{name} in {message}"));
        let symbols = message["symbols"].as_array().unwrap().iter();
        let shard = |symbol: &serde_json::Value| symbol["shard"].as_u64().unwrap();
        let id = |symbol: &serde_json::Value| narrow(symbol["id"].as_i64().unwrap());
        self.shards.extend(symbols.clone().map(|symbol| (id(symbol), shard(symbol))));
        let joined = symbols.clone().map(|symbol| Joined {
            id: id(symbol),
            has_aggressor: symbol["has_aggressor"].as_bool().unwrap(),
            has_size: symbol["has_size"].as_bool().unwrap(),
        });
        let slot = u8::try_from(number("slot")).unwrap();
        if channel == BAR {
            symbols.clone().map(id).for_each(|id| _ = self.bars.remove(&id));
        }
        if channel == BOOK {
            self.view.book_depth(slot, usize::try_from(number("depth")).unwrap());
        }
        self.view.joined(channel, slot, narrow(number("interval_ms")), number("phase_us"), joined);
        for symbol in symbols {
            self.goes_on(channel, id(symbol), symbol);
        }
    }

    /// Notes which view the quotes that a `subscribed` names are shown in.
    fn note_view(&mut self, message: &serde_json::Value) {
        if message["channel"] == "quote" {
            let shown = usize::try_from(message["view"].as_u64().unwrap_or(0)).unwrap();
            let ids =
                message["symbols"].as_array().unwrap().iter().map(|symbol| symbol["id"].as_i64().unwrap());
            self.shown.extend(ids.map(|id| (narrow(id), shown)));
        }
    }

    /// The next report's text. All that has come must have been read.
    pub(crate) fn next_report(&mut self) -> String {
        self.reported += 1;
        self.reports.push_back((self.reported, self.data_bytes));
        format!("{{\"op\":\"report\",\"n\":{}}}", self.reported)
    }

    /// Paused, with all that has come read: only a group that was begun may still come.
    pub(crate) fn pause(&mut self, busy: bool) {
        self.keeps_up = false;
        self.paused.get_or_insert((self.data_bytes, if busy { GROUP_BYTES_MAX } else { 0 }));
    }

    pub(crate) fn unpause(&mut self) {
        self.paused = None;
    }

    /// Allows so many bytes a second. All that has come must have been read.
    pub(crate) fn allow(&mut self, budget: Option<(u32, i64)>) {
        self.keeps_up &= budget.is_none();
        self.budget =
            budget.map(|(bytes_per_s, burst)| (bytes_per_s.into(), burst, self.now_us, self.data_bytes));
    }

    /// No more comes than is allowed, but for the group that was begun and the one that overdraws.
    fn check_budget(&self) {
        let Some((bytes_per_s, burst, since_us, before)) = self.budget else { return };
        let came = i64::try_from(self.data_bytes - before).unwrap();
        let due = bytes_per_s * (self.now_us - since_us) / 1_000_000 + burst;
        let most = due + 2 * i64::try_from(GROUP_BYTES_MAX).unwrap();
        assert!(came <= most, "{came} B of market data where {most} were allowed");
    }

    /// A client that lost nothing knows when each message was flushed, whatever its slots did.
    fn check_time(&self, flush_us: Option<i64>) {
        let Some(flush_us) = flush_us.filter(|_| self.intact && self.now_us > 0) else { return };
        let age_us = self.now_us - flush_us;
        assert!((-100_000..60_000_000).contains(&age_us), "flushed {age_us} µs ago");
    }

    /// No shard is called stale for ever.
    pub(crate) fn check_notices(&self) {
        assert!(self.stale.is_empty(), "still stale: {:?}", self.stale);
    }

    pub(crate) fn check_reports(&self) {
        assert!(self.reports.is_empty(), "reports that never came: {:?}", self.reports);
    }

    fn data(&mut self, payload: &[u8], damaged: Option<u32>, truth: &Truth<'_>) {
        let mut updates = Vec::new();
        let published = self.view.account(TRADE).published;
        let received = self.view.message(payload, &mut |update| updates.push(update)).unwrap();
        self.gap(received.gap);
        self.check_time(received.flush_us);
        self.check_lists(received.kind, &Lists::of(&updates), published, truth);
        for update in updates {
            self.not_again(&update);
            match update {
                Update::Quote { id, .. } if damaged == Some(id) => self.damaged = damaged,
                Update::Quote { id, .. } => {
                    self.damaged = self.damaged.filter(|damaged| *damaged != id);
                    self.check_quote(id, truth);
                }
                Update::Print { id, .. } => self.check_step(id, truth),
                Update::Book { id, .. } => self.check_book(id, truth),
                Update::Bar { id, bar } => self.check_bar(id, bar, truth),
                Update::Status { .. } => {}
                Update::Summary { id, merged, lost, range, partial, .. } => {
                    self.check_trade(id, truth);
                    self.check_step(id, truth);
                    let told = matches!((merged, lost), (1.., 0)) && !partial && self.form == Form::Compact;
                    assert!(!told || range.is_some(), "merged prints without their range");
                    if let (Some(range), 1.., 0, false) = (range, merged, lost, partial) {
                        self.check_range(id, merged, range, truth);
                    }
                }
            }
        }
    }

    /// Turns a bit of the last bid of a quote message, if that is asked for. Returns whose.
    fn damage(&mut self, mut payload: Vec<u8>) -> (Vec<u8>, Option<u32>) {
        let quotes = self.form == Form::Fixed && payload[2] == Kind::Quote as u8;
        if !(quotes && self.damage_next && self.damaged.is_none()) {
            return (payload, None);
        }
        let record = payload.len() - 64;
        let absent = payload[record + 24..record + 32] == [0; 8];
        self.damage_next = absent;
        if absent {
            return (payload, None);
        }
        payload[record + 8] ^= 1;
        let id = u32::from_le_bytes(payload[record..record + 4].try_into().unwrap());
        (payload, Some(id))
    }

    /// P11: the gateway claims what this client holds, and tells damage at the next claim.
    fn check_hash(&mut self, claimed: Option<&str>) {
        let Some(claimed) = claimed.filter(|_| !self.wants_repair) else { return };
        let claimed = ViewHash::parse(claimed).unwrap();
        match self.view.hash() {
            Some(held) if self.damaged.is_none() => assert_eq!(held, claimed, "a false alarm"),
            Some(held) => {
                assert_ne!(held, claimed, "damage that the hash does not tell");
                self.wants_repair = true;
                FOUND.fetch_add(1, Ordering::Relaxed);
            }
            None => assert!(!self.intact, "a claim before all has come"),
        }
    }

    /// A gap is seen exactly when a message was lost.
    fn gap(&mut self, gap: bool) {
        assert_eq!(gap, self.lost, "a gap without a loss, or a loss without a gap");
        self.wants_repair |= std::mem::take(&mut self.lost);
    }

    pub(crate) fn history<'a>(&self, id: u32, epoch: Option<u64>, truth: &Truth<'a>) -> Option<&'a History> {
        let epoch = match self.form {
            Form::Fixed => *truth.epochs.get(&(id, epoch?))?,
            _ => epoch?,
        };
        truth.histories.get(&(truth.symbols[&id].clone(), epoch))
    }

    /// Whether the symbol's quote is told only while it passes the filter.
    pub(crate) fn is_filtered(&self, id: u32) -> bool {
        self.shown.get(&id) == Some(&FILTERED)
    }

    pub(crate) fn check_quote(&self, id: u32, truth: &Truth<'_>) {
        let Some(view) = self.view.quote(id) else { return };
        let Some(history) = self.history(id, Some(view.epoch), truth) else {
            assert_eq!(view.total, 0);
            return;
        };
        let said = history.quote(view.total);
        if self.is_filtered(id) {
            if view.state == State::Out {
                return;
            }
            assert!(passes(&said), "{} is shown at event {}", truth.symbols[&id], view.total);
        }
        let size = |size: i64| match self.shown[&id] {
            3 => size.min(1),
            4 => (0..62).map(|cut| size >> cut << cut).find(|cut| is_coarse(*cut)).unwrap(),
            _ => size,
        };
        let expected = Quote { bid_size: size(said.bid_size), ask_size: size(said.ask_size), ..said };
        if expected.bid_size > 0 {
            assert_eq!(view.quote, expected, "{} at event {}", truth.symbols[&id], view.total);
        }
    }

    /// To a client that keeps up every bar of a calm feed is told whole: the next one begins at the print after its last.
    fn check_bar(&mut self, id: u32, bar: Bar, truth: &Truth<'_>) {
        let epoch = self.view.bar(id).map_or(0, |view| view.epoch);
        let before = self.bars.insert(id, (epoch, bar));
        let Some((_, before)) = before.filter(|before| before.0 == epoch && self.keeps_up && truth.calm)
        else {
            return;
        };
        if bar.start_us > before.start_us && !bar.partial && !before.partial {
            assert_eq!(bar.tc - bar.count, before.tc, "{} after {before:?}: {bar:?}", truth.symbols[&id]);
        }
    }

    /// A book shows what the events up to its count made, never the middle of an update.
    fn check_book(&self, id: u32, truth: &Truth<'_>) {
        let Some(view) = self.view.book(id) else { return };
        let Some(history) = self.history(id, Some(view.epoch), truth) else { return };
        let Some(at) = view.total.checked_sub(1) else { return };
        let said = &history.books[usize::try_from(at).unwrap()];
        assert!(!said.open, "{} in the middle of an update", truth.symbols[&id]);
        for (side, shown) in [BookSide::Bid, BookSide::Ask].into_iter().zip(&view.sides) {
            let whole = said.side(side);
            let shown = shown.as_slice();
            assert_eq!(shown, &whole[..shown.len()], "{} at level event {}", truth.symbols[&id], view.total);
            assert!(shown.len() == whole.len() || [5, 10, 20].contains(&shown.len()));
        }
        assert_eq!(self.view.wrong_books(), 0);
    }

    pub(crate) fn check_trade(&self, id: u32, truth: &Truth<'_>) {
        let Some(view) = self.view.trade(id) else { return };
        let Some(history) = self.history(id, Some(view.epoch), truth) else { return };
        let (volume, buy_volume, notional) = history.totals(view.total);
        assert_eq!(
            (view.volume, view.buy_volume),
            (volume, buy_volume),
            "{} at print {}",
            truth.symbols[&id],
            view.total
        );
        #[expect(clippy::cast_sign_loss, reason = "mod 2^96 on both sides")]
        let notional = notional as u128 & ((1 << 96) - 1);
        assert_eq!(view.notional, notional);
        if let Some((trade, _)) =
            view.total.checked_sub(1).map(|at| history.trades[usize::try_from(at).unwrap()])
        {
            assert_eq!(
                (view.last.price, view.last.qty, view.last.trade_id),
                (trade.price, trade.qty, trade.trade_id)
            );
            assert!(matches!(trade.aggressor, Aggressor::Buy | Aggressor::Sell));
        }
    }

    /// P2: the quote beside a print is not older than the print.
    fn check_step(&self, id: u32, truth: &Truth<'_>) {
        let (Some(quote), Some(trade)) = (self.view.quote(id), self.view.trade(id)) else { return };
        let Some(history) = self.history(id, Some(trade.epoch), truth) else { return };
        let before = trade.total.checked_sub(1).map(|at| history.quotes_before[usize::try_from(at).unwrap()]);
        if let Some(before) = before.filter(|_| self.intact && quote.epoch == trade.epoch) {
            let symbol = &truth.symbols[&id];
            assert!(quote.total >= before, "{symbol}: print {} beside quote {}", trade.total, quote.total);
        }
    }

    /// The range of what was merged is that of exactly these prints.
    fn check_range(&self, id: u32, merged: u64, range: PrintRange, truth: &Truth<'_>) {
        let Some(view) = self.view.trade(id) else { return };
        let Some(history) = self.history(id, Some(view.epoch), truth) else { return };
        let end = usize::try_from(view.total).unwrap();
        let missed = &history.trades[end - usize::try_from(merged).unwrap()..end];
        let prices = || missed.iter().map(|(trade, _)| trade.price);
        let expected = (prices().next(), prices().max(), prices().min());
        assert_eq!((Some(range.first), Some(range.high), Some(range.low)), expected);
    }

    pub(crate) fn check_accounts(&self) {
        for channel in [QUOTE, TRADE] {
            let account = self.view.account(channel);
            assert!(account.identity_ok(), "channel {channel}: {account:?}");
            if channel == TRADE && self.keeps_up {
                assert_eq!(account.merged, 0, "a client that keeps up sees every print: {account:?}");
            }
        }
    }
}

fn narrow(number: i64) -> u32 {
    u32::try_from(number).unwrap()
}

/// Opcode, begin and end of the payload of the first frame, when it is whole.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_eq!(first & 0x80, 0x80, "unfragmented");
    let (start, len) = match second {
        0..=125 => (2, usize::from(second)),
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        _ => panic!("longer than a group"),
    };
    (bytes.len() >= start + len).then_some((first & 15, start, start + len))
}

/// Whether a size has at most three binary digits that are not trailing zeros.
fn is_coarse(size: i64) -> bool {
    size == 0 || 64 - size.leading_zeros() - size.trailing_zeros() <= 3
}
