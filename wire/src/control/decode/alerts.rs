//! Requests about alerts, and those of operators.

use super::{Field, Message, NAME_CHARACTERS, bad, fault, set, shown, whole, width};
use crate::alert::{
    Alert, AlertAct, Condition, Direction, NOTE_CHARS_MAX, SPREAD_TICKS_MAX, STALE_MS, Source, valid_note,
};
use crate::control::Fault;
use crate::control::request::Op;
use crate::error::ErrorCode;
use crate::order::{AccountId, ClOrdId, Symbol};
use crate::presence::{NOTICE_CHARS_MAX, valid_notice};
use simd_json::Node;

pub(super) const ALERT_NEW: u64 =
    set(&[Field::ClAlertId, Field::Symbol, Field::Condition, Field::ExpiresUs, Field::Note]);
pub(super) const ALERT_CANCEL: u64 = set(&[Field::ClAlertId]);
pub(super) const NOTICE_SEND: u64 = set(&[Field::Text, Field::Account]);
pub(super) const SESSIONS: u64 = set(&[Field::Account]);

const CONDITION: &str = "an object of on and what goes with it";

/// The members of a condition, each at most once.
#[derive(Default)]
struct Members<'t, 'a> {
    on: Option<&'a str>,
    crosses: Option<&'a str>,
    level: Option<&'a str>,
    above_ticks: Option<&'t Node<'a>>,
    longer_than_ms: Option<&'t Node<'a>>,
}

impl<'t, 'a> Message<'t, 'a> {
    pub(super) fn alert_new(&self) -> Result<Op<'a>, Fault> {
        let cl_alert_id = self.cl_alert_id()?;
        let symbol = Symbol::new(self.text(Field::Symbol)?)
            .map_err(|error| bad("symbol", &format!("{error}: 1 to 48 of A-Z a-z 0-9 . - _ / : +")))?;
        let condition = self.condition()?;
        let expires_us = self.whole(Field::ExpiresUs, 0, super::MAX_WHOLE)?;
        let note = if self.has(Field::Note) { self.text(Field::Note)? } else { "" };
        if !valid_note(note) {
            let what = format!("at most {NOTE_CHARS_MAX} characters, none of them a control character");
            return Err(bad("note", &what));
        }
        let expires_us = expires_us.and_then(|us| i64::try_from(us).ok());
        let alert = Alert { symbol, condition, expires_us, note: note.to_owned() };
        Ok(Op::Alert(AlertAct::New { cl_alert_id, alert }))
    }

    pub(super) fn alert_cancel(&self) -> Result<Op<'a>, Fault> {
        Ok(Op::Alert(AlertAct::Cancel { cl_alert_id: self.cl_alert_id()? }))
    }

    pub(super) fn notice_send(&self) -> Result<Op<'a>, Fault> {
        let text = self.text(Field::Text)?;
        if !valid_notice(text) {
            let what = format!("1 to {NOTICE_CHARS_MAX} characters, none of them a control character");
            return Err(bad("text", &what));
        }
        Ok(Op::NoticeSend { text, account: self.named_account()? })
    }

    pub(super) fn named_account(&self) -> Result<Option<AccountId>, Fault> {
        if !self.has(Field::Account) {
            return Ok(None);
        }
        let account = AccountId::new(self.text(Field::Account)?);
        account.map(Some).map_err(|error| bad("account", &format!("{error}: 1 to 32 of {NAME_CHARACTERS}")))
    }

    fn cl_alert_id(&self) -> Result<ClOrdId, Fault> {
        self.cl_ord_id(Field::ClAlertId)
    }

    fn condition(&self) -> Result<Condition, Fault> {
        let members = self.condition_members()?;
        let Members { on, crosses, level, above_ticks, longer_than_ms } = members;
        let on = on.ok_or_else(|| bad("condition.on", "missing"))?;
        let source = Source::ALL.into_iter().find(|source| source.word() == on);
        if source.is_none() && !matches!(on, "spread" | "stale") {
            return Err(bad("condition.on", "bid, ask, last, spread or stale"));
        }
        let extra = [
            ("crosses", crosses.is_some() && source.is_none()),
            ("level", level.is_some() && source.is_none()),
            ("above_ticks", above_ticks.is_some() && on != "spread"),
            ("longer_than_ms", longer_than_ms.is_some() && on != "stale"),
        ];
        if let Some((name, _)) = extra.into_iter().find(|(_, extra)| *extra) {
            return Err(bad(&format!("condition.{name}"), &format!("no field of a condition on {on}")));
        }
        let counted = |name: &str, node: Option<&Node<'a>>, min, max| {
            let field = format!("condition.{name}");
            let node = node.ok_or_else(|| bad(&field, "missing"))?;
            let value = whole(node, min, max).and_then(|value| u32::try_from(value).ok());
            value.ok_or_else(|| bad(&field, &format!("a whole number from {min} to {max}")))
        };
        let Some(source) = source else {
            return if on == "spread" {
                let above_ticks = counted("above_ticks", above_ticks, 0, SPREAD_TICKS_MAX)?;
                Ok(Condition::Spread { above_ticks })
            } else {
                let (min, max) = STALE_MS.into_inner();
                Ok(Condition::Stale { longer_than_ms: counted("longer_than_ms", longer_than_ms, min, max)? })
            };
        };
        let direction = match crosses {
            Some("up") => Direction::Up,
            Some("down") => Direction::Down,
            Some(_) => return Err(bad("condition.crosses", "up or down")),
            None => return Err(bad("condition.crosses", "missing")),
        };
        let level = level.ok_or_else(|| bad("condition.level", "missing"))?;
        let level = level.parse().map_err(|error| bad("condition.level", &format!("{error}")))?;
        Ok(Condition::Crosses { source, direction, level })
    }

    fn condition_members(&self) -> Result<Members<'t, 'a>, Fault> {
        let Some(Node::Object { len, .. }) = self.node(Field::Condition) else {
            return Err(bad("condition", if self.has(Field::Condition) { CONDITION } else { "missing" }));
        };
        let mut members = Members::default();
        let mut at = self.at[Field::Condition as usize] as usize + 1;
        for _ in 0..*len {
            let (Some(Node::String(key)), Some(value)) = (self.nodes.get(at), self.nodes.get(at + 1)) else {
                return Err(bad("condition", CONDITION));
            };
            let repeated = match *key {
                "on" => members.on.replace(member(key, value)?).is_some(),
                "crosses" => members.crosses.replace(member(key, value)?).is_some(),
                "level" => members.level.replace(member(key, value)?).is_some(),
                "above_ticks" => members.above_ticks.replace(value).is_some(),
                "longer_than_ms" => members.longer_than_ms.replace(value).is_some(),
                _ => return Err(bad(&format!("condition.{}", shown(key)), "no such field")),
            };
            if repeated {
                return Err(fault(ErrorCode::DuplicateKey, format!("condition.{key}: stands twice")));
            }
            at += 1 + width(value);
        }
        Ok(members)
    }
}

fn member<'a>(key: &str, value: &Node<'a>) -> Result<&'a str, Fault> {
    match value {
        Node::String(text) => Ok(text),
        _ => Err(bad(&format!("condition.{key}"), "a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Decoder;

    const ALERT: &str = r#"{"op":"alert.new","id":3,"cl_alert_id":"a-1","symbol":"A.X","condition":{"on":"bid","crosses":"up","level":"61000.10"},"expires_us":5,"note":"é"}"#;

    fn refused(text: &str, code: ErrorCode, word: &str) {
        let fault = Decoder::default().decode(&mut text.as_bytes().to_vec()).map(|r| format!("{r:?}"));
        let fault = fault.expect_err(text);
        assert_eq!(fault.code, code, "{text}: {}", fault.message);
        assert!(fault.message.contains(word), "{text}: {}", fault.message);
    }

    fn asked(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let request = Decoder::default().decode(&mut bytes);
        request.map(|request| format!("{:?}", request.op)).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
    }

    #[test]
    fn an_alert_is_read_exactly() {
        let mut bytes = ALERT.as_bytes().to_vec();
        let request = Decoder::default().decode(&mut bytes).unwrap();
        let Op::Alert(AlertAct::New { cl_alert_id, alert }) = request.op else { panic!("{:?}", request.op) };
        assert_eq!((cl_alert_id.as_str(), alert.symbol.as_str(), alert.note.as_str()), ("a-1", "A.X", "é"));
        assert_eq!(alert.expires_us, Some(5));
        let level = "61000.10".parse().unwrap();
        assert_eq!(
            alert.condition,
            Condition::Crosses { source: Source::Bid, direction: Direction::Up, level }
        );
        let plain = ALERT.replace(r#","expires_us":5,"note":"é""#, "");
        assert!(asked(&plain).contains("expires_us: None"));
        let on = |condition: &str| {
            asked(&plain.replace(r#"{"on":"bid","crosses":"up","level":"61000.10"}"#, condition))
        };
        assert!(on(r#"{"above_ticks":0,"on":"spread"}"#).contains("Spread { above_ticks: 0 }"));
        assert!(on(r#"{"on":"stale","longer_than_ms":100}"#).contains("Stale { longer_than_ms: 100 }"));
        assert!(asked(r#"{"op":"alert.cancel","cl_alert_id":"a-1"}"#).contains("Cancel"));
        assert!(asked(r#"{"op":"alerts"}"#).contains("Alert(List)"));
    }

    #[test]
    fn what_is_wrong_with_an_alert_is_named() {
        use ErrorCode::{BadField, DuplicateKey};
        for (from, to, code, word) in [
            (r#""cl_alert_id":"a-1","#, "", BadField, "cl_alert_id: missing"),
            (r#""a-1""#, r#""a 1""#, BadField, "cl_alert_id"),
            (r#""a-1""#, "7", BadField, "cl_alert_id"),
            (r#""symbol":"A.X","#, "", BadField, "symbol: missing"),
            (r#""A.X""#, r#""A*""#, BadField, "symbol"),
            (r#""é""#, "7", BadField, "note"),
            (r#""é""#, r#""a\u0007""#, BadField, "note"),
            (r#""expires_us":5"#, r#""expires_us":-5"#, BadField, "expires_us"),
            (r#""expires_us":5"#, r#""expires_us":"5""#, BadField, "expires_us"),
            (r#""expires_us":5"#, r#""expires_ms":5"#, BadField, "expires_ms"),
            (r#""on":"bid","#, "", BadField, "condition.on: missing"),
            (r#""on":"bid""#, r#""on":"mid""#, BadField, "condition.on"),
            (r#""on":"bid""#, r#""on":"spread""#, BadField, "condition.crosses: no field"),
            (r#""on":"bid""#, r#""on":["bid"]"#, BadField, "condition.on"),
            (r#""on":"bid""#, r#""on":"bid","on":"ask""#, DuplicateKey, "condition.on"),
            (r#""crosses":"up""#, r#""crosses":"sideways""#, BadField, "condition.crosses"),
            (r#""crosses":"up","#, "", BadField, "condition.crosses: missing"),
            (r#""level":"61000.10""#, r#""level":61000.10"#, BadField, "condition.level"),
            (r#""level":"61000.10""#, r#""level":"1e5""#, BadField, "condition.level"),
            (r#","level":"61000.10""#, "", BadField, "condition.level: missing"),
            (r#""level":"61000.10""#, r#""level":"1","above_ticks":3"#, BadField, "condition.above_ticks"),
            (r#""level":"61000.10""#, r#""level":"1","colour":3"#, BadField, "condition.colour"),
        ] {
            assert!(ALERT.contains(from), "{from}");
            refused(&ALERT.replace(from, to), code, word);
        }
        let condition = r#"{"on":"bid","crosses":"up","level":"61000.10"}"#;
        for (to, word) in [
            ("7", "condition"),
            ("[]", "condition"),
            ("{}", "condition.on: missing"),
            (r#"{"on":"spread"}"#, "condition.above_ticks: missing"),
            (r#"{"on":"spread","above_ticks":-1}"#, "condition.above_ticks"),
            (r#"{"on":"spread","above_ticks":1000000001}"#, "condition.above_ticks"),
            (r#"{"on":"spread","above_ticks":"1"}"#, "condition.above_ticks"),
            (r#"{"on":"stale"}"#, "condition.longer_than_ms: missing"),
            (r#"{"on":"stale","longer_than_ms":99}"#, "condition.longer_than_ms"),
            (r#"{"on":"stale","longer_than_ms":86400001}"#, "condition.longer_than_ms"),
            (r#"{"on":"stale","longer_than_ms":{}}"#, "condition.longer_than_ms"),
        ] {
            refused(&ALERT.replace(condition, to), BadField, word);
        }
        refused(&ALERT.replace(&format!(r#""condition":{condition},"#), ""), BadField, "condition: missing");
        let note = |letters: usize| ALERT.replace('é', &"é".repeat(letters));
        asked(&note(64));
        refused(&note(65), BadField, "note");
        refused(r#"{"op":"alert.cancel"}"#, BadField, "cl_alert_id");
        refused(r#"{"op":"alerts","symbol":"A.X"}"#, BadField, "symbol");
        refused(r#"{"op":"alert.change"}"#, ErrorCode::UnknownOp, "alert.change");
    }

    #[test]
    fn what_operators_ask_is_read_and_what_is_wrong_named() {
        use ErrorCode::BadField;
        let said = asked(r#"{"op":"notice.send","text":"Back at \"nine\"","account":"A1"}"#);
        assert!(said.contains("Back at") && said.contains("A1"), "{said}");
        let notice = |letters: usize| format!(r#"{{"op":"notice.send","text":"{}"}}"#, "é".repeat(letters));
        asked(&notice(256));
        for (text, word) in [
            (notice(257), "text"),
            (notice(0), "text"),
            (r#"{"op":"notice.send"}"#.to_owned(), "text: missing"),
            (r#"{"op":"notice.send","text":7}"#.to_owned(), "text"),
            (r#"{"op":"notice.send","text":"a\nb"}"#.to_owned(), "text"),
            (r#"{"op":"notice.send","text":"a","account":"A 1"}"#.to_owned(), "account"),
            (r#"{"op":"notice.send","text":"a","symbol":"A.X"}"#.to_owned(), "symbol"),
            (r#"{"op":"sessions","account":7}"#.to_owned(), "account"),
            (r#"{"op":"sessions","text":"a"}"#.to_owned(), "text"),
        ] {
            refused(&text, BadField, word);
        }
        assert!(asked(r#"{"op":"sessions"}"#).contains("Sessions { account: None }"));
        assert!(asked(r#"{"op":"sessions","account":"A1"}"#).contains("A1"));
    }
}
