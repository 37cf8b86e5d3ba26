//! The door: accepts connections, answers plain HTTP, and turns handshakes into sessions.

mod accept;
mod admission;
mod asked;
mod bodies;
mod cors;
mod echo;
mod exchange;
mod pages;

pub use accept::{backlog, listen};
pub use admission::{Admission, Place, Refusal, connections_within};
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
use accept::Acceptor;
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
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::timeout;
use wire::frame::Form;

/// What the gateway has for plain HTTP, and how it opens sessions.
pub trait Site: Host + 'static {
    /// Whether there is memory for another session.
    fn has_memory(&self) -> bool {
        true
    }
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
    /// How many may come in, and how many came.
    pub admission: Rc<Admission>,
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

/// Accepts until dropped. Must run in a `LocalSet`.
///
/// # Cancel safety
/// Dropping it stops accepting; open connections go on.
pub async fn serve<S: Site>(listener: TcpListener, site: Rc<S>, door: Door) {
    let door = Rc::new(door);
    let echo = Rc::new(Echo::default());
    let mut acceptor = Acceptor::new(listener, Rc::clone(&door.admission), door.tls.is_some());
    loop {
        let stream = acceptor.next().await;
        let Some(place) = door.admission.enter() else {
            refuse(stream, &door);
            continue;
        };
        let (site, door, echo) = (Rc::clone(&site), Rc::clone(&door), Rc::clone(&echo));
        spawn_local(async move {
            connection(stream, site, door, echo).await;
            drop(place);
        });
    }
}

/// Says that there is no room. Only a few such sockets are kept until the peer has read it; with TLS only these are told.
fn refuse(stream: TcpStream, door: &Rc<Door>) {
    door.admission.refuse(Refusal::Connections);
    if door.tls.is_none() {
        let _best_effort = stream.try_write(accept::FULL);
    }
    if let Some(place) = door.admission.linger() {
        let door = Rc::clone(door);
        spawn_local(async move {
            if let Some(stream) = secured(stream, &door).await {
                if door.tls.is_some() {
                    let _best_effort = stream.try_write(accept::FULL);
                }
                linger(&stream).await;
            }
            drop(place);
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
    // What is kept beyond an await is kept by every connection.
    match opened(upgrade, &link, &*site, &echo) {
        Opened::Site(session) => run(&*site, &link, session, early, door.limits).await,
        Opened::Echo(session) => Box::pin(run(&*echo, &link, session, early, echo::LIMITS)).await,
        // What came behind the question is as little read as what comes later.
        Opened::Events(session) => Box::pin(follow(&*site, &link, session)).await,
    }
}

/// A session by what it is, with its number.
enum Opened {
    Site(u32),
    Echo(u32),
    Events(u32),
}

fn opened<S: Site>(upgrade: Upgrade, link: &Rc<Link>, site: &S, echo: &Echo) -> Opened {
    match upgrade {
        Upgrade::Site(form, pass) => Opened::Site(site.open(Rc::clone(link), form, pass)),
        Upgrade::Echo => Opened::Echo(echo.open(Rc::clone(link))),
        Upgrade::Events(events, _) => Opened::Events(site.open_stream(Rc::clone(link), events)),
    }
}

fn answer<S: Site>(
    request: Request<Incoming>,
    site: &S,
    door: &Door,
    upgraded: &RefCell<Option<Upgrade>>,
) -> Answer {
    if bears_token(request.uri().query()) {
        return plain(StatusCode::BAD_REQUEST, "a token is no part of a URL");
    }
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
    if !site.has_memory() {
        door.admission.refuse(Refusal::Memory);
        return busy("no memory for another session");
    }
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
    if !site.has_memory() {
        door.admission.refuse(Refusal::Memory);
        return busy("no memory for another session");
    }
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
            None => return busy("too many answers are unread"),
        },
        None => door.pages.get(path), // shared by all answers
    };
    page.map_or_else(|| plain(StatusCode::NOT_FOUND, "there is nothing here"), Page::into_response)
}

/// There is no room for this now: for an answer, as too many are on their way to peers that do not read them, or for a
/// session.
fn busy(why: &'static str) -> Answer {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, why);
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
