//! A WebSocket client that costs little: server frames are unmasked, so that a message is a slice of what was read.
//!
//! Requests are masked with the key 0, which RFC 6455 allows and which saves the masking. Independent of the
//! gateway's reader and of fastwebsockets.

use std::io::{self, ErrorKind, Read, Write};
use wire::frame::Form;

/// Longest message that is taken.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Longest answer to a handshake.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// The request that opens a WebSocket.
#[must_use]
pub fn handshake(address: &str, form: Form) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {}\r\n\r\n",
        form.subprotocol()
    )
}

/// Reads the answer byte by byte, so that nothing after it is taken; checks the status.
///
/// # Errors
/// When it is not 101.
pub fn read_answer(stream: &mut impl Read) -> io::Result<()> {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::new(ErrorKind::InvalidData, "no end of the handshake"));
        }
    }
    check_answer(&answer)
}

/// Checks the status of an answer.
///
/// # Errors
/// When it is not 101.
pub fn check_answer(answer: &[u8]) -> io::Result<()> {
    if answer.starts_with(b"HTTP/1.1 101 ") {
        return Ok(());
    }
    let line = String::from_utf8_lossy(answer).lines().next().unwrap_or_default().to_owned();
    Err(io::Error::new(ErrorKind::ConnectionRefused, line))
}

/// Appends a masked frame (key 0).
pub fn put_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => out.push(0x80 | length.to_be_bytes()[1]),
        Ok(length) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Appends a frame as a server sends it, up to 64 KiB.
pub fn put_plain_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => out.push(length.to_be_bytes()[1]),
        length => {
            out.push(126);
            out.extend_from_slice(&length.unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Text.
pub const TEXT: u8 = 1;
/// Binary.
pub const BINARY: u8 = 2;
/// Close.
pub const CLOSE: u8 = 8;
/// Ping.
pub const PING: u8 = 9;
/// Pong.
pub const PONG: u8 = 10;

/// The first whole frame of `bytes`: opcode, payload, bytes taken. `None` = not whole yet.
///
/// # Errors
/// For what this server never sends: fragments, masks, reserved bits, more than 1 MiB.
pub fn frame(bytes: &[u8]) -> io::Result<Option<(u8, &[u8], usize)>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0xf0 != 0x80 || second & 0x80 != 0 {
        return Err(io::Error::new(ErrorKind::InvalidData, "a frame that no server of ours sends"));
    }
    let (length, head) = match second & 0x7f {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (usize::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX), 10),
            None => return Ok(None),
        },
        length => (usize::from(length), 2),
    };
    if length > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "a message above 1 MiB"));
    }
    Ok(bytes.get(head..head + length).map(|payload| (first & 15, payload, head + length)))
}

/// What has been read and is not a whole frame yet.
#[derive(Debug, Default)]
pub struct Partial(Vec<u8>);

impl Partial {
    /// Bytes that came before.
    #[must_use]
    pub const fn begun(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads once into `scratch` and hands out every whole frame. False at the end of the stream.
    ///
    /// # Errors
    /// Those of `read`, `WouldBlock` included, and of [`frame`].
    pub fn read(
        &mut self,
        scratch: &mut Vec<u8>,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
        mut each: impl FnMut(u8, &[u8]),
    ) -> io::Result<bool> {
        let kept = self.0.len();
        if scratch.len() < kept + 64 * 1024 {
            scratch.resize(kept + 64 * 1024, 0);
        }
        scratch[..kept].copy_from_slice(&self.0);
        let count = read(&mut scratch[kept..])?;
        if count == 0 {
            return Ok(false);
        }
        let mut rest = &scratch[..kept + count];
        while let Some((opcode, payload, taken)) = frame(rest)? {
            each(opcode, payload);
            rest = &rest[taken..];
        }
        self.0.clear();
        self.0.extend_from_slice(rest);
        Ok(true)
    }
}

/// A blocking socket for threads whose time matters more than their number.
#[derive(Debug)]
pub struct Blocking {
    stream: std::net::TcpStream,
    partial: Partial,
    scratch: Vec<u8>,
}

impl Blocking {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// When there is no gateway.
    pub fn connect(address: &str, form: Form) -> io::Result<Self> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.write_all(handshake(address, form).as_bytes())?;
        read_answer(&mut stream)?;
        Ok(Self { stream, partial: Partial::default(), scratch: Vec::new() })
    }

    /// A second handle for writing from another thread.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn writer(&self) -> io::Result<std::net::TcpStream> {
        self.stream.try_clone()
    }

    /// Sends text.
    ///
    /// # Errors
    /// When the socket has ended.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(text.len() + 14);
        put_frame(&mut bytes, TEXT, text.as_bytes());
        self.stream.write_all(&bytes)
    }

    /// Waits for bytes, at most `bound`, and hands out text messages. False at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing came in time.
    pub fn read(&mut self, bound: std::time::Duration, mut each: impl FnMut(&[u8])) -> io::Result<bool> {
        self.stream.set_read_timeout(Some(bound))?;
        let (stream, mut pong, mut closed) = (&mut self.stream, Vec::new(), false);
        let open = self.partial.read(
            &mut self.scratch,
            |buffer| stream.read(buffer),
            |opcode, payload| match opcode {
                TEXT => each(payload),
                PING => put_frame(&mut pong, PONG, payload),
                CLOSE => closed = true,
                _ => {}
            },
        )?;
        if !pong.is_empty() {
            self.stream.write_all(&pong)?;
        }
        Ok(open && !closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let mut stream = Vec::new();
        for length in [0_usize, 5, 125, 126, 70_000] {
            let payload = vec![7; length];
            let mut head = vec![0x82];
            match length {
                0..=125 => head.push(u8::try_from(length).unwrap()),
                126..=0xffff => {
                    head.push(126);
                    head.extend(u16::try_from(length).unwrap().to_be_bytes());
                }
                _ => {
                    head.push(127);
                    head.extend((length as u64).to_be_bytes());
                }
            }
            stream.extend(head);
            stream.extend(payload);
        }
        for step in [1, 2, 3, 1_000, 65_536] {
            let (mut partial, mut scratch, mut lengths) = (Partial::default(), Vec::new(), Vec::new());
            for chunk in stream.chunks(step) {
                let read = |buffer: &mut [u8]| {
                    buffer[..chunk.len()].copy_from_slice(chunk);
                    Ok(chunk.len())
                };
                assert!(partial.read(&mut scratch, read, |_, payload| lengths.push(payload.len())).unwrap());
            }
            assert_eq!(lengths, [0, 5, 125, 126, 70_000], "{step}");
        }
    }

    #[test]
    fn masked_or_fragmented_frames_are_refused() {
        assert!(frame(&[0x02, 0x01, 0]).is_err());
        assert!(frame(&[0x82, 0x81, 0, 0, 0, 0, 0]).is_err());
        assert!(frame(&[0x82]).unwrap().is_none());
    }
}
