//! The route `/echo`: sends back what it gets, through the same socket code, for conformance tests.

use crate::outbox::{OPCODE_BINARY, OPCODE_CLOSE, OPCODE_PONG, OPCODE_TEXT, Socket, Write, put_frame};
use crate::session::guard::Limits;
use crate::session::{Goodbye, Host, Link};
use std::cell::RefCell;
use std::rc::Rc;
use tokio::task::spawn_local;
use wire::close::CloseReason;

/// What conformance tests send: larger than any real message.
pub(super) const LIMITS: Limits = Limits { message_bytes: 16 << 20, fragments: 65_536 };

#[derive(Debug)]
struct Peer {
    link: Rc<Link>,
    out: Vec<u8>,
    busy: bool,
    closing: bool,
}

/// All echo sessions. Reading stops while anything is unsent, so that one read's answers are the most that waits.
#[derive(Debug, Default)]
pub(super) struct Echo {
    peers: Rc<RefCell<Vec<Option<Peer>>>>,
    free: RefCell<Vec<u32>>,
}

impl Echo {
    pub(super) fn open(&self, link: Rc<Link>) -> u32 {
        let peer = Some(Peer { link, out: Vec::new(), busy: false, closing: false });
        let mut peers = self.peers.borrow_mut();
        if let Some(session) = self.free.borrow_mut().pop() {
            peers[session as usize] = peer;
            return session;
        }
        peers.push(peer);
        u32::try_from(peers.len() - 1).unwrap_or(u32::MAX)
    }

    fn send(&self, session: u32, opcode: u8, payload: &[u8], closing: bool) {
        let mut peers = self.peers.borrow_mut();
        let Some(peer) = peers.get_mut(session as usize).and_then(Option::as_mut) else { return };
        put_frame(&mut peer.out, opcode, payload);
        peer.closing |= closing;
        if peer.busy || peer.drain() {
            return;
        }
        peer.busy = true;
        let (peers, link) = (Rc::clone(&self.peers), Rc::clone(&peer.link));
        spawn_local(async move {
            loop {
                let gone = link.writable().await.is_err();
                let mut peers = peers.borrow_mut();
                let Some(peer) = peers.get_mut(session as usize).and_then(Option::as_mut) else { return };
                if !Rc::ptr_eq(&peer.link, &link) {
                    return; // the number is another session's by now
                }
                if gone || peer.drain() {
                    peer.busy = false;
                    return link.wake();
                }
            }
        });
    }
}

impl Peer {
    /// Writes what it can; true when nothing is left.
    fn drain(&mut self) -> bool {
        let mut at = 0;
        while at < self.out.len() {
            match self.link.try_write(&self.out[at..]) {
                Write::Wrote(count) => at += count,
                Write::WouldBlock => break,
                Write::Gone => {
                    at = self.out.len();
                    self.closing = true;
                }
            }
        }
        self.out.drain(..at);
        if self.out.is_empty() && self.closing {
            self.link.end();
        }
        self.out.is_empty()
    }
}

impl Host for Echo {
    fn text(&self, session: u32, message: &mut [u8]) {
        self.send(session, OPCODE_TEXT, message, false);
    }

    fn binary(&self, session: u32, message: &mut [u8]) -> Result<(), CloseReason> {
        self.send(session, OPCODE_BINARY, message, false);
        Ok(())
    }

    fn ping(&self, session: u32, payload: &[u8]) {
        self.send(session, OPCODE_PONG, payload, false);
    }

    fn goodbye(&self, session: u32, goodbye: Goodbye) {
        match goodbye {
            Goodbye::Echo(payload) => self.send(session, OPCODE_CLOSE, &payload, true),
            Goodbye::Fault(reason) => self.send(session, OPCODE_CLOSE, &reason.code().to_be_bytes(), true),
        }
    }

    fn has_room(&self, session: u32) -> bool {
        let peers = self.peers.borrow();
        peers.get(session as usize).and_then(Option::as_ref).is_none_or(|peer| peer.out.is_empty())
    }

    fn ended(&self, session: u32) {
        let ended = self.peers.borrow_mut().get_mut(session as usize).and_then(Option::take);
        if ended.is_some() {
            self.free.borrow_mut().push(session);
        }
    }

    fn now_us(&self) -> i64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    async fn link() -> (Rc<Link>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Rc::new(Link::new(listener.accept().await.unwrap().0, 0)), peer)
    }

    #[tokio::test]
    async fn numbers_are_given_again_and_an_end_counts_once() {
        let (echo, (link, _peer)) = (Echo::default(), link().await);
        let [first, second] = [0, 1].map(|_| echo.open(Rc::clone(&link)));
        echo.ended(first);
        echo.ended(first);
        assert_eq!([0, 1].map(|_| echo.open(Rc::clone(&link))), [first, 2]);
        assert_eq!((second, echo.peers.borrow().len()), (1, 3));
    }

    #[tokio::test]
    async fn the_writer_of_an_ended_session_leaves_its_successor_alone() {
        let local = tokio::task::LocalSet::new();
        let ((old, old_peer), (new, _new_peer)) = (link().await, link().await);
        let echo = Echo::default();
        local
            .run_until(async {
                let session = echo.open(Rc::clone(&old));
                while echo.has_room(session) {
                    echo.send(session, OPCODE_TEXT, &[b'x'; 100_000], false);
                }
                echo.ended(session);
                assert_eq!(echo.open(new), session);
                echo.peers.borrow_mut()[session as usize].as_mut().unwrap().out.push(1);
                drop(old_peer); // now the old socket can be written
                let writers = async {
                    while Rc::strong_count(&old) > 1 {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::time::timeout(PATIENCE, writers).await.expect("the old writer ends");
                assert_eq!(echo.peers.borrow()[session as usize].as_ref().unwrap().out, [1]);
            })
            .await;
    }

    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
}
