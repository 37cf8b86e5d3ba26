//! What the engine asks for a session: waiting for a full socket, and ending.
//!
//! A task waits for a socket only while it is full; it is then the one that goes on writing.

use super::Shell;
use crate::engine::SessionEvent;
use crate::orders::SessionKey;
use crate::outbox::{Drained, Outbox};
use crate::session::Link;
use std::rc::Rc;
use tokio::task::spawn_local;

/// Does what the engine asked for a session.
pub(super) fn obey(shell: &Rc<Shell>, event: SessionEvent) {
    let session = event.session();
    let Some((key, link)) = shell.link_of(session) else { return };
    match event {
        SessionEvent::Blocked(_) => {
            spawn_local(go_on(Rc::clone(shell), session, key, link));
        }
        SessionEvent::Closed(_) => link.end(),
        SessionEvent::End(_, reason) => {
            shell.note_reason(session, reason);
            link.end();
        }
    }
}

/// Goes on writing a session whose socket was full, until nothing more may be said.
async fn go_on(shell: Rc<Shell>, session: u32, key: SessionKey, link: Rc<Link>) {
    loop {
        if link.writable().await.is_err() {
            return link.end();
        }
        if shell.session_of(key).is_none() {
            return;
        }
        let now_us = shell.clock.now_us();
        let drained = shell.engine.borrow_mut().drain(session, now_us);
        match drained {
            Drained::Blocked => {}
            Drained::Idle => break,
            Drained::Closed | Drained::Gone => return link.end(),
        }
        if shell.engine.borrow().outbox(session).is_some_and(Outbox::has_room) {
            link.wake();
        }
    }
    link.wake();
}
