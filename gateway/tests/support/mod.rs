//! A gateway on a real socket with a bus in memory, and a plain client.
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by its panic")]

pub(crate) mod apart;
pub(crate) mod client;
pub(crate) mod events;
pub(crate) mod issuer;
pub(crate) mod peer;
pub(crate) mod peers;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{LocalBoxStream, StreamExt};
use gateway::bus::{Alarm, Block, Bus, BusError};
use gateway::config::Config;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use wire::alert::{AlertReply, AlertRequest};
use wire::batch::{BatchWriter, Header, SnapshotRow, snapshot_message};
use wire::book::Book;
use wire::book_page::{PageWriter, parse_request};
use wire::instrument::{Definitions, Instrument};
use wire::order::{OrderReply, OrderRequest};
use wire::tick::{Change, Event, Quote, Trade};
use zerocopy::FromZeros;

/// Messages of a subscription that wait; beyond it the newest is dropped, counted and told, as the real client does.
const SUBSCRIPTION_MESSAGES_MAX: usize = 1_024;

fn stream_of<T: 'static>(receiver: mpsc::Receiver<T>) -> LocalBoxStream<'static, T> {
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    })
    .boxed_local()
}

/// One instrument as its publisher holds it.
struct Row {
    instrument: Instrument,
    ver: u64,
    tc: u64,
    book: Book,
    quote: Quote,
    volume: i64,
    notional: i128,
    last: Trade,
}

/// A publisher of one shard and a writer of one partition, in memory.
pub(crate) struct Memory {
    alarm: Alarm,
    rows: RefCell<Vec<Row>>,
    epoch: Cell<u64>,
    next: Cell<u64>,
    revision: Cell<u32>,
    ticks: RefCell<Option<mpsc::Sender<Bytes>>>,
    blocks: RefCell<Option<mpsc::Sender<Block>>>,
    lives: RefCell<Option<mpsc::Sender<Bytes>>>,
    log: RefCell<Vec<Bytes>>,
    writer: RefCell<Option<Writer>>,
    alerts: RefCell<Option<AlertWriter>>,
    listeners: peers::Listeners,
    /// While set, answers to order requests wait for it.
    pub(crate) hold: RefCell<Option<Rc<Notify>>>,
    /// Order requests seen.
    pub(crate) requests: RefCell<Vec<OrderRequest>>,
    /// How often the shard's snapshot was asked for.
    pub(crate) snapshots: Cell<u32>,
    /// How often books were asked for.
    pub(crate) pages: Cell<u32>,
}

/// What answers an order request: a reply at once, or none at all.
pub(crate) type Writer = Box<dyn Fn(&Memory, &OrderRequest) -> Result<OrderReply, BusError>>;

/// What answers a request about alerts.
pub(crate) type AlertWriter = Box<dyn Fn(&Memory, &AlertRequest) -> Result<AlertReply, BusError>>;

impl Memory {
    /// A connected bus with these instruments in shard 0.
    pub(crate) fn new(symbols: &[&str]) -> Rc<Self> {
        let alarm = Alarm::default();
        alarm.link_up();
        let memory = Self {
            alarm,
            rows: RefCell::default(),
            epoch: Cell::new(1_000),
            next: Cell::new(1),
            revision: Cell::new(0),
            ticks: RefCell::default(),
            blocks: RefCell::default(),
            lives: RefCell::default(),
            log: RefCell::default(),
            writer: RefCell::default(),
            alerts: RefCell::default(),
            listeners: peers::Listeners::default(),
            hold: RefCell::default(),
            requests: RefCell::default(),
            snapshots: Cell::new(0),
            pages: Cell::new(0),
        };
        symbols.iter().for_each(|symbol| memory.list(symbol));
        Rc::new(memory)
    }

    /// Lists one more instrument.
    pub(crate) fn list(&self, symbol: &str) {
        let instrument = Instrument {
            symbol: symbol.to_owned(),
            price_exponent: -2,
            qty_exponent: -3,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: true,
            has_size: true,
        };
        self.rows.borrow_mut().push(Row {
            instrument,
            ver: 0,
            tc: 0,
            book: Book::default(),
            quote: Quote::default(),
            volume: 0,
            notional: 0,
            last: Trade::default(),
        });
        self.revision.set(self.revision.get() + 1);
    }

    fn header(&self, first: u64) -> Header {
        let mut header = Header::new_zeroed();
        header.feed_epoch = self.epoch.get().into();
        header.first = first.into();
        header.revision = self.revision.get().into();
        header
    }

    /// Publishes changes of instruments as one batch; returns its payload.
    pub(crate) fn publish(&self, changes: &[(u32, Change)]) {
        let payload = self.batch(changes);
        self.send(payload);
    }

    /// Counts changes without publishing them: lost on the way.
    pub(crate) fn lose(&self, changes: &[(u32, Change)]) {
        self.batch(changes);
    }

    /// Publishes a beat.
    pub(crate) fn beat(&self) {
        self.publish(&[]);
    }

    fn batch(&self, changes: &[(u32, Change)]) -> Bytes {
        let mut writer = BatchWriter::default();
        let first = self.next.get();
        for (index, change) in changes {
            let mut rows = self.rows.borrow_mut();
            let row = &mut rows[*index as usize];
            let number = match change {
                Change::Trade(trade) => {
                    row.tc += 1;
                    row.volume += trade.qty;
                    row.notional += i128::from(trade.price) * i128::from(trade.qty);
                    row.last = *trade;
                    row.tc
                }
                Change::Quote(quote) => {
                    row.ver += 1;
                    row.quote = *quote;
                    row.ver
                }
                Change::Level(level) => {
                    row.book.apply(row.book.lver + 1, 5, level);
                    row.book.lver
                }
                Change::Status(_) => panic!("no status"),
            };
            writer.push(&Event { index: *index, number, ts_event: 5, change: *change });
            self.next.set(self.next.get() + 1);
        }
        writer.finish(self.header(first)).into()
    }

    /// Sends a payload as it is.
    pub(crate) fn send(&self, payload: Bytes) {
        let ticks = self.ticks.borrow();
        let Some(ticks) = ticks.as_ref() else { return };
        if ticks.try_send(payload).is_err() {
            self.alarm.message_dropped();
        }
    }

    /// Whether the shard is subscribed.
    pub(crate) fn is_followed(&self) -> bool {
        self.ticks.borrow().as_ref().is_some_and(|ticks| !ticks.is_closed())
    }

    /// A new publisher: all state is void.
    pub(crate) fn restart(&self) {
        self.epoch.set(self.epoch.get() + 1);
        self.next.set(1);
        for row in self.rows.borrow_mut().iter_mut() {
            (row.ver, row.tc, row.volume, row.notional) = (0, 0, 0, 0);
            (row.quote, row.last, row.book) = (Quote::default(), Trade::default(), Book::default());
        }
    }

    /// Sets what answers order requests; without one nobody does.
    pub(crate) fn serve_orders(&self, writer: Writer) {
        *self.writer.borrow_mut() = Some(writer);
    }

    /// Sets what answers requests about alerts; without one nobody does.
    pub(crate) fn serve_alerts(&self, writer: AlertWriter) {
        *self.alerts.borrow_mut() = Some(writer);
    }

    fn alert(&self, payload: &[u8]) -> Result<Bytes, BusError> {
        let request = AlertRequest::decode(payload).unwrap();
        let alerts = self.alerts.borrow();
        let reply = alerts.as_ref().map_or(Err(BusError::NoResponders), |writer| writer(self, &request))?;
        let mut out = Vec::new();
        reply.encode(&mut out);
        Ok(out.into())
    }

    /// Stores a block; its republished copy is sent only if `republish`. Returns its sequence.
    pub(crate) fn store(&self, bytes: Vec<u8>, republish: bool) -> u64 {
        let bytes = Bytes::from(bytes);
        self.log.borrow_mut().push(bytes.clone());
        let sequence = self.log.borrow().len() as u64;
        if republish && let Some(blocks) = self.blocks.borrow().as_ref() {
            blocks.try_send((sequence, bytes)).expect("a bounded queue of a test");
        }
        sequence
    }

    /// Sends a beat of the writer.
    pub(crate) fn live(&self, life: wire::block::Life) {
        if let Some(lives) = self.lives.borrow().as_ref() {
            lives.try_send(life.encode().into()).expect("a bounded queue of a test");
        }
    }

    fn snapshot_payload(&self) -> Bytes {
        let rows = self.rows.borrow();
        let rows: Vec<SnapshotRow> = rows
            .iter()
            .map(|row| {
                let mut out = SnapshotRow::new_zeroed();
                (out.ver, out.tc) = (row.ver.into(), row.tc.into());
                out.lver = row.book.lver.into();
                (out.bid, out.ask) = (row.quote.bid.into(), row.quote.ask.into());
                (out.bid_size, out.ask_size) = (row.quote.bid_size.into(), row.quote.ask_size.into());
                out.volume = row.volume.into();
                out.notional_low = u64::try_from(row.notional & i128::from(u64::MAX)).unwrap().into();
                out.last_price = row.last.price.into();
                out.last_qty = row.last.qty.into();
                out.last_id = row.last.trade_id.into();
                out.has_quote = u64::from(row.ver > 0).into();
                out
            })
            .collect();
        snapshot_message(self.header(self.next.get()), rows.iter()).into()
    }
}

impl Bus for Memory {
    fn ticks(
        &self,
        _shard: u16,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>> {
        let (sender, receiver) = mpsc::channel(SUBSCRIPTION_MESSAGES_MAX);
        *self.ticks.borrow_mut() = Some(sender);
        async move { Ok(stream_of(receiver)) }.boxed_local()
    }

    fn snapshot(&self, _shard: u16) -> LocalBoxFuture<'static, Result<Bytes, BusError>> {
        self.snapshots.set(self.snapshots.get() + 1);
        if self.rows.borrow().len() > wire::SHARD_INSTRUMENTS_MAX {
            return async { Err(BusError::NoResponders) }.boxed_local(); // no publisher has so many
        }
        let payload = self.snapshot_payload();
        async move { Ok(payload) }.boxed_local()
    }

    fn books(&self, _shard: u16, request: Bytes) -> LocalBoxFuture<'static, Result<Bytes, BusError>> {
        self.pages.set(self.pages.get() + 1);
        let (rows, mut page) = (self.rows.borrow(), PageWriter::default());
        for index in parse_request(&request).expect("the gateway asks well") {
            assert!(page.push(index, &rows[index as usize].book));
        }
        let payload = page.finish(self.header(self.next.get()));
        async move { Ok(payload.into()) }.boxed_local()
    }

    fn definitions(&self, shard: u16) -> LocalBoxFuture<'static, Result<Bytes, BusError>> {
        let rows = self.rows.borrow();
        let definitions = Definitions {
            shard,
            feed_epoch: self.epoch.get(),
            revision: self.revision.get(),
            instruments: rows.iter().map(|row| row.instrument.clone()).collect(),
        };
        let payload = serde_json::to_vec(&definitions).unwrap();
        async move { Ok(payload.into()) }.boxed_local()
    }

    fn order(&self, _partition: u16, payload: Bytes) -> LocalBoxFuture<'static, Result<Bytes, BusError>> {
        if wire::alert::codec::is_alert(&payload) {
            let answer = self.alert(&payload);
            return async move { answer }.boxed_local();
        }
        let request = OrderRequest::decode(&payload).unwrap();
        self.requests.borrow_mut().push(request);
        let answer = match self.writer.borrow().as_ref() {
            Some(writer) => writer(self, &request),
            None => Err(BusError::NoResponders),
        };
        let hold = self.hold.borrow().clone();
        async move {
            if let Some(hold) = hold {
                hold.notified().await;
            }
            answer.map(|reply| {
                let mut out = Vec::new();
                reply.encode(&mut out);
                out.into()
            })
        }
        .boxed_local()
    }

    fn blocks(&self, _: u16) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Block>, BusError>> {
        let (sender, receiver) = mpsc::channel(SUBSCRIPTION_MESSAGES_MAX);
        *self.blocks.borrow_mut() = Some(sender);
        async move { Ok(stream_of(receiver)) }.boxed_local()
    }

    fn lives(&self, _: u16) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>> {
        let (sender, receiver) = mpsc::channel(SUBSCRIPTION_MESSAGES_MAX);
        *self.lives.borrow_mut() = Some(sender);
        async move { Ok(stream_of(receiver)) }.boxed_local()
    }

    fn last_block(&self, _: u16) -> LocalBoxFuture<'static, Result<u64, BusError>> {
        let last = self.log.borrow().len() as u64;
        async move { Ok(last) }.boxed_local()
    }

    fn read_blocks(
        &self,
        _: u16,
        from: u64,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Result<Block, BusError>>, BusError>> {
        let stored: Vec<_> = (1_u64..).zip(self.log.borrow().iter().cloned()).collect();
        let stored = stored.into_iter().filter(move |(sequence, _)| *sequence >= from).map(Ok);
        let stream = futures_util::stream::iter(stored).chain(futures_util::stream::pending()).boxed_local();
        async move { Ok(stream) }.boxed_local()
    }

    fn alarm(&self) -> &Alarm {
        &self.alarm
    }
}

/// A quote with both sizes 1.
pub(crate) fn quote(bid: i64, ask: i64) -> Change {
    Change::Quote(Quote { bid, ask, bid_size: 1_000, ask_size: 1_000 })
}

/// A print.
pub(crate) fn trade(price: i64, qty: i64) -> Change {
    Change::Trade(Trade { price, qty, ..Trade::default() })
}

/// Flags that every test gateway starts with, and some more.
pub(crate) fn config(flags: &[&str]) -> Config {
    let base = ["gateway", "--listen", "127.0.0.1:0", "--shards", "1"];
    // Accounts without proof do not go with tokens.
    let accounts: &[&str] = if flags.contains(&"--jwks") { &[] } else { &["--demo-accounts", "A1,A2"] };
    let mut config =
        <Config as clap::Parser>::try_parse_from(base.iter().chain(accounts).chain(flags)).unwrap();
    if !flags.contains(&"--drain-ms") {
        config.drain_ms = 0;
    }
    config.check().unwrap();
    config
}

/// Runs `test` beside a gateway on `bus`; ends both within a bound.
pub(crate) fn with_gateway<F: Future<Output = ()>>(
    flags: &[&str],
    bus: &Rc<Memory>,
    test: impl FnOnce(std::net::SocketAddr) -> F,
) {
    with_stoppable_gateway(flags, bus, |address, stop| {
        let test = test(address);
        async move {
            test.await;
            let _sent = stop.send(());
        }
    });
}

/// As [`with_gateway`]; the gateway stops when the test says so, at the latest at its end.
pub(crate) fn with_stoppable_gateway<F: Future<Output = ()>>(
    flags: &[&str],
    bus: &Rc<Memory>,
    test: impl FnOnce(std::net::SocketAddr, oneshot::Sender<()>) -> F,
) {
    with_listener(flags, bus, |_| {}, test);
}

/// As [`with_stoppable_gateway`], on a listener that is prepared first.
pub(crate) fn with_listener<F: Future<Output = ()>>(
    flags: &[&str],
    bus: &Rc<Memory>,
    prepare: impl FnOnce(&tokio::net::TcpListener),
    test: impl FnOnce(std::net::SocketAddr, oneshot::Sender<()>) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let config = config(flags);
        let listener = gateway::listen(config.listen).unwrap();
        prepare(&listener);
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let bus: Rc<dyn Bus> = bus.clone();
        let running = tokio::task::spawn_local(gateway::run(
            listener,
            bus,
            config,
            async {
                let _ended = stopped.await;
            },
            std::future::pending(),
        ));
        tokio::time::timeout(Duration::from_secs(20), test(address, stop))
            .await
            .expect("the test ends in time");
        let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
        ended.expect("the gateway ends in time").unwrap().unwrap();
    });
}

/// Reports of requests by client order id, for writers of tests.
pub(crate) type Seen = HashMap<String, u64>;
