//! Assembles messages from whatever a read brought, keeping only what is partial. Pure.
//!
//! A frame that is whole in the buffer is unmasked in place and handed out without a copy. What a head claims reserves
//! nothing; memory grows by what came and is given back with the message.

use crate::session::guard::{HEAD_BYTES_MAX, Head, Limits, Order};
use fastwebsockets::unmask;
use wire::close::CloseReason;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// UTF-8, checked.
    Text(&'a mut [u8]),
    /// Bytes.
    Binary(&'a mut [u8]),
    /// To be answered by a pong with the same payload.
    Ping(&'a [u8]),
    /// An answer to a ping.
    Pong,
    /// A goodbye; its payload is to be sent back.
    Close(&'a [u8]),
}

/// One connection's reading state.
#[derive(Debug, Default)]
pub struct Reader {
    order: Order,
    carry: [u8; HEAD_BYTES_MAX],
    carried: usize,
    frame: Option<(Head, usize)>,
    parts: Option<Box<Parts>>,
}

/// What is kept of a message or control frame that is not whole.
#[derive(Debug, Default)]
struct Parts {
    message: Vec<u8>,
    control: Vec<u8>,
    text: bool,
    checked: usize,
}

impl Reader {
    /// Whether a frame or message is begun and not ended.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.carried > 0 || self.frame.is_some() || self.order.open
    }

    /// Takes bytes as they came and hands out each whole message, in order.
    ///
    /// # Errors
    /// The reason that ends the connection; what was whole before it has been handed out.
    pub fn feed(
        &mut self,
        mut bytes: &mut [u8],
        limits: &Limits,
        each: &mut impl FnMut(Message<'_>) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        loop {
            if self.frame.is_none() {
                let Some((head, used)) = self.head(bytes, limits)? else { return Ok(()) };
                bytes = &mut bytes[used..];
                let unfragmented = head.fin && (head.is_control() || !self.order.open);
                if bytes.len() >= head.len && unfragmented {
                    let (payload, rest) = bytes.split_at_mut(head.len);
                    unmask(payload, head.mask);
                    whole(head.opcode, payload, each)?;
                    bytes = rest;
                    continue;
                }
                self.frame = Some((head, 0));
            }
            let Some((head, got)) = self.frame else { return Ok(()) };
            let count = bytes.len().min(head.len - got);
            let (part, rest) = bytes.split_at_mut(count);
            let mut mask = head.mask;
            mask.rotate_left(got & 3);
            unmask(part, mask);
            self.append(&head, got, part)?;
            bytes = rest;
            if got + count < head.len {
                self.frame = Some((head, got + count));
                return Ok(());
            }
            self.frame = None;
            self.finish(&head, each)?;
        }
    }

    /// The next head and the bytes of this feed that it took; `None` = it is kept until more comes.
    fn head(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<(Head, usize)>, CloseReason> {
        if self.carried == 0 {
            if let Some(head) = self.order.head(bytes, limits)? {
                return Ok(Some((head, head.bytes)));
            }
            self.carry[..bytes.len()].copy_from_slice(bytes);
            self.carried = bytes.len();
            return Ok(None);
        }
        let before = self.carried;
        let take = bytes.len().min(HEAD_BYTES_MAX - before);
        self.carry[before..before + take].copy_from_slice(&bytes[..take]);
        self.carried += take;
        let Some(head) = self.order.head(&self.carry[..self.carried], limits)? else { return Ok(None) };
        self.carried = 0;
        Ok(Some((head, head.bytes - before)))
    }

    fn append(&mut self, head: &Head, got: usize, part: &[u8]) -> Result<(), CloseReason> {
        let parts = self.parts.get_or_insert_default();
        if head.is_control() {
            parts.control.extend_from_slice(part);
            return Ok(());
        }
        if got == 0 && head.opcode != 0 {
            (parts.text, parts.checked) = (head.opcode == 1, 0);
        }
        parts.message.extend_from_slice(part);
        if parts.text { parts.check(false) } else { Ok(()) }
    }

    fn finish(
        &mut self,
        head: &Head,
        each: &mut impl FnMut(Message<'_>) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        let parts = self.parts.get_or_insert_default();
        if head.is_control() {
            let mut control = std::mem::take(&mut parts.control);
            if !self.order.open {
                self.parts = None;
            }
            return whole(head.opcode, &mut control, each);
        }
        if !head.fin {
            self.order.open = true;
            self.order.fragments += 1;
            self.order.bytes += head.len;
            return Ok(());
        }
        self.order = Order::default();
        let Some(mut parts) = self.parts.take() else { return Ok(()) };
        if parts.text {
            parts.check(true)?;
            return each(Message::Text(&mut parts.message));
        }
        each(Message::Binary(&mut parts.message))
    }
}

impl Parts {
    /// Checks what came since the last check. A character that is cut is a fault only at the end.
    fn check(&mut self, end: bool) -> Result<(), CloseReason> {
        match std::str::from_utf8(&self.message[self.checked..]) {
            Ok(_) => self.checked = self.message.len(),
            Err(error) if error.error_len().is_none() && !end => self.checked += error.valid_up_to(),
            Err(_) => return Err(CloseReason::BadText),
        }
        Ok(())
    }
}

fn whole(
    opcode: u8,
    payload: &mut [u8],
    each: &mut impl FnMut(Message<'_>) -> Result<(), CloseReason>,
) -> Result<(), CloseReason> {
    match opcode {
        1 => {
            if std::str::from_utf8(payload).is_err() {
                return Err(CloseReason::BadText);
            }
            each(Message::Text(payload))
        }
        2 => each(Message::Binary(payload)),
        8 => {
            check_close(payload)?;
            each(Message::Close(payload))
        }
        9 => each(Message::Ping(payload)),
        _ => each(Message::Pong),
    }
}

/// A close frame has no payload, or a code that may be sent and a UTF-8 reason (RFC 6455, 7.4).
fn check_close(payload: &[u8]) -> Result<(), CloseReason> {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() { Ok(()) } else { Err(CloseReason::Protocol) };
    };
    if !matches!(u16::from_be_bytes([*high, *low]), 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(CloseReason::Protocol);
    }
    if std::str::from_utf8(reason).is_err() { Err(CloseReason::BadText) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { message_bytes: 300, fragments: 5 };

    /// SplitMix64 (Steele, Lea, Flood 2014).
    struct Random(u64);
    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
        }
    }

    fn frame(random: &mut Random, out: &mut Vec<u8>) {
        let opcode = [0, 0, 1, 1, 1, 2, 8, 9, 10, 3][random.below(10)];
        let fin = random.below(3) > 0;
        let len = [0, 1, 3, 20, 125, 126, 200][random.below(7)];
        out.push(opcode | if fin { 0x80 } else { 0 } | if random.below(60) == 0 { 0x40 } else { 0 });
        if len < 126 {
            out.push(0x80 | u8::try_from(len).unwrap());
        } else {
            out.extend_from_slice(&[0x80 | 126, 0, u8::try_from(len).unwrap()]);
        }
        let mask: [u8; 4] = std::array::from_fn(|_| u8::try_from(random.below(256)).unwrap());
        out.extend_from_slice(&mask);
        let text = "aé€😀".repeat(60).into_bytes();
        let start = if random.below(4) == 0 { 1 } else { 0 };
        let mut payload = text[start..start + len].to_vec();
        if opcode == 8 && len >= 2 {
            payload[..2].copy_from_slice(&1000_u16.to_be_bytes());
        }
        unmask(&mut payload, mask);
        out.extend_from_slice(&payload);
    }

    fn read(stream: &[u8], mut cut: impl FnMut() -> usize) -> Vec<String> {
        let (mut reader, mut seen) = (Reader::default(), Vec::new());
        let mut rest = stream.to_vec();
        while !rest.is_empty() {
            let mut head: Vec<u8> = rest.drain(..cut().min(rest.len())).collect();
            let fed = reader.feed(&mut head, &LIMITS, &mut |message| {
                seen.push(format!("{message:?}"));
                Ok(())
            });
            if let Err(reason) = fed {
                seen.push(format!("{reason:?}"));
                break;
            }
        }
        seen
    }

    #[test]
    fn however_a_stream_is_cut_the_same_messages_come_out() {
        let mut random = Random(7);
        for _ in 0..30_000 {
            let mut stream = Vec::new();
            for _ in 0..1 + random.below(6) {
                frame(&mut random, &mut stream);
            }
            let whole = read(&stream, || usize::MAX);
            let ones = read(&stream, || 1);
            let pieces = read(&stream, || 1 + random.below(40));
            assert_eq!(whole, ones);
            assert_eq!(whole, pieces);
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = Random(9);
        for _ in 0..30_000 {
            let stream: Vec<u8> =
                (0..random.below(60)).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
            let whole = read(&stream, || usize::MAX);
            assert_eq!(whole, read(&stream, || 1));
        }
    }
}
