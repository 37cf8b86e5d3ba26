//! Tokens: each broken kind is refused where it comes, a session ends what its token's end asks for, keys come and go.
#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use support::apart::{Apart, clients};
use support::issuer::{AUDIENCE, ISSUER, Key, all, b64, claims, flags, key_file, now_s, write_keys};
use support::peer::{Asked, Peer, TEXT, frame};

/// A token, and the error that `hello` answers it with.
struct Case {
    name: &'static str,
    token: String,
    code: &'static str,
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn heads(cases: &mut Vec<Case>, ed: &Key, rsa: &Key, good: &Value) {
    let mut bad = |name, token| cases.push(Case { name, token, code: "bad_token" });
    let head = json!({"alg": "EdDSA", "kid": "ed"});
    let whole = ed.token(&head, good);
    let parts: Vec<&str> = whole.split('.').collect();
    let [h, c, s] = [parts[0], parts[1], parts[2]];
    bad("alg none, unsigned", format!("{}.{c}.", b64(br#"{"alg":"none","kid":"ed"}"#)));
    bad("alg none, signed", ed.token(&json!({"alg": "none", "kid": "ed"}), good));
    // The classic: the public key as the secret of an HMAC; here it does not even come to that.
    let hmac =
        ring::hmac::Key::new(ring::hmac::HMAC_SHA256, rsa.jwk("rsa")["n"].as_str().unwrap().as_bytes());
    let message = format!("{}.{c}", b64(br#"{"alg":"HS256","kid":"rsa"}"#));
    let tag = ring::hmac::sign(&hmac, message.as_bytes());
    bad("HS256 by the RSA key", format!("{message}.{}", b64(tag.as_ref())));
    bad("RS256 head for the Ed25519 key", rsa.token(&json!({"alg": "RS256", "kid": "ed"}), good));
    bad("EdDSA head for the RSA key", ed.token(&json!({"alg": "EdDSA", "kid": "rsa"}), good));
    bad("RS512 for the RSA key", rsa.token(&json!({"alg": "RS512", "kid": "rsa"}), good));
    bad("another key of its kind", Key::ed(99).token(&head, good));
    bad("changed claims", format!("{h}.{}.{s}", b64(with(good, "sub", json!("A2")).to_string().as_bytes())));
    bad("changed head", format!("{}.{c}.{s}", b64(br#"{"alg":"EdDSA","kid":"ed","x":1}"#)));
    bad("no signature", format!("{h}.{c}."));
    bad("half a signature", format!("{h}.{c}.{}", &s[..s.len() / 2]));
    bad("an unknown kid", ed.token(&json!({"alg": "EdDSA", "kid": "other"}), good));
    bad("no kid among two", ed.token(&json!({"alg": "EdDSA"}), good));
    bad("a kid that is a path", ed.token(&json!({"alg": "EdDSA", "kid": "../../../../dev/null"}), good));
    bad("a kid that is a query", ed.token(&json!({"alg": "EdDSA", "kid": "' OR 1=1 --"}), good));
    bad("its own key in the head", {
        let own = Key::ed(98);
        own.token(&json!({"alg": "EdDSA", "kid": "mine", "jwk": own.jwk("mine")}), good)
    });
    bad("crit", ed.token(&json!({"alg": "EdDSA", "kid": "ed", "crit": ["exp"], "exp": 1}), good));
    bad("another typ", ed.token(&json!({"alg": "EdDSA", "kid": "ed", "typ": "secevent+jwt"}), good));
    bad("two algs", ed.raw(br#"{"alg":"none","alg":"EdDSA","kid":"ed"}"#, good.to_string().as_bytes()));
    bad("two parts", format!("{h}.{c}"));
    bad("four parts", format!("{whole}.{s}"));
    bad("five parts, encrypted", format!("{h}.{c}.{s}.{s}.{s}"));
    bad("no base64", format!("{h}.{c}!.{s}"));
    bad("padded", format!("{h}.{c}==.{s}"));
    bad("no JSON", ed.raw(b"EdDSA", b"A1"));
    bad("nothing", String::new());
    bad("dots", "..".to_owned());
}

fn bodies(cases: &mut Vec<Case>, ed: &Key, good: &Value) {
    let head = json!({"alg": "EdDSA", "kid": "ed"});
    let now = now_s();
    for (name, claims) in [
        ("no exp", without(good, "exp")),
        ("no iat", without(good, "iat")),
        ("no sub", without(good, "sub")),
        ("no iss", without(good, "iss")),
        ("no aud", without(good, "aud")),
        ("exp as text", with(good, "exp", json!("9999999999"))),
        ("exp with a fraction", with(good, "exp", json!(9_999_999_999.5))),
        ("exp beyond all years", with(good, "exp", json!(u64::MAX))),
        ("exp before iat", with(good, "exp", json!(now - 2))),
        ("nbf ahead", with(good, "nbf", json!(now + 60))),
        ("iat ahead", with(good, "iat", json!(now + 60))),
        ("another iss", with(good, "iss", json!("https://issuer.test.evil"))),
        ("another aud", with(good, "aud", json!("tickgate2"))),
        ("other auds", with(good, "aud", json!(["a", "b"]))),
        ("no aud in the list", with(good, "aud", json!([]))),
        ("a sub that is no account", with(good, "sub", json!("A 1\r\n"))),
        ("a sub too long", with(good, "sub", json!("A".repeat(33)))),
        ("a claim that is not understood", with(good, "tickgate", json!({"trade": true, "until": 5}))),
        (
            "an unknown channel",
            with(good, "tickgate", json!({"data": [{"channels": ["all"], "symbols": ["*"]}]})),
        ),
        (
            "a subject for a symbol",
            with(good, "tickgate", json!({"data": [{"channels": ["quote"], "symbols": [">"]}]})),
        ),
    ] {
        cases.push(Case { name, token: ed.token(&head, &claims), code: "bad_token" });
    }
    let over = with(&with(good, "iat", json!(now - 100)), "exp", json!(now - 1));
    cases.push(Case { name: "over", token: ed.token(&head, &over), code: "token_expired" });
    let two = good.to_string().replacen('{', r#"{"sub":"A2","#, 1);
    cases.push(Case {
        name: "two subs",
        token: ed.raw(head.to_string().as_bytes(), two.as_bytes()),
        code: "bad_token",
    });
}

async fn handshake(address: SocketAddr, lines: &[String]) -> (Peer, u16) {
    let mut peer = Peer::connect(address, None).await;
    let asked = Asked::of(&address.to_string());
    let asked = lines.iter().fold(asked, |asked, line| asked.with("Authorization", line));
    peer.send(&asked.bytes()).await;
    let status = peer.status().await.unwrap();
    (peer, status)
}

async fn plain(address: SocketAddr, path: &str, token: &str) -> (u16, Value) {
    let mut peer = Peer::connect(address, None).await;
    let line = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{line}\r\n");
    peer.send(head.as_bytes()).await;
    let status = peer.status().await.unwrap();
    assert_eq!(status == 401, peer.head.contains("\r\nwww-authenticate: bearer\r\n"), "{}", peer.head);
    let body = peer.rest().await.0;
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn hello(token: &str) -> String {
    json!({"op": "hello", "id": 1, "session": "t", "token": token}).to_string()
}

#[test]
fn every_broken_token_is_refused_at_each_door() {
    let (ed, rsa) = (Key::ed(1), Key::rsa());
    let path = key_file("matrix", &[ed.jwk("ed"), rsa.jwk("rsa")]);
    let gateway = Apart::start(&flags(&path));
    let good = claims("A1", 600, &all());
    let mut cases = Vec::new();
    heads(&mut cases, &ed, &rsa, &good);
    bodies(&mut cases, &ed, &good);
    assert!(cases.len() >= 45, "{}", cases.len());
    clients(async {
        let address = gateway.address;
        for Case { name, token, code } in &cases {
            let (_, status) = handshake(address, &[format!("Bearer {token}")]).await;
            assert_eq!(status, 401, "{name}");
            let mut peer = Peer::saying(address, &hello(token)).await;
            let error = peer.until(&["welcome", "error"]).await.unwrap();
            assert_eq!(
                (&error["code"], &error["retry"]),
                (&json!(code), &json!("reauth")),
                "{name}: {error}"
            );
            assert!(token.is_empty() || !error.to_string().contains(token.as_str()), "{name}");
            assert_eq!(peer.close_code().await, Ok(4401), "{name}");
            if !token.is_empty() {
                for path in ["/v1/snapshot", "/v1/instruments"] {
                    let (status, body) = plain(address, path, token).await;
                    assert_eq!((status, &body["code"]), (401, &json!(code)), "{name} {path}");
                }
            }
        }
        gateway.stop().await;
    });
}

#[test]
fn heads_and_urls_that_bear_tokens_wrongly_are_refused() {
    let ed = Key::ed(1);
    let path = key_file("heads", &[ed.jwk("ed")]);
    let gateway = Apart::start(&flags(&path));
    clients(async {
        let address = gateway.address;
        let token = ed.good("ed", "A1", 600, &all());
        let bearer = format!("Bearer {token}");
        for (lines, wanted) in [
            (vec![bearer.clone()], 101),
            (vec![format!("bearer {token}")], 101),
            (vec![bearer.clone(), bearer.clone()], 401),
            (vec![token.clone()], 401),
            (vec![format!("Basic {token}")], 401),
            (vec![format!("Bearer  {token}")], 401),
            (vec![format!("Bearer {token},{token}")], 401),
            (vec!["Bearer ".to_owned()], 401),
            (vec![format!("Bearer {}", "x".repeat(9_000))], 401),
            (vec![format!("Bearer {}", "x".repeat(20_000))], 431),
        ] {
            assert_eq!(
                handshake(address, &lines).await.1,
                wanted,
                "{} lines of {}",
                lines.len(),
                lines[0].len()
            );
        }
        for name in ["token", "access_token", "Authorization", "jwt"] {
            let mut peer = Peer::connect(address, None).await;
            let line = format!("GET /ws?a=b&{name}={token} HTTP/1.1");
            peer.send(&Asked::of(&address.to_string()).line(&line).bytes()).await;
            assert_eq!(peer.status().await, Ok(400), "{name}");
            assert_eq!(plain(address, &format!("/v1/snapshot?{name}={token}"), "").await.0, 400, "{name}");
        }
        for needless in ["", r#","account":"A1""#] {
            let mut peer = Peer::saying(address, &format!(r#"{{"op":"hello"{needless}}}"#)).await;
            assert_eq!(peer.until(&["error"]).await.unwrap()["code"], "bad_token");
            assert_eq!(peer.close_code().await, Ok(4401));
        }
        let mut long = Peer::saying(address, &hello(&"x".repeat(8_193))).await;
        assert_eq!(long.until(&["error"]).await.unwrap()["code"], "bad_field");
        assert_eq!(
            long.ask(&hello(&token), &["welcome", "error"]).await["account"],
            "A1",
            "nothing was lost"
        );
        assert_eq!(plain(address, "/v1/snapshot", "").await.0, 401);
        assert_eq!(plain(address, "/healthz", "").await.0, 200);
        drop(long);
        gateway.stop().await;
    });
}

#[test]
fn a_good_token_of_either_kind_says_who_a_session_is() {
    let (ed, rsa) = (Key::ed(1), Key::rsa());
    let path = key_file("good", &[ed.jwk("ed"), rsa.jwk("rsa")]);
    let gateway = Apart::start(&flags(&path));
    clients(async {
        let address = gateway.address;
        for (key, kid) in [(&ed, "ed"), (&rsa, "rsa")] {
            let token = key.good(kid, "A1", 600, &all());
            let mut peer = Peer::saying(address, &hello(&token)).await;
            let welcome = peer.until(&["welcome", "error"]).await.unwrap();
            assert_eq!((&welcome["account"], &welcome["auth"]), (&json!("A1"), &json!("token")), "{welcome}");
            assert_eq!(welcome["entitlements"]["trade"], true);
            assert_eq!(welcome["used"]["sessions"], 1);
            assert!(welcome["expires_at_us"].as_i64().unwrap() > now_s() * 1_000_000);
            drop(peer);
            gateway.reaches("gw_clients", 0).await;
            let (mut peer, status) = handshake(address, &[format!("Bearer {token}")]).await;
            assert_eq!(status, 101);
            let welcome = peer.ask(r#"{"op":"hello","account":"A1"}"#, &["welcome", "error"]).await;
            assert_eq!((&welcome["account"], &welcome["auth"]), (&json!("A1"), &json!("token")));
            drop(peer);
            gateway.reaches("gw_clients", 0).await;
        }
        let listed = with(&claims("A1", 600, &all()), "aud", json!(["x", AUDIENCE]));
        let listed = ed.token(&json!({"alg": "EdDSA", "kid": "ed"}), &listed);
        let mut peer =
            Peer::saying(address, &json!({"op":"hello","account":"A2","token":listed}).to_string()).await;
        assert_eq!(peer.until(&["error"]).await.unwrap()["code"], "other_account");
        assert_eq!(peer.close_code().await, Ok(4401));
        gateway.stop().await;
    });
}

#[test]
fn a_newer_token_goes_on_and_one_of_another_account_changes_nothing() {
    let ed = Key::ed(1);
    let path = key_file("refresh", &[ed.jwk("ed")]);
    let gateway = Apart::start(&flags(&path));
    clients(async {
        let address = gateway.address;
        let mut peer = Peer::saying(address, &hello(&ed.good("ed", "A1", 600, &all()))).await;
        let welcome = peer.until(&["welcome"]).await.unwrap();
        let auth = |account: &str, seconds, tickgate: &Value| {
            json!({"op": "auth", "id": 7, "token": ed.good("ed", account, seconds, tickgate)}).to_string()
        };
        let subscribe = r#"{"op":"subscribe","channel":"quote","symbols":["A*"],"interval_ms":10}"#;
        while peer.ask(subscribe, &["subscribed"]).await["symbols"] == json!([]) {}
        let other = peer.ask(&auth("A2", 900, &all()), &["authenticated", "error"]).await;
        assert_eq!((&other["code"], &other["id"]), (&json!("other_account"), &json!(7)));
        let hasty = peer.ask(&auth("A1", 900, &all()), &["authenticated", "error"]).await;
        assert_eq!(hasty["code"], "too_often");
        gateway.jump(Duration::from_secs(2)).await;
        let bad = peer.ask(r#"{"op":"auth","token":"a.b.c"}"#, &["authenticated", "error"]).await;
        assert_eq!(bad["code"], "bad_token");
        gateway.jump(Duration::from_secs(2)).await;
        let good = peer.ask(&auth("A1", 900, &all()), &["authenticated", "error"]).await;
        assert_eq!((&good["account"], &good["id"]), (&json!("A1"), &json!(7)), "{good}");
        assert!(good["expires_at_us"].as_i64() > welcome["expires_at_us"].as_i64());
        assert_eq!((&good["used"]["sessions"], &good["used"]["symbols"]), (&json!(1), &json!(1)));
        // A token that grants less takes what is held beyond it.
        gateway.jump(Duration::from_secs(2)).await;
        let less = json!({"data": [{"channels": ["quote"], "symbols": ["B*"]}]});
        peer.send(&frame(TEXT, auth("A1", 900, &less).as_bytes())).await;
        let gone = peer.until(&["unsubscribed", "authenticated"]).await.unwrap();
        assert_eq!((&gone["op"], &gone["ids"]), (&json!("unsubscribed"), &json!([0])));
        let less = peer.until(&["authenticated"]).await.unwrap();
        assert_eq!((&less["entitlements"]["trade"], &less["used"]["symbols"]), (&json!(false), &json!(0)));
        assert_eq!(peer.ask(r#"{"op":"orders"}"#, &["orders", "error"]).await["code"], "not_entitled");
        drop(peer);
        gateway.stop().await;
    });
}

#[test]
fn the_end_of_a_token_is_told_and_ends_orders_data_and_session() {
    let ed = Key::ed(1);
    let path = key_file("expiry", &[ed.jwk("ed")]);
    let gateway = Apart::start(&flags(&path));
    clients(async {
        let address = gateway.address;
        let mut peer = Peer::saying(address, &hello(&ed.good("ed", "A1", 4, &all()))).await;
        peer.until(&["welcome"]).await.unwrap();
        let subscribe = r#"{"op":"subscribe","channel":"quote","symbols":["A*"],"interval_ms":10}"#;
        while peer.ask(subscribe, &["subscribed"]).await["symbols"] == json!([]) {}
        let mut codes: Vec<Value> = Vec::new();
        while codes.last() != Some(&json!("token_expired")) {
            codes.push(peer.until(&["notice"]).await.unwrap()["code"].take());
        }
        codes.retain(|code| code.as_str().unwrap().starts_with("token"));
        assert_eq!(codes, ["token_expiring", "token_expired"]);
        assert_eq!(peer.until(&["unsubscribed"]).await.unwrap()["ids"], json!([0]));
        assert_eq!(peer.ask(r#"{"op":"orders"}"#, &["orders", "error"]).await["code"], "token_expired");
        let refused = peer.ask(subscribe, &["subscribed"]).await;
        assert_eq!(refused["rejected"][0]["code"], "not_entitled");
        // Within the grace a new token brings it all back.
        let again = json!({"op": "auth", "token": ed.good("ed", "A1", 2, &all())}).to_string();
        assert_eq!(peer.ask(&again, &["authenticated", "error"]).await["op"], "authenticated");
        assert_eq!(peer.ask(subscribe, &["subscribed"]).await["symbols"][0]["symbol"], "A.X");
        while peer.until(&["notice"]).await.unwrap()["code"] != "token_expired" {}
        assert_eq!(peer.ask(r#"{"op":"ping"}"#, &["pong"]).await["op"], "pong", "not closed at once");
        gateway.jump(Duration::from_secs(6)).await;
        assert_eq!(peer.close_code().await, Ok(4401));
        gateway.stop().await;
    });
}

#[test]
fn what_is_public_goes_on_without_a_token() {
    let ed = Key::ed(1);
    let path = key_file("public", &[ed.jwk("ed")]);
    let gateway = Apart::start(&[flags(&path), vec!["--public-data", "A.*"]].concat());
    clients(async {
        let address = gateway.address;
        let mut peer = Peer::saying(address, &hello(&ed.good("ed", "A1", 2, &all()))).await;
        peer.until(&["welcome"]).await.unwrap();
        let subscribe = r#"{"op":"subscribe","channel":"quote","symbols":["A*"],"interval_ms":10}"#;
        while peer.ask(subscribe, &["subscribed"]).await["symbols"] == json!([]) {}
        let mut notice = peer.until(&["notice"]).await.unwrap();
        while notice["code"] != "token_expired" {
            notice = peer.until(&["notice"]).await.unwrap();
        }
        assert_eq!(notice["after_ms"], Value::Null, "it is not closed");
        gateway.jump(Duration::from_secs(10)).await;
        let orders = peer.ask(r#"{"op":"orders"}"#, &["orders", "error"]).await;
        assert_eq!(orders["code"], "token_expired");
        let held = peer.ask(subscribe, &["subscribed"]).await;
        assert_eq!((&held["symbols"], &held["rejected"]), (&json!([]), &json!([])), "held all the time");
        let mut anonymous = Peer::saying(address, r#"{"op":"hello"}"#).await;
        let welcome = anonymous.until(&["welcome"]).await.unwrap();
        assert_eq!((&welcome["auth"], &welcome["account"]), (&json!("none"), &Value::Null));
        assert_eq!(anonymous.ask(subscribe, &["subscribed"]).await["symbols"][0]["symbol"], "A.X");
        let known = json!({"op": "auth", "token": ed.good("ed", "A1", 600, &all())}).to_string();
        assert_eq!(anonymous.ask(&known, &["authenticated", "error"]).await["used"]["sessions"], 2);
        assert_eq!(plain(address, "/v1/snapshot", "").await.1["symbols"][0]["symbol"], "A.X");
        drop((peer, anonymous));
        gateway.stop().await;
    });
}

#[test]
fn keys_come_and_go_with_their_file() {
    let [first, second] = [1, 2].map(Key::ed);
    let path = key_file("rotation", &[first.jwk("k1")]);
    let gateway = Apart::start(&flags(&path));
    clients(async {
        let address = gateway.address;
        let entering =
            async |token: &str| Peer::saying(address, &hello(token)).await.until(&["welcome", "error"]).await;
        let new = second.good("k2", "A1", 600, &all());
        assert_eq!(entering(&new).await.unwrap()["code"], "bad_token");
        gateway.jump(Duration::from_secs(2)).await;
        write_keys(&path, &[first.jwk("k1"), second.jwk("k2")]);
        assert_eq!(entering(&new).await.unwrap()["op"], "welcome", "an unknown key makes the file looked at");
        let mut old = Peer::saying(address, &hello(&first.good("k1", "A2", 600, &all()))).await;
        old.until(&["welcome"]).await.unwrap();
        // A file that cannot be used changes nothing.
        std::fs::write(&path, "{").unwrap();
        gateway.jump(Duration::from_secs(2)).await;
        assert_eq!(entering(&new).await.unwrap()["op"], "welcome");
        // A key that is withdrawn ends what it signed.
        write_keys(&path, &[second.jwk("k2")]);
        while old.until(&["notice"]).await.unwrap()["code"] != "token_expired" {}
        assert_eq!(entering(&first.good("k1", "A2", 600, &all())).await.unwrap()["code"], "bad_token");
        assert_eq!(entering(&new).await.unwrap()["op"], "welcome");
        gateway.jump(Duration::from_secs(6)).await;
        assert_eq!(old.close_code().await, Ok(4401));
        gateway.stop().await;
    });
}

#[test]
fn a_key_file_that_cannot_be_used_keeps_the_gateway_from_starting() {
    use gateway::auth::keys::{KeySet, Rule};
    let rule = Rule { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned() };
    let (ed, rsa) = (Key::ed(1).jwk("a"), Key::rsa().jwk("b"));
    let set = |keys: &[Value]| json!({"keys": keys}).to_string();
    let parse = |text: &str| KeySet::parse(text.as_bytes(), &rule);
    assert!(parse(&set(&[ed.clone(), rsa.clone()])).is_ok());
    for (name, text) in [
        ("no JSON", "keys".to_owned()),
        ("no set", "{}".to_owned()),
        ("no key", set(&[])),
        ("too many", set(&(0..65).map(|at| Key::ed(1).jwk(&at.to_string())).collect::<Vec<_>>())),
        ("one kid twice", set(&[ed.clone(), with(&rsa, "kid", json!("a"))])),
        ("no kid", set(&[without(&ed, "kid")])),
        ("a secret", set(&[json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0"})])),
        ("another curve", set(&[json!({"kty": "EC", "crv": "P-256", "kid": "p", "x": "AA", "y": "AA"})])),
        ("half a key", set(&[with(&ed, "x", json!("AAAA"))])),
        ("512 bits", set(&[with(&rsa, "n", json!(b64(&[0xff; 64])))])),
        ("an alg of another kind", set(&[with(&ed, "alg", json!("RS256"))])),
        ("RS512", set(&[with(&rsa, "alg", json!("RS512"))])),
    ] {
        assert!(parse(&text).is_err(), "{name}");
    }
}
