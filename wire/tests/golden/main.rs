//! The bytes of market data, pinned: every golden file is written by the encoders, read back by the decoders, and read
//! by the clients of the other languages. `TICKGATE_BLESS=1 cargo test -p tickgate-wire --test golden` writes them
//! anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod binary;
mod cases;
mod document;
mod market;
mod session;

use serde_json::{Value, json};
use std::path::PathBuf;

/// One golden file.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) value: Value,
}

pub(crate) fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

#[expect(clippy::disallowed_methods, reason = "the bless switch of this test, not configuration")]
fn blesses() -> bool {
    std::env::var("TICKGATE_BLESS").is_ok_and(|value| value == "1")
}

/// Compares with the file, or writes it.
pub(crate) fn pin(name: &str, bytes: &[u8]) {
    let path = data().join(name);
    if blesses() {
        std::fs::create_dir_all(data()).unwrap();
        std::fs::write(path, bytes).unwrap();
        return;
    }
    let pinned = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(pinned == bytes, "{name} differs from what the encoders write\n now {}", hex(bytes));
}

#[test]
fn golden_files_are_what_the_encoders_write() {
    let cases = cases::all();
    let mut entries = Vec::new();
    for case in &cases {
        let text = case.value["form"] == "json";
        let file = format!("{}.{}", case.name, if text { "json" } else { "bin" });
        pin(&file, &case.bytes);
        let mut entry = json!({ "name": case.name, "file": file });
        let members = entry.as_object_mut().unwrap();
        if !text {
            members.insert("hex".to_owned(), hex(&case.bytes).into());
        }
        for (key, value) in case.value.as_object().unwrap() {
            members.insert(key.clone(), value.clone());
        }
        entries.push(entry);
    }
    let mut manifest = serde_json::to_vec_pretty(&json!({ "messages": entries })).unwrap();
    manifest.push(b'\n');
    pin("manifest.json", &manifest);
}

#[test]
fn worked_dumps_are_among_the_golden_files() {
    let cases = cases::all();
    for (name, dump) in [
        ("compact-quote-bitmap", "52 34 44 29 02 c7 f9 0f a3 80 32 02 41 58"),
        ("compact-quote-gaps", "63 35 44 00 02 c7 95 01 f9 0f a3 80 32 02"),
        ("compact-quote-no-change", "e0 01 00"),
        ("compact-quote-stale", "00 02 21 02"),
        ("compact-quote-full", "80 88 a4 fa 92 32 00 dc 0b 00 d4 d0 e8 05 02 bc 95 03 ac 02"),
        ("compact-prints-state", "80 02 03 02"),
    ] {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        assert!(hex(&case.bytes).ends_with(dump), "{name}: {}", hex(&case.bytes));
    }
}
