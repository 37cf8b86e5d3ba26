//! A plain HTTP request as a site sees it: strict about its query, because no option is silently ignored.

use hyper::HeaderMap;
use hyper::header::IF_NONE_MATCH;
use thiserror::Error;

/// Most characters of a client's own text that an answer repeats.
const SHOWN_MAX: usize = 48;

/// A `GET` or `HEAD`.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Path, as it was written.
    pub path: &'a str,
    /// What stands behind the question mark.
    pub query: Option<&'a str>,
    /// Headers.
    pub headers: &'a HeaderMap,
}

/// The parameters of a query, each once.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// The value of one; `None` when it is missing.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// What is wrong with a query; each names the parameter.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum BadQuery {
    /// There is no such parameter.
    #[error("{0}: unknown parameter")]
    Unknown(String),
    /// A parameter stands twice.
    #[error("{0}: stands twice")]
    Repeated(&'static str),
    /// A `%` without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("{0}: not percent-encoded UTF-8")]
    Encoding(String),
}

impl Asked<'_> {
    /// The values of the parameters that a query may have. `+` stands for itself: symbols may hold one.
    ///
    /// # Errors
    /// [`BadQuery`] for anything else in the query.
    pub fn parameters(&self, known: &'static [&'static str]) -> Result<Parameters, BadQuery> {
        let mut found = Parameters(Vec::new());
        let query = self.query.unwrap_or_default();
        for pair in query.split('&').filter(|_| !query.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).ok_or_else(|| BadQuery::Encoding(shown(name)))?;
            let Some(known) = known.iter().find(|known| **known == name) else {
                return Err(BadQuery::Unknown(shown(&name)));
            };
            let value = decoded(value).ok_or(BadQuery::Encoding(name))?;
            if found.get(known).is_some() {
                return Err(BadQuery::Repeated(known));
            }
            found.0.push((known, value));
        }
        Ok(found)
    }

    /// Whether `If-None-Match` says that the client holds what bears this entity tag (quotes included). The comparison
    /// is the weak one, as RFC 9110, 13.1.2 has it. Splitting at commas is safe: no quote can stand within a tag, so
    /// no part of a foreign tag looks like a whole one.
    #[must_use]
    pub fn holds(&self, tag: &str) -> bool {
        let lines = self.headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
        let mut held = lines.flat_map(|line| line.split(',')).map(|held| held.trim_matches([' ', '\t']));
        held.any(|held| held == "*" || held.strip_prefix("W/").unwrap_or(held) == tag)
    }
}

/// A client's own text, short enough to be told back.
pub fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = tail.split_first_chunk::<2>()?;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? * 16 + low?).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn parameter(query: &str) -> Result<Option<String>, BadQuery> {
        let asked = Asked { path: "/", query: Some(query), headers: &HeaderMap::new() };
        Ok(asked.parameters(&["symbols", "rate"])?.get("symbols").map(ToOwned::to_owned))
    }

    #[test]
    fn a_query_is_decoded_or_refused_by_name() {
        for (query, value) in [
            ("symbols=A*,B.X", "A*,B.X"),
            ("symbols=A%2a%2CB%2EX", "A*,B.X"),
            ("s%79mbols=A+B", "A+B"),
            ("symbols=A=B", "A=B"),
            ("symbols=%C3%A9", "é"),
            ("symbols=", ""),
            ("symbols", ""),
            ("rate=1&symbols=A", "A"),
        ] {
            assert_eq!(parameter(query), Ok(Some(value.to_owned())), "{query}");
        }
        assert_eq!(parameter(""), Ok(None));
        for query in ["symbols=%", "symbols=%4", "symbols=%G0", "symbols=%+1", "symbols=%FF"] {
            assert_eq!(parameter(query), Err(BadQuery::Encoding("symbols".to_owned())), "{query}");
        }
        assert_eq!(parameter("symbols=A&symbols=A"), Err(BadQuery::Repeated("symbols")));
        for (query, name) in [("Symbols=A", "Symbols"), ("symbols=A&", ""), ("a=%&symbols=A", "a")] {
            assert_eq!(parameter(query), Err(BadQuery::Unknown(name.to_owned())), "{query}");
        }
        assert_eq!(parameter(&"x".repeat(99)), Err(BadQuery::Unknown("x".repeat(SHOWN_MAX))));
    }

    #[test]
    fn tags_are_compared_weakly_over_all_lines() {
        for (lines, holds) in [
            (&["\"a\""][..], true),
            (&["W/\"a\""], true),
            (&["\"b\", \t W/\"a\""], true),
            (&["\"b\"", "\"a\""], true),
            (&["*"], true),
            (&[], false),
            (&["a"], false),
            (&["\"b\",\"A\""], false),
            (&["w/\"a\""], false),
            (&["\"\""], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_NONE_MATCH, HeaderValue::from_str(line).unwrap());
            }
            let asked = Asked { path: "/", query: None, headers: &headers };
            assert_eq!(asked.holds("\"a\""), holds, "{lines:?}");
        }
    }
}
