//! What a lane shows of a quote: its fields, and whether the filter lets the symbol through. Pure.

use crate::directory::Directory;
use crate::mutants::broken;
use wire::control::filter::{Filter, Scale};
use wire::control::{Fields, View};
use wire::frame::{QuoteImage, State};
use wire::instrument::InstrumentId;
use wire::tick::Quote;

/// Binary digits that a coarse size keeps: what is cut is less than a quarter of what is told.
const COARSE_DIGITS: u32 = 3;

/// What is shown of `live`. It depends on nothing else, so that a symbol can move between the lanes of a view. A symbol
/// that the filter does not let through is told as out, without its quote; its events are accounted for all the same.
#[must_use]
pub(super) fn quote(view: &View, id: InstrumentId, live: &QuoteImage, directory: &Directory) -> QuoteImage {
    let View::Market { fields, filter } = view else { return *live };
    if let Some(filter) = filter
        && !passes(filter, id, &live.quote, directory)
    {
        return QuoteImage { quote: Quote::default(), state: State::Out, ..*live };
    }
    QuoteImage { quote: told(*fields, live.quote), ..*live }
}

fn passes(filter: &Filter, id: InstrumentId, quote: &Quote, directory: &Directory) -> bool {
    if broken("filter_lets_all_through") {
        return true;
    }
    let Some(instrument) = directory.instrument(id) else { return false };
    let scale = Scale {
        price_exponent: instrument.price_exponent,
        qty_exponent: instrument.qty_exponent,
        has_size: instrument.has_size,
    };
    filter.passes(quote, scale)
}

fn told(fields: Fields, quote: Quote) -> Quote {
    let size = |size: i64| match fields {
        Fields::All => size,
        Fields::Price => size.signum(),
        Fields::Coarse => coarse(size),
    };
    Quote { bid_size: size(quote.bid_size), ask_size: size(quote.ask_size), ..quote }
}

/// A size ≥ 0 rounded down to its highest binary digits.
const fn coarse(size: i64) -> i64 {
    let digits = i64::BITS - size.leading_zeros();
    let cut = digits.saturating_sub(COARSE_DIGITS);
    (size >> cut) << cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_coarse_size_loses_is_less_than_a_quarter_of_it() {
        for size in (0..5_000).chain([i64::MAX, i64::MAX / 3]) {
            let told = coarse(size);
            assert!(told <= size && size - told <= told / 4, "{size} {told}");
            assert_eq!(told == 0, size == 0);
            assert_eq!(coarse(told), told);
        }
    }
}
