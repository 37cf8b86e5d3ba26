//! Which pages of other hosts may read what is served here (the Fetch standard's CORS protocol). Nothing here ever
//! allows every origin, or credentials.

use super::Answer;
use crate::auth::origins::Origins;
use http_body_util::{Either, Full};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, StatusCode};

/// The only `Origin` of a request, if it is one of the list.
fn listed<'a>(origins: &Origins, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
    let mut named = headers.get_all(ORIGIN).iter();
    let origin = named.next().filter(|origin| origins.allowed.iter().any(|listed| *listed == **origin))?;
    named.next().is_none().then_some(origin)
}

/// Lets the page that asked read an answer, if it may.
pub(super) fn open(origins: &Origins, request: &HeaderMap, answer: &mut HeaderMap) {
    // Also where no origin was named: a cache must not give that answer to a page.
    answer.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = listed(origins, request) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag, retry-after"));
    }
}

/// The answer to a browser that asks whether it may ask; `None` = it is no such question.
pub(super) fn preflight(origins: &Origins, method: &Method, request: &HeaderMap) -> Option<Answer> {
    if method != Method::OPTIONS || !request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut answer = Answer::new(Either::Left(Full::default()));
    if listed(origins, request).is_none() {
        *answer.status_mut() = StatusCode::FORBIDDEN;
        return Some(answer);
    }
    *answer.status_mut() = StatusCode::NO_CONTENT;
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, cache-control, if-none-match, last-event-id"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(answer)
}

/// Whether pages of other hosts may ask for a path at all.
pub(super) fn is_shared(path: &str) -> bool {
    path.starts_with("/v1/") || path == "/openapi.json"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_origin_of_the_list_is_listed() {
        let allowed = vec!["https://a.example".to_owned(), "http://b.example:81".to_owned()];
        let origins = Origins { allowed, ..Origins::default() };
        for (lines, is_listed) in [
            (&["https://a.example"][..], true),
            (&["http://b.example:81"], true),
            (&[], false),
            (&["http://a.example"], false),
            (&["https://a.example.evil"], false),
            (&["null"], false),
            (&["https://a.example", "https://a.example"], false),
        ] {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|line| {
                headers.append(ORIGIN, HeaderValue::from_static(line));
            });
            assert_eq!(listed(&origins, &headers).is_some(), is_listed, "{lines:?}");
        }
    }
}
