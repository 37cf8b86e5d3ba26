//! Books and bars beside the quotes and prints: what they need of the bus, and how they reach the lanes.

use super::Engine;
use crate::lane::Touched;
use crate::last_value::Received;
use crate::outbox::Socket;
use wire::batch::BatchError;
use wire::control::{Channel, Period};
use wire::instrument::InstrumentId;

impl<S: Socket> Engine<S> {
    /// Tells the lanes what has moved, and gives the books the freshness of their symbols.
    pub(super) fn touch_lanes(&mut self) {
        self.books.judge(&self.table, &self.touched);
        let bars = Period::ALL.map(|period| self.bars.touched(period));
        self.lanes.touch(&Touched { rows: &self.touched, books: self.books.touched(), bars });
        self.touched.clear();
        self.books.clear_touched();
        self.bars.clear_touched();
    }

    /// A lane wants a symbol that it did not.
    pub(super) fn lane_wants(&mut self, id: InstrumentId, channel: Channel) {
        if channel == Channel::Book {
            if self.book_lanes.len() <= id.index() {
                self.book_lanes.resize(id.index() + 1, 0);
            }
            self.book_lanes[id.index()] += 1;
            self.books.want(id, &self.table);
        }
    }

    /// A lane wants a symbol no more.
    pub(super) fn lane_forgets(&mut self, id: InstrumentId, channel: Channel) {
        if channel == Channel::Book {
            self.book_lanes[id.index()] -= 1;
            if self.book_lanes[id.index()] == 0 {
                self.books.unwant(id);
            }
        }
    }

    /// One session less wants a channel of these symbols of a lane.
    pub(super) fn unwant(&mut self, lane: u32, channel: Channel, ids: impl Iterator<Item = InstrumentId>) {
        for id in ids {
            if self.lanes.get_mut(lane).unwant(id, channel) {
                self.lane_forgets(id, channel);
            }
        }
    }

    /// A question for `book.<shard>` that is to be asked now, if there is one; then [`Engine::book_page`] or
    /// [`Engine::books_unanswered`] must follow.
    pub fn book_request(&mut self, shard: u16, now_us: i64) -> Option<Vec<u8>> {
        let indices = self.ingest.book_needs(shard, now_us, &mut self.books);
        (!indices.is_empty()).then(|| wire::book_page::request(&indices))
    }

    /// Takes an answer of `book.<shard>`.
    ///
    /// # Errors
    /// See [`BatchError`]; the books are asked for again.
    pub fn book_page(&mut self, shard: u16, payload: &[u8], now_us: i64) -> Result<bool, BatchError> {
        self.ingest.book_page(shard, payload, Received { now_us, ts_publish: 0 }, &mut self.books)
    }

    /// The question for `book.<shard>` got no answer.
    pub fn books_unanswered(&mut self, shard: u16, now_us: i64) {
        self.books.unanswered(shard, now_us);
    }
}
