//! Decimal text of recordings, and the exponents that hold them.
//!
//! Venues write more than the product's strict grammar allows (`1e-7`, `24.0`, seventeen digits of a binary fraction),
//! so recordings have this reader of their own. No binary fraction is ever made.

use wire::MANTISSA_MAX;
use wire::instrument::Instrument;

/// Most decimals an instrument may have.
const DECIMALS_MAX: i32 = 18;

/// `digits × 10^exponent`, without zeros at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decimal {
    digits: i64,
    exponent: i32,
}

impl Decimal {
    /// A number of digits and a power of ten.
    #[must_use]
    pub const fn new(mut digits: i64, mut exponent: i32) -> Self {
        if digits == 0 {
            return Self { digits: 0, exponent: 0 };
        }
        while digits % 10 == 0 {
            digits /= 10;
            exponent += 1;
        }
        Self { digits, exponent }
    }

    /// Reads `-?digits(.digits)?(e[+-]?digits)?`.
    ///
    /// # Errors
    /// One line that shows the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || format!("no number: {:?}", text.chars().take(40).collect::<String>());
        let (number, power) = match text.split_once(['e', 'E']) {
            Some((number, power)) => (number, power.parse::<i32>().map_err(|_| refused())?),
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) || !(-40..=40).contains(&power) {
            return Err(refused());
        }
        let fraction = fraction.trim_end_matches('0');
        let mut digits = 0_i64;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let next = digits.checked_mul(10).and_then(|tens| tens.checked_add(i64::from(byte - b'0')));
            digits = next.ok_or_else(refused)?;
        }
        let decimals = i32::try_from(fraction.len()).map_err(|_| refused())?;
        Ok(Self::new(if negative { -digits } else { digits }, power - decimals))
    }

    /// Whether it is 0.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The number without its sign, and whether it had one.
    #[must_use]
    pub const fn split_sign(self) -> (Self, bool) {
        (Self { digits: self.digits.saturating_abs(), exponent: self.exponent }, self.digits < 0)
    }

    /// As an unsigned integer, if it is one.
    #[must_use]
    pub fn integer(self) -> Option<u64> {
        let mantissa = self.mantissa(0)?;
        if mantissa.1 { u64::try_from(mantissa.0).ok() } else { None }
    }

    /// The mantissa at an exponent, rounded half-even, and whether it is exact. `None` beyond 2^53 − 1.
    #[must_use]
    pub fn mantissa(self, exponent: i8) -> Option<(i64, bool)> {
        self.rounded(exponent).filter(|(value, _)| value.abs() <= MANTISSA_MAX)
    }

    /// As [`Self::mantissa`], for times: up to 2^63 − 1.
    #[must_use]
    pub fn rounded(self, exponent: i8) -> Option<(i64, bool)> {
        let shift = self.exponent - i32::from(exponent);
        let digits = i128::from(self.digits);
        let (value, exact) = if shift >= 0 {
            (digits.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?)?, true)
        } else {
            let Some(unit) = 10_i128.checked_pow(shift.unsigned_abs()) else { return Some((0, false)) };
            let (quotient, rest) = (digits.div_euclid(unit), digits.rem_euclid(unit));
            // Not `rest * 2`: the unit may be 10^38.
            let up = rest > unit - rest || (rest == unit - rest && quotient % 2 != 0);
            (quotient + i128::from(up), rest == 0)
        };
        Some((i64::try_from(value).ok()?, exact))
    }

    /// Its size in 10^−18, `None` when that is past every instrument.
    fn size(self) -> Option<u128> {
        let power = self.exponent + DECIMALS_MAX;
        let digits = u128::from(self.digits.unsigned_abs());
        if power >= 0 {
            digits.checked_mul(10_u128.checked_pow(power.unsigned_abs())?)
        } else {
            Some(digits / 10_u128.checked_pow(power.unsigned_abs())?)
        }
    }
}

/// What a recording's numbers of one kind need.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs {
    decimals: i32,
    largest: u128,
}

impl Needs {
    /// Takes one number in.
    pub fn see(&mut self, number: Decimal) {
        self.decimals = self.decimals.max(-number.exponent);
        self.largest = self.largest.max(number.size().unwrap_or(u128::MAX));
    }

    /// The smallest exponent's size that represents all exactly; where 2^53 is too small for that, the finest that fits.
    #[must_use]
    pub fn exponent(&self) -> i8 {
        let fits = |decimals: i32| {
            let unit = 10_u128.pow((DECIMALS_MAX - decimals).unsigned_abs());
            self.largest / unit < u128::from(MANTISSA_MAX.unsigned_abs())
        };
        let mut decimals = self.decimals.clamp(0, DECIMALS_MAX);
        while decimals > 0 && !fits(decimals) {
            decimals -= 1;
        }
        -i8::try_from(decimals).unwrap_or(0)
    }
}

/// Exponent and step of a tick or lot that a venue's list names.
#[must_use]
pub fn step(number: Decimal) -> Option<(i8, i64)> {
    if number.digits <= 0 || number.exponent < -DECIMALS_MAX {
        return None;
    }
    let exponent = i8::try_from(number.exponent.min(0)).ok()?;
    let (mantissa, _) = number.mantissa(exponent)?;
    Some((exponent, mantissa))
}

/// Turns numbers into mantissas of an instrument and counts what is rounded.
#[derive(Debug, Default)]
pub struct Rounding {
    inexact: u64,
}

impl Rounding {
    /// A price.
    ///
    /// # Errors
    /// One line.
    pub fn price(&mut self, instrument: &Instrument, number: Decimal) -> Result<i64, String> {
        let (mantissa, exact) = number.mantissa(instrument.price_exponent).ok_or("price out of range")?;
        self.inexact += u64::from(!exact);
        Ok(mantissa)
    }

    /// A quantity: one that is not 0 never becomes 0, which would mean that it is absent.
    ///
    /// # Errors
    /// One line.
    pub fn qty(&mut self, instrument: &Instrument, number: Decimal) -> Result<i64, String> {
        let (mantissa, exact) = number.mantissa(instrument.qty_exponent).ok_or("quantity out of range")?;
        if number.digits < 0 {
            return Err("a quantity below 0".to_owned());
        }
        self.inexact += u64::from(!exact);
        Ok(if number.is_zero() { 0 } else { mantissa.max(1) })
    }

    /// Numbers that were rounded.
    #[must_use]
    pub fn inexact(&self) -> u64 {
        self.inexact
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn all_ways_of_writing_a_number_mean_the_same() {
        assert_eq!(d("1e-7"), d("0.00000010"));
        assert_eq!(d("2E+3"), d("2000.000"));
        assert_eq!(d("-0.50"), Decimal::new(-5, -1));
        assert_eq!(d("0.000"), Decimal::default());
        for bad in
            ["", "-", "1,5", "+1", ".5", "1e", "0x1", "NaN", "1e99", "1e-2147483648", "99999999999999999999"]
        {
            assert!(Decimal::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_does_not_fit_is_rounded_half_even_and_said() {
        assert_eq!(d("1.25").mantissa(-2), Some((125, true)));
        assert_eq!(d("1.25").mantissa(-1), Some((12, false)));
        assert_eq!(d("1.35").mantissa(-1), Some((14, false)));
        assert_eq!(d("-1.25").mantissa(-1), Some((-12, false)));
        assert_eq!(d("-1.26").mantissa(-1), Some((-13, false)));
        assert_eq!(d("9007199254740992").mantissa(0), None);
        assert_eq!(d("-5e-38").mantissa(0), Some((0, false)), "the unit is 10^38");
    }

    #[test]
    fn the_exponent_is_the_smallest_that_is_exact_within_53_bits() {
        let needs = |texts: &[&str]| {
            let mut needs = Needs::default();
            texts.iter().for_each(|text| needs.see(d(text)));
            needs.exponent()
        };
        assert_eq!(needs(&["1.50", "2"]), -1);
        assert_eq!(needs(&["1e-7", "100"]), -7);
        assert_eq!(needs(&["100", "2e4"]), 0);
        // 16 decimals of a binary fraction do not fit beside 143,320: ten do.
        assert_eq!(needs(&["2.2626931299999997", "143320.77"]), -10);
    }
}
