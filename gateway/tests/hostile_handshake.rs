//! Every malformed handshake ends with its HTTP status and a clean end of the stream, beside a healthy client.
//!
//! Statuses are those of RFC 9110, 9112 and 6455. Where hyper answers before the gateway sees a request they are its
//! own: 400 for `HTTP/2.0` in the first line (505 would do too), 431 for a head that is too long wherever it is long.

mod support;

use futures_util::stream::{StreamExt, iter};
use std::net::SocketAddr;
use support::apart::{Apart, Healthy, clients};
use support::peer::{Asked, HELLO, KEY, Nothing, Peer, TEXT, frame};

/// Handshakes under way at a time.
const AT_A_TIME: usize = 32;

/// How often all cases are run: the healthy client beside them is to be asked often.
const ROUNDS: usize = 10;

struct Case {
    name: String,
    bytes: Vec<u8>,
    status: u16,
}

/// Collects cases of one subject.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: impl Into<String>, asked: &Asked, status: u16) {
        self.raw(name, asked.bytes(), status);
    }

    fn raw(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>, status: u16) {
        self.0.push(Case { name: name.into(), bytes: bytes.into(), status });
    }
}

fn good(cases: &mut Cases, good: &Asked, host: &str) {
    cases.add("plain", good, 101);
    cases.raw("an empty line before it", [b"\r\n".to_vec(), good.bytes()].concat(), 101);
    cases.add("connection list", &good.clone().set("Connection", "keep-alive, Upgrade"), 101);
    cases.add("upgrade list", &good.clone().set("Upgrade", "h2c, websocket"), 101);
    cases.add("other case", &good.clone().set("Upgrade", "WebSocket").set("Connection", "upgrade"), 101);
    cases.add("lower-case names", &good.clone().without("Upgrade").with("upgrade", "websocket"), 101);
    cases.add("content-length 0", &good.clone().with("Content-Length", "0"), 101);
    cases.add("query", &good.clone().line("GET /ws?a=b HTTP/1.1"), 101);
    cases.add("absolute form", &good.clone().line(&format!("GET http://{host}/ws HTTP/1.1")), 101);
    cases.add("own origin", &good.clone().with("Origin", &format!("http://{host}")), 101);
    cases.add("loopback origin", &good.clone().with("Origin", "http://localhost:5173"), 101);
    cases.add("extension offered", &good.clone().with("Sec-WebSocket-Extensions", "permessage-deflate"), 101);
    let second = good.clone().with("Sec-WebSocket-Protocol", "chat, tickgate.v1.json");
    cases.add("subprotocol second in the list", &second, 101);
    cases.add("header of 15,000", &good.clone().with("X", &"x".repeat(15_000)), 101);
}

fn lines(cases: &mut Cases, good: &Asked) {
    for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "FOO", "get"] {
        cases.add(format!("method {method}"), &good.clone().line(&format!("{method} /ws HTTP/1.1")), 405);
    }
    cases.raw("CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", 405);
    cases.add("HTTP/1.0", &good.clone().line("GET /ws HTTP/1.0"), 505);
    cases.add("HTTP/2.0 in the line", &good.clone().line("GET /ws HTTP/2.0"), 400);
    cases.raw("HTTP/0.9", "GET /ws\r\n\r\n", 400);
    cases.raw("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    for path in ["/", "/nope", "/ws/", "//ws", "/../ws", "/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd"] {
        cases.add(format!("path {path}"), &good.clone().line(&format!("GET {path} HTTP/1.1")), 404);
    }
    cases.add("path with an escaped NUL", &good.clone().line("GET /ws%00 HTTP/1.1"), 404);
    cases.add("path with a bare space", &good.clone().line("GET /w s HTTP/1.1"), 400);
    cases.add("path without slash", &good.clone().line("GET ws HTTP/1.1"), 400);
    cases.add("path of 20,000", &good.clone().line(&format!("GET /{} HTTP/1.1", "a".repeat(20_000))), 431);
    cases.raw("TLS hello on the plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(8), 400);
    cases.raw("binary noise", (128..=255).collect::<Vec<u8>>().repeat(4), 400);
    let frame = frame(TEXT, HELLO);
    cases.raw("a frame without a handshake", [frame.clone(), frame].concat(), 400);
}

fn upgrades(cases: &mut Cases, good: &Asked) {
    let needed = [
        ("Host", 400),
        ("Upgrade", 426),
        ("Connection", 426),
        ("Sec-WebSocket-Key", 400),
        ("Sec-WebSocket-Version", 426),
    ];
    for (name, status) in needed {
        cases.add(format!("without {name}"), &good.clone().without(name), status);
    }
    cases.add("two hosts", &good.clone().with("Host", "other"), 400);
    cases.add("two keys", &good.clone().with("Sec-WebSocket-Key", KEY), 400);
    cases.add("two versions", &good.clone().with("Sec-WebSocket-Version", "13"), 426);
    for version in ["", "0", "8", "12", "14", "013", "abc", "13.0", "-13", "13, 8", "99999999999"] {
        cases.add(format!("version {version:?}"), &good.clone().set("Sec-WebSocket-Version", version), 426);
    }
    for upgrade in ["", "h2c", "websockets", "web socket", "websocket/13x"] {
        cases.add(format!("upgrade {upgrade:?}"), &good.clone().set("Upgrade", upgrade), 426);
    }
    for connection in ["", "keep-alive", "close", "upgraded", "Up grade"] {
        cases.add(format!("connection {connection:?}"), &good.clone().set("Connection", connection), 426);
    }
    let keys = [
        ("empty", String::new()),
        ("of 3 bytes", "YWJj".to_owned()),
        ("of 15 bytes", "eHh4eHh4eHh4eHh4eHh4".to_owned()),
        ("of 17 bytes", "eHh4eHh4eHh4eHh4eHh4eHg=".to_owned()),
        ("of 102 bytes", "eHh4".repeat(34)),
        ("of no base64", format!("{}==", "!".repeat(22))),
        ("without padding", KEY[..22].to_owned()),
        ("with half its padding", KEY[..23].to_owned()),
        ("with loose bits", format!("{}B==", &KEY[..21])),
        ("with an inner =", format!("={}", &KEY[1..])),
        ("of the URL alphabet", format!("{}==", "-_".repeat(11))),
    ];
    for (name, key) in keys {
        cases.add(format!("key {name}"), &good.clone().set("Sec-WebSocket-Key", &key), 400);
    }
    for name in ["chat", "", "caf\u{e9}", &",".repeat(500), "tickgate.v2.json", "TICKGATE.V1.JSON"] {
        cases.add(format!("subprotocol {name:?}"), &good.clone().with("Sec-WebSocket-Protocol", name), 400);
    }
}

fn origins(cases: &mut Cases, good: &Asked, host: &str) {
    let foreign = [
        "https://evil.example",
        "null",
        "",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://evil.example:80@127.0.0.1",
        "file://",
        "127.0.0.1",
        "http://127.0.0.2",
    ];
    for origin in foreign {
        cases.add(format!("origin {origin:?}"), &good.clone().with("Origin", origin), 403);
    }
    let two = good.clone().with("Origin", &format!("http://{host}")).with("Origin", "https://evil.example");
    cases.add("two origins", &two, 403);
    let rebound = good.clone().set("Host", "evil.example").with("Origin", "http://evil.example");
    cases.add("a foreign name that resolves to loopback", &rebound, 403);
}

fn bodies_and_headers(cases: &mut Cases, good: &Asked) {
    cases.raw("body by length", good.clone().with("Content-Length", "5").ending_in("\r\nhello"), 400);
    let chunked = good.clone().with("Transfer-Encoding", "chunked");
    cases.raw("body by chunks", chunked.ending_in("\r\n0\r\n"), 400);
    cases.raw("length and chunks", chunked.with("Content-Length", "5").ending_in("\r\n0\r\n"), 400);
    let zero = good.clone().with("Content-Length", "0");
    cases.add("two lengths", &zero.with("Content-Length", "1"), 400);
    for length in ["-1", "+0", "0x0", "1180591620717411303424"] {
        cases.add(format!("length {length}"), &good.clone().with("Content-Length", length), 400);
    }
    cases.add("header of 20,000", &good.clone().with("X", &"x".repeat(20_000)), 431);
    cases.add("header of 2,000,000", &good.clone().with("X", &"x".repeat(2_000_000)), 431);
    for count in [60, 1_000] {
        let many = (0..count).fold(good.clone(), |asked, at| asked.with(&format!("X{at}"), "1"));
        cases.add(format!("{count} headers too many"), &many, 431);
    }
    for (name, raw) in [
        ("folded header", "X: a\r\n b\r\n"),
        ("header name with a space", "X : a\r\n"),
        ("header without a colon", "nocolon\r\n"),
        ("NUL in a value", "X: a\0b\r\n"),
        ("bare CR in a value", "X: a\rb\r\n"),
        ("empty name", ": a\r\n"),
    ] {
        cases.raw(name, good.ending_in(raw), 400);
    }
}

fn all(host: &str) -> Vec<Case> {
    let asked = Asked::of(host);
    let mut cases = Cases::default();
    good(&mut cases, &asked, host);
    lines(&mut cases, &asked);
    upgrades(&mut cases, &asked);
    origins(&mut cases, &asked, host);
    bodies_and_headers(&mut cases, &asked);
    cases.0
}

/// Runs a case; the answer is what was wrong.
async fn judge(address: SocketAddr, case: Case) -> Option<String> {
    let mut peer = Peer::connect(address, None).await;
    peer.send(&case.bytes).await;
    let status = peer.status().await;
    if status != Ok(case.status) {
        return Some(format!("{}: {status:?}, not {}", case.name, case.status));
    }
    if case.status == 101 {
        // Nothing of what was offered and is not done here is agreed to.
        let silent = !peer.head.contains("sec-websocket-extensions");
        peer.send(&frame(TEXT, HELLO)).await;
        let welcome = peer.until(&["welcome"]).await;
        return (!silent || welcome.is_err()).then(|| format!("{}: no session: {}", case.name, peer.head));
    }
    let complaint = match case.status {
        405 if !peer.head.contains("\r\nallow: get\r\n")
            && !peer.head.contains("\r\nallow: get, head\r\n") =>
        {
            Some("no allow")
        }
        426 if !peer.head.contains("\r\nsec-websocket-version: 13\r\n") => Some("no version named"),
        _ => None,
    };
    if let Some(complaint) = complaint {
        return Some(format!("{}: {complaint}: {}", case.name, peer.head));
    }
    // A refused client may go on sending for a while; it still reads its answer to the end, and no reset.
    peer.send(b"more\r\n\r\n").await;
    let (_, end) = peer.rest().await;
    (end != Nothing::Ended).then(|| format!("{}: ends with {end:?}", case.name))
}

#[test]
fn every_bad_handshake_has_its_status() {
    let gateway = Apart::start(&[]);
    clients(async {
        let address = gateway.address;
        let healthy = Healthy::start(address);
        healthy.answered().await;
        for _ in 0..ROUNDS {
            let cases = all(&address.to_string());
            assert!(cases.len() >= 100, "{}", cases.len());
            let judged = iter(cases).map(|case| judge(address, case)).buffer_unordered(AT_A_TIME);
            let wrong: Vec<String> = judged.filter_map(std::future::ready).collect().await;
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
        healthy.stop().await;
        gateway.stop().await;
    });
}
