//! Plain HTTP on one connection, each step within a bound, until it ends, or becomes a WebSocket or a stream of events.

use super::{Door, Site, Upgrade, answer};
use crate::session::linger;
use crate::session::stream::Stream;
use bytes::Bytes;
use hyper::Error;
use hyper::body::{Body, Frame};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A request's head must be whole within this time.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// What is left of a request, and its answer, must be over within this time from its head.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// When what is under way on a connection must be over; each request begins it anew.
struct Bound {
    by: Cell<Instant>,
    requests: Cell<u32>,
}

impl Bound {
    fn new() -> Self {
        Self { by: Cell::new(Instant::now() + ANSWER_WITHIN), requests: Cell::new(0) }
    }

    fn request(&self) {
        self.by.set(Instant::now() + ANSWER_WITHIN);
        self.requests.set(self.requests.get().saturating_add(1));
    }

    async fn passed(&self) {
        while self.by.get() > Instant::now() {
            sleep_until(self.by.get()).await;
        }
    }
}

/// The body of a stream as hyper sees it: it never holds anything. That it is asked for tells that the head stands in
/// hyper's buffer.
pub(crate) struct Begun(pub(super) Rc<Cell<bool>>);

impl Body for Begun {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.set(true);
        Poll::Pending
    }
}

/// A socket that knows whether hyper holds bytes that it has not taken. Hyper flushes it only when it holds none.
struct Watched {
    io: TokioIo<Stream>,
    owes: Rc<Cell<bool>>,
}

impl Watched {
    fn io(self: Pin<&mut Self>) -> Pin<&mut TokioIo<Stream>> {
        Pin::new(&mut self.get_mut().io)
    }
}

impl Read for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.io().poll_read(cx, buf)
    }
}

impl Write for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.owes.set(true);
        self.io().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.owes.set(false);
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.owes.set(true);
        self.io().poll_write_vectored(cx, bufs)
    }
}

/// Serves HTTP until the connection ends, or becomes something else: then its socket, and what came behind the question.
pub(super) async fn serve<S: Site>(
    stream: Stream,
    site: &Rc<S>,
    door: &Rc<Door>,
) -> Option<(Stream, Vec<u8>, Upgrade)> {
    let upgraded = Rc::new(RefCell::new(None));
    let owes = Rc::new(Cell::new(false));
    let bound = Rc::new(Bound::new());
    let service = {
        let (site, door) = (Rc::clone(site), Rc::clone(door));
        let (upgraded, bound) = (Rc::clone(&upgraded), Rc::clone(&bound));
        service_fn(move |request| {
            bound.request();
            ready(Ok::<_, Infallible>(answer(request, &*site, &door, &upgraded)))
        })
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(16 * 1_024)
        .max_headers(64)
        .serve_connection(Watched { io: TokioIo::new(stream), owes: Rc::clone(&owes) }, service);
    let served = tokio::select! {
        biased;
        served = poll_fn(|cx| match connection.poll_without_shutdown(cx) {
            // The head of a stream is with the kernel, and so is all that was said before it.
            Poll::Pending if has_begun(&upgraded) && !owes.get() => Poll::Ready(Ok(())),
            polled => polled,
        }) => served,
        // A peer that does not take its answer can be told nothing.
        () = bound.passed() => return None,
    };
    let parts = connection.into_parts();
    let stream = parts.io.io.into_inner();
    let error = match (served, upgraded.take()) {
        // A copy: the buffer itself is 8 KiB, and would live as long as the session.
        (Ok(()), Some(upgrade)) => return Some((stream, parts.read_buf.to_vec(), upgrade)),
        (served, _) => served.err(),
    };
    let begun = bound.requests.get() == 0 || !parts.read_buf.is_empty();
    if let Some(word) = error.and_then(|error| last_word(&error, begun)) {
        let _best_effort = stream.try_write(word);
    }
    linger(&stream).await;
    None
}

fn has_begun(upgraded: &RefCell<Option<Upgrade>>) -> bool {
    matches!(&*upgraded.borrow(), Some(Upgrade::Events(_, begun)) if begun.get())
}

/// What hyper leaves unsaid about a request that came to nothing. A connection that only waited for another request
/// ends without a word.
fn last_word(error: &Error, begun: bool) -> Option<&'static [u8]> {
    if error.is_timeout() && begun {
        return Some(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    }
    if error.is_parse_version_h2() {
        return Some(
            b"HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        );
    }
    None
}
