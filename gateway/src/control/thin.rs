//! `budget` and `visible`: what a session can take, and what of it matters most.

use super::Desk;
use crate::bits::Bits;
use crate::outbox::Socket;
use wire::control::Names;
use wire::control::reply::{BudgetSet, Rejected, VisibleSet, text};
use wire::error::ErrorCode;

impl<S: Socket> Desk<'_, S> {
    pub(super) fn budget(&mut self, id: Option<u64>, bytes_per_s: Option<u32>) {
        self.answer(&text("budget_set", &BudgetSet { id, bytes_per_s }));
        self.engine.set_budget(self.client.session, bytes_per_s, self.now_us);
    }

    /// Rows need not be held yet. A pattern stands for the instruments that are known now.
    pub(super) fn visible(&mut self, id: Option<u64>, names: &Names<'_>) {
        let (mut rows, mut rejected) = (Bits::default(), Vec::new());
        for name in &names.0 {
            let mut found = false;
            let directory = &self.engine.directory;
            let named = directory.find(name).filter(|_| !name.contains('*'));
            let matching = name.contains('*').then(|| directory.matching(name)).into_iter().flatten();
            for id in named.into_iter().chain(matching) {
                rows.insert(id);
                found = true;
            }
            if !found {
                rejected.push(Rejected::new(name, ErrorCode::UnknownSymbol, None));
            }
        }
        let symbols = rows.iter().count();
        self.engine.set_visible(self.client.session, rows);
        self.answer(&text("visible_set", &VisibleSet { id, symbols, rejected }));
    }
}
