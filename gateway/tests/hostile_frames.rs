//! Every malformed frame or message ends with its close code, or its numbered error, and a clean end of the stream,
//! however its bytes are cut, beside a healthy client.

mod support;

use futures_util::stream::{StreamExt, iter};
use std::net::SocketAddr;
use support::apart::{Apart, Healthy, clients};
use support::peer::{
    Asked, BINARY, CLOSE, CONT, Frame, HELLO, NO_CODE, Nothing, PING, PONG, Peer, TEXT, frame, part,
};

/// Sessions under way at a time.
const AT_A_TIME: usize = 32;

/// How often all cases are run: the healthy client beside them is to be asked often.
const ROUNDS: usize = 5;

struct Case {
    name: String,
    bytes: Vec<u8>,
    code: u16,
}

/// Collects cases.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>, code: u16) {
        self.0.push(Case { name: name.into(), bytes: bytes.into(), code });
    }

    fn one(&mut self, name: impl Into<String>, frame: Frame<'_>, code: u16) {
        self.add(name, frame.bytes(), code);
    }
}

fn heads(cases: &mut Cases) {
    let any = Frame::default();
    for reserved in 1..8 {
        let frame = Frame { payload: b"{}", reserved, ..any };
        cases.one(format!("reserved bits {reserved}"), frame, 1002);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.one(format!("opcode {opcode}"), Frame { opcode, ..any }, 1002);
    }
    for opcode in [CONT, TEXT, BINARY, CLOSE, PING, PONG] {
        cases.one(format!("unmasked {opcode}"), Frame { opcode, masked: false, ..any }, 1002);
    }
    for opcode in [CLOSE, PING, PONG] {
        let long = [&[3, 232][..], &[b'x'; 124]].concat();
        cases.one(format!("long control {opcode}"), Frame { opcode, payload: &long, ..any }, 1002);
        cases.one(format!("cut control {opcode}"), Frame { opcode, fin: false, ..any }, 1002);
        let huge = Frame { opcode, size: Some(8), claim: Some(1 << 40), ..any };
        cases.one(format!("control {opcode} claims 2^40"), huge, 1002);
    }
    let two = Frame { opcode: PING, payload: b"ab", size: Some(2), ..any };
    cases.one("control with a two-byte length", two, 1002);
    for (size, len) in [(2, 5), (2, 125), (8, 5), (8, 65_535)] {
        let payload = vec![b'x'; len];
        let frame = Frame { payload: &payload, size: Some(size), ..any };
        cases.one(format!("{size}-byte length of {len}"), frame, 1002);
    }
    for (claim, code) in [
        (1 << 63, 1002),
        (u64::MAX, 1002),
        ((1 << 63) - 1, 1009),
        (1 << 40, 1009),
        (16 << 20, 1009),
        (65_537, 1009),
    ] {
        let frame = Frame { size: Some(8), claim: Some(claim), ..any };
        cases.one(format!("length {claim}"), frame, code);
    }
    cases.add("HTTP on a socket", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1002);
    cases.add("zeros", [0; 100], 1002);
    cases.add("ones", [0xff; 100], 1002);
}

fn fragments(cases: &mut Cases) {
    cases.add("continuation of nothing", frame(CONT, b"x"), 1002);
    cases.add("unfinished continuation of nothing", part(CONT, b"x"), 1002);
    cases.add("text in a text", [part(TEXT, b"a"), frame(TEXT, b"b")].concat(), 1002);
    cases.add("binary in a text", [part(TEXT, b"a"), frame(BINARY, b"b")].concat(), 1002);
    let half = vec![b' '; 40_000];
    cases.add("fragments above the limit", [part(TEXT, &half), frame(CONT, &half)].concat(), 1009);
    let many = [part(TEXT, b"{"), part(CONT, b" ").repeat(70)].concat();
    cases.add("more than 64 fragments", many, 1008);
    let empty = [part(TEXT, b""), part(CONT, b"").repeat(5_000)].concat();
    cases.add("empty fragments without end", empty, 1008);
    let pinging = [part(CONT, b""), frame(PING, b"p")].concat();
    cases.add("pings between fragments without end", [part(TEXT, b""), pinging.repeat(70)].concat(), 1008);
    cases.add("binary", frame(BINARY, b"x"), 1003);
    cases.add("binary in pieces", [part(BINARY, b"x"), frame(CONT, b"y")].concat(), 1003);
    cases.add("close in a message", [part(TEXT, b"a"), frame(CLOSE, &[3, 232])].concat(), 1000);
}

fn texts(cases: &mut Cases) {
    for (name, text) in [
        ("FF", &b"\xff\xfe"[..]),
        ("overlong", b"\xc0\xaf"),
        ("surrogate", b"\xed\xa0\x80"),
        ("above U+10FFFF", b"\xf4\x90\x80\x80"),
        ("cut character at the end", b"\xe2\x82"),
        ("lone continuation byte", b"{\x80}"),
    ] {
        cases.add(format!("text: {name}"), frame(TEXT, text), 1007);
    }
    cases.add("text cut over fragments", [part(TEXT, b"\xe2"), frame(CONT, b"\x82")].concat(), 1007);
    cases.add("bad second fragment, no end", [part(TEXT, b"ok"), part(CONT, b"\xff")].concat(), 1007);
    let unfinished = Frame { payload: &[0xff; 9], claim: Some(100), ..Frame::default() };
    cases.one("bad bytes of an unfinished frame", unfinished, 1007);
    let behind_ping = [part(TEXT, b"a"), frame(PING, b"p"), frame(CONT, b"\xff")].concat();
    cases.add("bad text behind a ping inside", behind_ping, 1007);
}

fn closes(cases: &mut Cases) {
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999_u16] {
        cases.add(format!("close {code}"), frame(CLOSE, &code.to_be_bytes()), code);
    }
    cases.add("close with words", frame(CLOSE, b"\x0b\xb8bye"), 3000);
    cases.add("close without a code", frame(CLOSE, b""), NO_CODE);
    cases.add("close of one byte", frame(CLOSE, b"\x03"), 1002);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535_u16] {
        cases.add(format!("close code {code}"), frame(CLOSE, &code.to_be_bytes()), 1002);
    }
    cases.add("close with bad text", frame(CLOSE, b"\x03\xe8\xff"), 1007);
    let behind = [frame(CLOSE, b"\x03\xe8"), frame(BINARY, b"x"), frame(TEXT, b"\xff")].concat();
    cases.add("nothing is read behind a close", behind, 1000);
    cases.add("a fault is told behind pings", [frame(PING, b"a").repeat(20), frame(3, b"")].concat(), 1002);
}

fn floods(cases: &mut Cases) {
    cases.add("20 bad JSON", frame(TEXT, b"nope").repeat(25), 1008);
    cases.add("too many messages", frame(TEXT, br#"{"op":"ping"}"#).repeat(1_000), 4429);
    cases.add("too many hellos", frame(TEXT, HELLO).repeat(1_000), 4429);
    cases.add("too many orders", frame(TEXT, br#"{"op":"order.new"}"#).repeat(1_000), 4429);
}

fn all() -> Vec<Case> {
    let mut cases = Cases::default();
    heads(&mut cases);
    fragments(&mut cases);
    texts(&mut cases);
    closes(&mut cases);
    floods(&mut cases);
    cases.0
}

/// How the bytes of a case reach the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    AtOnce,
    WithTheHandshake,
    InPieces,
}

/// Runs a case; the answer is what was wrong.
async fn judge(address: SocketAddr, case: &Case, way: Way) -> Option<String> {
    let mut peer = Peer::connect(address, None).await;
    let mut bytes = [&frame(TEXT, HELLO)[..], &case.bytes].concat();
    if way == Way::WithTheHandshake {
        bytes = [Asked::of(&address.to_string()).bytes(), bytes].concat();
        peer.send(&bytes).await;
        assert_eq!(peer.status().await, Ok(101));
    } else {
        assert_eq!(peer.upgrade(address).await, Ok(101));
        let piece = if way == Way::InPieces { bytes.len() / 11 + 1 } else { bytes.len() };
        for piece in bytes.chunks(piece) {
            peer.send(piece).await;
            tokio::task::yield_now().await;
        }
    }
    let code = peer.close_code().await;
    if code != Ok(case.code) {
        return Some(format!("{} {way:?}: {code:?}, not {}", case.name, case.code));
    }
    let (_, end) = peer.rest().await;
    (end != Nothing::Ended).then(|| format!("{} {way:?}: the stream ends with {end:?}", case.name))
}

#[test]
fn every_bad_frame_has_its_close_code() {
    let gateway = Apart::start(&[]);
    clients(async {
        let address = gateway.address;
        let healthy = Healthy::start(address);
        healthy.answered().await;
        let cases = all();
        assert!(cases.len() >= 90, "{}", cases.len());
        for way in [Way::AtOnce, Way::WithTheHandshake, Way::InPieces].repeat(ROUNDS) {
            let judged = iter(cases.iter().map(|case| judge(address, case, way))).buffer_unordered(AT_A_TIME);
            let wrong: Vec<String> = judged.filter_map(std::future::ready).collect().await;
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
        healthy.stop().await;
        gateway.stop().await;
    });
}

#[test]
fn a_flood_of_frames_that_need_no_answer_holds_nobody_up() {
    let gateway = Apart::start(&[]);
    clients(async {
        let healthy = Healthy::start(gateway.address);
        healthy.answered().await;
        let mut flooder = Peer::session(gateway.address).await;
        let pongs = frame(PONG, &[b'x'; 125]).repeat(8_192);
        for _ in 0..256 {
            assert!(flooder.send(&pongs).await);
        }
        drop(flooder);
        healthy.stop().await;
        gateway.stop().await;
    });
}

/// Texts that are answered with an error, and end nothing.
fn answered() -> Vec<(&'static str, String, &'static str)> {
    let deep = "[".repeat(60_000);
    let deep_objects = r#"{"a":"#.repeat(10_000);
    vec![
        ("empty", String::new(), "bad_json"),
        ("no JSON", "nope".to_owned(), "bad_json"),
        ("no object", "[]".to_owned(), "bad_json"),
        ("two values", r#"{"op":"ping"}{"op":"ping"}"#.to_owned(), "bad_json"),
        ("deep arrays without end", deep.clone(), "bad_json"),
        ("deep arrays", format!("{deep}{}", "]".repeat(5_000)), "bad_json"),
        ("deep objects", deep_objects, "bad_json"),
        (
            "depth in a field",
            format!(r#"{{"op":"ping","t":{}1{}}}"#, &deep[..5_000], "]".repeat(5_000)),
            "bad_json",
        ),
        ("NUL", "\0".to_owned(), "bad_json"),
        ("byte order mark", "\u{feff}{\"op\":\"ping\"}".to_owned(), "bad_json"),
        ("number cut off", r#"{"op":"ping","t":1e}"#.to_owned(), "bad_json"),
        ("not a number", r#"{"op":"ping","t":NaN}"#.to_owned(), "bad_json"),
        ("unknown op", r#"{"op":"dance"}"#.to_owned(), "unknown_op"),
        ("op missing", "{}".to_owned(), "unknown_op"),
        ("op a number", r#"{"op":7}"#.to_owned(), "unknown_op"),
        ("op in another case", r#"{"op":"PING"}"#.to_owned(), "unknown_op"),
        ("key twice", r#"{"op":"ping","t":1,"t":2}"#.to_owned(), "duplicate_key"),
        ("key twice, once escaped", r#"{"op":"ping","t":1,"\u0074":2}"#.to_owned(), "duplicate_key"),
        ("key twice, unknown", r#"{"op":"ping","x":1,"x":2}"#.to_owned(), "duplicate_key"),
        ("negative", r#"{"op":"ping","t":-1}"#.to_owned(), "bad_field"),
        ("fraction", r#"{"op":"ping","t":1.5}"#.to_owned(), "bad_field"),
        ("exponent", r#"{"op":"ping","t":1e3}"#.to_owned(), "bad_field"),
        ("above 2^53", r#"{"op":"ping","t":9007199254740992}"#.to_owned(), "bad_field"),
        ("unknown field", r#"{"op":"ping","colour":1}"#.to_owned(), "bad_field"),
        ("foreign field", r#"{"op":"ping","price":"1"}"#.to_owned(), "bad_field"),
        ("hello again", r#"{"op":"hello"}"#.to_owned(), "already_welcome"),
        (
            "unknown channel",
            r#"{"op":"subscribe","channel":"weather","symbols":["A"]}"#.to_owned(),
            "unknown_channel",
        ),
        (
            "CRLF in a symbol",
            r#"{"op":"subscribe","channel":"quote","symbols":["A\r\nB"]}"#.to_owned(),
            "bad_field",
        ),
        ("order without an account", ORDER.to_owned(), "no_account"),
        ("quantity a number", ORDER.replace(r#""0.5""#, "0.5"), "bad_field"),
        ("quantity with an exponent", ORDER.replace("0.5", "1e5"), "bad_field"),
        ("quantity with a separator", ORDER.replace("0.5", "1_000"), "bad_field"),
        ("quantity too large", ORDER.replace("0.5", "9007199254740992"), "bad_field"),
        ("price empty", ORDER.replace("1.00", ""), "bad_field"),
    ]
}

const ORDER: &str = r#"{"op":"order.new","id":3,"cl_ord_id":"c-1","symbol":"A.X","side":"buy","type":"limit","qty":"0.5","price":"1.00","tif":"gtc"}"#;

#[test]
fn every_bad_message_has_its_error_and_ends_nothing() {
    let gateway = Apart::start(&[]);
    clients(async {
        for (name, text, code) in answered() {
            let mut peer = Peer::session(gateway.address).await;
            peer.send(&frame(TEXT, text.as_bytes())).await;
            let error = peer.until(&["error", "pong"]).await.unwrap();
            assert_eq!(error["code"], code, "{name}: {error}");
            peer.send(&frame(TEXT, br#"{"op":"ping","t":5}"#)).await;
            assert_eq!(peer.until(&["error", "pong"]).await.unwrap()["t"], 5, "{name}");
        }
        let mut early = Peer::connect(gateway.address, None).await;
        assert_eq!(early.upgrade(gateway.address).await, Ok(101));
        early.send(&frame(TEXT, br#"{"op":"ping"}"#)).await;
        assert_eq!(early.until(&["error", "pong"]).await.unwrap()["code"], "hello_first");
        drop(early);
        gateway.stop().await;
    });
}
