//! Whether a request may become a socket, and in which form. Pure over the request's head.

use crate::auth::origins::Origins;
use bytes::Bytes;
use fastwebsockets::upgrade::{is_upgrade_request, upgrade};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use wire::frame::Form;

/// Why a request becomes no socket.
pub type Refused = (StatusCode, &'static str);

/// Checks a request in the order in which a client can mend it; the answer is the form of its market data, and the
/// subprotocol to be named in the reply (none was offered: none is named, and the form is `compact`). A
/// browser must have come from one of `origins`.
///
/// # Errors
/// The HTTP status and one line of text.
pub fn check<B>(request: &Request<B>, origins: &Origins) -> Result<(Form, Option<&'static str>), Refused> {
    let headers = request.headers();
    if request.version() != Version::HTTP_11 {
        return Err((StatusCode::HTTP_VERSION_NOT_SUPPORTED, "WebSocket needs HTTP/1.1"));
    }
    if headers.get_all(HOST).iter().count() != 1 {
        return Err((StatusCode::BAD_REQUEST, "exactly one Host is needed"));
    }
    if request.method() != Method::GET {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET becomes a WebSocket"));
    }
    let has_body = headers.get(CONTENT_LENGTH).is_some_and(|len| len != "0");
    if has_body || headers.contains_key(TRANSFER_ENCODING) {
        return Err((StatusCode::BAD_REQUEST, "a handshake has no body"));
    }
    if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
        return Err((StatusCode::UPGRADE_REQUIRED, "this is a WebSocket: Upgrade and Connection are needed"));
    }
    if headers.get_all(SEC_WEBSOCKET_VERSION).iter().count() != 1
        || headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13")
    {
        return Err((StatusCode::UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13"));
    }
    if !origins.allow(headers) {
        return Err((StatusCode::FORBIDDEN, "this origin is not allowed"));
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().map(HeaderValue::as_bytes).unwrap_or_default();
    if keys.next().is_some() || !is_key(key) || !is_upgrade_request(request) {
        return Err((StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64"));
    }
    form(headers)
}

/// The answer that turns a checked request into a socket.
///
/// # Errors
/// The HTTP status and one line of text.
pub fn accept(
    request: &mut Request<Incoming>,
    subprotocol: Option<&'static str>,
) -> Result<Response<Full<Bytes>>, Refused> {
    let (response, _unused) =
        upgrade(request).map_err(|_| (StatusCode::BAD_REQUEST, "no valid WebSocket handshake"))?;
    let mut response = response.map(|_| Full::default());
    if let Some(name) = subprotocol {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    Ok(response)
}

fn form(headers: &HeaderMap) -> Result<(Form, Option<&'static str>), Refused> {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Ok((Form::Compact, None));
    }
    for offered in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let Ok(text) = offered.to_str() else { continue };
        for name in text.split(',').map(str::trim) {
            if let Some(form) = Form::ALL.into_iter().find(|form| form.subprotocol() == name) {
                return Ok((form, Some(form.subprotocol())));
            }
        }
    }
    Err((StatusCode::BAD_REQUEST, "no known subprotocol: tickgate.v1.compact, .fixed, .json"))
}

fn has_token(headers: &HeaderMap, name: &hyper::header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// 16 bytes in base64: 22 characters and two `=`, the last one with four zero bits.
fn is_key(key: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24
        && key[..22].iter().all(plain)
        && &key[22..] == b"=="
        && matches!(key[21], b'A' | b'Q' | b'g' | b'w')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut builder = Request::builder().uri("/ws");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap()
    }

    const GOOD: [(&str, &str); 5] = [
        ("host", "localhost:1"),
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn the_first_known_subprotocol_is_taken() {
        assert_eq!(check(&request(&GOOD), &Origins::default()), Ok((Form::Compact, None)));
        let offer = ("sec-websocket-protocol", "chat, tickgate.v1.json, tickgate.v1.fixed");
        let mut headers = GOOD.to_vec();
        headers.push(offer);
        assert_eq!(
            check(&request(&headers), &Origins::default()),
            Ok((Form::Json, Some("tickgate.v1.json")))
        );
    }

    #[test]
    fn each_missing_or_wrong_header_has_its_status() {
        for (at, status) in [(0, 400), (1, 426), (2, 426), (3, 426), (4, 400)] {
            let mut headers = GOOD.to_vec();
            headers.remove(at);
            assert_eq!(check(&request(&headers), &Origins::default()).unwrap_err().0, status);
        }
        for (header, status) in [
            (("origin", "https://evil.example"), 403),
            (("origin", "null"), 403),
            (("content-length", "5"), 400),
            (("host", "other"), 400),
            (("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), 400),
            (("sec-websocket-version", "8"), 426),
            (("sec-websocket-protocol", "chat"), 400),
        ] {
            let mut headers = GOOD.to_vec();
            headers.push(header);
            assert_eq!(check(&request(&headers), &Origins::default()).unwrap_err().0, status, "{header:?}");
        }
        let development = Origins { loopback_only: true, ..Origins::default() };
        let mut headers = GOOD.to_vec();
        headers.push(("origin", "http://127.0.0.1:8080"));
        assert!(check(&request(&headers), &development).is_ok());
        // A foreign name that resolves to this machine is no way in where accounts need no proof.
        let mut foreign = GOOD.to_vec();
        foreign[0] = ("host", "evil.example");
        foreign.push(("origin", "http://evil.example"));
        assert!(check(&request(&foreign), &Origins::default()).is_ok());
        assert_eq!(check(&request(&foreign), &development).unwrap_err().0, 403);
    }
}
