//! Seeded mutation of inputs: what every fuzz test of the workspace stands on. Included by path, so that it is part of
//! no crate.
//!
//! A target is run with as many cases as it says, or as `FUZZ_ITERATIONS` says. A case is its seed: one that fails
//! prints it, and `FUZZ_SEED=<seed>` with the target's name as the filter runs that case alone.
#![allow(dead_code, reason = "each test that includes this uses a part of it")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// No case may take longer: the process ends with the case's seed.
const CASE_MAX: Duration = Duration::from_secs(60);

/// Most changes of one input.
const CHANGES_MAX: u64 = 6;

/// Longest input that a mutation grows to.
const BYTES_MAX: usize = 1 << 16;

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A place among `len` things; 0 when there is none.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len.max(1) as u64)).unwrap_or(0)
    }

    pub(crate) fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// Up to 2^bits − 1, every number of bits equally likely; `bits` is at most 63.
    pub(crate) fn spread(&mut self, bits: u64) -> i64 {
        let bits = self.below(bits + 1);
        (self.next() & ((1 << bits) - 1)).cast_signed()
    }

    pub(crate) fn signed(&mut self, bits: u64) -> i64 {
        let value = self.spread(bits);
        if self.chance(2) { value } else { -value }
    }
}

/// One case: its randomness, and the inputs that it made, for the report of a failure.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) random: Random,
    last: Vec<u8>,
}

impl Case {
    /// An input of the corpus with one to [`CHANGES_MAX`] changes.
    pub(crate) fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.picked(corpus);
        for _ in 0..=self.random.below(CHANGES_MAX) {
            change(&mut self.random, &mut bytes, corpus);
        }
        bytes.truncate(BYTES_MAX);
        self.keep(&bytes);
        bytes
    }

    /// An input of the corpus as it is.
    pub(crate) fn picked(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        corpus.get(self.random.index(corpus.len())).cloned().unwrap_or_default()
    }

    /// Shows these bytes when the case fails.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        self.last.clear();
        self.last.extend_from_slice(bytes);
    }
}

#[expect(clippy::disallowed_methods, reason = "the switches of these tests, not configuration")]
fn switch(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let parsed = value.strip_prefix("0x").map_or_else(|| value.parse(), |hex| u64::from_str_radix(hex, 16));
    Some(parsed.unwrap_or_else(|_| panic!("{name}: a whole number is needed, not {value:?}")))
}

/// The seed of a target's case. Targets differ, so that they do not all make the same choices.
fn seed(target: &str, case: u64) -> u64 {
    let hash = target.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Random(hash ^ case).next()
}

/// Runs a target. `check` panics where a property does not hold.
pub(crate) fn fuzz(target: &str, iterations: u64, mut check: impl FnMut(&mut Case)) {
    let begun = std::sync::Arc::new(AtomicU64::new(0));
    let current = std::sync::Arc::new(AtomicU64::new(0));
    let (done, over) = channel::<()>();
    let watched = (begun.clone(), current.clone(), target.to_owned());
    let watchdog = std::thread::spawn(move || {
        let (begun, current, target) = watched;
        let mut seen = 0;
        while over.recv_timeout(CASE_MAX) == Err(RecvTimeoutError::Timeout) {
            let now = begun.load(Ordering::Relaxed);
            if now == seen {
                eprintln!("fuzz {target}: stands still, FUZZ_SEED={:#x}", current.load(Ordering::Relaxed));
                std::process::abort();
            }
            seen = now;
        }
    });
    let (first, count) = match switch("FUZZ_SEED") {
        Some(seed) => (Some(seed), 1),
        None => (None, switch("FUZZ_ITERATIONS").unwrap_or(iterations)),
    };
    for number in 0..count {
        let seed = first.unwrap_or_else(|| seed(target, number));
        current.store(seed, Ordering::Relaxed);
        begun.fetch_add(1, Ordering::Relaxed);
        let mut case = Case { random: Random(seed), last: Vec::new() };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&mut case))) {
            let shown = &case.last[..case.last.len().min(4_096)];
            eprintln!(
                "fuzz {target}: case {number}, FUZZ_SEED={seed:#x}, last input of {} bytes:",
                case.last.len()
            );
            eprintln!("  {}", shown.escape_ascii());
            resume_unwind(panic);
        }
    }
    drop(done);
    let _ended = watchdog.join();
}

/// Bytes that end, begin or break things.
const BYTES: [u8; 26] = [
    0, 1, 2, 3, 7, 8, 0x0f, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7e, 0x7f, 0x80, 0x81, 0xc0, 0xe0, 0xfe, 0xff,
    b'"', b'{', b']', b',', b'.', b'-',
];

/// Numbers at the edges of what fields hold.
const NUMBERS: [u64; 28] = [
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    16,
    18,
    19,
    55,
    56,
    57,
    159,
    160,
    255,
    256,
    512,
    1_002,
    65_535,
    0x7fff_ffff,
    0xffff_ffff,
    (1 << 53) - 1,
    1 << 53,
    (1 << 62) + 1,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Text that readers of JSON and decimals stumble over.
const WORDS: [&str; 30] = [
    "0",
    "-1",
    "-0",
    "00",
    "1e5",
    "1e-400",
    "1e-2147483648",
    "1e40",
    "0.5",
    ".5",
    "1.",
    "9007199254740991",
    "9007199254740992",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "99999999999999999999999",
    "0.0000000000000000001",
    "null",
    "true",
    "[]",
    "{}",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "\\u0000",
    "\\",
    "\"",
    "é",
    "\u{feff}",
    "\n",
    ",\"op\":\"ping\"",
];

/// A range of at most `most` bytes.
fn range(random: &mut Random, len: usize, most: usize) -> std::ops::Range<usize> {
    let begin = random.index(len + 1);
    begin..(begin + random.index(most + 1)).min(len)
}

fn write(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..].iter_mut().zip(value).for_each(|(byte, new)| *byte = *new);
}

/// One change.
fn change(random: &mut Random, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let (len, at) = (bytes.len(), random.index(bytes.len()));
    match random.below(15) {
        0 | 1 if len > 0 => bytes[at] ^= 1 << random.below(8),
        2 if len > 0 => bytes[at] = random.pick(&BYTES),
        3 => bytes.truncate(at),
        4 => insert(random, bytes),
        5 => {
            let range = range(random, len, 40);
            bytes.drain(range);
        }
        6 => {
            let part = bytes[range(random, len, 80)].to_vec();
            let at = random.index(len + 1);
            bytes.splice(at..at, part);
        }
        7 => {
            let other = corpus.get(random.index(corpus.len())).map_or(&[][..], Vec::as_slice);
            let tail = &other[random.index(other.len() + 1)..];
            bytes.truncate(at);
            bytes.extend_from_slice(tail);
        }
        8 | 9 => length(random, bytes, at),
        10 => {
            let value = random.pick(&NUMBERS);
            let replaced = range(random, len, 4);
            bytes.splice(replaced, varint(value));
        }
        11 | 12 => number(random, bytes),
        13 => {
            let word = random.pick(&WORDS).bytes();
            let replaced = range(random, len, 6);
            bytes.splice(replaced, word);
        }
        _ => {
            let (range, value) = (range(random, len, 16), random.pick(&BYTES));
            bytes[range].fill(value);
        }
    }
}

fn insert(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.index(bytes.len() + 1);
    let many = random.index(9);
    let new: Vec<u8> =
        (0..=many).map(|_| if random.chance(2) { random.byte() } else { random.pick(&BYTES) }).collect();
    bytes.splice(at..at, new);
}

/// A little-endian number at some place gets another value, or a little more or less than it has.
fn length(random: &mut Random, bytes: &mut [u8], at: usize) {
    // Half of the places lie in the head, where counts and sizes stand.
    let at = if random.chance(2) { at.min(random.index(48)) } else { at };
    let width = random.pick(&[1, 2, 4, 8]);
    let mut old = [0; 8];
    old.iter_mut().zip(bytes[at.min(bytes.len())..].iter().take(width)).for_each(|(to, from)| *to = *from);
    let value = if random.chance(2) {
        random.pick(&NUMBERS)
    } else {
        u64::from_le_bytes(old).wrapping_add_signed(random.signed(5))
    };
    write(bytes, at.min(bytes.len()), &value.to_le_bytes()[..width]);
}

/// A run of digits becomes another number.
fn number(random: &mut Random, bytes: &mut Vec<u8>) {
    let begin = random.index(bytes.len());
    let digit = |byte: &u8| byte.is_ascii_digit();
    let Some(from) = bytes[begin..].iter().position(digit).map(|at| begin + at) else { return };
    let run = bytes[from..].iter().take_while(|byte| digit(byte)).count();
    let new = if random.chance(2) {
        random.pick(&WORDS[..18]).to_owned()
    } else if random.chance(2) {
        random.pick(&NUMBERS).to_string()
    } else {
        random.signed(20).to_string()
    };
    bytes.splice(from..from + run, new.into_bytes());
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
    out
}
