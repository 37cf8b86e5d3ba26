//! A client that says whatever it is told to, byte by byte, and reads what it is answered.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

pub(crate) const CONT: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A key of a handshake.
pub(crate) const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";

/// What every session says first.
pub(crate) const HELLO: &[u8] = br#"{"op":"hello","id":1}"#;

/// A peer waits this long for the gateway before it calls it hung.
const HUNG_AFTER: Duration = Duration::from_secs(15);

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// One frame, right or wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// Opcode.
    pub(crate) opcode: u8,
    /// Payload.
    pub(crate) payload: &'a [u8],
    /// Whether it ends its message.
    pub(crate) fin: bool,
    /// Reserved bits.
    pub(crate) reserved: u8,
    /// Whether it is masked.
    pub(crate) masked: bool,
    /// Bytes of the extended length: 0, 2 or 8; none = as few as do.
    pub(crate) size: Option<u8>,
    /// The length that the head claims; none = the payload's.
    pub(crate) claim: Option<u64>,
}

impl Default for Frame<'_> {
    fn default() -> Self {
        Self { opcode: TEXT, payload: b"", fin: true, reserved: 0, masked: true, size: None, claim: None }
    }
}

impl Frame<'_> {
    /// Its bytes.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let len = self.claim.unwrap_or(self.payload.len() as u64);
        let size = self.size.unwrap_or(match len {
            0..=125 => 0,
            126..=0xffff => 2,
            _ => 8,
        });
        let mask_bit = if self.masked { 0x80 } else { 0 };
        let mut out = vec![if self.fin { 0x80 } else { 0 } | self.reserved << 4 | self.opcode];
        match size {
            0 => out.push(mask_bit | u8::try_from(len).unwrap()),
            2 => {
                out.push(mask_bit | 126);
                out.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            }
            _ => {
                out.push(mask_bit | 127);
                out.extend_from_slice(&len.to_be_bytes());
            }
        }
        if !self.masked {
            out.extend_from_slice(self.payload);
            return out;
        }
        out.extend_from_slice(&MASK);
        out.extend(self.payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        out
    }
}

/// A whole, right frame.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    Frame { opcode, payload, ..Frame::default() }.bytes()
}

/// A frame that does not end its message.
pub(crate) fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    Frame { opcode, payload, fin: false, ..Frame::default() }.bytes()
}

/// A handshake to be changed.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    line: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    /// What a good client sends.
    pub(crate) fn of(host: &str) -> Self {
        let headers = [
            ("Host", host),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Version", "13"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { line: "GET /ws HTTP/1.1".to_owned(), headers }
    }

    /// With this first line.
    pub(crate) fn line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.line);
        self
    }

    /// With this value of a header in place of the good one.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        let header = self.headers.iter_mut().find(|(known, _)| known == name).unwrap();
        value.clone_into(&mut header.1);
        self
    }

    /// Without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.ending_in("")
    }

    /// Its bytes with raw lines behind the headers.
    pub(crate) fn ending_in(&self, raw: &str) -> Vec<u8> {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        // Latin-1, so that a test can send any byte.
        let text = format!("{}\r\n{headers}{raw}\r\n", self.line);
        text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect()
    }
}

/// How an answer stayed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// The connection ended.
    Ended,
    /// The connection was reset.
    Reset,
    /// Nothing came.
    Hung,
}

/// Close code for a close frame without one (RFC 6455, 7.1.5).
pub(crate) const NO_CODE: u16 = 1005;

/// A connection.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
    reset: bool,
    /// Head of the last HTTP answer, in lower case.
    pub(crate) head: String,
}

impl Peer {
    /// Connects; a small receive buffer makes a reader that stops felt soon.
    pub(crate) async fn connect(address: SocketAddr, receive_buffer: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new(), reset: false, head: String::new() }
    }

    /// Connects and becomes a session that has said hello.
    pub(crate) async fn session(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address, None).await;
        assert_eq!(peer.upgrade(address).await, Ok(101));
        peer.send(&frame(TEXT, HELLO)).await;
        peer
    }

    /// Connects and becomes a session in form `json` that has said this.
    pub(crate) async fn saying(address: SocketAddr, hello: &str) -> Self {
        let mut peer = Self::connect(address, None).await;
        let asked = Asked::of(&address.to_string()).with("Sec-WebSocket-Protocol", "tickgate.v1.json");
        peer.send(&asked.bytes()).await;
        assert_eq!(peer.status().await, Ok(101));
        peer.send(&frame(TEXT, hello.as_bytes())).await;
        peer
    }

    /// Sends a request; the next text that is one of these.
    pub(crate) async fn ask(&mut self, request: &str, ops: &[&str]) -> serde_json::Value {
        self.send(&frame(TEXT, request.as_bytes())).await;
        self.until(ops).await.unwrap()
    }

    /// Asks for a WebSocket on `/ws`; the status.
    pub(crate) async fn upgrade(&mut self, address: SocketAddr) -> Result<u16, Nothing> {
        self.send(&Asked::of(&address.to_string()).bytes()).await;
        self.status().await
    }

    /// Sends as much as the other side takes; false when it takes no more.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = timeout(HUNG_AFTER, self.stream.write_all(bytes)).await;
        self.reset |= matches!(sent, Ok(Err(_)));
        matches!(sent, Ok(Ok(())))
    }

    /// Writes `bytes` again and again until the other side has taken none for `quiet`.
    pub(crate) async fn flood(&mut self, bytes: &[u8], quiet: Duration) {
        while let Ok(Ok(())) = timeout(quiet, self.stream.write_all(bytes)).await {}
    }

    async fn more(&mut self) -> Result<(), Nothing> {
        match timeout(HUNG_AFTER, self.stream.read_buf(&mut self.buffer)).await {
            // A reset is told once, to whoever asks first: it may have been a write.
            Ok(Ok(0)) => Err(if self.reset { Nothing::Reset } else { Nothing::Ended }),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => Err(Nothing::Reset),
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => Err(Nothing::Hung),
        }
    }

    /// The status of an HTTP answer; its body stays unread.
    pub(crate) async fn status(&mut self) -> Result<u16, Nothing> {
        let at = loop {
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head: Vec<u8> = self.buffer.drain(..at).collect();
        self.head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        Ok(self.head.split(' ').nth(1).unwrap().parse().unwrap())
    }

    /// This many bytes of what comes next.
    pub(crate) async fn body(&mut self, bytes: usize) -> Vec<u8> {
        while self.buffer.len() < bytes {
            self.more().await.unwrap();
        }
        self.buffer.drain(..bytes).collect()
    }

    /// The next line, without its line break.
    pub(crate) async fn line(&mut self) -> Result<String, Nothing> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|bytes| bytes == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(String::from_utf8(line[..at].to_vec()).unwrap());
            }
            self.more().await?;
        }
    }

    /// Reads until the stream ends and says how; what came is returned too.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, Nothing) {
        loop {
            if let Err(nothing) = self.more().await {
                return (std::mem::take(&mut self.buffer), nothing);
            }
        }
    }

    /// The next frame of the server.
    pub(crate) async fn frame(&mut self) -> Result<(u8, Vec<u8>), Nothing> {
        loop {
            if let Some((opcode, at, end)) = whole_frame(&self.buffer) {
                let payload = self.buffer[at..end].to_vec();
                self.buffer.drain(..end);
                return Ok((opcode, payload));
            }
            self.more().await?;
        }
    }

    /// The code of the server's close frame; other frames are passed over, pings unanswered.
    pub(crate) async fn close_code(&mut self) -> Result<u16, Nothing> {
        loop {
            let (opcode, payload) = self.frame().await?;
            if opcode == CLOSE {
                return Ok(payload.get(..2).map_or(NO_CODE, |code| u16::from_be_bytes([code[0], code[1]])));
            }
        }
    }

    /// The next text whose `op` is one of these.
    pub(crate) async fn until(&mut self, ops: &[&str]) -> Result<serde_json::Value, Nothing> {
        loop {
            let (opcode, payload) = self.frame().await?;
            assert_ne!(opcode, CLOSE, "closed: {payload:?}");
            if opcode == TEXT {
                let text: serde_json::Value = serde_json::from_slice(&payload).unwrap();
                if ops.iter().any(|op| text["op"] == *op) {
                    return Ok(text);
                }
            }
        }
    }
}

/// The first frame of a buffer, if it is whole: opcode, where its payload begins and ends.
fn whole_frame(buffer: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*buffer.first()?, *buffer.get(1)?);
    assert_eq!(second & 0x80, 0, "a server masks nothing");
    let (len, at) = match second {
        126 => (usize::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().unwrap())), 4),
        127 => {
            let len = u64::from_be_bytes(buffer.get(2..10)?.try_into().unwrap());
            (usize::try_from(len).unwrap(), 10)
        }
        len => (usize::from(len), 2),
    };
    (buffer.len() >= at + len).then_some((first & 15, at, at + len))
}

/// A plain GET on a connection of its own: status, head in lower case, body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let mut peer = Peer::connect(address, None).await;
    peer.send(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .await;
    let status = peer.status().await.unwrap();
    let (body, end) = peer.rest().await;
    assert_eq!(end, Nothing::Ended, "GET {path}");
    (status, peer.head, String::from_utf8(body).unwrap())
}

/// The sum of a metric over its labels.
pub(crate) async fn metric(address: SocketAddr, name: &str) -> u64 {
    let (_, _, text) = get(address, "/metrics").await;
    let mine = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
    });
    mine.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
