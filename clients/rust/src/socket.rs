//! The WebSocket: one task reads it, one writes it, both behind bounded channels.
//!
//! fastwebsockets' reads and writes are not cancel safe, so each lives in a task of its own that nobody cancels
//! half-way; what the owner awaits are channels, which are. A full inbound channel stops the reading, so that the
//! gateway sees a slow client and conflates; nothing is ever dropped here.

use crate::clock::now_us;
use crate::{Closed, Error};
use bytes::Bytes;
use fastwebsockets::{Frame, OpCode, Payload, WebSocketError, WebSocketRead, WebSocketWrite};
use http_body_util::Empty;
use hyper::Request;
use hyper::header::{CONNECTION, HOST, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use hyper_util::rt::TokioIo;
use std::future::Future;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wire::frame::Form;

type Stream = TokioIo<hyper::upgrade::Upgraded>;

/// Messages read and not yet taken; then reading stops.
const INBOUND_MAX: usize = 256;
/// Messages to be written; then sending waits.
const OUTBOUND_MAX: usize = 256;
/// Longest message that is taken.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A message from the socket.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// UTF-8 text.
    Text(Vec<u8>, i64),
    /// Market data.
    Binary(Vec<u8>, i64),
    /// The last one.
    Closed(Closed),
}

#[derive(Debug)]
enum Outbound {
    Text(String),
    Pong(Vec<u8>),
    Close(u16),
}

/// Both ends of the two channels. Dropping it ends the socket.
#[derive(Debug)]
pub(crate) struct Socket {
    inbound: mpsc::Receiver<Inbound>,
    outbound: mpsc::Sender<Outbound>,
    reader: JoinHandle<()>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct Spawn;

impl<F> hyper::rt::Executor<F> for Spawn
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

impl Socket {
    /// Connects to `host:port`, path `/ws`, and checks that the gateway took the form.
    pub(crate) async fn open(address: &str, form: Form) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = Request::get("/ws")
            .header(HOST, address)
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "Upgrade")
            .header("Sec-WebSocket-Key", fastwebsockets::handshake::generate_key())
            .header("Sec-WebSocket-Version", "13")
            .header(SEC_WEBSOCKET_PROTOCOL, form.subprotocol())
            .body(Empty::<Bytes>::new())
            .map_err(|error| Error::Handshake(error.to_string()))?;
        let (mut socket, response) =
            Box::pin(fastwebsockets::handshake::client(&Spawn, request, stream)).await.map_err(handshake)?;
        let chosen = response.headers().get(SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
        if chosen != Some(form.subprotocol()) {
            return Err(Error::Handshake(format!("asked for {}, got {chosen:?}", form.subprotocol())));
        }
        socket.set_auto_pong(false);
        socket.set_auto_close(false);
        socket.set_max_message_size(MESSAGE_BYTES_MAX);
        let (reading, writing) = socket.split(tokio::io::split);
        let (to_owner, inbound) = mpsc::channel(INBOUND_MAX);
        let (outbound, from_owner) = mpsc::channel(OUTBOUND_MAX);
        let reader = tokio::spawn(read(reading, to_owner, outbound.clone()));
        tokio::spawn(write(writing, from_owner));
        Ok(Self { inbound, outbound, reader })
    }

    /// The next message. Cancel safe.
    pub(crate) async fn next(&mut self) -> Inbound {
        self.inbound.recv().await.unwrap_or_else(|| Inbound::Closed(Closed::abnormal()))
    }

    /// The next message, if one is there.
    pub(crate) fn try_next(&mut self) -> Option<Inbound> {
        self.inbound.try_recv().ok()
    }

    /// Queues a text message. Cancel safe: it is queued whole or not at all.
    pub(crate) async fn send(&self, text: String) -> Result<(), Error> {
        self.outbound.send(Outbound::Text(text)).await.map_err(|_| Error::Gone)
    }

    /// Queues a text message if there is room.
    pub(crate) fn try_send(&self, text: String) -> bool {
        self.outbound.try_send(Outbound::Text(text)).is_ok()
    }

    /// Queues a close frame.
    pub(crate) async fn close(&self, code: u16) -> Result<(), Error> {
        self.outbound.send(Outbound::Close(code)).await.map_err(|_| Error::Gone)
    }
}

fn handshake(error: WebSocketError) -> Error {
    match error {
        WebSocketError::IoError(error) => Error::Io(error),
        WebSocketError::InvalidStatusCode(status) => Error::Status(status),
        other => Error::Handshake(other.to_string()),
    }
}

async fn read(
    mut socket: WebSocketRead<ReadHalf<Stream>>,
    owner: mpsc::Sender<Inbound>,
    outbound: mpsc::Sender<Outbound>,
) {
    let mut begun: Option<(OpCode, Vec<u8>)> = None;
    let closed = loop {
        // With auto_pong and auto_close off nothing is ever asked to be sent from here.
        let frame = socket.read_frame(&mut |_| std::future::ready(Ok::<(), std::io::Error>(()))).await;
        let received_us = now_us();
        let Ok(frame) = frame else { break Closed::abnormal() };
        let message = match frame.opcode {
            OpCode::Text | OpCode::Binary if frame.fin => Some((frame.opcode, frame.payload.to_vec())),
            OpCode::Text | OpCode::Binary => {
                begun = Some((frame.opcode, frame.payload.to_vec()));
                None
            }
            OpCode::Continuation => {
                if let Some((_, bytes)) = &mut begun {
                    bytes.extend_from_slice(&frame.payload);
                }
                if frame.fin { begun.take() } else { None }
            }
            OpCode::Ping => {
                // A pong that finds no room is not worth waiting for: the next ping comes.
                let _ = outbound.try_send(Outbound::Pong(frame.payload.to_vec()));
                None
            }
            OpCode::Pong => None,
            OpCode::Close => break Closed::from_payload(&frame.payload),
        };
        let inbound = match message {
            Some((OpCode::Text, bytes)) => Inbound::Text(bytes, received_us),
            Some((_, bytes)) => Inbound::Binary(bytes, received_us),
            None => continue,
        };
        if owner.send(inbound).await.is_err() {
            return;
        }
    };
    if closed.code != 1006 {
        let _ = outbound.try_send(Outbound::Close(1000));
    }
    let _ = owner.send(Inbound::Closed(closed)).await;
}

async fn write(mut socket: WebSocketWrite<WriteHalf<Stream>>, mut owner: mpsc::Receiver<Outbound>) {
    while let Some(message) = owner.recv().await {
        let (frame, last) = match message {
            Outbound::Text(text) => (Frame::text(Payload::Owned(text.into_bytes())), false),
            Outbound::Pong(bytes) => (Frame::pong(Payload::Owned(bytes)), false),
            Outbound::Close(code) => (Frame::close(code, b""), true),
        };
        // An error here is an end that the reader sees and tells.
        if socket.write_frame(frame).await.is_err() || socket.flush().await.is_err() || last {
            return;
        }
    }
}
