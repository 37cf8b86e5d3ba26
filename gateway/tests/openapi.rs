//! `/openapi.json` says what is served, no more and no less, and its schemas fit a gateway's own answers.
#![expect(clippy::unwrap_used, reason = "a test ends by its panic")]

mod support;

use serde_json::{Map, Value};
use std::net::SocketAddr;
use support::client::get;
use support::events::{Events, question};
use support::peer::{Peer, metric};
use support::{Memory, quote, trade, with_gateway};

/// The document as it is kept for readers, and for the check by a validator of OpenAPI.
const KEPT: &str = include_str!("../../docs/openapi.json");

/// Set to write the kept document anew.
const UPDATE: &str = "UPDATE_OPENAPI";

#[test]
fn the_kept_document_is_what_is_served() {
    let served = format!("{:#}\n", gateway::openapi::document());
    if option_env!("UPDATE_OPENAPI").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        std::fs::write(path, &served).unwrap();
    } else {
        assert_eq!(
            KEPT, served,
            "docs/openapi.json: write it anew with {UPDATE}=1 cargo test -p gateway --test openapi"
        );
    }
}

/// Holds a value against a schema. Only what the document uses is known here; anything else is a failure.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (keyword, told) in schema.as_object().unwrap() {
        let good = match keyword.as_str() {
            "$ref" => {
                let target = document.pointer(told.as_str().unwrap().trim_start_matches('#')).unwrap();
                fits(document, target, value, at)?;
                true
            }
            "type" => match told.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_i64() || value.is_u64(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                other => panic!("type {other}"),
            },
            "enum" => told.as_array().unwrap().contains(value),
            "const" => told == value,
            "oneOf" => {
                let fitting =
                    told.as_array().unwrap().iter().filter(|one| fits(document, one, value, at).is_ok());
                fitting.count() == 1
            }
            "items" => {
                for (nth, item) in value.as_array().unwrap().iter().enumerate() {
                    fits(document, told, item, &format!("{at}[{nth}]"))?;
                }
                true
            }
            "properties" => {
                let known: &Map<String, Value> = told.as_object().unwrap();
                for (name, member) in value.as_object().unwrap() {
                    let schema = known.get(name).ok_or_else(|| format!("{at}.{name} stands in no schema"))?;
                    fits(document, schema, member, &format!("{at}.{name}"))?;
                }
                true
            }
            "required" => {
                let missing =
                    told.as_array().unwrap().iter().find(|name| value.get(name.as_str().unwrap()).is_none());
                if let Some(name) = missing {
                    return Err(format!("{at} has no {name}"));
                }
                true
            }
            "additionalProperties" => *told == false, // what `properties` checks here
            "pattern" => {
                value.as_str().is_none_or(|text| text.bytes().all(|byte| b"-.0123456789".contains(&byte)))
            }
            other => panic!("the keyword {other} is not known here"),
        };
        if !good {
            return Err(format!("{at}: {value} against {keyword} {told}"));
        }
    }
    Ok(())
}

/// Holds an answer against what the document says of its path and status.
fn answers(document: &Value, path: &str, status: u16, body: &str) {
    let path = path.split('?').next().unwrap();
    let mut answer = &document["paths"][path]["get"]["responses"][status.to_string()];
    if let Some(target) = answer["$ref"].as_str() {
        answer = document.pointer(target.trim_start_matches('#')).unwrap();
    }
    assert!(answer.is_object(), "{path}: the document knows no status {status}");
    if let Some(schema) = answer["content"]["application/json"].get("schema") {
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(fits(document, schema, &body, path), Ok(()), "{body}");
    }
}

async fn document(address: SocketAddr) -> Value {
    let (status, body) = get(address, "/openapi.json").await;
    assert_eq!(status, 200);
    serde_json::from_str(&body).unwrap()
}

#[test]
fn every_path_answers_as_its_schema_says() {
    let bus = Memory::new(&["A.X", "B.X"]);
    let publisher = bus.clone();
    with_gateway(&[], &bus, |address| async move {
        let document = document(address).await;
        let (_, empty) = get(address, "/readyz").await;
        answers(&document, "/readyz", 503, &empty);
        while metric(address, "gw_instruments").await != 2 {
            tokio::task::yield_now().await;
        }
        let mut events = Events::open(address, "").await;
        events.record("quotes", |_| true).await;
        publisher.publish(&[(0, quote(100, 101)), (0, trade(100, 5))]);
        events.record("quotes", |record| record["bid"] == "1.00").await;
        let paths = document["paths"].as_object().unwrap();
        for path in paths.keys().filter(|path| *path != gateway::http::STREAM) {
            let (status, body) = get(address, path).await;
            assert_eq!(status, 200, "{path}");
            answers(&document, path, status, &body);
        }
        for path in
            ["/v1/snapshot?symbols=A.X,Q*", "/v1/snapshot?symbols=!", "/v1/snapshot?x=1", "/v1/stream?x=1"]
        {
            let (status, body) = get(address, path).await;
            answers(&document, path, status, &body);
        }
        // A parameter that the document names is one that is known.
        for path in ["/v1/snapshot", "/v1/stream"] {
            for parameter in document["paths"][path]["get"]["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                if parameter["in"] == "query" {
                    let (status, body) = get(address, &format!("{path}?{name}=!")).await;
                    assert!(
                        status == 400 && !body.contains("unknown parameter"),
                        "{path} {name}: {status} {body}"
                    );
                }
            }
        }
        assert!(!paths.contains_key("/ws"), "the socket is described elsewhere");
        assert_eq!(get(address, "/v1/other").await.0, 404);
    });
}

#[test]
fn pages_of_allowed_origins_may_read_and_no_other() {
    let bus = Memory::new(&["A.X"]);
    let flags = ["--allow-origin", "https://desk.example", "--allow-origin", "http://127.0.0.1:9"];
    with_gateway(&flags, &bus, |address| async move {
        let ask = async |method: &str, path: &str, headers: &str| {
            let mut peer = Peer::connect(address, None).await;
            let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
            assert!(peer.send(head.as_bytes()).await);
            (peer.status().await.unwrap(), peer.head)
        };
        let (mine, theirs) = ("Origin: https://desk.example\r\n", "Origin: https://evil.example\r\n");
        let allowed = "access-control-allow-origin: https://desk.example\r\n";
        let wants = "Access-Control-Request-Method: GET\r\n";
        for path in
            ["/v1/instruments", "/v1/snapshot", "/v1/snapshot?x=1", "/openapi.json", "/v1/stream?symbols=A.X"]
        {
            for method in ["GET", "HEAD"] {
                let (_, head) = ask(method, path, mine).await;
                assert!(head.contains(allowed) && head.contains("vary: origin\r\n"), "{path}: {head}");
                for origin in ["", theirs, "Origin: null\r\n"] {
                    let (_, head) = ask(method, path, origin).await;
                    assert!(!head.contains("access-control-"), "{path}: {head}");
                    assert!(head.contains("vary: origin\r\n"), "{path}: {head}");
                }
            }
            let (status, head) = ask("OPTIONS", path, &format!("{mine}{wants}")).await;
            assert_eq!(status, 204, "{path}");
            assert!(
                head.contains(allowed) && head.contains("access-control-allow-methods: get, head\r\n"),
                "{head}"
            );
            assert!(!head.contains("credentials") && !head.contains("*"), "{head}");
            let (status, head) = ask("OPTIONS", path, &format!("{theirs}{wants}")).await;
            assert!(status == 403 && !head.contains("access-control-"), "{path}: {head}");
            assert_eq!(ask("OPTIONS", path, mine).await.0, 405, "no preflight");
        }
        for path in ["/readyz", "/metrics", "/ws"] {
            let (_, head) = ask("GET", path, mine).await;
            assert!(!head.contains("access-control-"), "{path}: {head}");
        }
        // A stream that a browser would hide from its page is not opened at all.
        let mut peer = Peer::connect(address, None).await;
        let asked = question(address, "GET", "", &[("Origin", "https://evil.example")]);
        assert!(peer.send(asked.as_bytes()).await);
        assert_eq!(peer.status().await, Ok(403));
    });
}
