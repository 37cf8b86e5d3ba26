//! Books and bars against naive oracles, over seeded random histories: lost batches, publishers that restart, pages that
//! come late or never, instruments that are wanted and let go. `MODEL_SEED` replays one; a failure names its seed.

#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

#[path = "model/random.rs"]
mod random;

use bytes::Bytes;
use gateway::bars::Bars;
use gateway::bits::Bits;
use gateway::books::{Books, KEPT_EVENTS_MAX, LevelEvent};
use gateway::ingest::{Ingest, Sinks, Want};
use gateway::last_value::{Bounds, Received, Table};
use random::Random;
use std::collections::HashMap;
use wire::batch::{BatchWriter, Header, SnapshotRow, snapshot_message};
use wire::book::Book;
use wire::book_page::{PAGE_BOOKS_MAX, PageWriter, parse_request, request};
use wire::frame::{BookImage, State};
use wire::instrument::InstrumentId;
use wire::tick::{BookLevel, BookSide, Change, Event, Status};

const HISTORIES: u64 = 3_000;
const INSTRUMENTS: u32 = 6;

/// What a publisher says, and every book that it ever had in this epoch, by its count.
struct Publisher {
    epoch: u64,
    next: u64,
    writer: BatchWriter,
    books: Vec<Book>,
    told: Vec<Vec<Book>>,
    rows: Vec<SnapshotRow>,
}

impl Publisher {
    fn new(epoch: u64) -> Self {
        let many = INSTRUMENTS as usize;
        Self {
            epoch,
            next: 1,
            writer: BatchWriter::default(),
            books: vec![Book::default(); many],
            told: vec![vec![Book::default()]; many],
            rows: vec![SnapshotRow::default(); many],
        }
    }

    fn header(&self, first: u64, now_us: i64) -> Header {
        Header {
            feed_epoch: self.epoch.into(),
            first: first.into(),
            revision: 1.into(),
            complete_through: (now_us * 1_000).into(),
            ts_publish: (now_us * 1_000).into(),
            ..Header::default()
        }
    }

    fn say(&mut self, index: u32, change: Change, now_us: i64) {
        let at = index as usize;
        let number = match change {
            Change::Level(_) => self.rows[at].lver.get(),
            _ => self.rows[at].ver.get(),
        } + 1;
        let event = Event { index, number, ts_event: now_us * 1_000, change };
        self.rows[at].apply(&event);
        if let Change::Level(level) = change {
            self.books[at].apply(number, event.ts_event, &level);
            self.told[at].push(self.books[at].clone());
        }
        self.writer.push(&event);
    }

    fn level(&mut self, random: &mut Random, now_us: i64) {
        let index = u32::try_from(random.below(INSTRUMENTS as usize)).unwrap();
        let side = [BookSide::Bid, BookSide::Ask][random.below(2)];
        let price = i64::try_from(random.below(30)).unwrap() + if side == BookSide::Ask { 28 } else { 0 };
        let qty = i64::try_from(random.below(5)).unwrap() - i64::from(random.in_thousand(10));
        let (snapshot_begins, update_ends) = (random.in_thousand(5), random.below(3) == 0);
        self.say(index, Change::Level(BookLevel { side, price, qty, snapshot_begins, update_ends }), now_us);
    }

    fn batch(&mut self, now_us: i64) -> Bytes {
        let header = self.header(self.next, now_us);
        self.next += self.writer.len() as u64;
        self.writer.finish(header).into()
    }

    fn after(&self) -> u64 {
        self.next + self.writer.len() as u64
    }

    fn snapshot(&self, now_us: i64) -> Vec<u8> {
        snapshot_message(self.header(self.after(), now_us), self.rows.iter())
    }

    fn page(&self, asked: &[u8], now_us: i64) -> Vec<u8> {
        let mut page = PageWriter::default();
        for index in parse_request(asked).unwrap() {
            page.push(index, &self.books[index as usize]);
        }
        page.finish(self.header(self.after(), now_us))
    }
}

struct World {
    random: Random,
    now_us: i64,
    publisher: Publisher,
    ingest: Ingest,
    table: Table,
    touched: Bits,
    books: Books,
    bars: Bars,
    /// Batches and answers that are on their way; each kind keeps its order, as on the bus.
    batches: Vec<Bytes>,
    question: Option<(i64, Vec<u8>)>,
    answer: Option<Vec<u8>>,
    wanted: Vec<InstrumentId>,
    /// What was last shown of a book; a client's.
    shown: HashMap<InstrumentId, BookImage>,
    whole_checks: u64,
}

macro_rules! sinks {
    ($world:ident) => {
        Sinks {
            table: &mut $world.table,
            touched: &mut $world.touched,
            books: &mut $world.books,
            bars: &mut $world.bars,
        }
    };
}

impl World {
    fn new(seed: u64) -> Self {
        let mut table = Table::new(16);
        (0..INSTRUMENTS).for_each(|id| table.ensure(InstrumentId(id), 0));
        let now_us = 1_000_000_000_000;
        Self {
            random: Random(seed),
            now_us,
            publisher: Publisher::new(1),
            ingest: Ingest::new(1, Bounds::default(), now_us),
            table,
            touched: Bits::default(),
            books: Books::default(),
            bars: Bars::default(),
            batches: Vec::new(),
            question: None,
            answer: None,
            wanted: Vec::new(),
            shown: HashMap::new(),
            whole_checks: 0,
        }
    }

    fn received(&self) -> Received {
        Received { now_us: self.now_us, ts_publish: 0 }
    }

    fn deliver(&mut self) {
        if self.batches.is_empty() {
            return;
        }
        let (payload, received) = (self.batches.remove(0), self.received());
        self.ingest.batch(0, &payload, received, sinks!(self)).unwrap();
    }

    /// The shard gets what it wants at once, unless the publisher is not heard.
    fn sync(&mut self) {
        let received = self.received();
        if self.ingest.wants(0) == Want::Definitions {
            let ids = (0..INSTRUMENTS).map(InstrumentId).collect();
            self.ingest.define(0, self.publisher.epoch, 1, ids);
        }
        if self.ingest.wants(0) == Want::Snapshot {
            let snapshot = self.publisher.snapshot(self.now_us);
            self.ingest.snapshot(0, &snapshot, received, sinks!(self)).unwrap();
        }
    }

    fn ask(&mut self) {
        let indices = self.ingest.book_needs(0, self.now_us, &mut self.books);
        if !indices.is_empty() {
            assert!(self.question.is_none() && self.answer.is_none(), "one question at a time");
            assert!(indices.len() <= PAGE_BOOKS_MAX);
            self.question = Some((self.now_us, request(&indices)));
        }
    }

    fn answer(&mut self) {
        if let Some((_, asked)) = self.question.take() {
            self.answer = Some(self.publisher.page(&asked, self.now_us));
        }
    }

    fn take_answer(&mut self) {
        if let Some(answer) = self.answer.take() {
            let received = self.received();
            self.ingest.book_page(0, &answer, received, &mut self.books).unwrap();
        }
    }

    fn time_out(&mut self) {
        if self.question.as_ref().is_some_and(|(asked_us, _)| self.now_us - asked_us > 2_000_000) {
            self.question = None;
            self.books.unanswered(0, self.now_us);
        }
    }

    fn want_some(&mut self) {
        let id = InstrumentId(u32::try_from(self.random.below(INSTRUMENTS as usize)).unwrap());
        if let Some(at) = self.wanted.iter().position(|held| *held == id) {
            self.wanted.remove(at);
            self.shown.remove(&id);
            self.books.unwant(id);
        } else {
            self.wanted.push(id);
            self.books.want(id, &self.table);
        }
    }

    fn restart(&mut self) {
        self.publisher = Publisher::new(self.publisher.epoch + 1);
        if self.random.below(2) == 0 {
            self.batches.clear();
        }
    }

    fn step(&mut self, answers: bool) {
        match self.random.below(40) {
            0..=15 => {
                let now_us = self.now_us;
                let many = self.random.below(6);
                (0..many).for_each(|_| self.publisher.level(&mut self.random, now_us));
            }
            16..=21 => {
                let payload = self.publisher.batch(self.now_us);
                if !self.random.in_thousand(60) {
                    self.batches.push(payload);
                }
            }
            22..=29 => self.deliver(),
            30..=31 => self.sync(),
            32 => self.ask(),
            33..=34 if answers => self.answer(),
            35..=36 => self.take_answer(),
            37 if self.random.in_thousand(300) => self.want_some(),
            38 if self.random.in_thousand(10) => self.restart(),
            _ => self.now_us += i64::try_from(self.random.below(40_000)).unwrap(),
        }
        self.time_out();
        self.flush();
    }

    /// As a lane does: what is touched is shown. Whatever is claimed to be whole must be a book that there was, at an
    /// end of an update, with its count.
    fn flush(&mut self) {
        self.books.judge(&self.table, &self.touched);
        self.touched.clear();
        for id in self.wanted.clone() {
            let image = *self.books.image(id).unwrap();
            if !self.books.touched().contains(id) {
                assert_eq!(self.shown.get(&id), Some(&image), "an untouched image has changed");
                continue;
            }
            let quote = self.table.row(id).unwrap().image.quote;
            let state = if self.books.is_whole(id) { quote.state } else { State::Stale };
            assert_eq!(
                (image.state, image.feed_epoch, image.epoch_count),
                (state, quote.feed_epoch, quote.epoch_count)
            );
            if let Some(before) = self.shown.insert(id, image)
                && before.feed_epoch == image.feed_epoch
            {
                assert!(before.lver <= image.lver && before.lost <= image.lost);
                assert!(image.lost - before.lost <= image.lver - before.lver, "more is lost than there was");
            }
            if image.feed_epoch == self.publisher.epoch {
                let told = &self.publisher.told[id.index()][usize::try_from(image.lver).unwrap()];
                assert!(!told.open, "an open update shows");
                self.equals(&image, told);
                self.whole_checks += u64::from(self.books.is_whole(id));
            }
        }
        self.books.clear_touched();
    }

    fn equals(&self, image: &BookImage, told: &Book) {
        for side in [BookSide::Bid, BookSide::Ask] {
            let best = &told.side(side)[..told.side(side).len().min(20)];
            assert_eq!(image.sides[side as usize].as_slice(), best, "{image:?}");
        }
        assert_eq!((image.lver, image.ts_event), (told.lver, told.ts_event));
    }

    /// All is said, delivered and answered: every book is whole and the publisher's.
    fn settle(&mut self) {
        for index in 0..INSTRUMENTS {
            let (side, qty) = (BookSide::Bid, 9);
            let level = BookLevel { side, price: -5, qty, snapshot_begins: false, update_ends: true };
            self.publisher.say(index, Change::Level(level), self.now_us);
        }
        let last = self.publisher.batch(self.now_us);
        self.batches.push(last);
        for _ in 0..40 {
            while !self.batches.is_empty() {
                self.deliver();
            }
            self.sync();
            self.take_answer();
            self.ask();
            self.answer();
            self.take_answer();
            self.time_out();
            let beat = self.publisher.batch(self.now_us);
            self.batches.push(beat);
            self.now_us += 100_000;
        }
        self.flush();
        for id in self.wanted.clone() {
            assert!(self.books.is_whole(id), "{id:?} is not whole");
            let image = *self.books.image(id).unwrap();
            let said = self.publisher.rows[id.index()].lver.get();
            assert_eq!(
                image.lver,
                said,
                "{id:?} {image:?} {:?} wants {:?}",
                self.books.counters(),
                self.ingest.wants(0)
            );
            assert_ne!(image.state, State::Stale);
            self.equals(&image, &self.publisher.books[id.index()]);
        }
        assert_eq!(self.books.len(), self.wanted.len());
        assert_eq!(self.books.kept(), 0);
    }
}

fn seed() -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's own knob")]
    std::env::var("MODEL_SEED").ok().and_then(|value| value.parse().ok())
}

fn histories(run: impl Fn(u64)) {
    for seed in seed().map_or(0..HISTORIES, |seed| seed..seed + 1) {
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed)));
        assert!(ran.is_ok(), "MODEL_SEED={seed}");
    }
}

#[test]
fn a_book_that_claims_to_be_whole_is_its_publishers_and_all_end_whole() {
    let checks = std::cell::Cell::new(0);
    histories(|seed| {
        let mut world = World::new(seed);
        for step in 0..400 {
            world.step(step / 100 % 2 == 0 || seed % 3 > 0);
        }
        world.settle();
        checks.set(checks.get() + world.whole_checks);
    });
    assert!(seed().is_some() || checks.get() > HISTORIES, "{}", checks.get());
}

/// One book in one epoch, so that every count is its own: applied + lost = published since the first page.
#[test]
fn applied_and_lost_level_events_add_up_to_what_was_published() {
    histories(|seed| {
        let mut world = World::new(seed);
        let id = InstrumentId(0);
        world.sync();
        world.wanted.push(id);
        (0..seed % 9).for_each(|_| world.publisher.level(&mut world.random, world.now_us));
        world.books.want(id, &world.table);
        world.ask();
        let base = world.publisher.rows[0].lver.get();
        world.answer();
        world.take_answer();
        for _ in 0..300 {
            match world.random.below(9) {
                7 | 8 => world.now_us += 20_000,
                at => {
                    let steps: [fn(&mut World); 7] = [
                        |world| world.publisher.level(&mut world.random, world.now_us),
                        |world| world.publisher.level(&mut world.random, world.now_us),
                        |world| {
                            let payload = world.publisher.batch(world.now_us);
                            if world.random.below(8) > 0 {
                                world.batches.push(payload);
                            }
                        },
                        World::deliver,
                        World::sync,
                        World::ask,
                        |world| {
                            world.answer();
                            world.take_answer();
                        },
                    ];
                    steps[at](&mut world);
                }
            }
            world.flush();
        }
        world.settle();
        let (image, counters) = (*world.books.image(id).unwrap(), world.books.counters());
        assert_eq!(counters.lost, image.lost);
        assert_eq!(image.lver, base + counters.applied + counters.lost, "{counters:?}");
    });
}

#[test]
fn a_feed_that_never_answers_leaves_books_stale_and_what_is_kept_within_its_bound() {
    let mut world = World::new(1);
    world.sync();
    world.wanted.push(InstrumentId(0));
    world.books.want(InstrumentId(0), &world.table);
    let (mut asked, mut ended) = (0, 0);
    for _ in 0..700 {
        world.now_us += 50_000;
        for number in 0..120 {
            let level = BookLevel {
                side: BookSide::Bid,
                price: number % 20,
                qty: 1,
                snapshot_begins: false,
                update_ends: true,
            };
            world.publisher.say(0, Change::Level(level), world.now_us);
        }
        let payload = world.publisher.batch(world.now_us);
        world.batches.push(payload);
        world.deliver();
        let before = world.question.is_some();
        world.ask();
        asked += u32::from(!before && world.question.is_some());
        let before = world.question.is_some();
        world.time_out();
        ended += u32::from(before && world.question.is_none());
        world.flush();
        assert_eq!(world.books.image(InstrumentId(0)).unwrap().state, State::Stale);
    }
    assert!((8..=12).contains(&asked) && asked - ended <= 1, "{asked} {ended}");
    assert_eq!(world.books.kept(), KEPT_EVENTS_MAX);
    assert_eq!(world.books.counters().kept_dropped, 700 * 120 - KEPT_EVENTS_MAX as u64);
    world.settle();
}

#[test]
fn an_event_with_a_number_that_no_page_reaches_voids_its_book_once() {
    let mut world = World::new(1);
    world.sync();
    world.wanted.push(InstrumentId(0));
    world.books.want(InstrumentId(0), &world.table);
    world.settle();
    let level =
        BookLevel { side: BookSide::Bid, price: 1, qty: 1, snapshot_begins: false, update_ends: true };
    for number in [u64::MAX, 0, u64::MAX - 1] {
        let event = LevelEvent { number, ts_event: 0, level };
        let received = world.received();
        world.books.apply(InstrumentId(0), &event, received);
        world.settle();
    }
    let counters = world.books.counters();
    assert_eq!((counters.voided, counters.beyond), (2, 2));
}

#[test]
fn a_book_is_as_fresh_as_its_symbols_quote() {
    let mut world = World::new(1);
    world.sync();
    world.wanted.push(InstrumentId(0));
    world.books.want(InstrumentId(0), &world.table);
    world.settle();
    world.publisher.say(0, Change::Status(Status::Halted), world.now_us);
    let payload = world.publisher.batch(world.now_us);
    world.batches.push(payload);
    while !world.batches.is_empty() {
        world.deliver();
    }
    world.flush();
    assert_eq!(world.books.image(InstrumentId(0)).unwrap().state, State::Halted);
    world.ingest.suspect();
    world.ingest.judge(world.now_us, &mut world.table, &mut world.touched);
    world.flush();
    assert_eq!(world.books.image(InstrumentId(0)).unwrap().state, State::Stale);
    let voided = world.books.counters().voided;
    world.sync();
    world.flush();
    assert_eq!(world.books.image(InstrumentId(0)).unwrap().state, State::Halted);
    assert_eq!(world.books.counters().voided, voided, "a re-sync that lost no level leaves books whole");
}
