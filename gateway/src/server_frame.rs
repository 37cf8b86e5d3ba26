//! WebSocket frames as a server writes them: whole, unmasked, one after the other in a buffer (RFC 6455, 5.2).

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
