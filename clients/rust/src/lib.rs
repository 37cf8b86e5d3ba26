//! The Tickgate client for Rust: one socket, three forms of market data, orders, and the account of every event.
//!
//! [`Client`] connects, asks and tells: [`Client::next`] hands out one [`Event`] at a time, after the client's own
//! [`View`] has taken it, so that wire sets, bases and the identity *published = delivered + merged + declared lost*
//! are always those of the last event. A lost or unreadable frame is answered with a request for repair, and so is a view
//! whose hash is not what the gateway claims.
//!
//! Who must not use it: the gateway. It depends on `wire` alone.

mod alert;
mod clock;
mod follow;
mod going_on;
mod message;
mod request;
mod socket;
mod token;
mod verify;

pub use alert::{
    Alert, AlertCondition, AlertReply, AlertState, Alerts, GatewaySessions, NewAlert, NoticeSent, Sessions,
};
pub use clock::now_us;
pub use follow::{follow, is_data};
pub use message::{
    Authenticated, BudgetSet, Hashes, Heartbeat, HopTimes, Limits, Message, Notice, OrderReply, OrderState,
    Orders, Plain, Pong, RateChanged, RateSet, Refusal, Rejected, Repairing, Report, Stats, StatsSet,
    Subscribed, SymbolHash, SymbolInfo, Unsubscribed, VisibleSet, Welcome,
};
pub use request::{NewOrder, Request, Shows};
pub use token::Token;
pub use wire::control::Channel;
pub use wire::frame::Form;
pub use wire::frame::view::{Account, QuoteView, Received, Resumed, TradeView, Update, View};
pub use wire::presence::SessionState;

use going_on::GoingOn;
use socket::{Inbound, Socket};
use std::collections::{BTreeSet, HashMap};
use verify::Search;
use wire::frame::view::{QUOTE, TRADE};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The gateway answered the handshake with another status than 101.
    #[error("the gateway answered with HTTP status {0}")]
    Status(u16),
    /// No WebSocket, or not the form asked for.
    #[error("handshake: {0}")]
    Handshake(String),
    /// The socket has ended.
    #[error("the socket has ended")]
    Gone,
    /// The gateway refused `hello`.
    #[error("refused: {0}")]
    Refused(String),
}

/// How a socket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// WebSocket close code; 1006 = without a close frame.
    pub code: u16,
    /// The gateway's word for it.
    pub reason: String,
}

impl Closed {
    pub(crate) fn abnormal() -> Self {
        Self { code: 1006, reason: String::new() }
    }

    pub(crate) fn from_payload(payload: &[u8]) -> Self {
        match payload.split_first_chunk::<2>() {
            Some((code, reason)) => {
                Self { code: u16::from_be_bytes(*code), reason: String::from_utf8_lossy(reason).into_owned() }
            }
            None => Self { code: 1005, reason: String::new() },
        }
    }

    /// Whether to connect again.
    #[must_use]
    pub const fn reconnects(&self) -> bool {
        wire::close::reconnects(self.code)
    }
}

/// Market data that the view has taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// The message as a whole.
    pub received: Received,
    /// What it changed.
    pub updates: Vec<Update>,
    /// Bytes of the message, WebSocket head not included.
    pub bytes: usize,
    /// When it was read, µs.
    pub at_us: i64,
}

/// What [`Client::next`] hands out.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A control message, and when it was read.
    Message(Box<Message>, i64),
    /// Market data.
    Data(Data),
    /// A message that could not be read; repair has been asked for.
    Damaged,
    /// The last event.
    Closed(Closed),
}

/// Counts of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Market-data messages.
    pub frames: u64,
    /// What they told: quotes, single prints and summaries.
    pub records: u64,
    /// Their bytes, WebSocket heads not included.
    pub bytes: u64,
    /// Times that frames were missing.
    pub gaps: u64,
    /// Messages that could not be read.
    pub damaged: u64,
    /// Repairs asked for.
    pub repairs: u64,
    /// (Channel, symbol) that stood wrong though nothing was missing, as the gateway's hash told.
    pub mismatches: u64,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    socket: Socket,
    form: Form,
    view: View,
    counts: Counts,
    needs_repair: bool,
    last_id: u64,
    repaired_us: i64,
    search: Search,
    wrong: BTreeSet<(u8, u32)>,
    names: HashMap<u32, String>,
    token: Option<Token>,
    going_on: GoingOn,
}

impl Client {
    /// Connects to `host:port`. The reply to [`Client::hello`] must come before anything else is asked.
    ///
    /// # Errors
    /// [`Error`] when there is no gateway or it does not take the form.
    ///
    /// # Cancel safety
    /// A cancelled connect leaves nothing behind.
    pub async fn connect(address: &str, form: Form) -> Result<Self, Error> {
        let socket = Box::pin(Socket::open(address, form)).await?;
        Ok(Self {
            socket,
            form,
            view: View::new(form),
            counts: Counts::default(),
            needs_repair: false,
            last_id: 0,
            repaired_us: i64::MIN / 2,
            search: Search::default(),
            wrong: BTreeSet::new(),
            names: HashMap::new(),
            token: None,
            going_on: GoingOn::default(),
        })
    }

    /// Says hello and waits for `welcome`.
    ///
    /// # Errors
    /// [`Error::Refused`] with the gateway's words, [`Error::Gone`].
    pub async fn hello(&mut self, session: Option<&str>, account: Option<&str>) -> Result<Welcome, Error> {
        let id = self.id();
        self.request(&Request::Hello { id, session, account, token: None }).await?;
        self.welcomed().await
    }

    /// Says hello with a token, whose function is asked for a fresh one when the gateway says that it ends.
    ///
    /// # Errors
    /// [`Error::Refused`] with the gateway's words, [`Error::Gone`].
    pub async fn hello_with(&mut self, session: Option<&str>, token: Token) -> Result<Welcome, Error> {
        let id = self.id();
        let text = token.get();
        self.request(&Request::Hello { id, session, account: None, token: Some(&text) }).await?;
        self.token = Some(token);
        self.welcomed().await
    }

    async fn welcomed(&mut self) -> Result<Welcome, Error> {
        loop {
            match self.next().await {
                Event::Message(message, _) => match *message {
                    Message::Welcome(welcome) => return Ok(welcome),
                    Message::Error(refusal) => {
                        return Err(Error::Refused(format!("{}: {}", refusal.code, refusal.message)));
                    }
                    _ => {}
                },
                Event::Closed(closed) => {
                    return Err(Error::Refused(format!("{} {}", closed.code, closed.reason)));
                }
                Event::Data(_) | Event::Damaged => {}
            }
        }
    }

    /// A new request id.
    pub const fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`Error::Gone`].
    ///
    /// # Cancel safety
    /// It is sent whole or not at all.
    pub async fn request(&self, request: &Request<'_>) -> Result<(), Error> {
        self.socket.send(request.text()).await
    }

    /// Sends text as it is; for tests of bad input.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn send_text(&self, text: &str) -> Result<(), Error> {
        self.socket.send(text.to_owned()).await
    }

    /// Subscribes; the answer is a [`Message::Subscribed`] with the returned id.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn subscribe(
        &mut self,
        channel: Channel,
        symbols: &[&str],
        interval_ms: u32,
    ) -> Result<u64, Error> {
        self.subscribe_as(channel, symbols, interval_ms, false, Shows::default()).await
    }

    async fn subscribe_as(
        &mut self,
        channel: Channel,
        symbols: &[&str],
        interval_ms: u32,
        adaptive: bool,
        shows: Shows,
    ) -> Result<u64, Error> {
        let (id, resume) = (self.id(), self.resume());
        self.request(&Request::Subscribe { id, channel, symbols, interval_ms, adaptive, shows, resume })
            .await?;
        Ok(id)
    }

    /// Unsubscribes; the answer is a [`Message::Unsubscribed`].
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn unsubscribe(&mut self, channel: Channel, symbols: &[&str]) -> Result<u64, Error> {
        let id = self.id();
        self.request(&Request::Unsubscribe { id, channel, symbols }).await?;
        Ok(id)
    }

    /// Moves symbols to another interval; the answer is a [`Message::RateSet`].
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn set_rate(
        &mut self,
        channel: Channel,
        symbols: &[&str],
        interval_ms: u32,
    ) -> Result<u64, Error> {
        let id = self.id();
        self.request(&Request::SetRate { id, channel, symbols, interval_ms, adaptive: false }).await?;
        Ok(id)
    }

    /// As [`Client::subscribe`], but the gateway may lengthen the interval while this client cannot follow: a
    /// [`Message::RateChanged`] says so.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn subscribe_adaptive(
        &mut self,
        channel: Channel,
        symbols: &[&str],
        interval_ms: u32,
    ) -> Result<u64, Error> {
        self.subscribe_as(channel, symbols, interval_ms, true, Shows::default()).await
    }

    /// As [`Client::subscribe`], of what the view shows: fields and filter, depth of books, period of bars. The gateway
    /// refuses a view that is none of the channel's.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn subscribe_view(
        &mut self,
        channel: Channel,
        symbols: &[&str],
        interval_ms: u32,
        view: &wire::control::View,
    ) -> Result<u64, Error> {
        self.subscribe_as(channel, symbols, interval_ms, false, Shows::from(view)).await
    }

    /// Asks for this session's statistics so often, 1,000 to 60,000 ms, 0 = no more; the answer is a
    /// [`Message::StatsSet`], and [`Message::Stats`] follow.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn stats(&mut self, every_ms: u32) -> Result<u64, Error> {
        let id = self.id();
        self.request(&Request::Stats { id, every_ms }).await?;
        Ok(id)
    }

    /// Limits market data to so many bytes a second; the answer is a [`Message::BudgetSet`].
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn budget(&mut self, bytes_per_s: Option<u32>) -> Result<u64, Error> {
        let id = self.id();
        self.request(&Request::Budget { id, bytes_per_s }).await?;
        Ok(id)
    }

    /// Names the rows on screen; the answer is a [`Message::VisibleSet`].
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn visible(&mut self, symbols: &[&str]) -> Result<u64, Error> {
        let id = self.id();
        self.request(&Request::Visible { id, symbols }).await?;
        Ok(id)
    }

    /// Stops market data, or lets it flow again.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn pause(&mut self, paused: bool) -> Result<u64, Error> {
        let id = self.id();
        let request = if paused { Request::Pause { id } } else { Request::Unpause { id } };
        self.request(&request).await?;
        Ok(id)
    }

    /// Sends a new order.
    ///
    /// # Errors
    /// [`Error::Gone`]: it is not known whether the order was taken.
    pub async fn order(&mut self, order: NewOrder<'_>) -> Result<u64, Error> {
        let id = self.id();
        self.request(&Request::OrderNew { id, order }).await?;
        Ok(id)
    }

    /// Sets an alert; the answer is a [`Message::AlertReply`], and [`Message::Alert`] tells what becomes of it.
    ///
    /// # Errors
    /// [`Error::Gone`]: it is not known whether it was taken; asking again is safe.
    pub async fn alert(&mut self, alert: NewAlert<'_>) -> Result<u64, Error> {
        let id = self.id();
        self.request(&Request::AlertNew { id, alert }).await?;
        Ok(id)
    }

    /// Ends the connection; [`Client::next`] tells the rest.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn close(&self) -> Result<(), Error> {
        self.socket.close(1000).await
    }

    /// The next event.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Event {
        let inbound = self.socket.next().await;
        self.take(inbound)
    }

    /// The next event, if one is there.
    pub fn try_next(&mut self) -> Option<Event> {
        let inbound = self.socket.try_next()?;
        Some(self.take(inbound))
    }

    /// What the client holds.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Counts so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether both channels account for every event.
    #[must_use]
    pub fn identity_ok(&self) -> bool {
        self.view.account(QUOTE).identity_ok() && self.view.account(TRADE).identity_ok()
    }

    /// Takes a message into the view. Synchronous, so that a cancelled [`Client::next`] loses nothing.
    fn take(&mut self, inbound: Inbound) -> Event {
        let event = match inbound {
            Inbound::Closed(closed) => Event::Closed(closed),
            Inbound::Binary(bytes, at_us) => self.data(&bytes, at_us),
            Inbound::Text(bytes, at_us) if self.form == Form::Json && is_data(&bytes) => {
                self.data(&bytes, at_us)
            }
            Inbound::Text(bytes, at_us) => self.message(&bytes, at_us),
        };
        if self.needs_repair {
            self.repair();
        } else if !self.wrong.is_empty() {
            self.repair_wrong();
        }
        event
    }

    fn data(&mut self, bytes: &[u8], at_us: i64) -> Event {
        self.counts.frames += 1;
        self.counts.bytes += bytes.len() as u64;
        let mut updates = Vec::new();
        let Ok(received) = self.view.message(bytes, &mut |update| updates.push(update)) else {
            self.counts.damaged += 1;
            self.needs_repair = true;
            return Event::Damaged;
        };
        self.counts.records += updates.len() as u64;
        self.counts.gaps += u64::from(received.gap);
        self.needs_repair |= received.gap || received.wrong;
        Event::Data(Data { received, updates, bytes: bytes.len(), at_us })
    }

    fn message(&mut self, bytes: &[u8], at_us: i64) -> Event {
        let Ok(message) = serde_json::from_slice::<Message>(bytes) else {
            self.counts.damaged += 1;
            return Event::Damaged;
        };
        self.renew_token(&message);
        let gap = follow(&mut self.view, &message);
        self.go_on(&message);
        self.verify(&message, gap);
        self.counts.gaps += u64::from(gap);
        self.needs_repair |= gap;
        Event::Message(Box::new(message), at_us)
    }
}
