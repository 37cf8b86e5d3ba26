//! Judges the heads of frames that a client sends (RFC 6455, 5.2), by the first byte that shows a fault. Pure.

use wire::close::CloseReason;

/// What a frame's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Whether it ends its message.
    pub fin: bool,
    /// 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// Payload length.
    pub len: usize,
    /// Mask of the payload.
    pub mask: [u8; 4],
    /// Bytes of the head itself.
    pub bytes: usize,
}

impl Head {
    /// Whether it is a control frame.
    #[must_use]
    pub const fn is_control(&self) -> bool {
        self.opcode & 8 != 0
    }
}

/// Bounds of what a client may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest message, all fragments together.
    pub message_bytes: usize,
    /// Most fragments of a message.
    pub fragments: u32,
}

/// What stands before the next head: whether a message is begun, and how much of it there is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Order {
    /// A fragmented message is open.
    pub open: bool,
    /// Its bytes so far.
    pub bytes: usize,
    /// Its fragments so far.
    pub fragments: u32,
}

/// Longest head of a masked frame.
pub const HEAD_BYTES_MAX: usize = 14;

impl Order {
    /// Reads a head; `None` = more bytes are needed. Nothing is kept, so that it can be asked again with more.
    ///
    /// # Errors
    /// The close reason that ends the connection.
    pub fn head(&self, bytes: &[u8], limits: &Limits) -> Result<Option<Head>, CloseReason> {
        let Some(first) = bytes.first() else { return Ok(None) };
        let (fin, reserved, opcode) = (first & 0x80 != 0, first & 0x70 != 0, first & 0x0f);
        let control = opcode & 8 != 0;
        if reserved || !matches!(opcode, 0..=2 | 8..=10) || (control && !fin) {
            return Err(CloseReason::Protocol);
        }
        if !control && (opcode == 0) != self.open {
            return Err(CloseReason::Protocol);
        }
        let Some(second) = bytes.get(1) else { return Ok(None) };
        let short = usize::from(second & 0x7f);
        if second & 0x80 == 0 || (control && short > 125) {
            return Err(CloseReason::Protocol);
        }
        let extra = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(long) = bytes.get(2..2 + extra) else { return Ok(None) };
        let len = if extra == 0 { short as u64 } else { long.iter().fold(0, |n, b| n << 8 | u64::from(*b)) };
        if (extra == 2 && len < 126) || (extra == 8 && (len <= 0xffff || len >> 63 != 0)) {
            return Err(CloseReason::Protocol);
        }
        let len = usize::try_from(len).map_err(|_| CloseReason::TooBig)?;
        if !control {
            if len > limits.message_bytes.saturating_sub(self.bytes) {
                return Err(CloseReason::TooBig);
            }
            if self.fragments >= limits.fragments {
                return Err(CloseReason::Policy);
            }
        }
        let Some(mask) = bytes.get(2 + extra..6 + extra) else { return Ok(None) };
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        Ok(Some(Head { fin, opcode, len, mask, bytes: 6 + extra }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { message_bytes: 65_536, fragments: 4 };

    #[test]
    fn a_fault_is_told_by_the_first_byte_that_shows_it() {
        let fresh = Order::default();
        let open = Order { open: true, bytes: 65_530, fragments: 1 };
        for (order, bytes, reason) in [
            (fresh, &[0xc1][..], CloseReason::Protocol),
            (fresh, &[0x83], CloseReason::Protocol),
            (fresh, &[0x09], CloseReason::Protocol),
            (fresh, &[0x80], CloseReason::Protocol),
            (open, &[0x81], CloseReason::Protocol),
            (fresh, &[0x81, 0x05], CloseReason::Protocol),
            (fresh, &[0x89, 0xfe], CloseReason::Protocol),
            (fresh, &[0x81, 0xfe, 0, 125], CloseReason::Protocol),
            (fresh, &[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], CloseReason::Protocol),
            (fresh, &[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], CloseReason::Protocol),
            (fresh, &[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1], CloseReason::TooBig),
            (open, &[0x80, 0x87], CloseReason::TooBig),
            (Order { fragments: 4, open: true, bytes: 0 }, &[0x80, 0x81], CloseReason::Policy),
        ] {
            assert_eq!(order.head(bytes, &LIMITS), Err(reason), "{bytes:x?}");
            for end in 0..bytes.len() {
                assert_eq!(order.head(&bytes[..end], &LIMITS), Ok(None), "{bytes:x?} cut at {end}");
            }
        }
    }
}
