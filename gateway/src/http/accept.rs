//! The listener: a long backlog, and a word for those that come when there is no descriptor left for them.

use super::admission::{Admission, Refusal};
use futures_util::FutureExt;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that wait to be accepted: enough for all clients of a gateway that died.
const BACKLOG: u32 = 8_192;

/// When nobody can be accepted, it is tried again this often.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Binds an address with a long backlog. The kernel cuts it to `net.core.somaxconn`; see [`backlog`].
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connections that the kernel lets wait, and that were asked for. Of those that find no place in the queue the kernel
/// drops the SYN; they come again a second later.
#[must_use]
pub fn backlog() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
    (text.trim().parse().unwrap_or(BACKLOG).min(BACKLOG), BACKLOG)
}

/// Accepts connections. Keeps one descriptor back: without it nobody could be told that there is none left, and the
/// connections that wait would wait on.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    admission: Rc<Admission>,
    spare: Option<File>,
    /// Peers speak TLS: a word in plain text would be none to them.
    secure: bool,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener, admission: Rc<Admission>, secure: bool) -> Self {
        Self { listener, admission, spare: spare(), secure }
    }

    /// The next connection. Those that come while descriptors are out are told so meanwhile.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) if is_gone(&error) => {}
                Err(error) if is_out_of_descriptors(&error) && self.turn_away() => {}
                // Nothing was taken from the queue: the same would happen again at once.
                Err(_) => tokio::time::sleep(TRY_EVERY).await,
            }
        }
    }

    /// Uses the spare descriptor to answer one connection and end it. False when nobody could be accepted even so. The
    /// kernel looks for a descriptor before it looks who waits: it may be nobody.
    fn turn_away(&mut self) -> bool {
        self.spare = None;
        let accepted = self.listener.accept().now_or_never();
        if let Some(Ok((stream, _))) = &accepted {
            self.admission.refuse(Refusal::Descriptors);
            if !self.secure {
                let _best_effort = stream.try_write(FULL);
            }
        }
        let failed = matches!(accepted, Some(Err(_)));
        drop(accepted); // its descriptor is the spare one
        self.spare = spare();
        !failed
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// The peer left before it was accepted; the next one waits.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| code == Some(errno.raw_os_error()))
}

/// Word for who comes when there is no room.
pub(super) const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
      x-content-type-options: nosniff\r\ncontent-type: text/plain\r\n\
      content-length: 8\r\n\r\nno room\n";
