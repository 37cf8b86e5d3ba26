//! [`Peers`] in memory: what is said reaches every listener, the speaker too.

use super::{Memory, SUBSCRIPTION_MESSAGES_MAX, stream_of};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::LocalBoxStream;
use gateway::bus::{BusError, Peers, Question, Word};
use std::cell::RefCell;
use std::collections::HashMap;
use tokio::sync::mpsc;

/// Who listens.
#[derive(Default)]
pub(crate) struct Listeners {
    notices: RefCell<Vec<mpsc::Sender<Bytes>>>,
    beats: RefCell<Vec<mpsc::Sender<Bytes>>>,
    questions: RefCell<Vec<mpsc::Sender<Question>>>,
    inboxes: RefCell<HashMap<String, mpsc::Sender<Bytes>>>,
}

impl Listeners {
    fn of(&self, word: Word) -> &RefCell<Vec<mpsc::Sender<Bytes>>> {
        match word {
            Word::Notice => &self.notices,
            Word::Beat => &self.beats,
        }
    }
}

impl Memory {
    /// Says something as another gateway would.
    pub(crate) fn said(&self, word: Word, payload: Bytes) {
        for listener in self.listeners.of(word).borrow().iter() {
            let _gone = listener.try_send(payload.clone());
        }
    }

    /// Whether notices are heard.
    pub(crate) fn hears_notices(&self) -> bool {
        !self.listeners.notices.borrow().is_empty()
    }
}

impl Peers for Memory {
    fn hear(&self, word: Word) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>> {
        let (sender, receiver) = mpsc::channel(SUBSCRIPTION_MESSAGES_MAX);
        self.listeners.of(word).borrow_mut().push(sender);
        async move { Ok(stream_of(receiver)) }.boxed_local()
    }

    fn say(&self, word: Word, payload: Bytes) -> LocalBoxFuture<'static, Result<(), BusError>> {
        self.said(word, payload);
        async { Ok(()) }.boxed_local()
    }

    fn questions(&self) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Question>, BusError>> {
        let (sender, receiver) = mpsc::channel(SUBSCRIPTION_MESSAGES_MAX);
        self.listeners.questions.borrow_mut().push(sender);
        async move { Ok(stream_of(receiver)) }.boxed_local()
    }

    fn ask_all(
        &self,
        payload: Bytes,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>> {
        let (sender, receiver) = mpsc::channel(SUBSCRIPTION_MESSAGES_MAX);
        let inbox = format!("inbox-{}", self.listeners.inboxes.borrow().len());
        self.listeners.inboxes.borrow_mut().insert(inbox.clone(), sender);
        for listener in self.listeners.questions.borrow().iter() {
            let _gone = listener.try_send((payload.clone(), inbox.clone()));
        }
        async move { Ok(stream_of(receiver)) }.boxed_local()
    }

    fn answer(&self, to: String, payload: Bytes) -> LocalBoxFuture<'static, Result<(), BusError>> {
        if let Some(inbox) = self.listeners.inboxes.borrow().get(&to) {
            let _gone = inbox.try_send(payload);
        }
        async { Ok(()) }.boxed_local()
    }
}
