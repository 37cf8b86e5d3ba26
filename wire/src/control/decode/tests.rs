//! Each malformed thing gets the right numbered error, and it names the field.

use super::*;
use crate::control::Op;
use crate::order::Act;

fn decode(text: &str) -> Result<String, (Option<u64>, ErrorCode, String)> {
    let mut bytes = text.as_bytes().to_vec();
    Decoder::default()
        .decode(&mut bytes)
        .map(|request| format!("{request:?}"))
        .map_err(|fault| (fault.id, fault.code, fault.message))
}

fn refused(text: &str, code: ErrorCode, word: &str) {
    let (_, got, message) = decode(text).expect_err(text);
    assert_eq!(got, code, "{text}: {message}");
    assert!(message.contains(word), "{text}: {message}");
}

const ORDER: &str = r#"{"op":"order.new","id":3,"cl_ord_id":"c-1","symbol":"BTCUSDT.BINANCE","side":"buy","type":"limit","qty":"0.5","price":"61000.10","tif":"gtc"}"#;

#[test]
fn an_order_is_read_exactly() {
    let mut bytes = ORDER.as_bytes().to_vec();
    let request = Decoder::default().decode(&mut bytes).unwrap();
    assert_eq!(request.id, Some(3));
    let Op::Order { act: Act::New(order), .. } = request.op else { panic!("{request:?}") };
    assert_eq!((order.cl_ord_id.as_str(), order.symbol.as_str()), ("c-1", "BTCUSDT.BINANCE"));
    assert_eq!(order.qty, Number { mantissa: 5, exponent: -1 });
    assert_eq!(order.price, Some(Number { mantissa: 6_100_010, exponent: -2 }));
}

#[test]
fn prices_and_quantities_are_texts_in_the_strict_grammar() {
    for (from, to) in [
        (r#""0.5""#, "0.5"),
        (r#""0.5""#, r#""1e5""#),
        (r#""0.5""#, r#""+1""#),
        (r#""0.5""#, r#""1_000""#),
        (r#""0.5""#, r#""""#),
        (r#""0.5""#, "null"),
        (r#""0.5""#, r#""9007199254740992""#),
    ] {
        refused(&ORDER.replace(from, to), ErrorCode::BadField, "qty");
    }
    refused(&ORDER.replace(r#""61000.10""#, "61000.10"), ErrorCode::BadField, "price");
    refused(&ORDER.replace("limit", "market"), ErrorCode::BadField, "price");
    refused(&ORDER.replace(r#","price":"61000.10""#, ""), ErrorCode::BadField, "price");
}

#[test]
fn repeated_unknown_and_foreign_fields_are_named() {
    refused(r#"{"op":"ping","op":"ping"}"#, ErrorCode::DuplicateKey, "op");
    refused(r#"{"op":"ping","t":1,"\u0074":2}"#, ErrorCode::DuplicateKey, "t");
    refused(r#"{"op":"ping","x":1,"x":2}"#, ErrorCode::DuplicateKey, "x");
    refused(
        r#"{"op":"hello","resume":{"report_seq":1,"report_seq":2}}"#,
        ErrorCode::DuplicateKey,
        "report_seq",
    );
    refused(r#"{"op":"ping","colour":1}"#, ErrorCode::BadField, "colour");
    refused(r#"{"op":"ping","price":"1"}"#, ErrorCode::BadField, "price");
    refused(r#"{"op":"hello","resume":{"from":1}}"#, ErrorCode::BadField, "resume.from");
}

#[test]
fn what_is_no_request_is_told_apart() {
    for text in ["", "x", "[]", "1", "{", r#"{"op":}"#, r#"{"op":"ping"} x"#, "\u{0}", "null"] {
        refused(text, ErrorCode::BadJson, "");
    }
    refused("{}", ErrorCode::UnknownOp, "op");
    refused(r#"{"op":7}"#, ErrorCode::UnknownOp, "op");
    refused(r#"{"op":"dance"}"#, ErrorCode::UnknownOp, "dance");
    refused(r#"{"op":"order.cancel_all"}"#, ErrorCode::NotSupportedYet, "cancel_all");
    refused(r#"{"op":"hello","token":7}"#, ErrorCode::BadField, "token");
    refused(r#"{"op":"auth"}"#, ErrorCode::BadField, "token");
    let long = "x".repeat(crate::control::TOKEN_BYTES_MAX + 1);
    refused(&format!(r#"{{"op":"auth","token":"{long}"}}"#), ErrorCode::BadField, "token");
    refused(
        &ORDER.replace("\"id\":3", "\"cancel_on_disconnect\":true"),
        ErrorCode::NotSupportedYet,
        "cancel_on_disconnect",
    );
    assert!(decode(&ORDER.replace("\"id\":3", "\"cancel_on_disconnect\":false")).is_ok());
}

#[test]
fn deep_and_long_messages_are_refused_without_recursion() {
    let deep = format!(r#"{{"op":"ping","t":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    refused(&deep, ErrorCode::BadJson, "");
    let wide =
        format!(r#"{{"op":"subscribe","channel":"quote","symbols":[{}]}}"#, vec!["\"A\""; 4_097].join(","));
    refused(&wide, ErrorCode::BadField, "symbols");
}

#[test]
fn numbers_are_whole_and_bounded_and_the_id_is_echoed_in_faults() {
    for t in ["1.5", "-1", "9007199254740992", "1e3", "\"1\"", "true", "null"] {
        refused(&format!(r#"{{"op":"ping","t":{t}}}"#), ErrorCode::BadField, "t:");
        refused(&format!(r#"{{"op":"ping","id":{t}}}"#), ErrorCode::BadField, "id");
    }
    assert_eq!(decode(r#"{"op":"dance","id":9}"#).unwrap_err().0, Some(9));
    assert_eq!(decode(r#"{"id":9,"id":9,"op":"ping"}"#).unwrap_err().0, Some(9));
    refused(
        r#"{"op":"subscribe","channel":"quote","symbols":["A"],"interval_ms":33}"#,
        ErrorCode::BadInterval,
        "interval_ms",
    );
}

#[test]
fn channels_symbols_and_intervals_are_checked() {
    refused(
        r#"{"op":"subscribe","channel":"weather","symbols":["A"]}"#,
        ErrorCode::UnknownChannel,
        "weather",
    );
    refused(r#"{"op":"subscribe","channel":"quote"}"#, ErrorCode::BadField, "symbols: missing");
    refused(r#"{"op":"subscribe","channel":"quote","symbols":[]}"#, ErrorCode::BadField, "symbols");
    refused(r#"{"op":"subscribe","channel":"quote","symbols":["A",7]}"#, ErrorCode::BadField, "symbols[1]");
    refused(r#"{"op":"subscribe","channel":"quote","symbols":["A B"]}"#, ErrorCode::BadField, "symbols[0]");
    refused(
        r#"{"op":"subscribe","channel":"quote","symbols":[["A"],"B"]}"#,
        ErrorCode::BadField,
        "symbols[0]",
    );
    assert!(decode(r#"{"op":"repair"}"#).unwrap().contains("Repair(None)"));
    assert!(decode(r#"{"op":"hashes","id":1}"#).unwrap().contains("Hashes(None)"));
    assert!(decode(r#"{"op":"hashes","buckets":[0,63]}"#).unwrap().contains("Hashes(Some([0, 63]))"));
    let patterns = |count: usize| {
        let list = vec!["\"A*\""; count].join(",");
        decode(&format!(r#"{{"op":"subscribe","channel":"quote","symbols":["B",{list}]}}"#))
    };
    assert!(patterns(64).is_ok() && patterns(65).is_err());
    let aged = |ms: &str| {
        decode(&format!(r#"{{"op":"subscribe","channel":"quote","symbols":["A"],"max_age_ms":{ms}}}"#))
    };
    assert!(aged("100").unwrap().contains("max_age_ms: Some(100)") && aged("60000").is_ok());
    assert!(["99", "60001", "\"100\"", "null", "1.5"].iter().all(|ms| aged(ms).is_err()));
    for bad in ["[]", "[64]", "[-1]", "[1.5]", "7", "[0,1,2,3,4,5,6,7,8]", "[\"1\"]"] {
        assert!(decode(&format!(r#"{{"op":"hashes","buckets":{bad}}}"#)).is_err(), "{bad}");
    }
    refused(r#"{"op":"repair","channel":"quote"}"#, ErrorCode::BadField, "symbols");
}

#[test]
fn a_slow_reader_says_what_it_can_take() {
    assert!(decode(r#"{"op":"budget","bytes_per_s":1000}"#).unwrap().contains("Budget(Some(1000))"));
    assert!(decode(r#"{"op":"budget","bytes_per_s":100000000}"#).is_ok());
    assert!(decode(r#"{"op":"budget","bytes_per_s":null}"#).unwrap().contains("Budget(None)"));
    refused(r#"{"op":"budget"}"#, ErrorCode::BadField, "bytes_per_s: missing");
    for bad in ["999", "100000001", "0", "-1", "1e4", "4000.5", "\"4000\"", "true", "[4000]", "{}"] {
        refused(&format!(r#"{{"op":"budget","bytes_per_s":{bad}}}"#), ErrorCode::BadField, "bytes_per_s");
    }
    refused(r#"{"op":"budget","bytes_per_s":4000,"symbols":["A"]}"#, ErrorCode::BadField, "symbols");
    assert!(decode(r#"{"op":"visible","symbols":[]}"#).unwrap().contains("Visible(Names([]))"));
    assert!(decode(r#"{"op":"visible","symbols":["A","B*"]}"#).is_ok());
    refused(r#"{"op":"visible"}"#, ErrorCode::BadField, "symbols: missing");
    for bad in ["\"A\"", "null", "[7]", "[\"A B\"]", "[[]]", "{}"] {
        refused(&format!(r#"{{"op":"visible","symbols":{bad}}}"#), ErrorCode::BadField, "symbols");
    }
    let many = vec!["\"A*\""; 65].join(",");
    refused(&format!(r#"{{"op":"visible","symbols":[{many}]}}"#), ErrorCode::BadField, "64 patterns");
    refused(r#"{"op":"visible","channel":"quote","symbols":["A"]}"#, ErrorCode::BadField, "channel");
    for (op, with) in [("subscribe", ""), ("set_rate", r#","interval_ms":50"#)] {
        let asked = |flag: &str| {
            decode(&format!(r#"{{"op":"{op}","channel":"quote","symbols":["A"]{with},"adaptive":{flag}}}"#))
        };
        assert!(asked("true").unwrap().contains("adaptive: true"));
        assert!(asked("false").unwrap().contains("adaptive: false"));
        for bad in ["1", "null", "\"true\"", "[true]"] {
            assert!(asked(bad).unwrap_err().2.contains("adaptive: true or false"), "{bad}");
        }
    }
    refused(
        r#"{"op":"unsubscribe","channel":"quote","symbols":["A"],"adaptive":true}"#,
        ErrorCode::BadField,
        "adaptive",
    );
}

#[test]
fn a_decoder_serves_many_messages_in_turn() {
    let mut decoder = Decoder::default();
    for round in 0..3 {
        assert!(decoder.decode(&mut ORDER.as_bytes().to_vec()).is_ok(), "{round}");
        assert!(decoder.decode(&mut b"{".to_vec()).is_err(), "{round}");
    }
}

#[test]
fn no_message_repeats_a_control_character() {
    for text in ["{\"op\":\"ping\",\"id\"\08}", "{\"op\"\n\u{1}:1}", "\u{7}", "{\"op\":\"\\u0007x\"}"] {
        let (_, _, message) = decode(text).expect_err(text);
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}

#[test]
fn a_view_is_what_its_channel_can_show() {
    let subscribe = |channel: &str, more: &str| {
        decode(&format!(r#"{{"op":"subscribe","channel":"{channel}","symbols":["A"]{more}}}"#))
    };
    let shows = |channel: &str, more: &str, what: &str| {
        let shown = subscribe(channel, more).unwrap();
        assert!(shown.contains(what), "{channel} {more}: {shown}");
    };
    shows("quote", "", "view: Market { fields: All, filter: None }");
    shows("trade", r#","fields":"price""#, "view: Market { fields: Price, filter: None }");
    shows("book", "", "view: Book { depth: 10 }");
    shows("book", r#","depth":20"#, "view: Book { depth: 20 }");
    shows("bar", r#","period":"1m""#, "view: Bar { period: Minute }");
    shows("status", "", "view: Status");
    for (channel, more) in [
        ("quote", r#","fields":"tiny""#),
        ("quote", r#","fields":["bid"]"#),
        ("quote", r#","depth":5"#),
        ("trade", r#","filter":[[["bid",">","1"]]]"#),
        ("book", r#","depth":7"#),
        ("book", r#","depth":"5""#),
        ("book", r#","fields":"all""#),
        ("bar", r#","period":"1h""#),
        ("status", r#","period":"1s""#),
    ] {
        assert!(subscribe(channel, more).is_err(), "{channel} {more}");
    }
}

#[test]
fn a_filter_that_does_not_parse_names_the_part() {
    let filter =
        |text: &str| format!(r#"{{"op":"subscribe","channel":"quote","symbols":["A"],"filter":{text}}}"#);
    let whole = decode(&filter(r#"[[["bid",">","61000"],["spread","<=","0.02"]],[["ask","<","1"]]]"#));
    let whole = whole.unwrap();
    assert!(whole.contains("field: Spread, test: AtMost") && whole.contains("field: Ask"), "{whole}");
    for (text, place) in [
        ("[]", "filter: "),
        ("{}", "filter: "),
        ("\"bid>1\"", "filter: "),
        ("[[],[]]", "filter[0]"),
        ("[7]", "filter[0]"),
        (r#"[[["bid",">","1"]],[["bid",">"]]]"#, "filter[1][0]"),
        (r#"[[["bid",">","1"],["mid",">","1"]]]"#, "filter[0][1]: no such field: mid"),
        (r#"[[["bid","=>","1"]]]"#, "no such comparison: =>"),
        (r#"[[["bid",">",1]]]"#, "filter[0][0]"),
        (r#"[[["bid",">","1e3"]]]"#, "filter[0][0]"),
        (r#"[[["bid",">","1",[]]]]"#, "filter[0][0]"),
        (r#"[[["bid",[">"],"1"]]]"#, "filter[0][0]"),
    ] {
        refused(&filter(text), ErrorCode::BadFilter, place);
    }
    let many = [r#"["bid",">","1"]"#; 9].join(",");
    refused(&filter(&format!("[[{many}]]")), ErrorCode::BadFilter, "filter[0]");
    let wide = [r#"[["bid",">","1"]]"#; 5].join(",");
    refused(&filter(&format!("[{wide}]")), ErrorCode::BadFilter, "filter: ");
}
