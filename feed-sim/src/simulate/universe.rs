//! The instruments of a simulated market: six like real ones, then as many as asked.

use super::symbol::Traits;
use super::tables::Random;
use wire::instrument::Instrument;

/// Names, price steps and sizes of the six instruments that the model was fitted to; weight per mille of all.
const FITTED: [(&str, i64, i64, i64, i8, i8); 6] = [
    ("BTCUSDT.SIM", 6_100_010, 56, 8_000, -2, -5),
    ("ETHUSDT.SIM", 266_100, 4, 10_000, -2, -4),
    ("BTCUSDT-PERP.SIM", 609_800, 8, 87, -1, -3),
    ("ETHUSDT-PERP.SIM", 266_000, 4, 918, -2, -3),
    ("BTCUSD-CM.SIM", 609_900, 16, 25, -1, 0),
    ("ETHUSD-CM.SIM", 265_900, 8, 300, -2, 0),
];

const WEIGHTS: [u64; 6] = [117, 89, 265, 215, 65, 54];

/// Draws a symbol by weight in constant time (Walker 1977, Vose 1991).
#[derive(Debug)]
pub(super) struct Alias {
    keep: Vec<u64>,
    other: Vec<u32>,
}

impl Alias {
    fn new(weights: &[u64]) -> Self {
        let count = weights.len() as u64;
        let total: u64 = weights.iter().sum();
        // Scaled so that the mean share is `total`.
        let mut shares: Vec<u64> = weights.iter().map(|weight| weight * count).collect();
        let mut alias = Self { keep: vec![total; weights.len()], other: (0..).take(weights.len()).collect() };
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|symbol| shares[*symbol] < total);
        while let (Some(less), Some(more)) = (small.pop(), large.last().copied()) {
            alias.keep[less] = shares[less];
            alias.other[less] = u32::try_from(more).unwrap_or(0);
            shares[more] -= total - shares[less];
            if shares[more] < total {
                large.pop();
                small.push(more);
            }
        }
        // Thresholds as 32-bit fractions.
        for keep in &mut alias.keep {
            *keep = u64::try_from((u128::from(*keep) << 32) / u128::from(total.max(1))).unwrap_or(u64::MAX);
        }
        alias
    }

    pub(super) fn draw(&self, random: &mut Random) -> u32 {
        let count = i64::try_from(self.keep.len()).unwrap_or(1);
        let symbol = usize::try_from(random.below(count)).unwrap_or(0);
        if random.next() >> 32 < self.keep[symbol] {
            u32::try_from(symbol).unwrap_or(0)
        } else {
            self.other[symbol]
        }
    }
}

/// Builds `count` instruments.
pub(super) fn build(count: u32, random: &mut Random) -> (Vec<Instrument>, Vec<Traits>, Alias) {
    let (mut instruments, mut traits, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..usize::try_from(count).unwrap_or(0) {
        let (symbol, base, step, scale, price_exponent, qty_exponent) = match FITTED.get(number) {
            Some((name, base, step, scale, price, qty)) => {
                ((*name).to_owned(), *base, *step, *scale, *price, *qty)
            }
            None => other(number, random),
        };
        let beta = 51_000 + random.below(29_000);
        instruments.push(Instrument {
            symbol,
            price_exponent,
            qty_exponent,
            tick_size: 1,
            lot_size: 1,
            has_aggressor: true,
            has_size: true,
        });
        traits.push(Traits { base, step, scale, beta });
        let listed = WEIGHTS.get(number).filter(|_| count <= 6);
        weights.push(listed.copied().unwrap_or(1_000_000 / (number as u64 + 5)));
    }
    let alias = Alias::new(&weights);
    (instruments, traits, alias)
}

/// A made-up instrument: a price of 2^12 to 2^22 ticks, sizes over four orders of magnitude.
fn other(number: usize, random: &mut Random) -> (String, i64, i64, i64, i8, i8) {
    let letters = |mut rest: usize| {
        let mut name = String::new();
        for _ in 0..3 {
            name.insert(0, char::from(b'A' + u8::try_from(rest % 26).unwrap_or(0)));
            rest /= 26;
        }
        name
    };
    let power = 12 + random.below(10);
    let base = (1 << power) + random.below(1 << power);
    let scale = 1 << random.below(15);
    let price_exponent = [-4, -3, -2, -2, -1][usize::try_from(random.below(5)).unwrap_or(0)];
    let qty_exponent = [-3, -2, -1, 0, 0][usize::try_from(random.below(5)).unwrap_or(0)];
    (format!("{}USD.SIM", letters(number)), base, (base >> 16).max(1), scale, price_exponent, qty_exponent)
}
