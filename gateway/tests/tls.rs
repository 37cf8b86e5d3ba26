//! TLS: clients take the gateway only by a good certificate, old protocols are refused, sessions are whole over a full
//! socket, and newer certificates end no connection. The clients block: each waits for what it needs.
#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use support::apart::{Apart, clients};
use support::peer::{Asked, TEXT, frame};

/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(15);

struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for this name between two years, and its key, as PEM.
    fn issue(&self, name: &str, from: i32, to: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn self_signed(name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// The two files of a gateway.
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(name: &str, (chain, key): &(String, String)) -> Self {
        let at = |end: &str| {
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.{end}", std::process::id()))
        };
        let files = Self { chain: at("crt"), key: at("key") };
        std::fs::write(&files.chain, chain).unwrap();
        std::fs::write(&files.key, key).unwrap();
        files
    }

    fn flags(&self) -> Vec<&str> {
        vec!["--tls-cert", self.chain.to_str().unwrap(), "--tls-key", self.key.to_str().unwrap()]
    }
}

struct Peer {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    name: &str,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[u8],
) -> Result<Peer, String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
    }
    Ok(Peer { stream })
}

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

impl Peer {
    fn open(address: SocketAddr, trusted: &CertificateDer<'static>) -> Self {
        connect(address, trusted, "localhost", BOTH, b"http/1.1").unwrap()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// Becomes a session in form `json`. Its hello goes out in one piece with the handshake.
    fn session(&mut self) {
        let asked = Asked::of("localhost").with("Sec-WebSocket-Protocol", "tickgate.v1.json");
        self.send(&[asked.bytes(), frame(TEXT, br#"{"op":"hello"}"#)].concat());
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        self.until("welcome");
    }

    fn frame(&mut self) -> Vec<u8> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let len = match head[1] {
            126 => {
                let mut len = [0; 2];
                self.stream.read_exact(&mut len).unwrap();
                usize::from(u16::from_be_bytes(len))
            }
            127 => panic!("no frame here is so long"),
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).unwrap();
        assert_eq!(head[0], 0x81, "{payload:?}");
        payload
    }

    fn until(&mut self, op: &str) -> Value {
        loop {
            let text: Value = serde_json::from_slice(&self.frame()).unwrap();
            if text["op"] == op {
                return text;
            }
        }
    }

    fn ask(&mut self, request: &str, op: &str) -> Value {
        self.send(&frame(TEXT, request.as_bytes()));
        self.until(op)
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }
}

#[test]
fn a_client_takes_the_gateway_only_by_a_good_certificate() {
    let [ours, theirs] = [0, 1].map(|_| Authority::new());
    let good = ours.issue("localhost", 2020, 2099);
    for (name, pair, versions, wanted) in [
        ("TLS 1.3", &good, &[&TLS13][..], None),
        ("TLS 1.2", &good, &[&TLS12], None),
        (
            "of an unknown authority",
            &theirs.issue("localhost", 2020, 2099),
            BOTH,
            Some("invalid peer certificate: BadSignature"),
        ),
        ("of another name", &ours.issue("other.test", 2020, 2099), BOTH, Some("not valid for name")),
        ("over", &ours.issue("localhost", 2019, 2020), BOTH, Some("expired")),
        ("not valid yet", &ours.issue("localhost", 2098, 2099), BOTH, Some("not valid yet")),
        ("of nobody", &self_signed("localhost"), BOTH, Some("invalid peer certificate: BadSignature")),
        ("over and of another name", &ours.issue("other.test", 2019, 2020), BOTH, Some("")),
    ] {
        let files = Files::new("matrix", pair);
        let gateway = Apart::start(&files.flags());
        let connected = connect(gateway.address, &ours.certificate, "localhost", versions, b"http/1.1");
        match (connected, wanted) {
            (Ok(mut peer), None) => peer.session(),
            (Err(error), Some(word)) => assert!(error.contains(word), "{name}: {error}"),
            (Ok(_), Some(_)) => panic!("{name} was taken"),
            (Err(error), None) => panic!("{name}: {error}"),
        }
        stop_over_tls(gateway);
    }
}

/// Its metrics cannot be read in plain.
fn stop_over_tls(gateway: Apart) {
    clients(async {
        gateway.stop_at_once().await;
    });
}

/// What the gateway says to bytes that are no TLS of ours.
fn answer(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    answer
}

/// A client hello of this version that offers what one of TLS 1.2 needs.
fn hello(version: u8) -> Vec<u8> {
    let suites = [0, 8, 0xc0, 0x2b, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f];
    // Signature algorithms, groups, point formats.
    let extensions = [0, 22, 0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0];
    let body = [&[3, version][..], &[7; 32], &[0], &suites, &[1, 0], &extensions].concat();
    let len = u8::try_from(body.len()).unwrap();
    [&[22, 3, 1, 0, len + 4, 1, 0, 0, len][..], &body].concat()
}

#[test]
fn old_protocols_and_others_are_refused_in_words_of_tls() {
    let ours = Authority::new();
    let files = Files::new("old", &ours.issue("localhost", 2020, 2099));
    let gateway = Apart::start(&files.flags());
    let address = gateway.address;
    for version in [0, 1, 2] {
        let answer = answer(address, &hello(version));
        assert_eq!((answer.first(), &answer[5..]), (Some(&21), &[2, 70][..]), "3.{version}: {answer:?}");
    }
    // The same hello of TLS 1.2 is answered by a handshake.
    let mut newer = TcpStream::connect(address).unwrap();
    newer.set_read_timeout(Some(PATIENCE)).unwrap();
    newer.write_all(&hello(3)).unwrap();
    let mut first = [0];
    newer.read_exact(&mut first).unwrap();
    assert_eq!(first, [22]);
    drop(newer);
    for bytes in [
        &b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        &[0x80; 64],
        &[22, 3, 1, 0xff, 0xff, 1, 2, 3],
    ] {
        let answer = answer(address, bytes);
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
    let h2 = connect(address, &ours.certificate, "localhost", BOTH, b"h2");
    assert!(h2.is_err_and(|error| error.contains("NoApplicationProtocol")));
    // Who says nothing is not waited for; who goes on slowly neither.
    let mut silent = TcpStream::connect(address).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    silent.write_all(&hello(3)[..9]).unwrap();
    clients(gateway.jump(Duration::from_secs(6)));
    let mut rest = Vec::new();
    let _reset_or_end = silent.read_to_end(&mut rest);
    assert!(rest.is_empty());
    Peer::open(address, &ours.certificate).session();
    stop_over_tls(gateway);
}

#[test]
fn a_session_is_whole_whatever_the_socket_takes() {
    let ours = Authority::new();
    let files = Files::new("whole", &ours.issue("localhost", 2020, 2099));
    let pages = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-pages-{}", std::process::id()));
    std::fs::create_dir_all(&pages).unwrap();
    let page: Vec<u8> =
        (0..8_u32 << 20).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    std::fs::write(pages.join("big.js"), &page).unwrap();
    let flags = [files.flags(), vec!["--limits", "bench", "--page-dir", pages.to_str().unwrap()]].concat();
    let gateway = Apart::start(&flags);
    let mut peer = Peer::open(gateway.address, &ours.certificate);
    peer.session();
    // Far more answers than all buffers hold are asked for before the first is read: each must come, once, in order.
    const PINGS: usize = 20_000;
    let mut writing = peer.stream.sock.try_clone().unwrap();
    let mut asked = Vec::new();
    for t in 0..PINGS {
        let ping = format!(r#"{{"op":"ping","id":{t},"t":{}}}"#, 9_000_000_000_000_000_u64);
        peer.stream.conn.writer().write_all(&frame(TEXT, ping.as_bytes())).unwrap();
        peer.stream.conn.write_tls(&mut asked).unwrap();
    }
    let writer = std::thread::spawn(move || writing.write_all(&asked).unwrap());
    for t in 0..PINGS {
        assert_eq!(peer.until("pong")["id"], json!(t));
    }
    writer.join().unwrap();
    drop(peer);
    let mut reader = Peer::open(gateway.address, &ours.certificate);
    reader.send(b"GET /big.js HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(reader.head().starts_with("HTTP/1.1 200 "));
    let mut body = Vec::new();
    reader.stream.read_to_end(&mut body).unwrap(); // ends well only with a goodbye of TLS
    assert!(body == page, "{} bytes", body.len());
    stop_over_tls(gateway);
}

#[test]
fn newer_certificates_are_for_new_connections_and_end_none() {
    let ours = Authority::new();
    let files = Files::new("renewed", &ours.issue("localhost", 2020, 2099));
    let gateway = Apart::start(&files.flags());
    let mut old = Peer::open(gateway.address, &ours.certificate);
    old.session();
    let (chain, key) = ours.issue("localhost", 2021, 2098);
    std::fs::write(&files.chain, chain).unwrap();
    clients(gateway.jump(Duration::from_secs(2)));
    let between = Peer::open(gateway.address, &ours.certificate);
    assert_eq!(between.certificate(), old.certificate(), "a chain without its key is not used");
    std::fs::write(&files.key, key).unwrap();
    let mut new = Peer::open(gateway.address, &ours.certificate);
    while new.certificate() == old.certificate() {
        clients(gateway.jump(Duration::from_secs(1)));
        new = Peer::open(gateway.address, &ours.certificate);
    }
    new.session();
    assert_eq!(old.ask(r#"{"op":"ping","id":7}"#, "pong")["id"], 7);
    stop_over_tls(gateway);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    use gateway::session::tls::config;
    let ours = Authority::new();
    let (chain, key) = ours.issue("localhost", 2020, 2099);
    let (_, other) = ours.issue("localhost", 2020, 2099);
    assert!(config(chain.as_bytes(), key.as_bytes()).is_ok());
    for (chain, key, named) in [
        ("", key.as_str(), "--tls-cert"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", &key, "--tls-cert"),
        (&chain, "", "--tls-key"),
        (&chain, &chain, "--tls-key"),
        (&chain, &other, "--tls-cert with --tls-key"),
    ] {
        let error = config(chain.as_bytes(), key.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(named) && !error.contains("BEGIN"), "{error}");
    }
}
