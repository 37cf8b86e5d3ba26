//! Decimal text and integer mantissas.
//!
//! A price or quantity is `mantissa × 10^exponent` with an `i64` mantissa of at most 2^53 − 1 in size and an exponent
//! that the instrument fixes. Text is read by one strict grammar, `-?[0-9]+(\.[0-9]+)?`: no sign `+`, no exponent,
//! no separators, no white space, no bare dot. Nothing is ever rounded here.

use crate::MANTISSA_MAX;
use rust_decimal::Decimal;
use std::fmt;

/// Smallest exponent of an instrument: eighteen decimals.
pub const EXPONENT_MIN: i8 = -18;

/// Why a text is no number here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumError {
    /// The text does not follow the grammar.
    #[error("not a plain decimal number")]
    Malformed,
    /// The value needs more decimals than the exponent has.
    #[error("more decimals than the instrument has")]
    TooPrecise,
    /// The mantissa would pass 2^53 − 1.
    #[error("number out of range")]
    OutOfRange,
}

/// A decimal number as it was written: `mantissa × 10^exponent`, exponent in −18..=0.
///
/// ```
/// use tickgate_wire::num::Number;
/// let n: Number = "61000.10".parse()?;
/// assert_eq!((n.mantissa, n.exponent), (6_100_010, -2));
/// assert_eq!(n.rescale(-3)?, 61_000_100);
/// assert_eq!(n.rescale(-1)?, 610_001);
/// assert_eq!(n.to_string(), "61000.10");
/// # Ok::<(), tickgate_wire::num::NumError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Number {
    /// Digits as a signed integer, at most 2^53 − 1 in size.
    pub mantissa: i64,
    /// Power of ten, −18..=0.
    pub exponent: i8,
}

impl Number {
    /// The mantissa at another exponent.
    ///
    /// # Errors
    /// [`NumError::TooPrecise`] when digits other than zero would be cut, [`NumError::OutOfRange`] past 2^53 − 1.
    pub fn rescale(self, exponent: i8) -> Result<i64, NumError> {
        let mut mantissa = self.mantissa;
        let mut from = self.exponent;
        while from < exponent {
            if mantissa % 10 != 0 {
                return Err(NumError::TooPrecise);
            }
            mantissa /= 10;
            from += 1;
        }
        while from > exponent {
            mantissa = mantissa.checked_mul(10).ok_or(NumError::OutOfRange)?;
            if mantissa.abs() > MANTISSA_MAX {
                return Err(NumError::OutOfRange);
            }
            from -= 1;
        }
        Ok(mantissa)
    }

    /// The same value as a [`Decimal`], for money at the edges.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.mantissa, u32::from(self.exponent.unsigned_abs()))
    }
}

impl std::str::FromStr for Number {
    type Err = NumError;

    fn from_str(text: &str) -> Result<Self, NumError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(NumError::Malformed);
        }
        let fraction = if digits.len() == whole.len() { "" } else { fraction };
        if fraction.len() > usize::from(EXPONENT_MIN.unsigned_abs()) {
            return Err(NumError::TooPrecise);
        }
        let mut mantissa = 0_i64;
        for byte in whole.bytes().chain(fraction.bytes()) {
            mantissa = mantissa * 10 + i64::from(byte - b'0');
            if mantissa > MANTISSA_MAX {
                return Err(NumError::OutOfRange);
            }
        }
        let decimals = i8::try_from(fraction.len()).map_err(|_| NumError::TooPrecise)?;
        Ok(Self { mantissa: if negative { -mantissa } else { mantissa }, exponent: -decimals })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.exponent.unsigned_abs());
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs().to_string();
        if decimals == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, fraction) = padded.split_at(padded.len() - decimals);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

/// Writes `mantissa × 10^exponent` as decimal text.
#[must_use]
pub fn text(mantissa: i64, exponent: i8) -> String {
    Number { mantissa, exponent }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_grammar_is_read() {
        for bad in
            ["", "-", ".", "1.", ".5", "+1", "1e5", "1_000", " 1", "1 ", "0x1", "--1", "1.2.3", "NaN", "１"]
        {
            assert_eq!(bad.parse::<Number>(), Err(NumError::Malformed), "{bad}");
        }
        assert_eq!("9007199254740992".parse::<Number>(), Err(NumError::OutOfRange));
        assert_eq!("0.0000000000000000001".parse::<Number>(), Err(NumError::TooPrecise));
    }

    #[test]
    fn text_and_mantissa_round_trip() {
        for good in
            ["0", "-1", "0.5", "-0.05", "61000.10", "9007199254740991", "0.000000000000000001", "123.000"]
        {
            let number: Number = good.parse().unwrap();
            assert_eq!(number.to_string(), good);
            assert_eq!(number.to_decimal().to_string(), good);
        }
    }

    #[test]
    fn rescale_never_rounds() {
        let n: Number = "1.25".parse().unwrap();
        assert_eq!(n.rescale(-1), Err(NumError::TooPrecise));
        assert_eq!(n.rescale(-2), Ok(125));
        assert_eq!(n.rescale(-17), Err(NumError::OutOfRange));
    }
}
