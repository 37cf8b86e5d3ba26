//! Books and bars beside the quotes and prints: what they need of the bus, and how they reach the lanes.

use super::Engine;
use crate::last_value::Received;
use crate::outbox::Socket;
use wire::batch::BatchError;

impl<S: Socket> Engine<S> {
    /// Tells the lanes what has moved, and gives the books the freshness of their symbols.
    pub(super) fn touch_lanes(&mut self) {
        self.books.judge(&self.table, &self.touched);
        self.lanes.touch(&self.touched);
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
        self.ingest.book_page(shard, payload, Received { now_us }, &mut self.books)
    }

    /// The question for `book.<shard>` got no answer.
    pub fn books_unanswered(&mut self, shard: u16, now_us: i64) {
        self.books.unanswered(shard, now_us);
    }
}
