//! Conflates market data for WebSocket clients and carries their orders.
//!
//! Pure, without a clock or a socket: [`ingest`] keeps the shards complete, [`last_value`] holds one row an instrument,
//! [`books`] the wanted order books, [`bars`] what printed by the second and the minute. [`lane`] decides what a [`flush`]
//! holds, [`outbox`] and [`offer`] what a session is told and in which order; [`engine`] is their common door. [`auth`]
//! says who a session is, [`control`] does what it asks of the engine. [`orders`] relays between sessions and order-api,
//! [`operators`] tells all sessions what operators say, and operators who is connected.
//!
//! Around it, on one thread: [`http`] and [`session`] are the sockets, [`bus`] is the link to NATS, [`market`] and
//! [`worker`] connect them to the engine through [`shell`]. [`clock`] and [`config`] are what their names say, [`ready`]
//! and [`metrics`] what the gateway says of itself, [`stats`] what a session's data took, [`snapshot`] the market's
//! present state without a session, [`stream`] a session without a WebSocket, [`openapi`] what all this looks like to a
//! program. [`resume`] is how sessions go on elsewhere, [`drain`] how this gateway stops.
//!
//! [`run`] is the front door of `main` and of tests: they bring the listener, the bus and the moment to stop.

#![deny(clippy::float_arithmetic)]

pub mod auth;
pub mod bars;
pub mod bits;
pub mod books;
pub mod budget;
pub mod bus;
pub mod clock;
pub mod config;
pub mod control;
pub mod directory;
pub mod drain;
pub mod engine;
pub mod event_frame;
pub mod flush;
pub mod http;
pub mod ingest;
pub mod lane;
pub mod last_value;
pub mod market;
pub mod memory;
pub mod metrics;
pub mod mutants;
pub mod offer;
pub mod openapi;
pub mod operators;
pub mod orders;
pub mod outbox;
pub mod pending;
pub mod ready;
mod renew;
pub mod resume;
mod routes;
pub mod scratch;
pub mod server_frame;
pub mod session;
pub mod shell;
pub mod slot;
pub mod snapshot;
pub mod stats;
pub mod stream;
pub mod view_hash;
pub mod worker;

pub use http::listen;

use crate::auth::origins::Origins;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::{Bodies, Door, Pages};
use crate::session::guard::Limits;
use crate::shell::Shell;
use crate::worker::Worker;
use std::io;
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, unconstrained};

/// Fragments that one message of a client may have.
const FRAGMENTS_MAX: u32 = 64;

/// Serves until `shutdown`, tells all sessions and goes on for the lead time of `--drain-ms` or until `hurry`, then says
/// goodbye to all and returns. Must run in a `LocalSet`.
///
/// # Errors
/// When the page's files, keys or certificates cannot be read, or a part of the gateway fails.
pub async fn run(
    listener: TcpListener,
    bus: Rc<dyn Bus>,
    mut config: Config,
    shutdown: impl Future<Output = ()>,
    hurry: impl Future<Output = ()>,
) -> io::Result<()> {
    let pages = config.page_dir.as_deref().map_or_else(|| Ok(Pages::default()), Pages::read)?;
    let limits = Limits { message_bytes: wire::MESSAGE_BYTES_MAX, fragments: FRAGMENTS_MAX };
    config.sessions_max = connections_max(&config);
    let origins = Origins {
        allowed: config.allow_origin.clone(),
        loopback_only: !config.demo_accounts.is_empty(),
        secure: config.tls_cert.is_some(),
    };
    let certificates = renew::Certificates::of(&config)?;
    renew::announce(&config);
    let mut keys = renew::Keys::of(&config);
    let auth = keys.auth(&config)?;
    let shell = Rc::new(Shell::new(config, auth, bus, Clock::start()));
    let door = Door {
        admission: Rc::clone(&shell.admission),
        pages,
        limits,
        origins,
        tls: certificates.as_ref().map(renew::Certificates::config),
        socket_echo: shell.config.socket_echo,
        bodies: Bodies::default(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn_local(renew::run(Rc::clone(&shell), keys));
    if let Some(certificates) = certificates {
        tasks.spawn_local(certificates.run());
    }
    // The market task gives way by itself after each turn; a budget would only split its turns.
    tasks.spawn_local(unconstrained(market::run(Rc::clone(&shell))));
    tasks.spawn_local(worker::look(Rc::clone(&shell)));
    tasks.spawn_local(operators::run(Rc::clone(&shell)));
    for partition in 0..shell.config.partitions {
        tasks.spawn_local(orders::follow(Rc::clone(&shell), partition));
    }
    let told = async {
        shutdown.await;
        drain::lead(&shell, hurry).await;
    };
    let ended = tokio::select! {
        () = http::serve(listener, Rc::new(Worker(Rc::clone(&shell))), door) => Ok(()),
        () = told => Ok(()),
        _ended = tasks.join_next() => Err(io::Error::other("a task that must not end has ended")),
    };
    drain::goodbye(&shell).await;
    ended
}

/// How many connections may come in; says what is less than asked for.
fn connections_max(config: &Config) -> u32 {
    let descriptors = raise_descriptors();
    let connections_max = http::connections_within(config.sessions_max, descriptors);
    if connections_max < config.sessions_max {
        tracing::warn!(
            connections_max,
            descriptors,
            "--sessions-max is lowered to what the limit of descriptors holds"
        );
    }
    let (backlog, asked) = http::backlog();
    if backlog < asked.min(connections_max) {
        tracing::warn!(backlog, asked, "net.core.somaxconn cuts the queue of connections that wait");
    }
    connections_max
}

/// Raises the soft limit of descriptors to the hard one; the answer is what then holds, `None` = no limit.
fn raise_descriptors() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _best_effort = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current
}
