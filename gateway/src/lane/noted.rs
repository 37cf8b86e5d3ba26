//! Up to where in each shard a lane has told everything. Pure.

use super::Lane;
use crate::mutants::broken;
use wire::cursor_shards::Position;

impl Lane {
    /// All that the table held has been flushed in turn; `positions` = where it stood then, by shard.
    pub fn note(&mut self, positions: &[Position]) {
        self.noted.clear();
        self.noted.extend_from_slice(positions);
    }

    /// Up to where in a shard everything was told; `positions` = where the table stood when rows were last handed to the
    /// lanes. Symbols whose events left them unchanged may not be counted yet, but their values are told.
    #[must_use]
    pub fn place(&self, shard: u16, positions: &[Position]) -> Position {
        let told = if self.is_dirty() && !broken("cursor_of_a_dirty_lane") { &self.noted } else { positions };
        told.get(usize::from(shard)).copied().unwrap_or_default()
    }
}
