//! The door: accepts connections, answers plain HTTP, and turns handshakes into sessions.

mod asked;
mod bodies;
mod cors;
mod echo;
mod exchange;
mod pages;

pub use asked::{Asked, BadQuery, Parameters, shown};
pub use bodies::{BODIES_BYTES_MAX, Bodies};
pub use pages::{Page, Pages};

use crate::auth::Pass;
use crate::auth::http::bears_token;
use crate::auth::origins::Origins;
use crate::session::guard::Limits;
use crate::session::stream::Stream;
use crate::session::{Host, Link, follow, handshake, linger, run};
use crate::stream::Events;
use bytes::Bytes;
use echo::Echo;
use exchange::Begun;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, TRANSFER_ENCODING, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode, Version};
use rustls::ServerConfig;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::spawn_local;
use tokio::time::timeout;
use wire::frame::Form;

/// Connections that wait to be accepted: enough for all clients of a gateway that died.
const BACKLOG: u32 = 8_192;

/// Refused connections that are answered and ended gently at a time; more are only answered.
const LINGERING_MAX: u32 = 10;

/// What the gateway has for plain HTTP, and how it opens sessions.
pub trait Site: Host + 'static {
    /// Opens a session of whoever the handshake proved it to be; its number is the engine's.
    fn open(&self, link: Rc<Link>, form: Form, pass: Option<Pass>) -> u32;
    /// What a handshake's head proves; none = nothing yet.
    ///
    /// # Errors
    /// The HTTP status and one line of text.
    fn admit(&self, headers: &HeaderMap) -> Result<Option<Pass>, (StatusCode, &'static str)>;
    /// The answer to a `GET`; `None` = there is none.
    fn get(&self, asked: &Asked<'_>) -> Option<Page>;
    /// What a stream of events is asked to hold.
    ///
    /// # Errors
    /// The answer to a question that has none.
    fn stream(&self, asked: &Asked<'_>) -> Result<Events, Page>;
    /// Opens a session that reads nothing and writes events; its number is the engine's.
    fn open_stream(&self, link: Rc<Link>, stream: Events) -> u32;
}

/// Where streams of events are.
pub const STREAM: &str = "/v1/stream";

/// An answer: whole, or one whose body is written by its session.
pub(crate) type Answer = Response<Either<Full<Bytes>, Begun>>;

/// What the door lets in.
#[derive(Debug)]
pub struct Door {
    /// Most connections at a time, HTTP and WebSocket together.
    pub connections_max: u32,
    /// Files of the page.
    pub pages: Pages,
    /// Bounds of messages.
    pub limits: Limits,
    /// Pages that may open a socket, or read what is served here.
    pub origins: Origins,
    /// TLS as it is at this moment; none = plain.
    pub tls: Option<Rc<RefCell<Arc<ServerConfig>>>>,
    /// Whether `/echo` is there.
    pub socket_echo: bool,
    /// Bodies of answers that are on their way.
    pub bodies: Bodies,
}

/// Descriptors that connections leave to the bus, the listener and the runtime.
const DESCRIPTORS_KEPT: u64 = 32;

/// As many connections as asked, or fewer: a connection that is accepted must have its descriptor, and so must those
/// that are told there is no room. Out of descriptors nobody would be told anything.
#[must_use]
pub fn connections_within(asked: u32, descriptors: Option<u64>) -> u32 {
    let kept = DESCRIPTORS_KEPT + u64::from(LINGERING_MAX);
    let room = descriptors.map_or(u64::MAX, |all| all.saturating_sub(kept).max(1));
    u32::try_from(room).unwrap_or(u32::MAX).min(asked)
}

/// Binds an address with a long backlog.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Counts itself for as long as it lives, also when a task panics.
struct Counted(Rc<Cell<u32>>);

impl Counted {
    fn new(counter: &Rc<Cell<u32>>) -> Self {
        counter.set(counter.get() + 1);
        Self(Rc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Accepts until dropped. Must run in a `LocalSet`.
///
/// # Cancel safety
/// Dropping it stops accepting; open connections go on.
pub async fn serve<S: Site>(listener: TcpListener, site: Rc<S>, door: Door) {
    let door = Rc::new(door);
    let (open, lingering) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let echo = Rc::new(Echo::default());
    loop {
        match listener.accept().await {
            Ok((stream, _)) if open.get() < door.connections_max => {
                let counted = Counted::new(&open);
                let (site, door, echo) = (Rc::clone(&site), Rc::clone(&door), Rc::clone(&echo));
                spawn_local(async move {
                    connection(stream, site, door, echo).await;
                    drop(counted);
                });
            }
            Ok((stream, _)) => refuse(stream, &door, &lingering),
            // Out of descriptors: those that wait are accepted when some are free again.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Says that there is no room. Only a few such sockets are kept until the peer has read it; with TLS only these are told.
fn refuse(stream: TcpStream, door: &Rc<Door>, lingering: &Rc<Cell<u32>>) {
    const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
                          x-content-type-options: nosniff\r\ncontent-type: text/plain\r\n\
                          content-length: 8\r\n\r\nno room\n";
    if door.tls.is_none() {
        let _best_effort = stream.try_write(FULL);
    }
    if lingering.get() < LINGERING_MAX {
        let (counted, door) = (Counted::new(lingering), Rc::clone(door));
        spawn_local(async move {
            if let Some(stream) = secured(stream, &door).await {
                if door.tls.is_some() {
                    let _best_effort = stream.try_write(FULL);
                }
                linger(&stream).await;
            }
            drop(counted);
        });
    }
}

/// The connection as its peer speaks it, within the time of a request's head; none = it does not.
async fn secured(stream: TcpStream, door: &Door) -> Option<Stream> {
    let Some(tls) = &door.tls else { return Some(stream.into()) };
    let config = Arc::clone(&tls.borrow());
    match timeout(exchange::HEAD_WITHIN, Stream::secure(stream, config)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(stream)) => {
            linger(&stream).await;
            None
        }
        Err(_) => None,
    }
}

/// What a connection becomes.
enum Upgrade {
    Site(Form, Option<Pass>),
    Echo,
    /// Once the head of its answer is written.
    Events(Events, Rc<Cell<bool>>),
}

async fn connection<S: Site>(stream: TcpStream, site: Rc<S>, door: Rc<Door>, echo: Rc<Echo>) {
    let Some(stream) = Box::pin(secured(stream, &door)).await else { return };
    let Some((stream, early, upgrade)) = Box::pin(exchange::serve(stream, &site, &door)).await else {
        return;
    };
    let link = Rc::new(Link::new(stream, site.now_us()));
    match upgrade {
        Upgrade::Site(form, pass) => {
            let session = site.open(Rc::clone(&link), form, pass);
            run(&*site, &link, session, early, door.limits).await;
        }
        Upgrade::Echo => {
            let session = echo.open(Rc::clone(&link));
            run(&*echo, &link, session, early, echo::LIMITS).await;
        }
        // What came behind the question is as little read as what comes later.
        Upgrade::Events(stream, _) => {
            let session = site.open_stream(Rc::clone(&link), stream);
            follow(&*site, &link, session).await;
        }
    }
}

fn answer<S: Site>(
    request: Request<Incoming>,
    site: &S,
    door: &Door,
    upgraded: &RefCell<Option<Upgrade>>,
) -> Answer {
    if !cors::is_shared(request.uri().path()) {
        return own(request, site, door, upgraded);
    }
    let (parts, _no_body) = request.into_parts();
    let mut response = cors::preflight(&door.origins, &parts.method, &parts.headers)
        .unwrap_or_else(|| shared(&parts, site, door, upgraded));
    cors::open(&door.origins, &parts.headers, response.headers_mut());
    response
}

/// What pages of other hosts may ask for too.
fn shared<S: Site>(
    request: &request::Parts,
    site: &S,
    door: &Door,
    upgraded: &RefCell<Option<Upgrade>>,
) -> Answer {
    if request.uri.path() != STREAM || !matches!(request.method, Method::GET | Method::HEAD) {
        return page(request, site, door);
    }
    if let Err((status, text)) = may_stream(request, door) {
        return plain(status, text);
    }
    let asked = Asked { path: STREAM, query: request.uri.query(), headers: &request.headers };
    let stream = match site.stream(&asked) {
        Ok(stream) => stream,
        Err(refused) => return refused.into_response(),
    };
    let begun = Rc::new(Cell::new(false));
    let mut response = Response::new(Either::Right(Begun(Rc::clone(&begun))));
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        (CONNECTION, "close"),
        (HeaderName::from_static("x-accel-buffering"), "no"), // a proxy that gathers answers gathers none of this
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if request.method == Method::GET {
        upgraded.replace(Some(Upgrade::Events(stream, begun)));
    }
    response
}

/// Whether a question may have a stream as its answer.
fn may_stream(request: &request::Parts, door: &Door) -> Result<(), handshake::Refused> {
    let headers = &request.headers;
    if request.version != Version::HTTP_11 {
        return Err((StatusCode::HTTP_VERSION_NOT_SUPPORTED, "a stream needs HTTP/1.1"));
    }
    let has_body = headers.get(CONTENT_LENGTH).is_some_and(|len| len != "0");
    if has_body || headers.contains_key(TRANSFER_ENCODING) {
        return Err((StatusCode::BAD_REQUEST, "a question for a stream has no body"));
    }
    // A browser would hide the answer from such a page, but the session would be there.
    if !door.origins.allow(headers) {
        return Err((StatusCode::FORBIDDEN, "this origin is not allowed"));
    }
    Ok(())
}

/// Only this host's own pages, and what is no browser.
fn own<S: Site>(
    mut request: Request<Incoming>,
    site: &S,
    door: &Door,
    upgraded: &RefCell<Option<Upgrade>>,
) -> Answer {
    if bears_token(request.uri().query()) {
        return plain(StatusCode::BAD_REQUEST, "a token is no part of a URL");
    }
    let echo = match request.uri().path() {
        "/ws" => false,
        "/echo" if door.socket_echo => true,
        _ => return page(&request.into_parts().0, site, door),
    };
    let checked = handshake::check(&request, &door.origins)
        .and_then(|(form, name)| Ok((form, name, if echo { None } else { site.admit(request.headers())? })));
    let (form, subprotocol, pass) = match checked {
        Ok(agreed) => agreed,
        Err((status, text)) => return plain(status, text),
    };
    match handshake::accept(&mut request, subprotocol) {
        Ok(response) => {
            upgraded.replace(Some(if echo { Upgrade::Echo } else { Upgrade::Site(form, pass) }));
            response.map(Either::Left)
        }
        Err((status, text)) => plain(status, text),
    }
}

fn page<S: Site>(request: &request::Parts, site: &S, door: &Door) -> Answer {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = request.uri.path();
    if !path.starts_with('/') {
        return plain(StatusCode::BAD_REQUEST, "a path begins with /");
    }
    let asked = Asked { path, query: request.uri.query(), headers: &request.headers };
    let page = match site.get(&asked) {
        Some(page) => match door.bodies.hold(page.body) {
            Some(body) => Some(Page { body, ..page }),
            None => return busy(),
        },
        None => door.pages.get(path), // shared by all answers
    };
    page.map_or_else(|| plain(StatusCode::NOT_FOUND, "there is nothing here"), Page::into_response)
}
/// So much is on its way to peers that do not read it that no more answers are made.
fn busy() -> Answer {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "too many answers are unread");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(format!("{text}\n")))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if status == StatusCode::UPGRADE_REQUIRED {
        headers.insert("upgrade", HeaderValue::from_static("websocket"));
        headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        assert_eq!(connections_within(10_000, None), 10_000);
        assert_eq!(connections_within(10_000, Some(20_000)), 10_000);
        assert_eq!(connections_within(10_000, Some(128)), 86);
        assert_eq!(connections_within(10_000, Some(3)), 1);
    }
}
