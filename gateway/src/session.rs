//! One client's socket from the upgrade to the goodbye. The only place besides `http` that knows WebSockets.
//!
//! A session's task reads; it waits for the socket, or, while answers are unsent, for room. It never writes: whatever
//! goes out is queued with the [`Host`], whose outbox orders and writes it.

pub mod guard;
pub mod handshake;
pub mod reader;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tls;

use crate::outbox::{Socket, Write};
use guard::Limits;
use reader::{Message, Reader};
use socket2::SockRef;
use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::net::Shutdown;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;
use stream::Stream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use wire::close::CloseReason;

/// Bytes of one read; one buffer serves all sessions of a thread.
const READ_BYTES: usize = 16 * 1_024;

/// A close frame may take this long to go out from when it is queued, and the peer as long to end its side.
const GOODBYE: Duration = Duration::from_secs(2);

/// What a peer may still send after the goodbye; it is thrown away.
const DISCARD_BYTES_MAX: usize = 2 << 20;

/// A session that sends no whole message for this long is closed; it is pinged at half of it, µs.
pub const IDLE_US: i64 = 60_000_000;

/// Unsent bytes in the kernel above which a socket counts as full: with the begun group they are all that a report waits
/// for. A healthy client has none.
const UNSENT_BYTES: u32 = 2_048;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A session's socket, shared by the reading task and the outbox.
#[derive(Debug)]
pub struct Link {
    stream: Stream,
    wake: Notify,
    ends_by: Cell<Option<Instant>>,
    ended: Cell<bool>,
    heard_us: Cell<i64>,
    pinged: Cell<bool>,
}

/// What a silent session deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Nothing.
    Fine,
    /// A ping.
    Ping,
    /// The end, with [`CloseReason::NoPong`].
    End,
}

impl Link {
    /// Takes a connected socket: small writes go out at once, and little more than one group waits in the kernel.
    #[must_use]
    pub fn new(stream: impl Into<Stream>, now_us: i64) -> Self {
        let stream = stream.into();
        let _best_effort = stream.tcp().set_nodelay(true);
        let _best_effort = SockRef::from(stream.tcp()).set_tcp_notsent_lowat(UNSENT_BYTES);
        Self {
            stream,
            wake: Notify::new(),
            ends_by: Cell::new(None),
            ended: Cell::new(false),
            heard_us: Cell::new(now_us),
            pinged: Cell::new(false),
        }
    }

    /// Wakes the reading task: there may be room again.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// A close frame is queued: nothing more is read, and the session ends soon, whether its peer takes the frame or
    /// not.
    pub fn closing(&self) {
        if self.ends_by.get().is_none() {
            self.ends_by.set(Some(Instant::now() + GOODBYE));
        }
        self.wake.notify_one();
    }

    /// Nothing more will be written: the reading task says goodbye and ends.
    pub fn end(&self) {
        self.ended.set(true);
        self.wake.notify_one();
    }

    /// Waits until the socket can be written.
    ///
    /// # Errors
    /// When the socket is gone.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn writable(&self) -> std::io::Result<()> {
        self.stream.tcp().writable().await
    }

    /// The peer has nothing to say: its silence is fine. That it still reads shows in what it takes.
    fn is_silent_by_nature(&self) {
        self.heard_us.set(i64::MAX);
    }

    /// Judges how long the peer has been silent. Only whole messages count as life.
    pub fn silence(&self, now_us: i64) -> Silence {
        let quiet_us = now_us - self.heard_us.get();
        if quiet_us > IDLE_US {
            Silence::End
        } else if quiet_us > IDLE_US / 2 && !self.pinged.replace(true) {
            Silence::Ping
        } else {
            Silence::Fine
        }
    }

    fn heard(&self, now_us: i64) {
        self.heard_us.set(now_us);
        self.pinged.set(false);
    }

    /// Waits until nothing more will be written, but not for long; whether it came to that.
    async fn ended(&self) -> bool {
        let deadline = self.ends_by.get().unwrap_or_else(|| Instant::now() + GOODBYE);
        while !self.ended.get() && timeout_at(deadline, self.wake.notified()).await.is_ok() {}
        self.ended.get()
    }

    /// Ends both sides at once: what the peer has not taken is thrown away, and whoever waits for the socket wakes.
    fn abort(&self) {
        let socket = SockRef::from(self.stream.tcp());
        let _best_effort = socket.set_linger(Some(Duration::ZERO));
        let _already_gone = socket.shutdown(Shutdown::Both);
    }
}

/// Ends our side of a connection and throws away what still comes, so that the peer reads our last words and no reset.
/// Bounded by time and bytes.
pub(crate) async fn linger(stream: &Stream) {
    let deadline = Instant::now() + GOODBYE;
    let _too_late = timeout_at(deadline, stream.finish()).await;
    let stream = stream.tcp();
    let _already_gone = SockRef::from(stream).shutdown(Shutdown::Write);
    let mut left = DISCARD_BYTES_MAX;
    while left > 0 && matches!(timeout_at(deadline, stream.readable()).await, Ok(Ok(()))) {
        let read = SCRATCH.with_borrow_mut(|scratch| stream.try_read(scratch));
        match read {
            Ok(0) => return,
            Ok(count) => left = left.saturating_sub(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        tokio::task::consume_budget().await;
    }
}

impl Socket for Rc<Link> {
    #[inline]
    fn fetch(&self) {
        // Reads the readiness that a write will ask for. A waker that does nothing takes no one's place: those who wait
        // for room are in a list of their own.
        let _readiness = self.stream.tcp().poll_write_ready(&mut Context::from_waker(Waker::noop()));
    }

    #[inline]
    fn try_write(&mut self, bytes: &[u8]) -> Write {
        match self.stream.try_write(bytes) {
            Ok(0) => Write::Gone,
            Ok(count) => Write::Wrote(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Write::WouldBlock,
            Err(_) => Write::Gone,
        }
    }
}

/// How a session ends from the client's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goodbye {
    /// The client broke a rule.
    Fault(CloseReason),
    /// The client said goodbye; its payload goes back.
    Echo(Vec<u8>),
}

/// Who owns the sessions: the gateway, or the echo of conformance tests. All calls return at once.
pub trait Host {
    /// Takes a message of a session, UTF-8; it may be overwritten.
    fn text(&self, session: u32, message: &mut [u8]);
    /// Takes a binary message; a host that has no use for one says so.
    ///
    /// # Errors
    /// The reason that ends the session.
    fn binary(&self, session: u32, message: &mut [u8]) -> Result<(), CloseReason>;
    /// Answers a ping.
    fn ping(&self, session: u32, payload: &[u8]);
    /// Queues the close frame; when it is out, [`Link::end`] is called.
    fn goodbye(&self, session: u32, goodbye: Goodbye);
    /// Whether the next request may be read.
    fn has_room(&self, session: u32) -> bool;
    /// The session is over: forget it. Called exactly once, also while a panic unwinds: it must not panic itself.
    fn ended(&self, session: u32);
    /// Time, µs.
    fn now_us(&self) -> i64;
}

enum Read {
    Some,
    Wait,
    Gone,
    End(Goodbye),
}

/// Tells the host that a session is over, however its task ends: also by a panic, or dropped with the runtime.
struct Ending<'a, H: Host> {
    host: &'a H,
    session: u32,
}

impl<H: Host> Drop for Ending<'_, H> {
    fn drop(&mut self) {
        self.host.ended(self.session);
    }
}

/// Waits for the end of a session that only writes. What its peer sends is thrown away, within a bound.
pub async fn follow<H: Host>(host: &H, link: &Link, session: u32) {
    link.is_silent_by_nature();
    let ending = Ending { host, session };
    let said_all = until_ended(link).await;
    drop(ending);
    if said_all {
        Box::pin(linger(&link.stream)).await;
    } else {
        link.abort();
    }
}

async fn until_ended(link: &Link) -> bool {
    let mut left = DISCARD_BYTES_MAX;
    loop {
        let ready = tokio::select! {
            biased;
            () = link.wake.notified() => false,
            ready = link.stream.tcp().readable() => ready.is_ok(),
        };
        if link.ended.get() {
            return true;
        }
        if link.ends_by.get().is_some() {
            return Box::pin(link.ended()).await;
        }
        if ready {
            match SCRATCH.with_borrow_mut(|scratch| link.stream.try_read(scratch)) {
                Ok(count @ 1..) if count <= left => left -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => return true,
            }
            tokio::task::consume_budget().await;
        }
    }
}

/// Reads a session until it ends. `early` is what came behind the handshake.
pub async fn run<H: Host>(host: &H, link: &Link, session: u32, early: Vec<u8>, limits: Limits) {
    let ending = Ending { host, session };
    let said_all = listen(host, link, session, early, limits).await;
    drop(ending);
    if said_all {
        Box::pin(linger(&link.stream)).await;
    } else {
        link.abort(); // it did not take our goodbye: no use in waiting for its own
    }
}

/// The answer is whether all that was queued went out, or had nobody left to go to.
async fn listen<H: Host>(host: &H, link: &Link, session: u32, mut early: Vec<u8>, limits: Limits) -> bool {
    let mut reader = Reader::default();
    let mut state = if early.is_empty() {
        Read::Some // TLS may hold what came with the handshake, and no socket would tell
    } else {
        take(host, link, session, &mut reader, &mut early, limits)
    };
    drop(early);
    loop {
        match state {
            Read::Gone => return true,
            Read::End(goodbye) => {
                host.goodbye(session, goodbye);
                // Boxed, as the end is: a session's task is kept small for as long as it only reads.
                return Box::pin(link.ended()).await;
            }
            Read::Some => tokio::task::consume_budget().await,
            Read::Wait => {
                tokio::select! {
                    biased;
                    () = link.wake.notified() => {}
                    ready = link.stream.tcp().readable() => if ready.is_err() { return true },
                }
            }
        }
        if link.ended.get() {
            return true;
        }
        if link.ends_by.get().is_some() {
            return Box::pin(link.ended()).await;
        }
        if !host.has_room(session) {
            link.wake.notified().await;
            state = Read::Some;
            continue;
        }
        state = read(host, link, session, &mut reader, limits);
    }
}

fn read<H: Host>(host: &H, link: &Link, session: u32, reader: &mut Reader, limits: Limits) -> Read {
    SCRATCH.with_borrow_mut(|scratch| match link.stream.try_read(scratch) {
        Ok(0) => Read::Gone,
        Ok(count) => take(host, link, session, reader, &mut scratch[..count], limits),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Wait,
        Err(_) => Read::Gone,
    })
}

fn take<H: Host>(
    host: &H,
    link: &Link,
    session: u32,
    reader: &mut Reader,
    bytes: &mut [u8],
    limits: Limits,
) -> Read {
    let mut goodbye = None;
    let fed = reader.feed(bytes, &limits, &mut |message| {
        link.heard(host.now_us());
        match message {
            Message::Text(text) => host.text(session, text),
            Message::Binary(bytes) => host.binary(session, bytes)?,
            Message::Ping(payload) => host.ping(session, payload),
            Message::Pong => {}
            Message::Close(payload) => {
                goodbye = Some(payload.to_vec());
                return Err(CloseReason::Normal); // nothing that comes behind a close frame is read
            }
        }
        Ok(())
    });
    match (goodbye, fed) {
        (Some(payload), _) => Read::End(Goodbye::Echo(payload)),
        (None, Err(reason)) => Read::End(Goodbye::Fault(reason)),
        (None, Ok(())) => Read::Some,
    }
}
