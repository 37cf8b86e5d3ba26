//! What gateways say to each other over the bus. Nothing of it is kept: who is not there does not hear it.

use super::BusError;
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::LocalBoxStream;

/// A question of a gateway, and where its answer goes.
pub type Question = (Bytes, String);

/// What is said to all gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// An operator's notice.
    Notice,
    /// A gateway's beat.
    Beat,
}

/// What the gateway asks of the bus to reach the others; the asker hears itself too.
///
/// # Cancel safety
/// Dropping a stream ends its subscription; dropping the future of [`Peers::say`] leaves open whether it was said.
pub trait Peers {
    /// Hears what is said from now on.
    fn hear(&self, word: Word) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>>;

    /// Says something; done when the server has it.
    fn say(&self, word: Word, payload: Bytes) -> LocalBoxFuture<'static, Result<(), BusError>>;

    /// Hears the questions about sessions.
    fn questions(&self) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Question>, BusError>>;

    /// Asks all gateways for their sessions. The stream of answers does not end by itself.
    fn ask_all(
        &self,
        payload: Bytes,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>>;

    /// Answers a question.
    fn answer(&self, to: String, payload: Bytes) -> LocalBoxFuture<'static, Result<(), BusError>>;
}
