//! A small reader of JSON that keeps numbers as the text they were written in.
//!
//! The usual readers turn numbers into binary fractions on the way; venues write prices as numbers. Values borrow from
//! the line; only text with an escape is copied.

use crate::replay::decimal::Decimal;
use std::borrow::Cow;

/// Deepest nesting that is read.
const DEPTH_MAX: u32 = 32;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// Text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Self>),
    /// Members in order.
    Map(Vec<(Cow<'a, str>, Self)>),
}

/// What an absent member is.
static NULL: Json<'static> = Json::Null;

impl<'a> Json<'a> {
    /// Reads one value that is the whole text.
    ///
    /// # Errors
    /// One line that says where.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at == text.len() { Ok(value) } else { Err(reader.refused("text after the value")) }
    }

    /// A member of a map; `Null` where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &Self {
        match self {
            Self::Map(members) => {
                members.iter().find(|(key, _)| key == name).map_or(&NULL, |(_, value)| value)
            }
            _ => &NULL,
        }
    }

    /// An element of a list; `Null` where there is none.
    #[must_use]
    pub fn at(&self, index: usize) -> &Self {
        self.list().get(index).unwrap_or(&NULL)
    }

    /// The elements of a list; none of anything else.
    #[must_use]
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }

    /// Text; empty for anything else.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Number(text) => text,
            _ => "",
        }
    }

    /// A number, written as one or as text.
    ///
    /// # Errors
    /// One line.
    pub fn number(&self) -> Result<Decimal, String> {
        Decimal::parse(self.text())
    }

    /// A number, 0 where there is none.
    ///
    /// # Errors
    /// One line.
    pub fn number_or_zero(&self) -> Result<Decimal, String> {
        if *self == Self::Null { Ok(Decimal::default()) } else { self.number() }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn refused(&self, what: &str) -> String {
        format!("no JSON at byte {}: {what}", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn value(&mut self, depth: u32) -> Result<Json<'a>, String> {
        if depth > DEPTH_MAX {
            return Err(self.refused("too deep"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => {
                let begin = self.at;
                while self.peek().is_some_and(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) {
                    self.at += 1;
                }
                Ok(Json::Number(&self.text[begin..self.at]))
            }
            _ => {
                for (word, value) in
                    [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
                {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.refused("a value is missing"))
            }
        }
    }

    fn list(&mut self, depth: u32) -> Result<Json<'a>, String> {
        self.at += 1;
        let mut list = Vec::new();
        if self.take(b']') {
            return Ok(Json::List(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            if self.take(b']') {
                return Ok(Json::List(list));
            }
            if !self.take(b',') {
                return Err(self.refused("a comma or an end is missing"));
            }
        }
    }

    fn map(&mut self, depth: u32) -> Result<Json<'a>, String> {
        self.at += 1;
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(Json::Map(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            if !self.take(b':') {
                return Err(self.refused("a colon is missing"));
            }
            members.push((key, self.value(depth + 1)?));
            if self.take(b'}') {
                return Ok(Json::Map(members));
            }
            if !self.take(b',') {
                return Err(self.refused("a comma or an end is missing"));
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        if !self.take(b'"') {
            return Err(self.refused("a text is missing"));
        }
        let begin = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
                None => return Err(self.refused("a text without an end")),
            }
        }
        let raw = self.text.get(begin..self.at).ok_or_else(|| self.refused("a broken escape"))?;
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(raw));
        }
        // Symbols hold `\/` at most; other escapes stand in texts that nothing reads.
        Ok(Cow::Owned(raw.replace("\\/", "/").replace("\\\"", "\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_they_were_written() {
        let json = Json::parse(r#" {"a":[1.50,-2e-8,"3"],"b\/c":{"d":null,"e":true}, "f":[] } "#).unwrap();
        assert_eq!(json.get("a").at(0), &Json::Number("1.50"));
        assert_eq!(json.get("a").at(1).number(), Decimal::parse("-0.00000002"));
        assert_eq!(json.get("a").at(2).number(), Ok(Decimal::new(3, 0)));
        assert_eq!(json.get("b/c").get("e"), &Json::Bool(true));
        assert_eq!(json.get("b/c").get("d").number_or_zero(), Ok(Decimal::default()));
        assert_eq!(json.get("nothing").at(7).text(), "");
    }

    #[test]
    fn every_cut_is_refused() {
        let text = r#"{"a":[1,{"b":"c\"d"}],"e":false}"#;
        assert!(Json::parse(text).is_ok());
        for end in 0..text.len() {
            assert!(Json::parse(&text[..end]).is_err(), "{}", &text[..end]);
        }
        assert!(Json::parse(&"[".repeat(100)).is_err());
        assert!(Json::parse("\"\\").is_err());
    }
}
