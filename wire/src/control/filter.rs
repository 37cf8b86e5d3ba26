//! A subscription's filter: comparisons of an instrument's quote with constants. No language: an *or* of *and*s.

use crate::num::Number;
use crate::tick::Quote;

/// Most alternatives of a filter.
pub const FILTER_ALTERNATIVES_MAX: usize = 4;

/// Most comparisons of a filter over all alternatives.
pub const FILTER_COMPARISONS_MAX: usize = 8;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FilterField {
    /// Best bid price.
    Bid,
    /// Best ask price.
    Ask,
    /// Size at the bid.
    BidSize,
    /// Size at the ask.
    AskSize,
    /// Ask − bid.
    Spread,
}

/// How it is compared with the constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Test {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `=`
    Equal,
    /// `!=`
    Unequal,
}

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Comparison {
    /// What.
    pub field: FilterField,
    /// How.
    pub test: Test,
    /// With which constant, in the instrument's real units.
    pub value: Number,
}

/// An instrument passes where all comparisons of at least one alternative hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter(pub Vec<Vec<Comparison>>);

/// How an instrument's integers are to be read.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Power of ten of prices.
    pub price_exponent: i8,
    /// Power of ten of quantities.
    pub qty_exponent: i8,
    /// Whether size 0 means that a side is absent.
    pub has_size: bool,
}

impl FilterField {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Bid, Self::Ask, Self::BidSize, Self::AskSize, Self::Spread];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bid => "bid",
            Self::Ask => "ask",
            Self::BidSize => "bid_size",
            Self::AskSize => "ask_size",
            Self::Spread => "spread",
        }
    }

    /// From its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.word() == word)
    }
}

impl Test {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Less, Self::AtMost, Self::Greater, Self::AtLeast, Self::Equal, Self::Unequal];

    /// The sign on the wire.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Equal => "=",
            Self::Unequal => "!=",
        }
    }

    /// From its sign.
    #[must_use]
    pub fn from_sign(sign: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|test| test.sign() == sign)
    }
}

impl Filter {
    /// Whether an instrument with this quote is let through. What an absent side would tell compares with nothing.
    #[must_use]
    pub fn passes(&self, quote: &Quote, scale: Scale) -> bool {
        self.0.iter().any(|all| all.iter().all(|comparison| comparison.holds(quote, scale)))
    }
}

impl Comparison {
    fn holds(&self, quote: &Quote, scale: Scale) -> bool {
        let bid = !scale.has_size || quote.bid_size > 0;
        let ask = !scale.has_size || quote.ask_size > 0;
        let (told, value, exponent) = match self.field {
            FilterField::Bid => (bid, quote.bid, scale.price_exponent),
            FilterField::Ask => (ask, quote.ask, scale.price_exponent),
            FilterField::BidSize => (scale.has_size, quote.bid_size, scale.qty_exponent),
            FilterField::AskSize => (scale.has_size, quote.ask_size, scale.qty_exponent),
            FilterField::Spread => (bid && ask, quote.ask.saturating_sub(quote.bid), scale.price_exponent),
        };
        if !told {
            return false;
        }
        let (left, right) = same_units(value, exponent, self.value);
        match self.test {
            Test::Less => left < right,
            Test::AtMost => left <= right,
            Test::Greater => left > right,
            Test::AtLeast => left >= right,
            Test::Equal => left == right,
            Test::Unequal => left != right,
        }
    }
}

/// Both numbers at the smaller of the two exponents: 2^63 · 10^18 is far below 2^127.
fn same_units(value: i64, exponent: i8, constant: Number) -> (i128, i128) {
    let finer = exponent.min(constant.exponent);
    let power = |from: i8| 10_i128.pow(u32::from((from - finer).unsigned_abs()));
    (i128::from(value) * power(exponent), i128::from(constant.mantissa) * power(constant.exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(comparisons: &[&[(&str, &str, &str)]]) -> Filter {
        let one = |(field, sign, value): &(&str, &str, &str)| Comparison {
            field: FilterField::from_word(field).unwrap(),
            test: Test::from_sign(sign).unwrap(),
            value: value.parse().unwrap(),
        };
        Filter(comparisons.iter().map(|all| all.iter().map(one).collect()).collect())
    }

    #[test]
    fn compares_in_real_units() {
        let quote = Quote { bid: 6_100_010, ask: 6_100_011, bid_size: 5, ask_size: 0 };
        let scale = Scale { price_exponent: -2, qty_exponent: -5, has_size: true };
        let passes = |all: &[&[(&str, &str, &str)]]| filter(all).passes(&quote, scale);
        assert!(passes(&[&[("bid", ">", "61000"), ("bid", "<=", "61000.100")]]));
        assert!(passes(&[&[("bid", "<", "1")], &[("bid_size", "=", "0.00005")]]));
        assert!(!passes(&[&[("bid", "!=", "61000.1")]]));
        // No ask: it is neither above nor below anything.
        assert!(!passes(&[&[("ask", ">", "0")], &[("ask", "<=", "0")], &[("spread", "<", "9")]]));
        assert!(filter(&[&[("spread", "<", "0.02")]]).passes(&quote, Scale { has_size: false, ..scale }));
        assert!(!filter(&[&[("bid_size", ">=", "0")]]).passes(&quote, Scale { has_size: false, ..scale }));
    }

    #[test]
    fn the_farthest_units_do_not_overflow() {
        let quote = Quote { bid: i64::MIN, ask: i64::MAX, bid_size: 1, ask_size: 1 };
        let scale = Scale { price_exponent: 0, qty_exponent: 0, has_size: true };
        assert!(filter(&[&[("bid", "<", "0.000000000000000001")]]).passes(&quote, scale));
        assert!(filter(&[&[("spread", ">", "1")]]).passes(&quote, scale));
    }
}
