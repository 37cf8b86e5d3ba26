//! Thousands of lean clients in one thread: connect, subscribe, decode everything, account for every event.
//!
//! Runs on a tokio `current_thread` runtime inside a `LocalSet`. One read buffer serves all clients; a client keeps
//! its view and a begun frame only.

use super::lean::{self, Partial};
use super::{histogram, record};
use hdrhistogram::Histogram;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;
use tickgate_client::{Channel, Form, Message, Request, Shows, Update, View, follow, now_us};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use wire::frame::view::{QUOTE, TRADE};
use wire::tick::Quote;

/// What one client does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Form of market data.
    pub form: Form,
    /// Symbols of channel `quote`; none = it asks for nothing and takes what comes.
    pub symbols: Vec<String>,
    /// Interval.
    pub interval_ms: u32,
    /// Bytes that the kernel may keep for this client; none = its default.
    pub receive_buffer: Option<u32>,
    /// Whether it decodes; else frames are only counted.
    pub decode: bool,
    /// Whether it stops reading when [`Swarm::stall`] says so.
    pub stalls: bool,
}

/// Counts of a swarm while measuring.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Market-data messages.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of them, our heads included, WebSocket heads not.
    pub bytes: u64,
    /// Bytes read from sockets, everything included.
    pub socket_bytes: u64,
    /// Receive − flush of every message, µs.
    pub latency: Histogram<u64>,
    /// Receive − when the gateway received the newest event, of every quote that changed, µs. Empty in `compact`.
    pub age: Histogram<u64>,
}

impl Default for Counts {
    fn default() -> Self {
        let (latency, age) = (histogram(), histogram());
        Self { frames: 0, records: 0, bytes: 0, socket_bytes: 0, latency, age }
    }
}

#[derive(Debug, Default)]
struct Shared {
    scratch: RefCell<Vec<u8>>,
    counts: RefCell<Counts>,
    measuring: Cell<bool>,
    stalling: Cell<bool>,
    resumed: Notify,
    ready: Cell<usize>,
    ended: Cell<usize>,
    members: RefCell<Vec<AbortHandle>>,
    gaps: Cell<u64>,
    damaged: Cell<u64>,
    first_error: RefCell<Option<String>>,
}

/// One account over all clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Clients whose identity does not hold.
    pub wrong: usize,
    /// Delivered + merged.
    pub accounted: u64,
    /// Declared lost.
    pub lost: u64,
}

/// The clients. Their sockets are closed when it is dropped.
#[derive(Debug)]
pub struct Swarm {
    shared: Rc<Shared>,
    views: Vec<Rc<RefCell<View>>>,
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.shared.members.take().iter().for_each(AbortHandle::abort);
    }
}

/// Handshakes in flight at a time.
const CONNECTING_MAX: usize = 64;

impl Swarm {
    /// Connects all, subscribes, and waits until each has its answers.
    ///
    /// # Errors
    /// When one cannot.
    pub async fn start(address: &str, plans: Vec<Plan>) -> io::Result<Self> {
        let mut swarm = Self { shared: Rc::default(), views: Vec::new() };
        swarm.add(address, plans).await?;
        Ok(swarm)
    }

    /// Adds clients.
    ///
    /// # Errors
    /// When one cannot connect or is not answered.
    pub async fn add(&mut self, address: &str, plans: Vec<Plan>) -> io::Result<()> {
        let wanted = self.shared.ready.get() + plans.len();
        let mut connecting = VecDeque::new();
        for plan in plans {
            if connecting.len() == CONNECTING_MAX
                && let Some(first) = connecting.pop_front()
            {
                joined(first).await?;
            }
            let view = Rc::new(RefCell::new(View::new(plan.form)));
            self.views.push(Rc::clone(&view));
            let (address, shared) = (address.to_owned(), Rc::clone(&self.shared));
            connecting.push_back(tokio::task::spawn_local(async move {
                let (stream, partial) = connect(&address, &plan).await?;
                if plan.symbols.is_empty() {
                    shared.ready.set(shared.ready.get() + 1);
                }
                let member = Member { stream, partial, view, plan, shared, shown: Shown::new() };
                let members = Rc::clone(&member.shared);
                let task = tokio::task::spawn_local(member.run());
                members.members.borrow_mut().push(task.abort_handle());
                Ok::<(), io::Error>(())
            }));
        }
        for waiting in connecting {
            joined(waiting).await?;
        }
        let answered = async {
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            while self.shared.ready.get() < wanted && self.shared.ended.get() == 0 {
                pace.tick().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), answered).await;
        if waited.is_err() || self.shared.ended.get() > 0 {
            let error = self.shared.first_error.borrow().clone();
            let text = format!("{} of {wanted} clients are subscribed; {error:?}", self.shared.ready.get());
            return Err(io::Error::new(ErrorKind::TimedOut, text));
        }
        Ok(())
    }

    /// Counts for a time, from zero.
    pub async fn measure(&self, time: Duration) -> Counts {
        *self.shared.counts.borrow_mut() = Counts::default();
        self.shared.measuring.set(true);
        tokio::time::sleep(time).await;
        self.shared.measuring.set(false);
        self.shared.counts.take()
    }

    /// Lets the clients that stall stop reading, or read again.
    pub fn stall(&self, stalled: bool) {
        self.shared.stalling.set(stalled);
        if !stalled {
            self.shared.resumed.notify_waiters();
        }
    }

    /// Sockets that ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.shared.ended.get()
    }

    /// Times that frames were missing, and messages that could not be read.
    #[must_use]
    pub fn faults(&self) -> (u64, u64) {
        (self.shared.gaps.get(), self.shared.damaged.get())
    }

    /// The accounts of all clients.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        let mut sum = Accounts::default();
        for view in &self.views {
            let view = view.borrow();
            let accounts = [view.account(QUOTE), view.account(TRADE)];
            sum.wrong += usize::from(accounts.iter().any(|account| !account.identity_ok()));
            for account in accounts {
                sum.accounted += account.delivered + account.merged;
                sum.lost += account.lost;
            }
        }
        sum
    }
}

async fn joined(task: tokio::task::JoinHandle<io::Result<()>>) -> io::Result<()> {
    task.await.map_err(io::Error::other)?
}

async fn connect(address: &str, plan: &Plan) -> io::Result<(TcpStream, Partial)> {
    let target = address.parse().map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = plan.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    let partial = shake_hands(&stream, address, plan.form).await?;
    if plan.symbols.is_empty() {
        return Ok((stream, partial));
    }
    write(&stream, &requests(plan)).await?;
    Ok((stream, partial))
}

/// Shakes hands on a connected socket; what came behind the answer begins the stream.
pub(super) async fn shake_hands(stream: &TcpStream, address: &str, form: Form) -> io::Result<Partial> {
    write(stream, lean::handshake(address, form).as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        stream.readable().await?;
        let mut buffer = [0; 1_024];
        match stream.try_read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if let Some(at) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let behind = answer.split_off(at + 4);
            lean::check_answer(&answer)?;
            return Ok(Partial::begun(behind));
        }
    }
}

/// What a client says first: hello, and what it wants.
pub(super) fn requests(plan: &Plan) -> Vec<u8> {
    let symbols: Vec<&str> = plan.symbols.iter().map(String::as_str).collect();
    let mut bytes = Vec::new();
    let hello = Request::Hello { id: 1, session: None, account: None, token: None };
    lean::put_frame(&mut bytes, lean::TEXT, hello.text().as_bytes());
    let subscribe = Request::Subscribe {
        id: 2,
        channel: Channel::Quote,
        symbols: &symbols,
        interval_ms: plan.interval_ms,
        adaptive: false,
        resume: None,
        shows: Shows::default(),
    };
    lean::put_frame(&mut bytes, lean::TEXT, subscribe.text().as_bytes());
    bytes
}

pub(super) async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

struct Member {
    stream: TcpStream,
    partial: Partial,
    view: Rc<RefCell<View>>,
    plan: Plan,
    shared: Rc<Shared>,
    shown: Shown,
}

/// Quotes as a client last saw them, where the form tells their age.
type Shown = HashMap<u32, Quote>;

impl Member {
    async fn run(mut self) {
        let end = loop {
            if self.plan.stalls && self.shared.stalling.get() {
                self.shared.resumed.notified().await;
                continue;
            }
            if let Err(error) = self.stream.readable().await {
                break error.to_string();
            }
            match self.read() {
                Ok(None) => {}
                Ok(Some(reason)) => break reason,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => break error.to_string(),
            }
        };
        self.shared.ended.set(self.shared.ended.get() + 1);
        self.shared.first_error.borrow_mut().get_or_insert(end);
    }

    fn read(&mut self) -> io::Result<Option<String>> {
        let Self { stream, partial, view, plan, shared, shown } = self;
        let (mut end, mut pong) = (None, Vec::new());
        let mut scratch = shared.scratch.borrow_mut();
        let mut view = view.borrow_mut();
        let read = |buffer: &mut [u8]| {
            let count = stream.try_read(buffer)?;
            shared.counts.borrow_mut().socket_bytes += count as u64;
            Ok(count)
        };
        let open = partial.read(&mut scratch, read, |opcode, payload| match opcode {
            lean::BINARY => data(shared, &mut view, plan, shown, payload),
            lean::TEXT if plan.form == Form::Json && tickgate_client::is_data(payload) => {
                data(shared, &mut view, plan, shown, payload);
            }
            lean::TEXT => end = end.take().or_else(|| control(shared, &mut view, payload)),
            lean::PING => lean::put_frame(&mut pong, lean::PONG, payload),
            lean::CLOSE => end = Some(format!("closed: {:?}", String::from_utf8_lossy(payload))),
            _ => {}
        })?;
        if !pong.is_empty() {
            // A pong that finds no room is not worth waiting for: the next ping comes.
            let _ = stream.try_write(&pong);
        }
        Ok(end.or_else(|| (!open).then(|| "ended".to_owned())))
    }
}

fn data(shared: &Shared, view: &mut View, plan: &Plan, shown: &mut Shown, payload: &[u8]) {
    // What a client that stalls reads late is no figure of the others.
    let measuring = shared.measuring.get() && !plan.stalls;
    let mut counts = shared.counts.borrow_mut();
    if measuring {
        counts.frames += 1;
        counts.bytes += payload.len() as u64;
    }
    if !plan.decode {
        return;
    }
    let at_us = now_us();
    let mut told = Vec::new();
    let mut timed = |update| {
        if let Update::Quote { id, events: 1.., full, ts_recv: recv_ns @ 1.., .. } = update {
            told.push((id, full, recv_ns));
        }
    };
    match view.message(payload, &mut timed) {
        Ok(received) => {
            for (id, full, recv_ns) in told {
                let quote = view.quote(id).map(|quote| quote.quote);
                // Events that changed nothing are told once a second: what is shown has no age then.
                let changed = quote.is_some_and(|quote| shown.insert(id, quote) != Some(quote));
                if measuring && changed && !full {
                    record(&mut counts.age, recv_ns / 1_000, at_us);
                }
            }
            shared.gaps.set(shared.gaps.get() + u64::from(received.gap));
            if measuring {
                counts.records += received.records;
                if let Some(flush_us) = received.flush_us {
                    record(&mut counts.latency, flush_us, at_us);
                }
            }
        }
        Err(_) => shared.damaged.set(shared.damaged.get() + 1),
    }
}

/// Follows a control message; a refusal ends the client, as every plan can be kept.
fn control(shared: &Shared, view: &mut View, payload: &[u8]) -> Option<String> {
    let Ok(message) = serde_json::from_slice::<Message>(payload) else {
        shared.damaged.set(shared.damaged.get() + 1);
        return None;
    };
    if follow(view, &message) {
        shared.gaps.set(shared.gaps.get() + 1);
    }
    match message {
        Message::Subscribed(part) if !part.rejected.is_empty() => {
            Some(format!("refused: {:?}", part.rejected))
        }
        Message::Subscribed(part) if !part.more => {
            shared.ready.set(shared.ready.get() + 1);
            None
        }
        Message::Error(refusal) => Some(format!("{}: {}", refusal.code, refusal.message)),
        _ => None,
    }
}
