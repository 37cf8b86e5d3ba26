//! WebSocket frames as a server writes them: whole, unmasked, one after the other in a buffer (RFC 6455, 5.2); and the
//! choice between them and server-sent events.

use crate::event_frame;

/// Text frame.
pub const OPCODE_TEXT: u8 = 1;
/// Binary frame.
pub const OPCODE_BINARY: u8 = 2;
/// Close frame.
pub const OPCODE_CLOSE: u8 = 8;
/// Ping frame.
pub const OPCODE_PING: u8 = 9;
/// Pong frame.
pub const OPCODE_PONG: u8 = 10;

/// What a session's messages stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// WebSocket frames.
    WebSocket,
    /// Server-sent events: texts and the goodbye only.
    Events,
}

impl Framing {
    /// Ends the message that [`begin_frame`] began; its payload begins at `at`.
    #[inline]
    pub fn end(self, out: &mut Vec<u8>, at: usize, opcode: u8) {
        match self {
            Self::WebSocket => end_frame(out, at, opcode),
            Self::Events => event_frame::end_event(out, at),
        }
    }

    /// Appends one text.
    pub fn put_text(self, out: &mut Vec<u8>, text: &[u8]) {
        let at = begin_frame(out);
        out.extend_from_slice(text);
        self.end(out, at, OPCODE_TEXT);
    }

    /// Appends the goodbye with a close frame's payload.
    pub fn put_close(self, out: &mut Vec<u8>, payload: &[u8]) {
        match self {
            Self::WebSocket => put_frame(out, OPCODE_CLOSE, payload),
            Self::Events => event_frame::put_close(out, payload),
        }
    }

    /// One text on its own.
    #[must_use]
    pub fn text(self, text: &[u8]) -> Box<[u8]> {
        let mut out = Vec::with_capacity(text.len() + 64);
        self.put_text(&mut out, text);
        out.into_boxed_slice()
    }
}

/// Appends one frame.
pub fn put_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    let at = begin_frame(out);
    out.extend_from_slice(payload);
    end_frame(out, at, opcode);
}

/// One frame on its own.
#[must_use]
pub fn framed(opcode: u8, payload: &[u8]) -> Box<[u8]> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    put_frame(&mut out, opcode, payload);
    out.into_boxed_slice()
}

/// Leaves room for the usual head; the payload is appended behind it.
#[inline]
pub fn begin_frame(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; 4]);
    out.len()
}

/// Writes the head in front of the payload that begins at `at`. Between 126 and 65,535 bytes nothing moves.
#[inline]
pub fn end_frame(out: &mut Vec<u8>, at: usize, opcode: u8) {
    let len = out.len() - at;
    let start = at - 4;
    out[start] = 0x80 | opcode;
    match u16::try_from(len) {
        Ok(len @ 0..=125) => {
            out[start + 1] = wire::cursor::low_byte(len.into());
            out.copy_within(at.., start + 2);
            out.truncate(start + 2 + usize::from(len));
        }
        Ok(len) => {
            out[start + 1] = 126;
            out[start + 2..at].copy_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            let head = (len as u64).to_be_bytes();
            out.splice(start + 1..at, std::iter::once(127).chain(head));
        }
    }
}
