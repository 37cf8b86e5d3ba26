//! A gateway on a thread of its own, so that what its clients do costs it nothing, and a healthy client beside it.

use super::peer::{HELLO, Nothing, Peer, TEXT, frame, metric};
use super::{Memory, config};
use gateway::bus::Bus;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, timeout};

const THREAD: &str = "gateway";

/// What must come within this time comes never.
const PATIENCE: Duration = Duration::from_secs(15);

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
        count_panics();
        let config = config(flags);
        let (jumps, wanted) = mpsc::channel(1);
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let listener = gateway::listen(config.listen).unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let bus: Rc<dyn Bus> = Memory::new(&["A.X"]);
                gateway::run(listener, bus, config, jump(wanted)).await.unwrap();
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
            while metric(self.address, name).await != value {
                tokio::task::yield_now().await;
            }
        };
        let reached = timeout(PATIENCE, reached).await;
        let is = metric(self.address, name).await;
        assert!(reached.is_ok(), "{name} is {is}, not {value}");
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

/// A client that asks for an answer again and again, on a thread of its own.
pub(crate) struct Healthy {
    answers: Arc<AtomicU64>,
    worst_us: Arc<AtomicU64>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), Nothing>>,
}

impl Healthy {
    /// Starts one.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let (answers, worst_us) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (stop, stopped) = oneshot::channel();
        let thread = {
            let (answers, worst_us) = (Arc::clone(&answers), Arc::clone(&worst_us));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    tokio::select! {
                        nothing = ping(address, &answers, &worst_us) => Err(nothing),
                        _ = stopped => Ok(()),
                    }
                })
            })
        };
        Self { answers, worst_us, stop, thread }
    }

    /// Waits for the answer to a question that has not been asked yet.
    pub(crate) async fn answered(&self) {
        let enough = self.answers.load(Ordering::SeqCst) + 2;
        let answered = async {
            while self.answers.load(Ordering::SeqCst) < enough {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, answered).await.expect("the healthy client is answered");
    }

    /// Ends it: it was answered all the time, and never late.
    #[expect(clippy::print_stdout, reason = "the measured bound, shown with --show-output")]
    pub(crate) async fn stop(self) {
        self.answered().await;
        self.stop.send(()).expect("the healthy client lives");
        self.thread.join().unwrap().expect("the healthy client kept its session");
        let worst = Duration::from_micros(self.worst_us.load(Ordering::SeqCst));
        println!("healthy client: {} answers, worst {worst:?}", self.answers.load(Ordering::SeqCst));
        assert!(worst <= DELAY_MAX, "a healthy client waited {worst:?}");
    }
}

async fn ping(address: SocketAddr, answers: &AtomicU64, worst_us: &AtomicU64) -> Nothing {
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
        let took = u64::try_from(asked.elapsed().as_micros()).unwrap();
        worst_us.fetch_max(took, Ordering::SeqCst);
        answers.fetch_add(1, Ordering::SeqCst);
    }
    Nothing::Ended
}

/// Runs a test's clients.
pub(crate) fn clients(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}
