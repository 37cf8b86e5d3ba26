//! Every reader of `wire` on mutated inputs: nothing panics, what is accepted is written and read back as the same
//! value, and what is kept is never larger than the input allows.
//!
//! No allocator is counted here, as that needs `unsafe`; the capacities of what a reader hands out are bounded instead.
//! More cases: `FUZZ_ITERATIONS=1000000 cargo test -p tickgate-wire --test fuzz`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod books;
mod bus;
mod control;
mod frames;
#[path = "../support/mutate.rs"]
mod mutate;
mod numbers;
mod orders;
mod records;
mod shard;
mod texts;

use std::path::PathBuf;

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Golden files whose names begin so, in the order of their names.
fn golden(begin: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(tests().join("data")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().and_then(|name| name.to_str()).unwrap().starts_with(begin));
    paths.sort();
    assert!(!paths.is_empty(), "no golden file begins with {begin}");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Lines of a corpus file.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(tests().join("corpus").join(name)).unwrap();
    text.lines().map(|line| line.as_bytes().to_vec()).collect()
}

/// Bytes of spaced hex.
fn unhex(text: &str) -> Vec<u8> {
    text.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}
