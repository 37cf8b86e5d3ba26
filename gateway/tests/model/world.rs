//! One history: time, bus, publishers, engine, clients, and what may happen between them.

mod slow;

use super::client::{Client, Truth, Wire};
use super::feed::{History, Publisher, SHARDS, SIZES, symbol};
use super::losses::Losses;
use super::random::Random;
use super::shown::{FILTERED, passes, views};
use bytes::Bytes;
use gateway::bits::Bits;
use gateway::engine::{Engine, EngineConfig, SessionEvent};
use gateway::ingest::Want;
use gateway::last_value::Bounds;
use gateway::offer::CatchUp;
use gateway::outbox::Drained;
use gateway::pending::Join;
use std::collections::{BTreeMap, HashMap};
use wire::control::Channel;
use wire::frame::{Form, QuoteImage, State};
use wire::instrument::InstrumentId;
use wire::tick::Status;

const CLIENTS: usize = 6;
const BOUNDS: Bounds = Bounds { stale_after_us: 400_000, quiet_after_us: 1_000_000 };

/// Something on its way.
pub(super) enum Parcel {
    Batch(u16, Bytes),
    Snapshot(u16, Vec<u8>),
    Page(u16, Option<Vec<u8>>),
    Definitions(wire::instrument::Definitions),
}

pub(crate) struct World {
    seed: u64,
    short: bool,
    pub(super) random: Random,
    pub(super) now_us: i64,
    pub(super) publishers: Vec<Publisher>,
    losses: Vec<Losses>,
    /// Instruments of a shard.
    size: usize,
    /// Shard and index of each instrument.
    places: Vec<(usize, usize)>,
    /// Until when nothing of a shard comes through, µs.
    pub(super) cut_until_us: Vec<i64>,
    histories: HashMap<(String, u64), History>,
    post: BTreeMap<(i64, u64), Parcel>,
    posted: u64,
    asked_us: Vec<i64>,
    pub(super) engine: Engine<Wire>,
    pub(super) clients: Vec<Client>,
    /// Since when nothing but its own budget hinders each client, µs.
    free_us: Vec<i64>,
    symbols: HashMap<u32, String>,
    epochs: HashMap<(u32, u64), u64>,
    pub(super) lossy: bool,
    /// Nothing disturbs the feed: no symbol may be called stale.
    calm: bool,
    pub(super) quiet: bool,
}

macro_rules! truth {
    ($world:ident) => {
        Truth {
            histories: &$world.histories,
            symbols: &$world.symbols,
            epochs: &$world.epochs,
            calm: $world.calm,
        }
    };
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let now_us = 1_700_000_000_000_000;
        let mut random = Random(seed.wrapping_mul(0x1234_5678_9abc_def1));
        // A ring too small for the longest interval: lists get holes, totals must not.
        let short = random.below(4) == 0;
        let prints = if short { 24 } else { 1 << 12 };
        let config = EngineConfig {
            shards: SHARDS,
            bounds: BOUNDS,
            prints,
            stuck_after_us: i64::MAX,
            catch_up: [CatchUp::ByValue { ripe_after_us: slow::RIPE_US }, CatchUp::InTurn][random.below(2)],
            adapt: slow::PATIENCE,
            ..EngineConfig::default()
        };
        let lossy = random.below(4) > 0;
        let size = SIZES[usize::from(random.below(20) == 0)];
        let mut engine = Engine::new(config, now_us);
        let clients = (0..CLIENTS).map(|at| open(&mut engine, at, now_us, !short)).collect();
        Self {
            seed,
            short,
            lossy,
            calm: !lossy && random.below(2) == 0,
            random,
            now_us,
            losses: (0..SHARDS).map(|shard| Losses::new(shard, now_us)).collect(),
            size,
            places: Vec::new(),
            cut_until_us: vec![0; usize::from(SHARDS)],
            publishers: (0..SHARDS).map(|shard| Publisher::new(shard, 100, size)).collect(),
            histories: HashMap::new(),
            post: BTreeMap::new(),
            posted: 0,
            asked_us: vec![0; usize::from(SHARDS)],
            engine,
            clients,
            free_us: vec![now_us; CLIENTS],
            symbols: HashMap::new(),
            epochs: HashMap::new(),
            quiet: false,
        }
    }

    /// Runs the history; the answer is a digest of all bytes that clients got.
    pub(crate) fn run(mut self, talk: bool) -> u64 {
        let seed = self.seed;
        let steps = 60 + self.random.below(160);
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for step in 0..steps {
                if talk {
                    println!("step {step} at {} µs", self.now_us);
                }
                self.step();
            }
            self.settle();
            self.clients.iter().fold(0, |digest: u64, client| digest.rotate_left(9) ^ client.digest)
        }));
        match ran {
            Ok(digest) => digest,
            Err(cause) => {
                eprintln!("MODEL_SEED={seed} fails");
                std::panic::resume_unwind(cause);
            }
        }
    }

    fn step(&mut self) {
        for _ in 0..self.random.below(5) {
            self.publish();
        }
        if !self.calm {
            self.disturb();
        }
        self.act();
        let pause = [200, 1_000, 5_000, 20_000, 120_000][self.random.below(5)];
        self.pass(pause);
    }

    /// A publisher restarts, the bus is suspected, a shard is cut off for a while.
    fn disturb(&mut self) {
        if self.random.in_thousand(8) {
            let shard = self.random.below(usize::from(SHARDS));
            let epoch = self.publishers[shard].epoch + 1;
            self.publishers[shard] = Publisher::new(u16::try_from(shard).unwrap(), epoch, self.size);
        }
        if self.random.in_thousand(15) {
            self.engine.suspect(self.now_us);
            self.losses.iter_mut().for_each(Losses::suspect);
        }
        if self.lossy && self.random.in_thousand(8) {
            let shard = self.random.below(usize::from(SHARDS));
            self.cut_until_us[shard] = self.now_us + i64::try_from(self.random.below(1_500_000)).unwrap();
        }
    }

    /// Time passes; whatever is due happens.
    fn pass(&mut self, time_us: i64) {
        self.now_us += time_us;
        for shard in 0..usize::from(SHARDS) {
            if self.now_us - self.publishers[shard].said_us > 50_000 {
                self.say(shard);
            }
        }
        while let Some(entry) = self.post.first_entry().filter(|entry| entry.key().0 <= self.now_us) {
            let parcel = entry.remove();
            self.deliver(parcel);
        }
        self.ask();
        let now_us = self.now_us;
        self.engine.run_due(|| now_us);
        self.check_freshness();
        self.check_turns();
        self.read_all();
    }

    fn publish(&mut self) {
        let shard = self.random.below(usize::from(SHARDS));
        // Now and then a burst that no group and no list can hold.
        let events = if self.random.in_thousand(4) { 500 } else { 1 + self.random.below(self.size / 2) };
        for _ in 0..events {
            self.publishers[shard].event(&mut self.random, self.now_us, &mut self.histories);
        }
        self.say(shard);
    }

    /// Sends a publisher's batch or beat on a bus that may lose, repeat or delay it.
    fn say(&mut self, shard: usize) {
        let payload = Bytes::from(self.publishers[shard].batch(self.now_us));
        let number = u16::try_from(shard).unwrap();
        let lossy = self.lossy && !self.quiet;
        if lossy && (self.random.in_thousand(25) || self.now_us < self.cut_until_us[shard]) {
            return;
        }
        if lossy && self.random.in_thousand(25) {
            self.send(self.now_us, Parcel::Batch(number, payload.clone()));
        }
        let late = if lossy && self.random.in_thousand(25) { 3_000 } else { 0 };
        self.send(self.now_us + late, Parcel::Batch(number, payload));
    }

    pub(super) fn send(&mut self, at_us: i64, parcel: Parcel) {
        self.posted += 1;
        self.post.insert((at_us, self.posted), parcel);
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Batch(shard, payload) => {
                self.engine.batch(shard, &payload, self.now_us).unwrap();
                self.losses[usize::from(shard)].batch(&payload, self.now_us);
            }
            Parcel::Snapshot(shard, payload) => {
                self.losses[usize::from(shard)].snapshot(shard, &payload, self.now_us);
                let _whole = self.engine.snapshot(shard, &payload, self.now_us).unwrap();
            }
            Parcel::Page(shard, Some(page)) => {
                let _set = self.engine.book_page(shard, &page, self.now_us).unwrap();
            }
            Parcel::Page(shard, None) => self.engine.books_unanswered(shard, self.now_us),
            Parcel::Definitions(definitions) => {
                self.losses[usize::from(definitions.shard)].define(definitions.feed_epoch);
                self.engine.define(definitions, self.now_us);
            }
        }
        for (id, instrument) in self.engine.directory.iter() {
            if self.places.len() == id.index() {
                let shard = self.engine.directory.shard(id).unwrap();
                let index = (0..self.size).find(|index| symbol(shard, *index) == instrument.symbol);
                self.places.push((usize::from(shard), index.unwrap()));
                self.symbols.insert(id.0, instrument.symbol.clone());
            }
            let image = self.engine.table.row(id).unwrap().image;
            self.epochs.insert((id.0, u64::from(image.quote.epoch_count)), image.quote.feed_epoch);
            let (shard, index) = self.places[id.index()];
            self.losses[shard].check(index, &image);
        }
    }

    /// Asks for what shards want; answers may be late, or never come.
    fn ask(&mut self) {
        self.ask_books();
        for shard in 0..SHARDS {
            let at = usize::from(shard);
            let want = self.engine.wants(shard);
            if want == Want::Nothing || self.now_us - self.asked_us[at] < 30_000 {
                continue;
            }
            self.asked_us[at] = self.now_us;
            let cut = self.now_us < self.cut_until_us[at];
            if self.lossy && !self.quiet && (cut || self.random.in_thousand(100)) {
                continue;
            }
            let late = if self.quiet { 0 } else { i64::try_from(self.random.below(25_000)).unwrap() };
            let publisher = &self.publishers[at];
            let parcel = match want {
                Want::Definitions => Parcel::Definitions(publisher.definitions()),
                _ => Parcel::Snapshot(shard, publisher.snapshot(self.now_us)),
            };
            self.send(self.now_us + late, parcel);
        }
    }

    fn act(&mut self) {
        let at = self.random.below(CLIENTS);
        match self.random.below(28) {
            0..=5 => self.subscribe(at),
            6 | 7 => self.unsubscribe(at),
            8 | 9 => self.set_rate(at),
            10 => {
                self.read_all();
                let session = self.clients[at].session;
                let busy = self.engine.outbox(session).unwrap().busy;
                self.clients[at].pause(busy);
                self.engine.pause(session);
            }
            11 => {
                self.clients[at].unpause();
                self.free_us[at] = self.now_us;
                self.engine.unpause(self.clients[at].session, self.now_us);
            }
            12 => self.engine.repair(self.clients[at].session, None, self.now_us),
            13..=15 => {
                self.clients[at].keeps_up = false;
                let room = [0, 1, 7, 40, 300, 5_000][self.random.below(6)];
                self.set_room(at, room);
            }
            16..=18 => self.set_room(at, usize::MAX),
            19 if self.random.below(3) == 0 => {
                self.engine.end(self.clients[at].session);
                self.clients[at].check_accounts();
                self.clients[at] = open(&mut self.engine, at, self.now_us, !self.short);
                self.free_us[at] = self.now_us;
            }
            21 | 22 => {
                self.read_all();
                for _ in 0..=self.random.below(3) {
                    let text = self.clients[at].next_report();
                    self.engine.report(self.clients[at].session, text.as_bytes(), self.now_us);
                }
            }
            24 | 25 => self.set_budget(at),
            26 => self.set_visible(at),
            20 if self.random.below(3) == 0 => self.clients[at].lose_next = true,
            20 if self.random.below(3) == 0 => self.clients[at].damage_next = true,
            _ => {}
        }
        for client in &mut self.clients {
            if std::mem::take(&mut client.wants_repair) {
                self.engine.repair(client.session, None, self.now_us);
            }
        }
    }

    fn set_room(&mut self, at: usize, room: usize) {
        self.clients[at].wire.0.borrow_mut().room = room;
        self.free_us[at] = self.now_us;
        let session = self.clients[at].session;
        if self.engine.outbox(session).unwrap().busy {
            let drained = self.engine.drain(session, self.now_us);
            assert!(matches!(drained, Drained::Idle | Drained::Blocked));
        }
    }

    pub(super) fn ids(&mut self) -> Vec<InstrumentId> {
        let known = self.engine.directory.len();
        (0..u32::try_from(known).unwrap()).map(InstrumentId).filter(|_| self.random.below(3) == 0).collect()
    }

    fn channel(&mut self) -> Channel {
        Channel::ALL[[0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4][self.random.below(11)]]
    }

    fn subscribe(&mut self, at: usize) {
        let (channel, class) = (self.channel(), [0, 1, 3, 5, 7][self.random.below(5)]);
        if !Channel::MARKET.contains(&channel) {
            return self.subscribe_plain(at, channel);
        }
        let adaptive = self.random.below(2) == 0;
        let session = self.clients[at].session;
        let outbox = self.engine.outbox(session).unwrap();
        let other = Channel::MARKET[1 - channel.place()];
        let view = self.random.below(if channel == Channel::Quote { 6 } else { 5 });
        // A symbol's two channels share their slot.
        let mut by_slot: BTreeMap<(usize, usize, bool), Vec<InstrumentId>> = BTreeMap::new();
        let busy = outbox.joins().next().is_some();
        let wanted: Vec<_> = self.ids();
        let outbox = self.engine.outbox(session).unwrap();
        for id in wanted {
            if busy || outbox.slot_of(channel, id).is_some() {
                continue;
            }
            let held = outbox.slot_of(other, id).map(|slot| {
                let view = self.engine.view(session, slot).unwrap();
                let view = (0..6).find(|nth| views(*nth) == *view).unwrap();
                let slot = &outbox.slots[usize::from(slot)];
                (slot.class, view, slot.adaptive)
            });
            if held.is_none_or(|(_, view, _)| view != FILTERED || channel == Channel::Quote) {
                by_slot.entry(held.unwrap_or((class, view, adaptive))).or_default().push(id);
            }
        }
        for ((class, view, adaptive), ids) in by_slot {
            let max_age_ms =
                (self.random.below(3) == 0).then(|| [100, 150, 400, 1_000][self.random.below(4)]);
            let slot = self.engine.slot(session, class, &views(view), adaptive, self.now_us);
            let Ok(slot) = slot else { continue };
            let head = format!(
                "\"op\":\"subscribed\",\"channel\":\"{}\",\"slot\":{slot},\"view\":{view}",
                channel.word()
            );
            self.engine.join(
                session,
                Join { head, tail: String::new(), channel, slot, ids: ids.into(), max_age_ms, resume: None },
                self.now_us,
            );
        }
    }

    /// The symbols that a session holds in a slot, some of them.
    fn some_held(&mut self, at: usize, channel: Option<Channel>) -> Option<(u8, Bits)> {
        let session = self.clients[at].session;
        let outbox = self.engine.outbox(session)?;
        if outbox.slots.is_empty() || outbox.joins().next().is_some() {
            return None;
        }
        let slot = self.random.below(outbox.slots.len());
        let channels = outbox.slots[slot].channels().iter().copied();
        let channels = channels.filter(|of| channel.is_none_or(|only| only == *of));
        let mut ids = Bits::default();
        let held: Vec<InstrumentId> =
            channels.flat_map(|channel| outbox.slots[slot].subs[channel.place()].iter()).collect();
        for id in held {
            if self.random.below(2) == 0 {
                ids.insert(id);
            }
        }
        (!ids.is_empty()).then(|| (u8::try_from(slot).unwrap(), ids))
    }

    fn unsubscribe(&mut self, at: usize) {
        let channel = self.channel();
        let Some((slot, ids)) = self.some_held(at, Some(channel)) else { return };
        let session = self.clients[at].session;
        self.engine.leave(session, channel, slot, &ids);
        let ids: Vec<u32> = ids.iter().map(|id| id.0).collect();
        let text = format!(
            "{{\"op\":\"unsubscribed\",\"channel\":\"{}\",\"slot\":{slot},\"ids\":{ids:?}}}",
            channel.word()
        );
        self.engine.answer(session, text.as_bytes(), self.now_us);
    }

    fn set_rate(&mut self, at: usize) {
        let Some((from, ids)) = self.some_held(at, None) else { return };
        let (session, class) = (self.clients[at].session, [0, 1, 3, 5, 7][self.random.below(5)]);
        let view = self.engine.view(session, from).unwrap().clone();
        let adaptive = self.random.below(2) == 0;
        let Ok(to) = self.engine.slot(session, class, &view, adaptive, self.now_us) else { return };
        if from == to {
            return;
        }
        self.engine.move_rate(session, from, to, &ids, self.now_us);
        let (ids, phase_us): (Vec<u32>, _) =
            (ids.iter().map(|id| id.0).collect(), self.engine.phase_us(session, to));
        let text = format!(
            "{{\"op\":\"rate_set\",\"from_slot\":{from},\"slot\":{to},\"interval_ms\":{},\"phase_us\":{phase_us},\"ids\":{ids:?}}}",
            self.engine.interval_ms(session, to)
        );
        self.engine.answer(session, text.as_bytes(), self.now_us);
    }

    fn read_all(&mut self) {
        let mut events = Vec::new();
        self.engine.take_events(&mut events);
        for event in events {
            assert!(matches!(event, SessionEvent::Blocked(_)), "{event:?}");
        }
        let truth = truth!(self);
        for client in &mut self.clients {
            client.now_us = self.now_us;
            client.read(&truth);
        }
    }

    /// What the source had said of a symbol's trading at an image's version.
    fn said(&self, symbol: &str, image: &QuoteImage) -> Option<Status> {
        let history = self.histories.get(&(symbol.to_owned(), image.feed_epoch))?;
        history.statuses.get(usize::try_from(image.ver).unwrap().checked_sub(1)?).copied()
    }

    /// What the source calls halted or silent is not called live or quiet, and nothing else is called halted.
    fn check_status(&self, symbol: &str, image: &QuoteImage) {
        let fits = match self.said(symbol, image) {
            Some(Status::SourceStale) => image.state == State::Stale,
            Some(Status::Halted | Status::Closed) => matches!(image.state, State::Halted | State::Stale),
            _ => image.state != State::Halted,
        };
        assert!(fits, "{symbol} is {:?}", image.state);
    }

    /// P3: nothing is called live or quiet while an event older than the bound is not in it.
    fn check_freshness(&self) {
        let slack_us = 60_000 + 120_000; // judged every 50 ms, and time passes in steps
        for (id, instrument) in self.engine.directory.iter() {
            let image = self.engine.table.row(id).unwrap().image;
            let shard = usize::from(self.engine.directory.shard(id).unwrap());
            let epoch = self.publishers[shard].epoch;
            self.check_status(&instrument.symbol, &image.quote);
            if self.calm && self.engine.ingest.is_whole(shard.try_into().unwrap()) {
                let silent = self.said(&instrument.symbol, &image.quote) == Some(Status::SourceStale);
                assert!(silent || image.quote.state != State::Stale, "{} is stale", instrument.symbol);
            }
            if matches!(image.quote.state, State::Stale | State::Halted) {
                continue;
            }
            let Some(history) = self.histories.get(&(instrument.symbol.clone(), epoch)) else { continue };
            let old = |said_us: &i64| self.now_us - said_us > BOUNDS.stale_after_us + slack_us;
            let quotes = history.quotes.iter().filter(|(_, said_us)| old(said_us)).count() as u64;
            let trades = history.trades.iter().filter(|(_, said_us)| old(said_us)).count() as u64;
            let applied =
                if image.quote.feed_epoch == epoch { (image.quote.ver, image.trade.tc) } else { (0, 0) };
            assert!(
                applied.0 >= quotes && applied.1 >= trades,
                "{} is {:?} with {applied:?} of {:?}",
                instrument.symbol,
                image.quote.state,
                (quotes, trades)
            );
        }
    }

    /// No more loss, no more stalls: every view must end as the table, and the table as the publishers.
    fn settle(&mut self) {
        self.quiet = true;
        for at in 0..CLIENTS {
            (self.clients[at].lose_next, self.clients[at].damage_next) = (false, false);
            self.set_room(at, usize::MAX);
            self.clients[at].unpause();
            self.engine.unpause(self.clients[at].session, self.now_us);
            self.clients[at].allow(None);
            self.engine.set_budget(self.clients[at].session, None, self.now_us);
        }
        for _ in 0..160 {
            self.pass(20_000);
            self.act_on_repairs();
        }
        assert_eq!(self.engine.blocked(), 0);
        let truth = truth!(self);
        for (id, instrument) in self.engine.directory.iter() {
            let shard = usize::from(self.engine.directory.shard(id).unwrap());
            let image = self.engine.table.row(id).unwrap().image;
            let history = self.histories.get(&(instrument.symbol.clone(), self.publishers[shard].epoch));
            let said =
                history.map_or((0, 0), |history| (history.quotes.len() as u64, history.trades.len() as u64));
            assert_eq!((image.quote.ver, image.trade.tc), said, "{} is whole", instrument.symbol);
            for client in &self.clients {
                let outbox = self.engine.outbox(client.session).unwrap();
                if outbox.slot_of(Channel::Quote, id).is_some() {
                    let view = client.view.quote(id.0).expect("every held quote is told");
                    let out = client.is_filtered(id.0) && !passes(&image.quote.quote);
                    assert_eq!(
                        (view.total, view.state),
                        (image.quote.ver, if out { State::Out } else { image.quote.state }),
                        "{:?}",
                        client.form
                    );
                    client.check_quote(id.0, &truth);
                }
                if outbox.slot_of(Channel::Trade, id).is_some() {
                    let view = client.view.trade(id.0).expect("all held totals are told");
                    assert_eq!(view.total, image.trade.tc, "{:?}", client.form);
                    client.check_trade(id.0, &truth);
                }
                self.check_plain(client, id, history);
            }
        }
        assert!(self.symbols.len() == usize::from(SHARDS) * self.size);
        self.clients.iter().for_each(Client::check_accounts);
        self.clients.iter().for_each(Client::check_reports);
        self.clients.iter().for_each(Client::check_notices);
    }

    fn act_on_repairs(&mut self) {
        for client in &mut self.clients {
            if std::mem::take(&mut client.wants_repair) {
                self.engine.repair(client.session, None, self.now_us);
            }
        }
    }
}

fn open(engine: &mut Engine<Wire>, at: usize, now_us: i64, keeps_up: bool) -> Client {
    let form = Form::ALL[at % 3];
    let wire = Wire::default();
    wire.0.borrow_mut().room = usize::MAX;
    let session = engine.open(wire.clone(), form, now_us);
    let mut client = Client::new(form, wire, session);
    client.keeps_up = keeps_up;
    client
}
