//! Bad input on a live gateway: a numbered error or the right close code, and nobody else notices.

use crate::{ask, message, nats, read_until, shows_quote, start, subscribed};
use bench::harness::{Options, get, until};
use bench::load::lean;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tickgate_client::{Channel, Client, Form, Message, Request};

const BOUND: Duration = Duration::from_secs(5);

async fn refused(client: &mut Client, text: &str) -> String {
    client.send_text(text).await.unwrap();
    read_until(client, text, BOUND, |_, event| match message(event) {
        Some(Message::Error(refusal)) => Some(refusal.code.clone()),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_get_numbered_errors_and_end_nothing_else() {
    if !nats() {
        return;
    }
    let (_alone, stack) = start(Options::simulator(20, 1_000)).await;
    let mut client = Client::connect(&stack.address, Form::Compact).await.unwrap();
    client.hello(None, Some("A1")).await.unwrap();
    let deep = format!(r#"{{"op":"ping","t":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let order = |field: &str| {
        format!(
            r#"{{"op":"order.new","id":1,"cl_ord_id":"bad-1","symbol":"X.SIM","side":"buy","type":"limit","tif":"gtc",{field}}}"#
        )
    };
    for (text, code) in [
        ("not json".to_owned(), "bad_json"),
        ("[1]".to_owned(), "bad_json"),
        (deep, "bad_json"),
        (r#"{"op":"dance","id":1}"#.to_owned(), "unknown_op"),
        (r#"{"id":1}"#.to_owned(), "unknown_op"),
        (r#"{"op":"ping","op":"ping"}"#.to_owned(), "duplicate_key"),
        (r#"{"op":"ping","colour":1}"#.to_owned(), "bad_field"),
        (
            r#"{"op":"subscribe","channel":"quote","symbols":["*"],"interval_ms":7}"#.to_owned(),
            "bad_interval",
        ),
        (r#"{"op":"subscribe","channel":"soup","symbols":["*"]}"#.to_owned(), "unknown_channel"),
        (r#"{"op":"hello","id":1}"#.to_owned(), "already_welcome"),
        (order(r#""qty":1,"price":"1""#), "bad_field"),
        (order(r#""qty":"1e5","price":"1""#), "bad_field"),
        (order(r#""qty":"1_000","price":"1""#), "bad_field"),
        (order(r#""qty":"1","price":"1","cancel_on_disconnect":true"#), "not_supported_yet"),
    ] {
        assert_eq!(refused(&mut client, &text).await, code, "{text}");
    }
    let id = client.subscribe(Channel::Quote, &["NOPE.SIM", "*"], 50).await.unwrap();
    let (joined, refused) = read_until(&mut client, "subscribed", BOUND, |_, event| match message(event) {
        Some(Message::Subscribed(part)) if part.id == Some(id) => {
            Some((part.symbols.len(), part.rejected.first().map(|one| one.code.clone())))
        }
        _ => None,
    })
    .await;
    assert_eq!((joined, refused), (20, Some("unknown_symbol".to_owned())));
    read_until(&mut client, "quotes after all that", BOUND, |_, event| shows_quote(event).then_some(()))
        .await;
    assert!(client.identity_ok());
}

/// Shakes hands, says hello, writes bytes, and reads until the close code.
fn close_code(address: &str, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream.write_all(lean::handshake(address, Form::Compact).as_bytes()).unwrap();
    lean::read_answer(&mut stream).unwrap();
    let mut hello = Vec::new();
    lean::put_frame(&mut hello, lean::TEXT, br#"{"op":"hello","id":1}"#);
    stream.write_all(&hello).unwrap();
    // The gateway may close in the middle of this; the code below tells.
    let _ = stream.write_all(bytes);
    let (mut partial, mut scratch, mut code) = (lean::Partial::default(), Vec::new(), None);
    loop {
        let read = partial.read(
            &mut scratch,
            |buffer| stream.read(buffer),
            |opcode, payload| {
                if opcode == lean::CLOSE {
                    code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
                }
            },
        );
        if code.is_some() || !matches!(read, Ok(true)) {
            return code;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_frames_end_with_the_right_code_and_nobody_else_notices() {
    if !nats() {
        return;
    }
    let (_alone, mut stack) = start(Options::simulator(20, 1_000)).await;
    let (mut healthy, _) = subscribed(&stack, &ask(Form::Compact, 50, "*")).await;
    let framed = |opcode: u8, payload: &[u8]| {
        let mut bytes = Vec::new();
        lean::put_frame(&mut bytes, opcode, payload);
        bytes
    };
    let unmasked = vec![0x81, 2, b'{', b'}'];
    let mut reserved = framed(lean::TEXT, b"{}");
    reserved[0] |= 0x40;
    let mut fragments = framed(lean::TEXT, b"{");
    fragments[0] = 0x01;
    for _ in 0..20_000 {
        fragments.extend([0x00, 0x81, 0, 0, 0, 0, b' ']);
    }
    let orphan = framed(0, b"late");
    let cases = [
        ("oversized", framed(lean::TEXT, &vec![b' '; 70_000]), vec![1009]),
        ("unmasked", unmasked, vec![1002]),
        ("reserved bit", reserved, vec![1002]),
        ("fragments without end", fragments, vec![1008, 1009]),
        ("continuation of nothing", orphan, vec![1002]),
        ("not UTF-8", framed(lean::TEXT, &[0xff, 0xfe]), vec![1007]),
        ("binary", framed(lean::BINARY, b"x"), vec![1003]),
        ("unknown opcode", framed(3, b""), vec![1002]),
        ("long ping", framed(lean::PING, &[0; 126]), vec![1002]),
        ("goodbye", framed(lean::CLOSE, &[3, 0xe8]), vec![1000]),
    ];
    let address = stack.address.clone();
    let codes = tokio::task::spawn_blocking(move || {
        cases.map(|(name, bytes, expected)| (name, close_code(&address, &bytes), expected))
    });
    for (name, code, expected) in codes.await.unwrap() {
        assert!(
            code.is_some_and(|code| expected.contains(&code)),
            "{name}: {code:?}, not one of {expected:?}"
        );
    }
    let id = healthy.id();
    healthy.request(&Request::Ping { id, t: 7 }).await.unwrap();
    read_until(&mut healthy, "a pong", BOUND, |_, event| {
        matches!(message(event), Some(Message::Pong(pong)) if pong.t == Some(7)).then_some(())
    })
    .await;
    assert!(healthy.identity_ok() && stack.gateway.running());
    assert_eq!(healthy.counts().gaps, 0);
    assert!(!stack.gateway.log().contains("panicked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_polls_the_snapshot_gets_the_present_state() {
    if !nats() {
        return;
    }
    let (_alone, stack) = start(Options { orders: false, ..Options::simulator(20, 2_000) }).await;
    let poll = async || {
        let body = get(&stack.address, "/v1/snapshot").await.ok()?.body;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let symbols = body["symbols"].as_array().unwrap();
        assert_eq!(symbols.len(), 20);
        let fresh = |symbol: &serde_json::Value| symbol["quote"]["state"] != "stale";
        (symbols.iter().all(fresh) && body["watermark_us"].is_number()).then_some(())
    };
    assert!(poll().await.is_none(), "nobody wanted these shards before");
    until("a snapshot that is fresh", BOUND, poll).await.unwrap();
}
