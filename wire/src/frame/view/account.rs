//! What became of the events of a channel.

/// Counts over all periods of one channel. `published` is last − first version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Events that the publisher numbered while a period ran.
    pub published: u64,
    /// Records, or prints, that stood for themselves.
    pub delivered: u64,
    /// Events that a record stood for besides its own.
    pub merged: u64,
    /// Events declared lost.
    pub lost: u64,
    /// Periods begun.
    pub periods: u64,
    /// Contradictions: a total that went back, more listed than published, sums that differ. Zero, or a fault.
    pub broken: u64,
}

impl Account {
    /// Whether every event is accounted for.
    #[must_use]
    pub const fn identity_ok(&self) -> bool {
        self.broken == 0 && self.published == self.delivered + self.merged + self.lost
    }

    /// Takes what a record covers: `covered` events of which `lost` are lost and `listed` stand for themselves.
    /// What contradicts itself is counted as broken and accounted for no further.
    pub(super) fn cover(&mut self, covered: u64, lost: u64, listed: u64) {
        let rest = lost.checked_add(listed).and_then(|apart| covered.checked_sub(apart));
        let published = self.published.checked_add(covered);
        match (rest, published) {
            (Some(merged), Some(published)) => {
                self.published = published;
                self.lost += lost;
                self.delivered += listed;
                self.merged += merged;
            }
            _ => self.broken += 1,
        }
    }

    /// A print that was counted as merged is told after all.
    pub(super) const fn tell_merged(&mut self) {
        if self.merged > 0 {
            self.merged -= 1;
            self.delivered += 1;
        } else {
            self.broken += 1;
        }
    }
}
