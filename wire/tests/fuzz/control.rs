//! Control messages: what the decoder accepts is JSON without a repeated key, and means the same when written again.

use crate::corpus;
use crate::mutate::fuzz;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::{Map, Value, json};
use tickgate_wire::MANTISSA_MAX;
use tickgate_wire::alert::{AlertAct, Condition};
use tickgate_wire::control::filter::Comparison;
use tickgate_wire::control::{Decoder, Fault, Op, Request, View};
use tickgate_wire::order::{Act, SessionName};

/// Longest message of a fault: what it shows of a client's text is cut.
const FAULT_BYTES_MAX: usize = 400;

/// Keys of a JSON object, repeated ones included.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Keys;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, _)) = map.next_entry::<String, Value>()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The request as a message, every field written out.
fn written(request: &Request<'_>) -> Vec<u8> {
    let (op, mut fields) = match &request.op {
        Op::Hello(hello) => {
            let mut fields = Map::new();
            if hello.session != SessionName::default() {
                fields.insert("session".to_owned(), hello.session.as_str().into());
            }
            if let Some(account) = &hello.account {
                fields.insert("account".to_owned(), account.as_str().into());
            }
            if let Some(resume) = &hello.resume {
                let cursor = match resume.block {
                    Some(block) => json!({ "report_seq": resume.report_seq, "block": block }),
                    None => json!({ "report_seq": resume.report_seq }),
                };
                fields.insert("resume".to_owned(), cursor);
            }
            if let Some(token) = &hello.token {
                fields.insert("token".to_owned(), token.0.into());
            }
            ("hello", Value::Object(fields))
        }
        Op::Auth(token) => ("auth", json!({ "token": token.0 })),
        Op::Subscribe(asked) => {
            let mut fields = json!({ "channel": asked.channel.word(), "symbols": asked.symbols.0, "interval_ms": asked.interval_ms, "adaptive": asked.adaptive });
            if let Some(max_age_ms) = asked.max_age_ms {
                fields["max_age_ms"] = max_age_ms.into();
            }
            show(&asked.view, &mut fields);
            ("subscribe", fields)
        }
        Op::Unsubscribe(asked) => {
            ("unsubscribe", json!({ "channel": asked.channel.word(), "symbols": asked.symbols.0 }))
        }
        Op::SetRate(asked) => (
            "set_rate",
            json!({ "channel": asked.channel.word(), "symbols": asked.symbols.0, "interval_ms": asked.interval_ms, "adaptive": asked.adaptive }),
        ),
        Op::Repair(None) => ("repair", json!({})),
        Op::Repair(Some(asked)) => {
            ("repair", json!({ "channel": asked.channel.word(), "symbols": asked.symbols.0 }))
        }
        Op::Hashes(None) => ("hashes", json!({})),
        Op::Hashes(Some(buckets)) => ("hashes", json!({ "buckets": buckets })),
        Op::Budget(bytes_per_s) => ("budget", json!({ "bytes_per_s": bytes_per_s })),
        Op::Visible(names) => ("visible", json!({ "symbols": names.0 })),
        Op::Pause => ("pause", json!({})),
        Op::Unpause => ("unpause", json!({})),
        Op::Stats { every_ms } => ("stats", json!({ "every_ms": every_ms })),
        Op::Ping { t: None } => ("ping", json!({})),
        Op::Ping { t } => ("ping", json!({ "t": t })),
        Op::Order { act, expires_ms } => order(act, *expires_ms),
        Op::Alert(act) => alert(act),
        Op::NoticeSend { text, account } => {
            ("notice.send", json!({ "text": text, "account": account.map(|account| account.to_string()) }))
        }
        Op::Sessions { account } => {
            ("sessions", json!({ "account": account.map(|account| account.to_string()) }))
        }
    };
    fields.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let members = fields.as_object_mut().unwrap();
    members.insert("op".to_owned(), op.into());
    if let Some(id) = request.id {
        members.insert("id".to_owned(), id.into());
    }
    serde_json::to_vec(&fields).unwrap()
}

/// What a subscription shows, every field written out. `subscribe` reads a filter of quotes alone.
fn show(view: &View, fields: &mut Value) {
    match view {
        View::Market { fields: told, filter } => {
            fields["fields"] = told.word().into();
            if let Some(filter) = filter {
                let one = |it: &Comparison| json!([it.field.word(), it.test.sign(), it.value.to_string()]);
                let all = |all: &Vec<Comparison>| all.iter().map(one).collect::<Value>();
                fields["filter"] = filter.0.iter().map(all).collect();
            }
        }
        View::Book { depth } => fields["depth"] = (*depth).into(),
        View::Bar { period } => fields["period"] = period.word().into(),
        View::Status => {}
    }
}

fn order(act: &Act, expires_ms: Option<u64>) -> (&'static str, Value) {
    let (op, mut fields) = match act {
        Act::New(order) => (
            "order.new",
            json!({
                "cl_ord_id": order.cl_ord_id.as_str(), "symbol": order.symbol.as_str(), "side": order.side.word(),
                "type": order.ord_type.word(), "tif": order.tif.word(), "qty": order.qty.to_string(),
                "price": order.price.map(|price| price.to_string()), "expires_ms": expires_ms,
            }),
        ),
        Act::Cancel { cl_ord_id, orig_cl_ord_id } => (
            "order.cancel",
            json!({ "cl_ord_id": cl_ord_id.as_str(), "orig_cl_ord_id": orig_cl_ord_id.as_str() }),
        ),
        Act::Replace { cl_ord_id, orig_cl_ord_id, qty, price } => (
            "order.replace",
            json!({
                "cl_ord_id": cl_ord_id.as_str(), "orig_cl_ord_id": orig_cl_ord_id.as_str(),
                "qty": qty.to_string(), "price": price.map(|price| price.to_string()),
            }),
        ),
        Act::Status { cl_ord_id } => ("order.status", json!({ "cl_ord_id": cl_ord_id.as_str() })),
        Act::Resolve { cl_ord_id } => ("order.resolve", json!({ "cl_ord_id": cl_ord_id.as_str() })),
        Act::Open => ("orders", json!({})),
    };
    fields.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    (op, fields)
}

fn alert(act: &AlertAct) -> (&'static str, Value) {
    match act {
        AlertAct::New { cl_alert_id, alert } => {
            let condition = match alert.condition {
                Condition::Crosses { source, direction, level } => {
                    json!({ "on": source.word(), "crosses": direction.word(), "level": level.to_string() })
                }
                Condition::Spread { above_ticks } => json!({ "on": "spread", "above_ticks": above_ticks }),
                Condition::Stale { longer_than_ms } => {
                    json!({ "on": "stale", "longer_than_ms": longer_than_ms })
                }
            };
            let fields = json!({
                "cl_alert_id": cl_alert_id.as_str(), "symbol": alert.symbol.as_str(), "condition": condition,
                "expires_us": alert.expires_us, "note": alert.note,
            });
            ("alert.new", fields)
        }
        AlertAct::Cancel { cl_alert_id } => ("alert.cancel", json!({ "cl_alert_id": cl_alert_id.as_str() })),
        AlertAct::List => ("alerts", json!({})),
    }
}

fn symbols(op: &Op<'_>) -> usize {
    match op {
        Op::Subscribe(asked) => asked.symbols.0.capacity(),
        Op::SetRate(asked) => asked.symbols.0.capacity(),
        Op::Visible(names) => names.0.capacity(),
        Op::Unsubscribe(asked) | Op::Repair(Some(asked)) => asked.symbols.0.capacity(),
        _ => 0,
    }
}

fn accepted(bytes: &[u8], request: &Request<'_>) {
    // A second reader of JSON, with another author: this one must not be more generous.
    let keys: Keys = serde_json::from_slice(bytes).unwrap();
    let mut once = keys.0.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), keys.0.len(), "a key stands twice");
    assert!(symbols(&request.op) <= bytes.len(), "symbols that the message cannot hold");
    let mut again = written(request);
    assert_eq!(Decoder::default().decode(&mut again).as_ref(), Ok(request));
}

fn refused(fault: &Fault) {
    assert!(fault.message.len() <= FAULT_BYTES_MAX, "{} bytes: {}", fault.message.len(), fault.message);
    assert!(!fault.message.chars().any(char::is_control), "{:?}", fault.message);
    assert!(fault.id.is_none_or(|id| id <= MANTISSA_MAX.unsigned_abs()));
}

#[test]
fn control_messages() {
    let corpus = corpus("control.txt");
    let mut decoder = Decoder::default();
    let (mut taken, mut faults) = (0_u64, 0_u64);
    fuzz("control_messages", 600_000, |case| {
        let bytes = case.mutated(&corpus);
        match decoder.decode(&mut bytes.clone()) {
            Ok(request) => {
                taken += 1;
                accepted(&bytes, &request);
            }
            Err(fault) => {
                faults += 1;
                refused(&fault);
            }
        }
        // What came before leaves nothing behind in the buffers.
        let (mut good, mut fresh) = (case.picked(&corpus), Vec::new());
        fresh.clone_from(&good);
        assert_eq!(decoder.decode(&mut good), Decoder::default().decode(&mut fresh));
    });
    assert!(taken + faults < 1_000 || (taken > 100 && faults > 100), "{taken} {faults}");
}

#[test]
fn each_request_of_the_corpus_says_what_it_is_meant_to() {
    let mut ops = std::collections::BTreeSet::new();
    for line in corpus("control.txt") {
        if let Ok(request) = Decoder::default().decode(&mut line.clone()) {
            accepted(&line, &request);
            ops.insert(serde_json::from_slice::<Value>(&line).unwrap()["op"].to_string());
        }
    }
    assert_eq!(ops.len(), 21, "{ops:?}");
}
