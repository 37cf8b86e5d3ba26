//! How many order requests an account, or requests a session, may send. Pure.

/// A bucket that holds one second's worth and is refilled evenly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    per_s: u32,
    micro_tokens: u64,
    filled_us: i64,
}

const TOKEN: u64 = 1_000_000;

impl Bucket {
    /// A full bucket.
    pub(crate) fn full(per_s: u32, now_us: i64) -> Self {
        Self { per_s, micro_tokens: u64::from(per_s) * TOKEN, filled_us: now_us }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now_us: i64) -> bool {
        let passed = now_us.saturating_sub(self.filled_us).clamp(0, 1_000_000).unsigned_abs();
        self.filled_us = self.filled_us.max(now_us);
        let full = u64::from(self.per_s) * TOKEN;
        self.micro_tokens = (self.micro_tokens + passed * u64::from(self.per_s)).min(full);
        if self.micro_tokens < TOKEN {
            return false;
        }
        self.micro_tokens -= TOKEN;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_its_limit_and_no_more() {
        let mut bucket = Bucket::full(100, 0);
        assert_eq!((0..150).filter(|_| bucket.take(0)).count(), 100);
        assert_eq!((0..50).filter(|_| bucket.take(100_000)).count(), 10);
        assert_eq!((0..500).filter(|_| bucket.take(60_000_000)).count(), 100);
        assert!(!bucket.take(0));
    }
}
