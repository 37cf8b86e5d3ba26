//! What clients are shown besides whole quotes and prints: cut and filtered quotes, books, bars, status.

use super::client::Client;
use super::feed::{History, SHARDS};
use super::world::{Parcel, World};
use gateway::pending::Join;
use wire::control::filter::{Comparison, Filter, FilterField, Test};
use wire::control::{Channel, DEPTHS, Fields, Period, View as ViewOf};
use wire::instrument::InstrumentId;
use wire::tick::Quote;

impl World {
    /// Subscribes to books, bars or status.
    pub(super) fn subscribe_plain(&mut self, at: usize, channel: Channel) {
        let class = [0, 1, 3, 5, 7][self.random.below(5)];
        let nth = self.random.below(3);
        let view = match channel {
            Channel::Book => ViewOf::Book { depth: DEPTHS[nth] },
            Channel::Bar => ViewOf::Bar { period: Period::ALL[nth % 2] },
            _ => ViewOf::Status,
        };
        let session = self.clients[at].session;
        let mut ids = self.ids();
        let outbox = self.engine.outbox(session).unwrap();
        ids.retain(|id| outbox.slot_of(channel, *id).is_none());
        if ids.is_empty() || outbox.joins().next().is_some() {
            return;
        }
        let Ok(slot) = self.engine.slot(session, class, &view, self.random.below(2) == 0, self.now_us) else {
            return;
        };
        let depth = if let ViewOf::Book { depth } = view { depth } else { 0 };
        let head = format!(
            "\"op\":\"subscribed\",\"channel\":\"{}\",\"slot\":{slot},\"depth\":{depth}",
            channel.word()
        );
        let join = Join {
            head,
            tail: String::new(),
            channel,
            slot,
            ids: ids.into(),
            max_age_ms: None,
            resume: None,
        };
        self.engine.join(session, join, self.now_us);
    }

    /// Books, bars and status of a client at the end.
    pub(super) fn check_plain(&self, client: &Client, id: InstrumentId, history: Option<&History>) {
        let outbox = self.engine.outbox(client.session).unwrap();
        let row = self.engine.table.row(id).unwrap();
        let state = row.image.quote.state;
        if outbox.slot_of(Channel::Book, id).is_some() {
            let view = client.view.book(id.0).expect("every held book is told");
            let said = history.map_or(0, |history| history.books.len() as u64);
            assert_eq!((view.total, view.state), (said, state), "{:?}", client.form);
        }
        if let Some(slot) = outbox.slot_of(Channel::Bar, id) {
            let view = client.view.bar(id.0).expect("all held bars are told");
            let Some(ViewOf::Bar { period }) = self.engine.view(client.session, slot) else { panic!() };
            let newest = self.engine.bars.bars(id, *period).last().copied().unwrap_or_default();
            assert_eq!((view.last, view.state), (newest, state), "{:?}", client.form);
        }
        if outbox.slot_of(Channel::Status, id).is_some() {
            let view = client.view.status(id.0).expect("every held status is told");
            assert_eq!((view.status, view.state), (row.status, state), "{:?}", client.form);
        }
    }

    /// Asks for the pages that books need; answers may be late, or never come.
    pub(super) fn ask_books(&mut self) {
        for shard in 0..SHARDS {
            let at = usize::from(shard);
            let Some(request) = self.engine.book_request(shard, self.now_us) else { continue };
            let lost = self.lossy
                && !self.quiet
                && (self.now_us < self.cut_until_us[at] || self.random.in_thousand(100));
            let late = if self.quiet { 0 } else { i64::try_from(self.random.below(25_000)).unwrap() };
            let page = (!lost).then(|| self.publishers[at].page(&request, self.now_us));
            self.send(self.now_us + late, Parcel::Page(shard, page));
        }
    }
}

/// Number of the view with a filter.
pub(crate) const FILTERED: usize = 5;

/// The views of the model: most whole, some cut, one filtered.
pub(crate) fn views(nth: usize) -> ViewOf {
    let fields =
        [Fields::All, Fields::All, Fields::All, Fields::Price, Fields::Coarse, Fields::All][nth.max(2)];
    let at_most = |value: &str| Comparison {
        field: FilterField::Bid,
        test: Test::AtMost,
        value: value.parse().unwrap(),
    };
    let filter = (nth == FILTERED).then(|| Filter(vec![vec![at_most("10.03")]]));
    ViewOf::Market { fields, filter }
}

/// What [`views`]' filter says of a quote.
pub(crate) fn passes(quote: &Quote) -> bool {
    quote.bid_size > 0 && quote.bid <= 1_003
}
