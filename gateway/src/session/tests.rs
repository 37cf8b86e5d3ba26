//! How sessions end: reported once whatever happens, and within their bounds. Time is paused: where nothing moves on
//! the socket it jumps to the next deadline.

use super::*;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

const LIMITS: Limits = Limits { message_bytes: 100, fragments: 4 };

#[derive(Default)]
struct Fake {
    link: RefCell<Option<Rc<Link>>>,
    full: Cell<bool>,
    ended: Cell<u32>,
    goodbyes: RefCell<Vec<Goodbye>>,
}

impl Host for Fake {
    fn text(&self, _: u32, message: &mut [u8]) {
        assert_ne!(message, b"panic", "as asked");
    }
    fn binary(&self, _: u32, _: &mut [u8]) -> Result<(), CloseReason> {
        Err(CloseReason::Unsupported)
    }
    fn ping(&self, _: u32, _: &[u8]) {}
    /// Says that the goodbye is out, unless the socket is full.
    fn goodbye(&self, _: u32, goodbye: Goodbye) {
        self.goodbyes.borrow_mut().push(goodbye);
        if let (false, Some(link)) = (self.full.get(), &*self.link.borrow()) {
            link.end();
        }
    }
    fn has_room(&self, _: u32) -> bool {
        !self.full.get()
    }
    fn ended(&self, session: u32) {
        assert_eq!(session, 7);
        self.ended.set(self.ended.get() + 1);
    }
    fn now_us(&self) -> i64 {
        0
    }
}

/// A session's host, socket and task, and its peer.
async fn session(early: &[u8]) -> (Rc<Fake>, Rc<Link>, tokio::task::JoinHandle<()>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let link = Rc::new(Link::new(listener.accept().await.unwrap().0, 0));
    let host = Rc::new(Fake::default());
    *host.link.borrow_mut() = Some(Rc::clone(&link));
    let task = {
        let (host, link, early) = (Rc::clone(&host), Rc::clone(&link), early.to_vec());
        spawn_local(async move { run(&*host, &link, 7, early, LIMITS).await })
    };
    (host, link, task, peer)
}

fn paused(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn text(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn a_session_whose_task_panics_is_reported_once() {
    paused(async {
        let (host, _, task, _peer) = session(&text(b"panic")).await;
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(host.ended.get(), 1);
    });
}

#[test]
fn a_session_whose_task_is_dropped_is_reported_once() {
    paused(async {
        let (host, _, task, _peer) = session(&text(b"x")).await;
        tokio::task::yield_now().await;
        assert_eq!(host.ended.get(), 0);
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(host.ended.get(), 1);
    });
}

#[test]
fn a_peer_that_does_not_take_our_close_is_gone_two_seconds_after_it_was_queued() {
    paused(async {
        let (host, link, task, mut peer) = session(&text(b"x")).await;
        host.full.set(true);
        tokio::task::yield_now().await;
        link.closing();
        let queued = Instant::now();
        timeout_at(queued + 10 * GOODBYE, task).await.expect("it ends").unwrap();
        assert_eq!(queued.elapsed().as_secs(), 2);
        assert_eq!(host.ended.get(), 1);
        // It is not waited for any longer, and whoever waits to write learns it.
        let soon = Instant::now() + GOODBYE;
        timeout_at(soon, link.writable()).await.expect("it wakes").unwrap();
        let read = timeout_at(soon, peer.read(&mut [0; 1])).await.expect("the peer learns it");
        assert_eq!(read.unwrap_or(0), 0);
    });
}

#[test]
fn a_goodbye_of_the_client_that_cannot_be_answered_has_the_same_bound() {
    paused(async {
        let (host, _, task, _peer) = session(&[0x88, 0x80, 0, 0, 0, 0]).await;
        host.full.set(true);
        let queued = Instant::now();
        timeout_at(queued + 10 * GOODBYE, task).await.expect("it ends").unwrap();
        assert_eq!((queued.elapsed().as_secs(), host.ended.get()), (2, 1));
        assert_eq!(*host.goodbyes.borrow(), [Goodbye::Echo(Vec::new())]);
    });
}

#[test]
fn a_peer_that_took_our_close_has_two_seconds_for_its_own_end() {
    paused(async {
        let (host, _, task, mut peer) = session(&[0x82, 0x80, 0, 0, 0, 0]).await;
        let queued = Instant::now();
        timeout_at(queued + 10 * GOODBYE, task).await.expect("it ends").unwrap();
        assert_eq!((queued.elapsed().as_secs(), host.ended.get()), (2, 1));
        assert_eq!(*host.goodbyes.borrow(), [Goodbye::Fault(CloseReason::Unsupported)]);
        assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0, "our side ended in order");
    });
}
