//! Plain HTTP on one connection, each step within a bound, until it ends or becomes a WebSocket.

use super::{Door, Site, Upgrade, answer};
use crate::session::linger;
use hyper::Error;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// A request's head must be whole within this time.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

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

/// Serves HTTP until the connection ends, or becomes a WebSocket: then its socket, and what came behind the handshake.
pub(super) async fn serve<S: Site>(
    stream: TcpStream,
    site: &Rc<S>,
    door: &Rc<Door>,
) -> Option<(TcpStream, Vec<u8>, Upgrade)> {
    let upgraded = Rc::new(Cell::new(None));
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
        .serve_connection(TokioIo::new(stream), service);
    let served = tokio::select! {
        biased;
        served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => served,
        // A peer that does not take its answer can be told nothing.
        () = bound.passed() => return None,
    };
    let parts = connection.into_parts();
    let stream = parts.io.into_inner();
    let error = match (served, upgraded.get()) {
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
