//! Bars and trading status in the view.

use super::{Update, View};
use crate::frame::{Bar, State};
use crate::tick::Status;

/// A symbol's newest bar as the client holds it; earlier ones are told and not kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BarView {
    /// The newest; all 0 before the first.
    pub last: Bar,
    /// Freshness.
    pub state: State,
    /// As in [`super::QuoteView::epoch`].
    pub epoch: u64,
    /// Whether it is current: no frame was lost since.
    pub based: bool,
}

/// A symbol's trading status as the client holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusView {
    /// What the source says.
    pub status: Status,
    /// Freshness.
    pub state: State,
    /// As in [`super::QuoteView::epoch`].
    pub epoch: u64,
    /// Due time of the newest status, ns (whole µs in `compact` and `json`).
    pub ts_event: i64,
    /// Whether it is current: no frame was lost since.
    pub based: bool,
}

impl View {
    /// A symbol's newest bar.
    #[must_use]
    pub fn bar(&self, id: u32) -> Option<&BarView> {
        self.bars.get(&id).filter(|bar| bar.based)
    }

    /// A symbol's trading status.
    #[must_use]
    pub fn status(&self, id: u32) -> Option<&StatusView> {
        self.statuses.get(&id).filter(|status| status.based)
    }

    /// Takes what a record of bars says besides them. A bar of an earlier epoch is void.
    pub(super) fn bars_state(&mut self, id: u32, epoch: u64, state: State) {
        let view = self.bars.entry(id).or_default();
        if view.epoch != epoch {
            *view = BarView { epoch, ..BarView::default() };
        }
        (view.state, view.based) = (state, true);
    }

    /// Takes the next bar.
    pub(super) fn bar_next(&mut self, id: u32, bar: Bar, each: &mut impl FnMut(Update)) {
        self.bars.entry(id).or_default().last = bar;
        each(Update::Bar { id, bar });
    }

    pub(super) fn status_now(&mut self, id: u32, now: StatusView, each: &mut impl FnMut(Update)) {
        self.statuses.insert(id, now);
        each(Update::Status { id, status: now.status, ts_event: now.ts_event });
    }
}
