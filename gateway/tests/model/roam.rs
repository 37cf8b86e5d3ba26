//! Two gateways on one feed, each with its own losses, and clients that move between them at any moment with the cursor of
//! their last heartbeat. Gateways are killed and begin anew, too.

use super::client::{Client, Truth, Wire};
use super::feed::{History, Publisher, SHARDS, SIZES, symbol};
use super::random::Random;
use bytes::Bytes;
use gateway::engine::{Engine, EngineConfig};
use gateway::ingest::Want;
use gateway::pending::Join;
use gateway::resume::Resume;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use wire::control::{Channel, View};
use wire::cursor_shards::ShardCursor;
use wire::frame::Form;
use wire::frame::view::{QUOTE, TRADE};
use wire::instrument::{Definitions, InstrumentId};

const CLIENTS: usize = 4;
const BEGIN_US: i64 = 1_700_000_000_000_000;

enum Parcel {
    Batch(u16, Bytes),
    Snapshot(u16, Vec<u8>),
    Definitions(Definitions),
}

/// One gateway.
struct Site {
    engine: Engine<Wire>,
    post: BTreeMap<(i64, u64), Parcel>,
    asked_us: [i64; SHARDS as usize],
    cut_until_us: i64,
    whole_since_us: i64,
    symbols: HashMap<u32, String>,
    epochs: HashMap<(u32, u64), u64>,
}

impl Site {
    fn new(now_us: i64) -> Self {
        let config = EngineConfig {
            shards: SHARDS,
            prints: 1 << 12,
            stuck_after_us: i64::MAX,
            ..EngineConfig::default()
        };
        Self {
            engine: Engine::new(config, now_us),
            post: BTreeMap::new(),
            asked_us: [0; SHARDS as usize],
            cut_until_us: 0,
            whole_since_us: i64::MAX,
            symbols: HashMap::new(),
            epochs: HashMap::new(),
        }
    }

    /// Whether all lanes have shown a whole feed: the slowest does so once a second, and settles a second later. What joins
    /// before begins with the empty period of a feed that is not known, which ends when it is.
    fn is_warm(&self, now_us: i64) -> bool {
        now_us.saturating_sub(self.whole_since_us) > 2_500_000
    }

    fn look(&mut self, now_us: i64) {
        let whole = (0..SHARDS).all(|shard| self.engine.wants(shard) == Want::Nothing);
        self.whole_since_us = if whole { self.whole_since_us.min(now_us) } else { i64::MAX };
    }

    fn deliver(&mut self, now_us: i64) {
        while let Some(entry) = self.post.first_entry().filter(|entry| entry.key().0 <= now_us) {
            match entry.remove() {
                Parcel::Batch(shard, payload) => self.engine.batch(shard, &payload, now_us).unwrap(),
                Parcel::Snapshot(shard, payload) => {
                    let _whole = self.engine.snapshot(shard, &payload, now_us).unwrap();
                }
                Parcel::Definitions(definitions) => self.engine.define(definitions, now_us),
            }
        }
        for (id, instrument) in self.engine.directory.iter() {
            self.symbols.insert(id.0, instrument.symbol.clone());
            let quote = self.engine.table.row(id).unwrap().image.quote;
            self.epochs.insert((id.0, u64::from(quote.epoch_count)), quote.feed_epoch);
        }
    }
}

/// A client, where it is, and what it wants: interval by (channel, symbol).
struct Roamer {
    client: Client,
    site: Option<usize>,
    wanted: BTreeMap<(usize, String), usize>,
    /// Everything wanted was held when the last cursor was told.
    settled: bool,
    /// Periods that must have begun: one a (channel, symbol), whatever moves.
    joined: u64,
}

pub(crate) struct Roam {
    seed: u64,
    random: Random,
    now_us: i64,
    size: usize,
    publishers: Vec<Publisher>,
    histories: HashMap<(String, u64), History>,
    posted: u64,
    sites: Vec<Site>,
    roamers: Vec<Roamer>,
    /// No loss and no new publisher: an account never begins anew.
    calm: bool,
    quiet: bool,
}

fn wire() -> Wire {
    let wire = Wire::default();
    wire.0.borrow_mut().room = usize::MAX;
    wire
}

impl Roam {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let calm = random.below(3) == 0;
        let roamer = |nth: usize| Roamer {
            client: Client::new(Form::ALL[nth % 3], wire(), u32::MAX),
            site: None,
            wanted: BTreeMap::new(),
            settled: true,
            joined: 0,
        };
        Self {
            seed,
            random,
            now_us: BEGIN_US,
            size: SIZES[0],
            publishers: (0..SHARDS).map(|shard| Publisher::new(shard, 100, SIZES[0])).collect(),
            histories: HashMap::new(),
            posted: 0,
            sites: (0..2).map(|_| Site::new(BEGIN_US)).collect(),
            roamers: (0..CLIENTS).map(roamer).collect(),
            calm,
            quiet: false,
        }
    }

    /// Runs the history; the answer is how many (channel, symbol) went on unchanged, in full, or began anew.
    pub(crate) fn run(mut self) -> [u64; 3] {
        let seed = self.seed;
        let steps = 80 + self.random.below(120);
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..steps).for_each(|_| self.step());
            self.settle();
            let told = self.roamers.iter().map(|roamer| roamer.client.going.told);
            told.fold([0; 3], |sum: [u64; 3], told| [0, 1, 2].map(|at| sum[at] + told[at]))
        }));
        ran.unwrap_or_else(|cause| {
            eprintln!("ROAM_SEED={seed} fails");
            std::panic::resume_unwind(cause);
        })
    }

    fn step(&mut self) {
        for _ in 0..self.random.below(4) {
            let shard = self.random.below(usize::from(SHARDS));
            for _ in 0..=self.random.below(self.size / 2) {
                self.publishers[shard].event(&mut self.random, self.now_us, &mut self.histories);
            }
            self.say(shard);
        }
        if !self.calm {
            self.disturb();
        }
        self.act();
        let pause = [200, 1_000, 5_000, 20_000, 300_000][self.random.below(5)];
        self.pass(pause);
    }

    fn disturb(&mut self) {
        if self.random.in_thousand(8) {
            let shard = self.random.below(usize::from(SHARDS));
            let epoch = self.publishers[shard].epoch + 1;
            self.publishers[shard] = Publisher::new(u16::try_from(shard).unwrap(), epoch, self.size);
        }
        if self.random.in_thousand(15) {
            let site = self.random.below(2);
            self.sites[site].engine.suspect(self.now_us);
        }
        if self.random.in_thousand(20) {
            let site = self.random.below(2);
            self.sites[site].cut_until_us =
                self.now_us + i64::try_from(self.random.below(1_500_000)).unwrap();
        }
    }

    /// Sends a batch or beat to both gateways; each loses, repeats or delays its own.
    fn say(&mut self, shard: usize) {
        let payload = Bytes::from(self.publishers[shard].batch(self.now_us));
        let number = u16::try_from(shard).unwrap();
        for site in 0..2 {
            let lossy = !self.calm && !self.quiet;
            if lossy && (self.random.in_thousand(40) || self.now_us < self.sites[site].cut_until_us) {
                continue;
            }
            let late = if lossy && self.random.in_thousand(60) { 3_000 } else { 0 };
            self.send(site, self.now_us + late, Parcel::Batch(number, payload.clone()));
        }
    }

    fn send(&mut self, site: usize, at_us: i64, parcel: Parcel) {
        self.posted += 1;
        self.sites[site].post.insert((at_us, self.posted), parcel);
    }

    fn ask(&mut self, site: usize) {
        for (at, shard) in (0..SHARDS).enumerate() {
            let want = self.sites[site].engine.wants(shard);
            if want == Want::Nothing || self.now_us - self.sites[site].asked_us[at] < 30_000 {
                continue;
            }
            self.sites[site].asked_us[at] = self.now_us;
            if !self.quiet && self.now_us < self.sites[site].cut_until_us {
                continue;
            }
            let late = i64::try_from(self.random.below(25_000)).unwrap();
            let parcel = match want {
                Want::Definitions => Parcel::Definitions(self.publishers[at].definitions()),
                _ => Parcel::Snapshot(shard, self.publishers[at].snapshot(self.now_us)),
            };
            self.send(site, self.now_us + late, parcel);
        }
    }

    fn pass(&mut self, time_us: i64) {
        self.now_us += time_us;
        for shard in 0..usize::from(SHARDS) {
            if self.now_us - self.publishers[shard].said_us > 50_000 {
                self.say(shard);
            }
        }
        for site in 0..2 {
            self.sites[site].deliver(self.now_us);
            self.ask(site);
            self.sites[site].look(self.now_us);
            let now_us = self.now_us;
            self.sites[site].engine.run_due(|| now_us);
            self.sites[site].engine.take_events(&mut Vec::new());
        }
        self.read();
    }

    fn read(&mut self) {
        for roamer in &mut self.roamers {
            let Some(site) = roamer.site else { continue };
            let before = roamer.client.going.cursor.clone();
            let (symbols, epochs) = (&self.sites[site].symbols, &self.sites[site].epochs);
            let truth = Truth { histories: &self.histories, symbols, epochs, calm: false };
            roamer.client.read(&truth);
            roamer.client.going.stalled &= roamer.client.wire.0.borrow().room < usize::MAX / 2;
            for (channel, id) in std::mem::take(&mut roamer.client.going.fresh) {
                if channel == QUOTE {
                    roamer.client.check_quote(id, &truth);
                } else {
                    roamer.client.check_trade(id, &truth);
                }
            }
            let cursor = roamer.client.going.cursor.clone();
            let told = cursor.as_deref().and_then(ShardCursor::parse).unwrap_or_default();
            // A lane that has never been flushed in turn has no place to tell.
            let shards = roamer.wanted.keys().map(|(_, symbol)| u16::from(symbol.as_bytes()[1] - b'0'));
            let all = shards.into_iter().all(|shard| told.get(shard).epoch != 0);
            roamer.settled |= cursor != before && all && roamer.client.going.spoken_of == roamer.wanted.len();
            if std::mem::take(&mut roamer.client.wants_repair) {
                roamer.client.comes_in_full();
                self.sites[site].engine.repair(roamer.client.session, None, self.now_us);
            }
        }
    }

    fn act(&mut self) {
        let at = self.random.below(CLIENTS);
        match self.random.below(12) {
            0..=2 => self.subscribe(at),
            3 | 4 => self.leave(at),
            5 | 6 => self.arrive(at),
            7 => {
                let room = [0, 1, 40, 300, 5_000][self.random.below(5)];
                self.set_room(at, room);
            }
            8 | 9 => self.set_room(at, usize::MAX),
            10 if self.random.below(4) == 0 => self.kill(),
            _ => {}
        }
    }

    fn set_room(&mut self, at: usize, room: usize) {
        let Some(site) = self.roamers[at].site else { return };
        let client = &mut self.roamers[at].client;
        client.comes_in_full();
        client.wire.0.borrow_mut().room = room;
        let engine = &mut self.sites[site].engine;
        if engine.outbox(client.session).unwrap().busy {
            engine.drain(client.session, self.now_us);
        }
    }

    /// A gateway dies with all its connections, and begins anew.
    fn kill(&mut self) {
        let site = self.random.below(2);
        let here = |at: &usize| self.roamers[*at].site == Some(site);
        let there: Vec<usize> = (0..CLIENTS).filter(here).collect();
        if self.calm && there.iter().any(|at| !self.roamers[*at].settled) {
            return;
        }
        there.iter().for_each(|at| self.cut(*at));
        self.sites[site] = Site::new(self.now_us);
    }

    fn leave(&mut self, at: usize) {
        if let Some(site) = self.roamers[at].site
            && (self.roamers[at].settled || !self.calm)
        {
            let session = self.roamers[at].client.session;
            self.cut(at);
            self.sites[site].engine.end(session);
        }
    }

    /// The connection ends; what is on its way may be read or not.
    fn cut(&mut self, at: usize) {
        if self.random.below(2) == 0 {
            self.read();
        }
        self.roamers[at].client.reconnect(wire(), u32::MAX);
        self.roamers[at].site = None;
    }

    /// Comes back at any gateway that knows the symbols, with other intervals now and then.
    fn arrive(&mut self, at: usize) {
        let site = self.random.below(2);
        let known = self.sites[site].engine.directory.len() == usize::from(SHARDS) * self.size;
        if self.roamers[at].site.is_some() || !known {
            return;
        }
        let client = &mut self.roamers[at].client;
        client.session = self.sites[site].engine.open(client.wire.clone(), client.form, self.now_us);
        self.roamers[at].site = Some(site);
        let faster = self.random.below(3) == 0;
        let mut groups: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        for ((channel, symbol), class) in &mut self.roamers[at].wanted {
            *class = if faster { 1 } else { *class };
            groups.entry((*channel, *class)).or_default().push(symbol.clone());
        }
        for ((channel, class), symbols) in groups {
            self.join(at, channel, class, &symbols, true);
        }
    }

    fn join(&mut self, at: usize, channel: usize, class: usize, symbols: &[String], goes_on: bool) {
        let roamer = &self.roamers[at];
        let (session, engine) = (roamer.client.session, &mut self.sites[roamer.site.unwrap()].engine);
        let channel = Channel::MARKET[channel];
        let mut ids: Vec<InstrumentId> =
            symbols.iter().map(|symbol| engine.directory.find(symbol).unwrap()).collect();
        ids.sort_unstable();
        let slot = engine.slot(session, class, &View::default(), false, self.now_us).unwrap();
        let head = format!("\"op\":\"subscribed\",\"channel\":\"{}\",\"slot\":{slot}", channel.word());
        let cursor = roamer.client.going.cursor.as_deref().filter(|_| goes_on);
        let resume = cursor.map(|cursor| Resume::new(ShardCursor::parse(cursor).unwrap()));
        let join =
            Join { head, tail: String::new(), channel, slot, ids: ids.into(), max_age_ms: None, resume };
        engine.join(session, join, self.now_us);
    }

    fn subscribe(&mut self, at: usize) {
        let Some(site) = self.roamers[at].site else { return self.arrive(at) };
        if self.calm && !self.sites[site].is_warm(self.now_us) {
            return;
        }
        let (channel, class) = (self.random.below(2), [0, 1, 3, 5, 7][self.random.below(5)]);
        let mut by_class: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for _ in 0..=self.random.below(self.size) {
            let shard = u16::try_from(self.random.below(usize::from(SHARDS))).unwrap();
            let symbol = symbol(shard, self.random.below(self.size));
            let wanted = &mut self.roamers[at].wanted;
            // A symbol's two channels share their slot.
            let class = wanted.get(&(1 - channel, symbol.clone())).copied().unwrap_or(class);
            if let Entry::Vacant(entry) = wanted.entry((channel, symbol.clone())) {
                entry.insert(class);
                by_class.entry(class).or_default().insert(symbol);
            }
        }
        for (class, symbols) in by_class {
            let symbols: Vec<String> = symbols.into_iter().collect();
            (self.roamers[at].settled, self.roamers[at].joined) =
                (false, self.roamers[at].joined + symbols.len() as u64);
            self.roamers[at].client.subscribing();
            self.join(at, channel, class, &symbols, false);
        }
    }

    /// No more loss: every view ends as the feed, and every account adds up over all its connections.
    fn settle(&mut self) {
        self.quiet = true;
        for _ in 0..160 {
            for at in 0..CLIENTS {
                self.set_room(at, usize::MAX);
                self.arrive(at);
            }
            self.pass(20_000);
        }
        for roamer in &self.roamers {
            let site = &self.sites[roamer.site.expect("every client came back")];
            for (channel, symbol) in roamer.wanted.keys() {
                let id = site.engine.directory.find(symbol).unwrap();
                let shard = usize::from(site.engine.directory.shard(id).unwrap());
                let history = self.histories.get(&(symbol.clone(), self.publishers[shard].epoch));
                let said =
                    history.map_or([0; 2], |said| [said.quotes.len() as u64, said.trades.len() as u64]);
                let view = &roamer.client.view;
                let total = match Channel::MARKET[*channel] {
                    Channel::Quote => view.quote(id.0).map(|quote| quote.total),
                    _ => view.trade(id.0).map(|trade| trade.total),
                };
                assert_eq!(total, Some(said[*channel]), "{symbol} in {:?}", roamer.client.form);
            }
            roamer.client.check_accounts();
            let periods = [QUOTE, TRADE].map(|channel| roamer.client.view.account(channel).periods);
            let begun = periods.iter().sum::<u64>();
            assert!(!self.calm || begun == roamer.joined, "{begun} periods of {} symbols", roamer.joined);
        }
    }
}

/// What the gateway lost to which a client comes back is declared to it, and no more than that.
pub(crate) fn a_loss_elsewhere_is_declared() {
    let mut now_us = BEGIN_US;
    let (mut random, mut histories) = (Random(3), HashMap::new());
    let mut publisher = Publisher::new(0, 100, 4);
    (0..200).for_each(|_| publisher.event(&mut random, now_us, &mut histories));
    publisher.batch(now_us);
    let mut engines = [0, 1].map(|_| {
        let mut engine = Engine::new(EngineConfig { shards: 1, ..EngineConfig::default() }, now_us);
        engine.define(publisher.definitions(), now_us);
        assert!(engine.snapshot(0, &publisher.snapshot(now_us), now_us).unwrap());
        engine
    });
    let join = |engine: &mut Engine<Wire>, client: &mut Client, resume: Option<Resume>, now_us: i64| {
        client.session = engine.open(client.wire.clone(), Form::Compact, now_us);
        let slot = engine.slot(client.session, 1, &View::default(), false, now_us).unwrap();
        let head = format!("\"op\":\"subscribed\",\"channel\":\"quote\",\"slot\":{slot}");
        let ids = engine.directory.iter().map(|(id, _)| id).collect();
        let channel = Channel::Quote;
        engine.join(
            client.session,
            Join { head, tail: String::new(), channel, slot, ids, max_age_ms: None, resume },
            now_us,
        );
    };
    let symbols = (0..4).map(|id| (id, symbol(0, id as usize))).collect();
    let epochs = HashMap::new();
    let mut client = Client::new(Form::Compact, wire(), 0);
    join(&mut engines[0], &mut client, None, now_us);
    // The second gateway loses some before the cursor, then some behind it; the first loses nothing.
    let mut lost = 0;
    for (round, lossy) in [true, false, true, false, false].into_iter().enumerate() {
        let before: u64 = publisher.rows.iter().map(|row| row.ver.get()).sum();
        (0..20).for_each(|_| publisher.event(&mut random, now_us, &mut histories));
        let after: u64 = publisher.rows.iter().map(|row| row.ver.get()).sum();
        // The gap of the third round shows in the fourth, and the snapshot that fills it has that one's events too.
        lost += if matches!(round, 2 | 3) { after - before } else { 0 };
        let payload = Bytes::from(publisher.batch(now_us));
        engines[0].batch(0, &payload, now_us).unwrap();
        if !lossy {
            engines[1].batch(0, &payload, now_us).unwrap();
            let _gap = engines[1].snapshot(0, &publisher.snapshot(now_us), now_us).unwrap();
        }
        for _ in 0..30 {
            now_us += 50_000;
            let beat = Bytes::from(publisher.batch(now_us));
            engines[0].batch(0, &beat, now_us).unwrap();
            engines.iter_mut().for_each(|engine| {
                engine.run_due(|| now_us);
            });
        }
        if round < 2 {
            client.read(&Truth { histories: &histories, symbols: &symbols, epochs: &epochs, calm: false });
        }
    }
    let cursor = ShardCursor::parse(client.going.cursor.as_deref().unwrap()).unwrap();
    client.reconnect(wire(), 0);
    join(&mut engines[1], &mut client, Some(Resume::new(cursor)), now_us);
    engines[1].run_due(|| now_us + 20_000);
    client.read(&Truth { histories: &histories, symbols: &symbols, epochs: &epochs, calm: false });
    client.check_accounts();
    let account = client.view.account(QUOTE);
    assert_eq!(account.periods, 4, "{account:?}");
    assert!(lost > 0 && account.lost == lost, "{lost} lost of {account:?}");
}
