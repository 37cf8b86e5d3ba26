//! Quantile tables of the simulator, integers only, and the random numbers that read them.
//!
//! Fitted to Binance recordings of 2024-08-08. Knots at 0/16 … 15/16, then 1 − 2^−5 … 1 − 2^−12, then the top; linear
//! in between.

/// A quantile table.
pub(super) type Table = [u32; 25];

/// Growth of a size, in 1/64 of 28/64 of the scale.
pub(super) const INC: Table = [
    1, 1, 2, 3, 10, 22, 38, 51, 66, 88, 118, 155, 192, 235, 335, 515, 710, 1055, 1508, 2116, 2790, 3743,
    4732, 5647, 9287,
];
/// Shrinking of a size, in 2^−19 of it.
pub(super) const DECF: Table = [
    1, 32, 71, 168, 382, 765, 1311, 1968, 2782, 3731, 4969, 6728, 9334, 13203, 18000, 24000, 30000, 36000,
    42000, 48000, 52000, 56000, 58000, 60000, 62000,
];
/// Ticks of a move, in 1/16 of the symbol's step.
pub(super) const STEP: Table = [
    1, 2, 4, 4, 5, 8, 10, 12, 16, 20, 24, 28, 36, 43, 56, 80, 120, 182, 257, 365, 529, 756, 1071, 1136, 1503,
];
/// Size of a new level, in 1/64 of the scale.
pub(super) const NEWSZ: Table = [
    1, 1, 1, 3, 13, 30, 49, 70, 97, 120, 173, 216, 270, 320, 420, 740, 1200, 1800, 2500, 3300, 4300, 5500,
    7000, 9000, 11000,
];
/// Delay of a child, in 12 µs.
pub(super) const DELAY: Table = [
    2, 30, 50, 70, 85, 100, 115, 130, 160, 200, 250, 320, 450, 700, 1200, 2400, 4500, 7000, 10000, 14000,
    19000, 25000, 32000, 40000, 50000,
];
/// Prints of a take.
pub(super) const PRINTS: Table =
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 5, 9, 14, 23, 42, 63, 77, 94, 95, 99, 177];
/// Quantity of a print, in 1/1024 of the scale.
pub(super) const QTY: Table = [
    1, 2, 3, 9, 16, 24, 31, 47, 88, 138, 218, 353, 552, 942, 1536, 3225, 5413, 8498, 12055, 17264, 26249,
    42060, 65126, 119_128, 296_884,
];
/// Messages of a batch.
pub(super) const BATCH: Table =
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 5, 7, 10, 13, 16, 20, 25, 30, 35, 44];
/// Height of a shock.
pub(super) const SHOCK: Table =
    [3, 4, 4, 5, 6, 7, 8, 9, 11, 13, 16, 20, 26, 35, 48, 75, 110, 160, 220, 291, 391, 504, 629, 779, 929];
/// Exponential waiting times: −1024 · ln(1 − q).
pub(super) const EXP: Table = [
    0, 66, 137, 213, 295, 384, 481, 589, 710, 847, 1004, 1188, 1420, 1714, 2129, 2839, 3549, 4259, 4968,
    5678, 6388, 7098, 7808, 8517, 10240,
];

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 16 random bits.
    fn bits16(&mut self) -> i64 {
        (self.next() >> 48).cast_signed()
    }

    /// True with probability x / 65536.
    pub(super) fn p(&mut self, x: i64) -> bool {
        self.bits16() < x
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next() >> 63 == 0
    }

    /// 0 .. bound − 1.
    pub(super) fn below(&mut self, bound: i64) -> i64 {
        let wide = u128::from(self.next()) * u128::from(bound.max(1).unsigned_abs());
        i64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A value of a table.
    pub(super) fn sample(&mut self, table: &Table) -> i64 {
        let u = self.bits16();
        let at = |knot: usize| i64::from(table[knot]);
        let between = |knot: usize, part: i64, of: i64| at(knot) + (at(knot + 1) - at(knot)) * part / of;
        if u < 15 << 12 {
            let knot = usize::try_from(u >> 12).unwrap_or(0);
            return between(knot, u & 4095, 4096);
        }
        let left = 65_536 - u; // 1 ..= 4096
        if left <= 16 {
            return between(23, 16 - left, 16);
        }
        // Each knot halves what is left: 4096 → knot 15, 2048 → 16, … 16 → 23.
        let power = (left - 1).ilog2();
        let knot = 15 + usize::try_from(11 - power).unwrap_or(0);
        between(knot, (2 << power) - left, 1 << power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_their_quantiles() {
        let mut random = Random::new(1, 0);
        let mut waits: Vec<i64> = (0..200_000).map(|_| random.sample(&EXP)).collect();
        waits.sort_unstable();
        let mean = waits.iter().sum::<i64>() / 200_000;
        assert!((1_000..1_060).contains(&mean), "{mean}");
        let median = waits[100_000];
        assert!((690..730).contains(&median), "{median}");
        assert!(waits[0] >= 0 && waits[199_999] <= 10_240);
    }
}
