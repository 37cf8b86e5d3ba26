//! `/v1/stream`: what a question over HTTP asks of a session of the engine, as the requests that a client on the socket
//! would send. So it means the same, is checked by the same reader and gains what `subscribe` gains.

use crate::http::{Asked, Page, Parameters};
use crate::snapshot::{Refused, names};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName};
use serde_json::{Value, json};
use wire::control::{Decoder, Fault};
use wire::error::ErrorCode;

/// What a question may hold: lists, and what is a field of `subscribe` by the same name.
pub(crate) const PARAMETERS: &[&str] =
    &["symbols", "channels", "interval_ms", "max_age_ms", "fields", "filter", "depth", "period"];

/// Fields of `subscribe` that are parameters by the same name: a number if it is written in digits, a list if it begins
/// with a bracket, else a text. Behind each the channels that have it, none = all.
const FIELDS: &[(&str, &[&str])] = &[
    ("interval_ms", &[]),
    ("max_age_ms", &[]),
    ("fields", &["quote", "trade"]),
    ("filter", &["quote"]),
    ("depth", &["book"]),
    ("period", &["bar"]),
];

/// Channels of a question that names none, as `/v1/snapshot` tells them.
pub(crate) const CHANNELS: &str = "quote,trade";

/// Most channels of a question.
const CHANNELS_MAX: usize = 16;

/// Where a browser that lost its stream says how far it came: the `id` of the last event that had one.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Longest `Last-Event-ID` and `Authorization`.
const HEADER_BYTES_MAX: usize = 4_096;

/// Requests of a session, each of them one that can be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Events(Vec<String>);

impl Events {
    /// Reads a question.
    ///
    /// # Errors
    /// 400 with an error of the registry; it names the parameter.
    pub fn new(decoder: &mut Decoder, asked: &Asked<'_>) -> Result<Self, Page> {
        Self::read(decoder, asked).map_err(Refused::into_page)
    }

    fn read(decoder: &mut Decoder, asked: &Asked<'_>) -> Result<Self, Refused> {
        let parameters = asked.parameters(PARAMETERS)?;
        let mut requests = vec![hello(asked.headers)?];
        let cursor = header(asked.headers, &LAST_EVENT_ID)?;
        let channels = channels(&parameters)?;
        for channel in &channels {
            requests.push(subscribe(channel, &channels, &parameters, cursor)?);
        }
        let requests: Vec<String> = requests.iter().map(Value::to_string).collect();
        for request in &requests {
            let mut copy = request.clone().into_bytes();
            decoder.decode(&mut copy).map_err(|Fault { code, message, .. }| Refused::new(code, message))?;
        }
        Ok(Self(requests))
    }

    /// Each request as it would come on the socket, in order.
    pub fn requests(self) -> impl Iterator<Item = Vec<u8>> {
        self.0.into_iter().map(String::into_bytes)
    }
}

fn hello(headers: &HeaderMap) -> Result<Value, Refused> {
    let mut hello = json!({"op": "hello"});
    if let Some(value) = header(headers, &AUTHORIZATION)? {
        let (scheme, token) = value.split_once(' ').unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::new(ErrorCode::BadField, "authorization: Bearer and a token".to_owned()));
        }
        hello["token"] = json!(token.trim());
    }
    Ok(hello)
}

fn channels(parameters: &Parameters) -> Result<Vec<&str>, Refused> {
    let list = parameters.get("channels").unwrap_or(CHANNELS);
    let mut channels: Vec<&str> = Vec::new();
    for channel in list.split(',') {
        if channels.contains(&channel) {
            let message = "channels: one stands twice".to_owned();
            return Err(Refused::new(ErrorCode::DuplicateKey, message));
        }
        if channels.len() == CHANNELS_MAX {
            return Err(Refused::new(ErrorCode::BadField, format!("channels: at most {CHANNELS_MAX}")));
        }
        channels.push(channel);
    }
    Ok(channels)
}

fn subscribe(
    channel: &str,
    channels: &[&str],
    parameters: &Parameters,
    cursor: Option<&str>,
) -> Result<Value, Refused> {
    let symbols: Vec<&str> = names(parameters)?.unwrap_or("*").split(',').collect();
    let mut request = json!({"op": "subscribe", "channel": channel, "symbols": symbols});
    for (field, owners) in FIELDS {
        let is_anothers = !owners.contains(&channel) && owners.iter().any(|owner| channels.contains(owner));
        // What no channel of the question has goes to all: they refuse it by name.
        if let Some(text) = parameters.get(field).filter(|_| !is_anothers) {
            request[*field] = value(text);
        }
    }
    if let Some(cursor) = cursor {
        request["resume"] = json!(cursor);
    }
    Ok(request)
}

fn value(text: &str) -> Value {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let list = || text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten();
    number.map(Value::from).or_else(list).unwrap_or_else(|| Value::from(text))
}

/// The value of a header; empty is none.
fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match value.to_str() {
        Ok("") => Ok(None),
        Ok(text) if text.len() <= HEADER_BYTES_MAX && values.next().is_none() => Ok(Some(text)),
        _ => Err(Refused::new(ErrorCode::BadField, format!("{name}: one short text of visible characters"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn read(query: &str, headers: &[(HeaderName, &str)]) -> Result<Vec<Value>, (u16, String)> {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let headers: HeaderMap = headers.collect();
        let asked = Asked { path: "/v1/stream", query: Some(query), headers: &headers };
        let read = Events::read(&mut Decoder::default(), &asked);
        let requests = read.map_err(|refused| (refused.code.number(), refused.message))?;
        Ok(requests.0.iter().map(|request| serde_json::from_str(request).unwrap()).collect())
    }

    #[test]
    fn a_question_is_what_a_client_on_the_socket_would_ask() {
        let all = |channel| json!({"op": "subscribe", "channel": channel, "symbols": ["*"]});
        assert_eq!(read("", &[]), Ok(vec![json!({"op": "hello"}), all("quote"), all("trade")]));
        let asked = "symbols=A+B.X,C%2a&channels=trade&interval_ms=0&max_age_ms=0250";
        let request = json!({"op": "subscribe", "channel": "trade", "symbols": ["A+B.X", "C*"], "interval_ms": 0,
                             "max_age_ms": 250});
        assert_eq!(read(asked, &[]).unwrap()[1..], [request]);
        // Each channel is asked for what it has.
        let asked = "symbols=A&channels=quote,book,bar&depth=5&period=1m&filter=%5B%5B%5B%22bid%22,%22%3E%22,%221%22%5D%5D%5D";
        let asked = read(asked, &[]).unwrap();
        assert_eq!(asked[1]["filter"], json!([[["bid", ">", "1"]]]));
        let views: Vec<_> =
            asked[1..].iter().map(|one| (&one["depth"], &one["period"], one["filter"].is_null())).collect();
        let (depth, period, none) = (json!(5), json!("1m"), Value::Null);
        assert_eq!(views, [(&none, &none, false), (&depth, &none, true), (&none, &period, true)]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_number_and_name() {
        for (query, number, message) in [
            ("symbol=A", 1003, "symbol: unknown parameter"),
            ("symbols=A&symbols=B", 1004, "symbols: stands twice"),
            ("symbols=", 1003, "symbols: a list of 1 to 64 symbols or patterns"),
            ("symbols=A,!", 1003, "symbols[1]: no symbol or pattern: !"),
            ("channels=", 1102, "channel: no such: "),
            ("channels=quote,depth", 1102, "channel: no such: depth"),
            ("channels=quote,quote", 1004, "channels: one stands twice"),
            ("interval_ms=7", 1103, "interval_ms: one of 0, 10, 20, 50, 100, 250, 500, 1000"),
            ("interval_ms=", 1003, "interval_ms: a whole number from 0 to 4294967295"),
            ("interval_ms=-1", 1003, "interval_ms: a whole number from 0 to 4294967295"),
            ("interval_ms=99999999999999999999", 1003, "interval_ms: a whole number from 0 to 4294967295"),
            ("max_age_ms=99", 1003, "max_age_ms: a whole number from 100 to 60000"),
            ("max_age_ms=1e3", 1003, "max_age_ms: a whole number from 100 to 60000"),
            ("depth=5", 1003, "depth: no field of this channel"),
            ("fields=none", 1003, "fields: all, price or coarse"),
            ("channels=bar&period=2", 1003, "period: a text"),
            ("op=hello", 1003, "op: unknown parameter"),
        ] {
            assert_eq!(read(query, &[]), Err((number, message.to_owned())), "{query}");
        }
        let twice = [(LAST_EVENT_ID, "a"), (LAST_EVENT_ID, "a")];
        let message = "last-event-id: one short text of visible characters".to_owned();
        assert_eq!(read("", &twice), Err((1003, message)));
        let message = "authorization: Bearer and a token".to_owned();
        assert_eq!(read("", &[(AUTHORIZATION, "Basic eDp5")]), Err((1003, message)));
    }

    #[test]
    fn the_place_of_the_last_event_and_a_token_are_handed_to_the_sockets_reader() {
        let nothing = Asked { path: "", query: None, headers: &HeaderMap::new() };
        let nothing = nothing.parameters(PARAMETERS).unwrap();
        let subscribe = subscribe("quote", &["quote"], &nothing, Some("c1")).unwrap();
        assert_eq!(subscribe["resume"], "c1");
        let hello =
            |value| hello(&[(AUTHORIZATION, HeaderValue::from_static(value))].into_iter().collect()).unwrap();
        assert_eq!(hello("bearer  a.b.c")["token"], "a.b.c");
        assert_eq!(read("", &[(LAST_EVENT_ID, "")]).unwrap(), read("", &[]).unwrap());
    }
}
