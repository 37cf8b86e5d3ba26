//! The decimal grammar, and the codes that the wire forms share.

use crate::mutate::{Random, fuzz};
use std::str::FromStr;
use tickgate_wire::cursor::{Damaged, Reader, bytes_of, put_little, put_signed, put_varint};
use tickgate_wire::frame::json;
use tickgate_wire::num::{self, NumError, Number};
use tickgate_wire::{MANTISSA_MAX, num::EXPONENT_MIN};

const NUMBERS: [&str; 10] = [
    "0",
    "-1",
    "0.5",
    "-0.05",
    "61000.10",
    "9007199254740991",
    "-9007.199254740991",
    "0.000000000000000001",
    "123.000",
    "00012.50",
];

/// The grammar, written as the documents say it: sign, digits, and digits behind a dot.
fn plain(text: &str) -> Option<(bool, &str, &str)> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut parts = rest.splitn(2, '.');
    let (whole, fraction) = (parts.next()?, parts.next());
    let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    (digits(whole) && fraction.is_none_or(digits)).then_some((negative, whole, fraction.unwrap_or("")))
}

fn expected(text: &str) -> Result<Number, NumError> {
    let (negative, whole, fraction) = plain(text).ok_or(NumError::Malformed)?;
    let exponent = i8::try_from(fraction.len()).ok().filter(|decimals| -decimals >= EXPONENT_MIN);
    let exponent = -exponent.ok_or(NumError::TooPrecise)?;
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    let size: i64 =
        if digits.is_empty() { Ok(0) } else { digits.parse() }.map_err(|_| NumError::OutOfRange)?;
    if size > MANTISSA_MAX {
        return Err(NumError::OutOfRange);
    }
    Ok(Number { mantissa: if negative { -size } else { size }, exponent })
}

/// Whether a text is this value to another reader of decimals.
fn same<T: FromStr + PartialEq>(text: &str, value: &T) -> bool {
    text.parse::<T>().is_ok_and(|other| other == *value)
}

#[test]
fn decimal_texts() {
    let corpus: Vec<Vec<u8>> = NUMBERS.iter().map(|text| text.as_bytes().to_vec()).collect();
    let (mut taken, mut refused) = (0_u64, 0_u64);
    fuzz("decimal_texts", 900_000, |case| {
        let bytes = case.mutated(&corpus);
        let Ok(text) = std::str::from_utf8(&bytes) else { return };
        let number = text.parse::<Number>();
        assert_eq!(number, expected(text), "{text:?}");
        let Ok(number) = number else {
            refused += 1;
            return;
        };
        taken += 1;
        let written = number.to_string();
        assert_eq!(written.parse(), Ok(number));
        assert_eq!(num::text(number.mantissa, number.exponent), written);
        let mut out = Vec::new();
        json::decimal(&mut out, number.mantissa.into(), number.exponent);
        assert_eq!(String::from_utf8(out).unwrap(), written);
        assert!(same(text, &number.to_decimal()), "{text}");
        rescaled(number, case.random.spread(5));
    });
    assert!(taken + refused < 1_000 || (taken > 100 && refused > 100), "{taken} {refused}");
}

/// At another exponent it is the same value, or it cannot be said there.
fn rescaled(number: Number, decimals: i64) {
    let exponent = -i8::try_from(decimals.min(18)).unwrap();
    let here =
        i128::from(number.mantissa) * 10_i128.pow(u32::from((number.exponent - EXPONENT_MIN).unsigned_abs()));
    let unit = 10_i128.pow(u32::from((exponent - EXPONENT_MIN).unsigned_abs()));
    match number.rescale(exponent) {
        Ok(mantissa) => {
            assert!(mantissa.abs() <= MANTISSA_MAX);
            assert_eq!(Number { mantissa, exponent }.to_decimal(), number.to_decimal());
        }
        Err(NumError::TooPrecise) => assert!(here % unit != 0),
        Err(error) => {
            assert_eq!(error, NumError::OutOfRange);
            assert!((here / unit).abs() > MANTISSA_MAX.into());
        }
    }
}

/// What a reader does next.
#[derive(Debug, Clone, Copy)]
enum Act {
    Byte,
    Little(usize),
    Varint,
    Signed,
    Take(usize),
}

fn act(random: &mut Random) -> Act {
    match random.below(5) {
        0 => Act::Byte,
        1 => Act::Little(random.index(9)),
        2 => Act::Varint,
        3 => Act::Signed,
        _ => Act::Take(random.index(12)),
    }
}

/// The naive varint: the value, and the bytes that it took.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let len = bytes.iter().position(|byte| *byte < 0x80)? + 1;
    if len > 10 {
        return None;
    }
    let value = bytes[..len].iter().rev().fold(0_u128, |sum, byte| sum << 7 | u128::from(byte & 0x7f));
    Some((u64::try_from(value).ok()?, len))
}

#[test]
fn cursor_against_naive_codes() {
    let mut corpus = vec![vec![0xff; 24], (0..32).collect::<Vec<u8>>()];
    for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, value);
        put_signed(&mut bytes, value.cast_signed());
        put_little(&mut bytes, value, bytes_of(value));
        corpus.push(bytes);
    }
    fuzz("cursor_against_naive_codes", 600_000, |case| {
        let bytes = case.mutated(&corpus);
        let (mut reader, mut at) = (Reader::new(&bytes), 0);
        for _ in 0..12 {
            let rest = &bytes[at..];
            assert_eq!((reader.rest(), reader.is_empty()), (rest, rest.is_empty()));
            let little = |count: usize| {
                let bytes = rest.get(..count)?;
                Some((bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), count))
            };
            let signed = |code: u64| i64::try_from(code >> 1).unwrap() ^ -i64::from(code & 1 == 1);
            let (read, expected) = match act(&mut case.random) {
                Act::Byte => (reader.u8().map(u64::from), little(1)),
                Act::Little(count) => (reader.little(count), little(count)),
                Act::Varint => (reader.varint(), varint(rest)),
                Act::Signed => {
                    let expected = varint(rest).map(|(code, len)| (signed(code).cast_unsigned(), len));
                    (reader.signed().map(i64::cast_unsigned), expected)
                }
                Act::Take(count) => {
                    let taken = reader.take(count).map(|bytes| bytes.len() as u64);
                    (taken, (count <= rest.len()).then_some((count as u64, count)))
                }
            };
            assert_eq!(read, expected.map(|(value, _)| value).ok_or(Damaged));
            match expected {
                Some((_, len)) => at += len,
                None => return, // where a reader stands after an error, nobody asks
            }
        }
    });
}
