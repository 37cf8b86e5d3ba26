//! Server-sent events as a server writes them: one event a chunk of HTTP/1.1, one after the other in a buffer (WHATWG
//! HTML, 9.2; RFC 9112, 7.1). Pure.

use wire::frame::json::integer;

/// What a stream begins with: a browser that lost it comes again after a second.
pub const GREETING: &[u8] = b"000d\r\nretry: 1000\n\n\r\n";

/// What every message begins with.
const OP: &[u8] = b"{\"op\":\"";

/// What the member with a client's place in the stream begins with, and the event in which it may stand.
const CURSOR: &[u8] = b"\"cursor\":\"";
const HEARTBEAT: &[u8] = b"heartbeat";

/// Makes an event of the JSON message that begins at `at`, behind room for four bytes: its name is the message's `op`, its
/// id a heartbeat's `cursor`. A message holds no line break, since JSON escapes them.
#[inline]
pub fn end_event(out: &mut Vec<u8>, at: usize) {
    let end = out.len();
    let name = at + OP.len()..at + OP.len() + text_len(&out[at..], OP.len());
    let is_heartbeat = &out[name.clone()] == HEARTBEAT;
    out.extend_from_slice(b"\r\nevent: ");
    out.extend_from_within(name);
    if is_heartbeat && let Some(id) = out[at..end].windows(CURSOR.len()).position(|part| part == CURSOR) {
        let from = id + CURSOR.len();
        let len = text_len(&out[at..end], from);
        out.extend_from_slice(b"\nid: ");
        out.extend_from_within(at + from..at + from + len);
    }
    out.extend_from_slice(b"\ndata: ");
    let head = out.len() - end;
    out[at..].rotate_right(head);
    out.extend_from_slice(b"\n\n");
    let chunk = out.len() - at - 2; // the size stands before the first line break
    out.extend_from_slice(b"\r\n");
    put_size(out, at - 4, chunk);
}

/// The last event, and the end of the body. `payload` is that of a close frame: the code, and its word.
pub fn put_close(out: &mut Vec<u8>, payload: &[u8]) {
    let (code, word) = payload.split_first_chunk::<2>().unwrap_or((&[0; 2], b""));
    out.extend_from_slice(&[0; 4]);
    let at = out.len();
    out.extend_from_slice(b"{\"op\":\"close\",\"code\":");
    integer(out, u16::from_be_bytes(*code).into());
    out.extend_from_slice(b",\"reason\":\"");
    out.extend_from_slice(word);
    out.extend_from_slice(b"\"}");
    end_event(out, at);
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Length of the text that begins at `from`: up to its closing quote. What is read here is written without escapes.
fn text_len(message: &[u8], from: usize) -> usize {
    message.iter().skip(from).position(|byte| *byte == b'"').unwrap_or(0)
}

/// Writes a chunk's size into the four bytes at `start`; a longer one makes room for itself.
fn put_size(out: &mut Vec<u8>, start: usize, size: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits: [u8; 16] = std::array::from_fn(|nth| DIGITS[size >> (4 * (15 - nth)) & 15]);
    if size <= 0xffff {
        out[start..start + 4].copy_from_slice(&digits[12..]);
    } else {
        out.splice(start..start + 4, digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> String {
        let mut out = b"before".to_vec();
        out.extend_from_slice(&[0; 4]);
        let at = out.len();
        out.extend_from_slice(message.as_bytes());
        end_event(&mut out, at);
        String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
    }

    /// The one chunk that a text is.
    fn chunk(text: &str) -> &str {
        let (size, rest) = text.split_once("\r\n").unwrap();
        let body = rest.strip_suffix("\r\n").unwrap();
        assert_eq!(usize::from_str_radix(size, 16).unwrap(), body.len(), "{text}");
        body
    }

    #[test]
    fn a_message_becomes_one_event_in_one_chunk() {
        let message = r#"{"op":"quotes","frame":1,"data":[{"id":7,"cursor":"no"}]}"#;
        assert_eq!(chunk(&event(message)), format!("event: quotes\ndata: {message}\n\n"));
        assert_eq!(chunk(std::str::from_utf8(GREETING).unwrap()), "retry: 1000\n\n");
    }

    #[test]
    fn a_heartbeats_cursor_is_the_events_id() {
        let with = r#"{"op":"heartbeat","t_us":5,"cursor":"a1.b-2_","hash":null}"#;
        assert_eq!(chunk(&event(with)), format!("event: heartbeat\nid: a1.b-2_\ndata: {with}\n\n"));
        let without = r#"{"op":"heartbeat","t_us":5}"#;
        assert_eq!(chunk(&event(without)), format!("event: heartbeat\ndata: {without}\n\n"));
    }

    #[test]
    fn every_length_has_its_size() {
        for len in [0, 1, 900, 65_400, 65_480, 65_500, 65_536, 1 << 20] {
            let message = format!(r#"{{"op":"x","t":"{}"}}"#, "y".repeat(len));
            assert_eq!(chunk(&event(&message)), format!("event: x\ndata: {message}\n\n"), "{len}");
        }
    }

    #[test]
    fn a_goodbye_ends_the_body() {
        let mut out = Vec::new();
        put_close(&mut out, b"\x03\xe9going_away");
        let text = String::from_utf8(out).unwrap();
        let event = chunk(text.strip_suffix("0\r\n\r\n").unwrap());
        assert_eq!(
            event,
            "event: close\ndata: {\"op\":\"close\",\"code\":1001,\"reason\":\"going_away\"}\n\n"
        );
    }
}
