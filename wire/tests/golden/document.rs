//! `docs/protocol.md` says what the code does: its dumps are golden files, its tables are the registries.

use crate::{cases, hex};
use tickgate_wire::close::{CloseReason, reconnects};
use tickgate_wire::error::{ErrorCode, Retry};

const PROTOCOL: &str = include_str!("../../../docs/protocol.md");

/// Dumps stand in fences that name their file: ```` ```hex compact-quote-bitmap ````; text after `;` is a comment.
#[test]
fn every_dump_of_the_document_is_a_golden_file() {
    let cases = cases::all();
    let mut dumps = 0;
    for block in PROTOCOL.split("```hex ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let (body, _) = rest.split_once("```").unwrap();
        let bytes: Vec<&str> =
            body.lines().flat_map(|line| line.split(';').next().unwrap_or("").split_whitespace()).collect();
        let case =
            cases.iter().find(|case| case.name == name.trim()).unwrap_or_else(|| panic!("no file {name}"));
        assert_eq!(bytes.join(" "), hex(&case.bytes), "{name}");
        dumps += 1;
    }
    assert!(dumps >= 10, "only {dumps} dumps");
}

#[test]
fn every_json_sample_of_the_document_is_a_golden_file() {
    let cases = cases::all();
    let names =
        ["json-quotes", "json-trades", "json-trade-totals", "json-books", "json-bars", "json-statuses"];
    for name in names {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let text = std::str::from_utf8(&case.bytes).unwrap();
        assert!(PROTOCOL.lines().any(|line| line == text), "{name} is not shown: {text}");
    }
}

fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = PROTOCOL.split_once(heading).unwrap_or_else(|| panic!("no section {heading}"));
    let lines =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
    };
    lines.skip(2).map(cells).collect()
}

#[test]
fn the_table_of_close_codes_is_the_registry() {
    let reasons = [
        CloseReason::Normal,
        CloseReason::GoingAway,
        CloseReason::Protocol,
        CloseReason::Unsupported,
        CloseReason::BadText,
        CloseReason::Policy,
        CloseReason::TooBig,
        CloseReason::NoPong,
        CloseReason::TryLater,
        CloseReason::Auth,
        CloseReason::Forbidden,
        CloseReason::SlowConsumer,
        CloseReason::TakenOver,
        CloseReason::Rate,
    ];
    let rows = rows("## Close codes");
    assert_eq!(rows.len(), reasons.len());
    for (row, reason) in rows.iter().zip(reasons) {
        let reconnect = if reconnects(reason.code()) { "reconnect" } else { "do not" };
        assert_eq!(row[..3], [reason.code().to_string().as_str(), reason.text(), reconnect]);
    }
}

#[test]
fn the_table_of_errors_is_the_registry() {
    let rows = rows("## Errors");
    assert_eq!(rows.len(), ErrorCode::ALL.len());
    for (row, code) in rows.iter().zip(ErrorCode::ALL) {
        let retry = match code.retry() {
            Retry::Never => "never",
            Retry::Now => "now",
            Retry::AfterMs => "after_ms",
            Retry::Reauth => "reauth",
        };
        assert_eq!(row[..3], [code.number().to_string().as_str(), code.code(), retry]);
    }
}
