//! `/openapi.json`: what is served over plain HTTP, for programs (OpenAPI 3.1). Built from the same tables that the answers
//! are made of: routes, parameters, bounds, rates, errors. A test holds every schema against a gateway's own answers.

use crate::http::STREAM;
use crate::snapshot::{COMPARED_MAX, NAMES_MAX, SYMBOLS_MAX};
use crate::{snapshot, stream};
use serde_json::{Map, Value, json};
use wire::RATES_MS;
use wire::control::INTERVAL_MS_DEFAULT;
use wire::error::ErrorCode;

/// The document.
#[must_use]
pub fn document() -> Value {
    let paths = crate::routes::ROUTES.iter().map(|route| route.path).chain([STREAM]);
    let paths: Map<String, Value> =
        paths.map(|path| (path.to_owned(), json!({"get": operation(path)}))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tickgate",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Conflated market data over plain HTTP; the socket is described in asyncapi.yaml.",
            "license": {"name": "Apache-2.0 OR MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [],
        "paths": paths,
        "components": {"schemas": schemas(), "responses": {
            "Refused": json_answer("The question cannot be answered; the message names the parameter.", "Error"),
            "Busy": {
                "description": "No room: too many connections, or too many answers are unread.",
                "headers": {"retry-after": {"schema": {"type": "integer"}}},
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
        }},
    })
}

fn operation(path: &str) -> Value {
    let (id, summary, answers) = match path {
        "/healthz" => ("health", "Whether the process lives.", json!({"200": text_answer("text/plain")})),
        "/readyz" => (
            "readiness",
            "Whether market data can be served, and why not.",
            json!({
                "200": json_answer("It can.", "Ready"), "503": json_answer("It cannot.", "Ready"),
            }),
        ),
        "/metrics" => (
            "metrics",
            "Figures as OpenMetrics text.",
            json!({
                "200": text_answer("application/openmetrics-text"),
            }),
        ),
        "/openapi.json" => (
            "openapi",
            "This document.",
            json!({
                "200": {"description": "OpenAPI 3.1.",
                        "content": {"application/json": {"schema": {"type": "object"}}}},
            }),
        ),
        "/v1/instruments" => (
            "instruments",
            "All known instruments, as `subscribed` tells them.",
            json!({
                "200": json_answer("By rising id.", "Instruments"), "503": {"$ref": "#/components/responses/Busy"},
            }),
        ),
        "/v1/snapshot" => return snapshot_operation(),
        STREAM => return stream_operation(),
        _ => ("", "", Value::Null), // the test names it
    };
    json!({"operationId": id, "summary": summary, "responses": answers})
}

fn snapshot_operation() -> Value {
    let mut found = json_answer("Each symbol once, by rising id.", "Snapshot");
    found["headers"] = json!({"etag": {"required": true, "schema": {"type": "string"}}});
    json!({
        "operationId": "snapshot",
        "summary": "The present state of a selection of symbols.",
        "description": format!("At most {SYMBOLS_MAX} symbols, and {COMPARED_MAX} comparisons of patterns."),
        "parameters": parameters(snapshot::PARAMETERS, &[("if-none-match", "An entity tag that is held.")]),
        "responses": {
            "200": found, "304": {"description": "What is held is the present state."},
            "400": {"$ref": "#/components/responses/Refused"}, "503": {"$ref": "#/components/responses/Busy"},
        },
    })
}

fn stream_operation() -> Value {
    let headers = [
        ("last-event-id", "Id of the last event that had one: the stream goes on from there where it can."),
        ("authorization", "`Bearer` and a token."),
    ];
    json!({
        "operationId": "stream",
        "summary": "Conflated market data as server-sent events.",
        "description": "A session of the socket in form `json`: each event is named as its message's `op` and \
                        holds that message (asyncapi.yaml). A heartbeat comes once a second.",
        "parameters": parameters(stream::PARAMETERS, &headers),
        "responses": {
            "200": {"description": "Events until one side ends; the last one is `close`.",
                    "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            "400": {"$ref": "#/components/responses/Refused"}, "403": text_answer("text/plain"),
            "503": {"$ref": "#/components/responses/Busy"}, "505": text_answer("text/plain"),
        },
    })
}

/// Parameters of a query, and headers.
fn parameters(query: &[&str], headers: &[(&str, &str)]) -> Vec<Value> {
    let query = query.iter().map(|name| {
        let (what, schema) = parameter(name);
        // A list is one value with commas.
        json!({"name": name, "in": "query", "description": what, "explode": false, "schema": schema})
    });
    let headers = headers.iter().map(|(name, what)| {
        json!({"name": name, "in": "header", "description": what, "schema": {"type": "string"}})
    });
    query.chain(headers).collect()
}

fn parameter(name: &str) -> (String, Value) {
    match name {
        "symbols" => (
            format!("1 to {NAMES_MAX} names, or patterns with `*`; missing = all. `+` stands for itself."),
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": NAMES_MAX}),
        ),
        "channels" => (
            format!("Channels; missing = {}.", stream::CHANNELS),
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": true,
                   "default": stream::CHANNELS.split(',').collect::<Vec<_>>()}),
        ),
        "interval_ms" => (
            "Time between updates of a symbol; 0 = as they come.".to_owned(),
            json!({"type": "integer", "enum": RATES_MS, "default": INTERVAL_MS_DEFAULT}),
        ),
        "max_age_ms" => (
            "To be told when a symbol's shard is older than this.".to_owned(),
            json!({"type": "integer", "minimum": 100, "maximum": 60_000}),
        ),
        field => (format!("As `{field}` of `subscribe` (asyncapi.yaml)."), json!({})),
    }
}

fn json_answer(description: &str, schema: &str) -> Value {
    let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

fn text_answer(media: &str) -> Value {
    json!({"description": "Text.", "content": {media: {"schema": {"type": "string"}}}})
}

/// An object that has these members and no other; a name that ends in `?` may be missing.
fn object(members: &[(&str, Value)]) -> Value {
    let name = |name: &str| name.trim_end_matches('?').to_owned();
    let properties: Map<String, Value> =
        members.iter().map(|(member, schema)| (name(member), schema.clone())).collect();
    let required: Vec<&str> =
        members.iter().map(|(member, _)| *member).filter(|name| !name.ends_with('?')).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn list(schema: &str) -> Value {
    json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{schema}")}})
}

fn schemas() -> Value {
    let (whole, text, flag) =
        (json!({"type": "integer"}), json!({"type": "string"}), json!({"type": "boolean"}));
    let decimal = json!({"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$"});
    let or_null = |schema: &Value| json!({"oneOf": [schema, {"type": "null"}]});
    let state = json!({"enum": ["live", "quiet", "stale", "halted"]});
    let durability = json!({"enum": ["sync_always", "not_durable", "unproven"]});
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.code()).collect();
    let codes = json!({"enum": codes});
    let times = [("ts_event", whole.clone()), ("ts_recv", whole.clone())];
    let counts = [("total", whole.clone()), ("lost", whole.clone())];
    let quote = [
        ("bid", or_null(&decimal)),
        ("ask", or_null(&decimal)),
        ("bid_size", decimal.clone()),
        ("ask_size", decimal.clone()),
        ("state", state),
    ];
    let trade = [
        ("volume", decimal.clone()),
        ("buy_volume", decimal.clone()),
        ("notional", decimal.clone()),
        ("price", or_null(&decimal)),
        ("qty", or_null(&decimal)),
        ("trade_id", whole.clone()),
    ];
    let quote: Vec<_> = counts.iter().chain(&quote).chain(&times).cloned().collect();
    let trade: Vec<_> = counts.iter().chain(&trade).chain(&times).cloned().collect();
    json!({
        "Instruments": object(&[("instruments", list("Instrument"))]),
        "Instrument": object(&[
            ("symbol", text.clone()), ("id", whole.clone()), ("price_exponent", whole.clone()),
            ("qty_exponent", whole.clone()), ("tick_size", decimal.clone()), ("lot_size", decimal),
            ("has_aggressor", flag.clone()), ("has_size", flag.clone()), ("shard", whole.clone()),
        ]),
        "Snapshot": object(&[
            ("server_time_us", whole.clone()), ("watermark_us", or_null(&whole)),
            ("symbols", list("SymbolState")), ("rejected", list("Rejected")),
        ]),
        "SymbolState": object(&[
            ("symbol", text.clone()), ("id", whole.clone()), ("shard", whole.clone()), ("epoch", whole.clone()),
            ("quote", json!({"$ref": "#/components/schemas/Quote"})),
            ("trade", json!({"$ref": "#/components/schemas/Trade"})),
        ]),
        "Quote": object(&quote),
        "Trade": object(&trade),
        "Rejected": object(&[
            ("symbol", text.clone()), ("code", codes.clone()), ("number", whole.clone()),
            ("interval_ms?", whole.clone()),
        ]),
        "Error": object(&[
            ("op", json!({"const": "error"})), ("code", codes), ("number", whole.clone()), ("message", text.clone()),
            ("retry", json!({"enum": ["never", "now", "after_ms", "reauth"]})), ("after_ms?", whole.clone()),
        ]),
        "Ready": object(&[
            ("ready", flag.clone()), ("draining", flag.clone()), ("bus", json!({"enum": ["connected", "disconnected"]})),
            ("clients", whole.clone()), ("instruments", whole.clone()), ("shards", list("Shard")),
            ("orders", flag.clone()), ("durability", durability.clone()), ("partitions", list("Partition")),
            ("connections", json!({"$ref": "#/components/schemas/Used"})),
            ("memory_bytes", json!({"$ref": "#/components/schemas/Used"})), ("boot_id", text),
        ]),
        "Used": object(&[("now", whole.clone()), ("max", whole.clone())]),
        "Shard": object(&[
            ("shard", whole.clone()), ("state", json!({"enum": ["defining", "idle", "syncing", "synced"]})),
            ("feed_epoch", whole.clone()),
        ]),
        "Partition": object(&[
            ("partition", whole.clone()), ("alive", flag), ("applied", whole), ("durability", durability),
        ]),
    })
}
