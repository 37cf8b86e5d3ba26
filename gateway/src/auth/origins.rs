//! Which pages may open a socket. Pure over a request's head.

use hyper::header::{HOST, HeaderMap, ORIGIN};

/// Where a page may come from.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// These, written as browsers do: scheme, host, port if it is not the scheme's.
    pub allowed: Vec<String>,
    /// A page must have come by a loopback name: where accounts need no proof, no foreign name may lead here.
    pub loopback_only: bool,
    /// The gateway itself is reached by https.
    pub secure: bool,
}

/// Whether a text is an origin as browsers write one.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    matches!(scheme, "http" | "https") && !authority.is_empty() && authority.bytes().all(plain)
}

impl Origins {
    /// A browser names the page that opens a socket: it must be allowed, or come from this very host, or from loopback
    /// when this host is loopback. A client that names none is no browser.
    #[must_use]
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        let (Ok(origin), None) = (origin.to_str(), origins.next()) else { return false };
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if is_loopback(authority) && is_loopback(host) {
            return true;
        }
        let same = authority.eq_ignore_ascii_case(host) && (scheme == "https" || !self.secure);
        let listed = self.allowed.iter().any(|allowed| allowed == origin);
        (same && !self.loopback_only) || (listed && (is_loopback(host) || !self.loopback_only))
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn a_page_comes_from_here_from_loopback_or_from_the_list() {
        let app = "https://app.example";
        for (origin, host, loopback_only, secure, may) in [
            (Some(app), "gw.example", false, true, true),
            (Some("https://APP.example"), "gw.example", false, true, false),
            (Some("http://app.example"), "gw.example", false, false, false),
            (Some("https://app.example:444"), "gw.example", false, true, false),
            (Some("https://app.example.evil"), "gw.example", false, true, false),
            (Some("https://gw.example"), "gw.example", false, true, true),
            (Some("http://gw.example"), "gw.example", false, true, false),
            (Some("http://gw.example"), "gw.example", false, false, true),
            (Some("http://gw.example"), "gw.example", true, false, false),
            (Some(app), "gw.example", true, false, false),
            (Some(app), "localhost:8080", true, false, true),
            (Some("http://localhost:5173"), "127.0.0.1:8080", true, false, true),
            (Some("null"), "gw.example", false, false, false),
            (Some(""), "gw.example", false, false, false),
            (None, "gw.example", true, true, true),
        ] {
            let origins = Origins { allowed: vec![app.to_owned()], loopback_only, secure };
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(origins.allow(&headers), may, "{origin:?} at {host}, {loopback_only}, {secure}");
        }
        let mut two = HeaderMap::new();
        two.append(ORIGIN, HeaderValue::from_static("https://app.example"));
        two.append(ORIGIN, HeaderValue::from_static("https://app.example"));
        assert!(!Origins { allowed: vec![app.to_owned()], ..Origins::default() }.allow(&two));
    }

    #[test]
    fn an_origin_is_scheme_and_authority_in_small_letters() {
        assert!(
            ["https://app.example", "http://127.0.0.1:5173", "http://[::1]:80"].into_iter().all(is_origin)
        );
        for bad in [
            "*",
            "app.example",
            "https://",
            "https://App.example",
            "https://a/b",
            "ws://a",
            "https://*.a",
            "null",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
