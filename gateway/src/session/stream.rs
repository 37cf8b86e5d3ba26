//! A connection's bytes, plain or through TLS, for who waits (hyper) and for who does not (the outbox).
//!
//! TLS is driven here over the socket itself: a library's stream in between would take turns and buffers of its own.
//! Ciphertext that the socket does not take is at most one write's, and the write says so: see [`Stream::try_write`].

use rustls::{ServerConfig, ServerConnection};
use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Most plaintext of one write: a record's.
const WRITE_BYTES_MAX: usize = 16_384;

/// A connection.
#[derive(Debug)]
pub struct Stream {
    tcp: TcpStream,
    tls: Option<Box<RefCell<Tls>>>,
}

#[derive(Debug)]
struct Tls {
    connection: ServerConnection,
    /// The last byte of the last write is encrypted, but was not owned to: some ciphertext is not out yet.
    held: bool,
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self { tcp, tls: None }
    }
}

/// A socket that never waits, as TLS wants it.
struct Raw<'a>(&'a TcpStream);

impl Read for Raw<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a handshake waits for.
enum Step {
    Done,
    Read,
    Write,
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

impl Tls {
    /// Sends ciphertext; `WouldBlock` as long as some is left.
    fn flush(&mut self, tcp: &TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut Raw(tcp))? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Takes ciphertext from the socket; the answers of TLS itself go out as far as they can.
    fn fetch(&mut self, tcp: &TcpStream) -> io::Result<usize> {
        let count = self.connection.read_tls(&mut Raw(tcp))?;
        let processed = self.connection.process_new_packets();
        let _an_alert_at_best = self.flush(tcp);
        processed.map_err(invalid)?;
        Ok(count)
    }

    fn shake(&mut self, tcp: &TcpStream) -> io::Result<Step> {
        let blocked = |error: &io::Error| error.kind() == ErrorKind::WouldBlock;
        loop {
            match self.flush(tcp) {
                Err(error) if blocked(&error) => return Ok(Step::Write),
                flushed => flushed?,
            }
            if !self.connection.is_handshaking() {
                return Ok(Step::Done);
            }
            match self.fetch(tcp) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if blocked(&error) => return Ok(Step::Read),
                Err(error) => return Err(error),
            }
        }
    }

    fn read(&mut self, tcp: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Without a goodbye of TLS: whoever reads knows by its own frames whether something is missing.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            self.fetch(tcp)?;
        }
    }

    fn write(&mut self, tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        self.flush(tcp)?;
        if std::mem::take(&mut self.held) {
            return Ok(1);
        }
        let count = self.connection.writer().write(&bytes[..bytes.len().min(WRITE_BYTES_MAX)])?;
        match self.flush(tcp) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.held = true;
                if count > 1 { Ok(count - 1) } else { Err(error) }
            }
            flushed => flushed.map(|()| count),
        }
    }
}

impl Stream {
    /// Shakes hands as a server.
    ///
    /// # Errors
    /// The socket back, once the peer was told why in TLS's own words, if it speaks them.
    pub async fn secure(tcp: TcpStream, config: Arc<ServerConfig>) -> Result<Self, Self> {
        let _best_effort = tcp.set_nodelay(true);
        let Ok(connection) = ServerConnection::new(config) else { return Err(tcp.into()) };
        let mut tls = Box::new(RefCell::new(Tls { connection, held: false }));
        loop {
            let step = tls.get_mut().shake(&tcp);
            let waited = match step {
                Ok(Step::Done) => return Ok(Self { tcp, tls: Some(tls) }),
                Ok(Step::Read) => tcp.readable().await,
                Ok(Step::Write) => tcp.writable().await,
                Err(error) => Err(error),
            };
            if waited.is_err() {
                return Err(tcp.into());
            }
            tokio::task::consume_budget().await;
        }
    }

    /// The socket.
    #[must_use]
    pub const fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is; what else ends a connection.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            None => self.tcp.try_read(into),
            Some(tls) => tls.borrow_mut().read(&self.tcp, into),
        }
    }

    /// Writes as many bytes as fit now. After a short write the rest must come next, as it was: with TLS the last byte is
    /// held back until all ciphertext is out, so that whoever is told of a whole write need not come again.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits; what else ends a connection.
    #[inline]
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.tls {
            None => self.tcp.try_write(bytes),
            Some(tls) => tls.borrow_mut().write(&self.tcp, bytes),
        }
    }

    /// Says goodbye in TLS, as soon as the socket takes it.
    pub(super) async fn finish(&self) {
        let Some(tls) = &self.tls else { return };
        tls.borrow_mut().connection.send_close_notify();
        loop {
            let flushed = tls.borrow_mut().flush(&self.tcp);
            match flushed {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => return,
            }
            if self.tcp.writable().await.is_err() {
                return;
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(tls) = &mut this.tls else { return Pin::new(&mut this.tcp).poll_read(cx, into) };
        loop {
            match tls.get_mut().read(&this.tcp, into.initialize_unfilled()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(this.tcp.poll_read_ready(cx))?,
                read => return Poll::Ready(read.map(|count| into.advance(count))),
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(tls) = &mut this.tls else { return Pin::new(&mut this.tcp).poll_write(cx, bytes) };
        loop {
            match tls.get_mut().write(&this.tcp, bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(this.tcp.poll_write_ready(cx))?,
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.tls.is_none() {
            return Pin::new(&mut self.get_mut().tcp).poll_write_vectored(cx, parts);
        }
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
        self.poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_none()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(tls) = &mut this.tls else { return Poll::Ready(Ok(())) };
        loop {
            match tls.get_mut().flush(&this.tcp) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(this.tcp.poll_write_ready(cx))?,
                flushed => return Poll::Ready(flushed),
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
