//! The prints of one message are exactly the last ones of the history, in order.

use super::client::{Client, Truth};
use std::collections::BTreeMap;
use wire::frame::Print;
use wire::frame::view::{TRADE, Update};

/// Prints that a message told, by instrument.
#[derive(Default)]
pub(crate) struct Lists {
    prints: BTreeMap<u32, Vec<Print>>,
    /// Instruments whose totals came without a hole.
    whole: Vec<u32>,
    count: u64,
}

impl Lists {
    pub(crate) fn of(updates: &[Update]) -> Self {
        let mut lists = Self::default();
        for update in updates {
            match update {
                Update::Print { id, print } => {
                    lists.prints.entry(*id).or_default().push(*print);
                    lists.count += 1;
                }
                Update::Summary { id, lost: 0, partial: false, first: false, .. } => lists.whole.push(*id),
                _ => {}
            }
        }
        lists
    }
}

fn same(told: &Print, (trade, _): &(wire::tick::Trade, i64)) -> bool {
    (told.price, told.qty, told.trade_id, told.aggressor)
        == (trade.price, trade.qty, trade.trade_id, trade.aggressor)
}

impl Client {
    /// `published` = the account's count before the message. Prints that are not yet in the totals, and the list
    /// behind totals without a hole, are the newest of the history; any other list is some of them, in order.
    pub(crate) fn check_lists(&self, kind: u8, lists: &Lists, published: u64, truth: &Truth<'_>) {
        let new = self.view.account(TRADE).published - published;
        for (id, prints) in &lists.prints {
            let Some(view) = self.view.trade(*id) else { continue };
            let Some(history) = self.history(*id, Some(view.epoch), truth) else { continue };
            let upto = &history.trades[..usize::try_from(view.total).unwrap()];
            let exact = (kind == 2 && new == lists.count) || lists.whole.contains(id);
            if exact {
                let newest = &upto[upto.len() - prints.len()..];
                let equal = prints.iter().zip(newest).all(|(told, said)| same(told, said));
                assert!(equal, "the list of {} is {prints:?}, said {newest:?}", truth.symbols[id]);
            } else {
                let mut said = upto.iter();
                let ordered = prints.iter().all(|told| said.any(|said| same(told, said)));
                assert!(ordered, "prints of {} out of order: {prints:?}", truth.symbols[id]);
            }
        }
    }
}
