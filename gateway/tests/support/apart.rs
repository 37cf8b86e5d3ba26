//! A gateway on a thread of its own, so that what its clients do costs it nothing, and a healthy client beside it.

use super::peer::{HELLO, Nothing, Peer, TEXT, frame, metric};
use super::{Memory, config};
use gateway::bus::Bus;
use gateway::config::Config;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, timeout};

const THREAD: &str = "gateway";

/// What must come within this time comes never.
const PATIENCE: Duration = Duration::from_secs(15);

/// A condition that nobody reports is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A healthy client sees no answer later than this, whatever others do (safety figure S2).
const DELAY_MAX: Duration = Duration::from_millis(100);

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A running gateway.
pub(crate) struct Apart {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    jumps: mpsc::Sender<(Duration, oneshot::Sender<()>)>,
    thread: JoinHandle<()>,
}

impl Apart {
    /// Starts one with these flags beside those of every test.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::of(config(flags))
    }

    /// Starts one of this configuration.
    pub(crate) fn of(config: Config) -> Self {
        count_panics();
        let (jumps, wanted) = mpsc::channel(1);
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let listener = gateway::listen(config.listen).unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let bus: Rc<dyn Bus> = Memory::new(&["A.X"]);
                gateway::run(listener, bus, config, jump(wanted), std::future::pending()).await.unwrap();
            });
        });
        Self { address: told.recv().unwrap(), jumps, thread: thread.unwrap() }
    }

    /// Lets the gateway's clock jump ahead; its timers that are due by then fire.
    pub(crate) async fn jump(&self, ahead: Duration) {
        let (done, is_done) = oneshot::channel();
        self.jumps.send((ahead, done)).await.unwrap();
        is_done.await.unwrap();
    }

    /// Waits until a metric has this value.
    pub(crate) async fn reaches(&self, name: &str, value: u64) {
        let reached = async {
            let mut every = tokio::time::interval(LOOK_EVERY);
            while metric(self.address, name).await != value {
                every.tick().await;
            }
        };
        let reached = timeout(PATIENCE, reached).await;
        let is = metric(self.address, name).await;
        assert!(reached.is_ok(), "{name} is {is}, not {value}");
    }

    /// Waits until a newcomer becomes a session.
    pub(crate) async fn lets_in(&self) -> Peer {
        let entering = async {
            let mut every = tokio::time::interval(LOOK_EVERY);
            loop {
                every.tick().await;
                let mut peer = Peer::connect(self.address, None).await;
                if peer.upgrade(self.address).await == Ok(101) {
                    return peer;
                }
            }
        };
        timeout(PATIENCE, entering).await.expect("there is room")
    }

    /// Stops with clients connected; how long it took.
    pub(crate) async fn stop_at_once(self) -> Duration {
        let asked = Instant::now();
        drop(self.jumps);
        let ended = tokio::task::spawn_blocking(|| self.thread.join());
        ended.await.unwrap().unwrap();
        asked.elapsed()
    }

    /// Once all clients are gone: every session was ended once, and nothing panicked.
    pub(crate) async fn stop(self) {
        self.reaches("gw_clients", 0).await;
        let opened = metric(self.address, "gw_sessions_opened_total").await;
        assert_eq!(metric(self.address, "gw_sessions_closed_total").await, opened);
        drop(self.jumps);
        self.thread.join().unwrap();
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "the gateway panicked");
    }
}

/// Serves jumps until nobody can ask for one any more: then the gateway stops.
async fn jump(mut wanted: mpsc::Receiver<(Duration, oneshot::Sender<()>)>) {
    while let Some((ahead, done)) = wanted.recv().await {
        tokio::time::pause();
        tokio::time::advance(ahead).await;
        tokio::time::resume();
        let _waits = done.send(());
    }
}

/// Counts panics of gateways' threads: those of a task end nothing but the task.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some(THREAD) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(panic);
        }));
    });
}

/// What a healthy client has seen so far.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    answers: u64,
    worst: Duration,
}

/// A client that asks for an answer again and again, on a thread of its own.
pub(crate) struct Healthy {
    seen: watch::Receiver<Seen>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), Nothing>>,
}

impl Healthy {
    /// Starts one.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let (tell, seen) = watch::channel(Seen::default());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    nothing = ping(address, &tell) => Err(nothing),
                    _ = stopped => Ok(()),
                }
            })
        });
        Self { seen, stop, thread }
    }

    /// Waits for the answer to a question that has not been asked yet.
    pub(crate) async fn answered(&self) {
        let mut seen = self.seen.clone();
        let enough = seen.borrow().answers + 2;
        let answered = timeout(PATIENCE, seen.wait_for(|seen| seen.answers >= enough)).await;
        answered.expect("the healthy client is answered").expect("the healthy client lives");
    }

    /// Ends it: it was answered all the time, and never late.
    #[expect(clippy::print_stdout, reason = "the measured bound, shown with --show-output")]
    pub(crate) async fn stop(self) {
        self.answered().await;
        self.stop.send(()).expect("the healthy client lives");
        self.thread.join().unwrap().expect("the healthy client kept its session");
        let Seen { answers, worst } = *self.seen.borrow();
        println!("healthy client: {answers} answers, worst {worst:?}");
        assert!(worst <= DELAY_MAX, "a healthy client waited {worst:?}");
    }
}

async fn ping(address: SocketAddr, tell: &watch::Sender<Seen>) -> Nothing {
    let mut peer = Peer::connect(address, None).await;
    assert_eq!(peer.upgrade(address).await, Ok(101));
    peer.send(&frame(TEXT, HELLO)).await;
    // 200 questions a second: half of what a session may ask.
    let mut every = tokio::time::interval(Duration::from_millis(5));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for t in 0_u64.. {
        every.tick().await;
        let asked = Instant::now();
        peer.send(&frame(TEXT, format!(r#"{{"op":"ping","t":{t}}}"#).as_bytes())).await;
        match peer.until(&["pong"]).await {
            Ok(pong) => assert_eq!(pong["t"], t),
            Err(nothing) => return nothing,
        }
        tell.send_modify(|seen| {
            seen.answers += 1;
            seen.worst = seen.worst.max(asked.elapsed());
        });
    }
    Nothing::Ended
}

/// Runs a test's clients.
pub(crate) fn clients(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}
