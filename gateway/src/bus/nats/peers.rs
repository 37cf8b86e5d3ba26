//! [`Peers`] over NATS.

use super::{Nats, lost};
use crate::bus::{BusError, Peers, Question, Word};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::LocalBoxStream;
use futures_util::{FutureExt, StreamExt};
use wire::subject;

const fn subject_of(word: Word) -> &'static str {
    match word {
        Word::Notice => subject::NOTICE,
        Word::Beat => subject::GATEWAY_LIFE,
    }
}

impl Nats {
    fn publish(&self, name: String, payload: Bytes) -> LocalBoxFuture<'static, Result<(), BusError>> {
        let client = self.client.clone();
        async move {
            client.publish(name, payload).await.map_err(lost)?;
            client.flush().await.map_err(lost)
        }
        .boxed_local()
    }
}

impl Peers for Nats {
    fn hear(&self, word: Word) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>> {
        let subscriber = self.subscribe(subject_of(word).to_owned());
        async move { Ok(subscriber.await?.map(|message| message.payload).boxed_local()) }.boxed_local()
    }

    fn say(&self, word: Word, payload: Bytes) -> LocalBoxFuture<'static, Result<(), BusError>> {
        self.publish(subject_of(word).to_owned(), payload)
    }

    fn questions(&self) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Question>, BusError>> {
        let subscriber = self.subscribe(subject::SESSIONS.to_owned());
        async move {
            let question = |message: async_nats::Message| {
                let question = message.reply.map(|to| (message.payload, to.to_string()));
                std::future::ready(question)
            };
            Ok(subscriber.await?.filter_map(question).boxed_local())
        }
        .boxed_local()
    }

    fn ask_all(
        &self,
        payload: Bytes,
    ) -> LocalBoxFuture<'static, Result<LocalBoxStream<'static, Bytes>, BusError>> {
        let client = self.client.clone();
        async move {
            let inbox = client.new_inbox();
            let answers = client.subscribe(inbox.clone()).await.map_err(lost)?;
            client.publish_with_reply(subject::SESSIONS, inbox, payload).await.map_err(lost)?;
            Ok(answers.map(|message| message.payload).boxed_local())
        }
        .boxed_local()
    }

    fn answer(&self, to: String, payload: Bytes) -> LocalBoxFuture<'static, Result<(), BusError>> {
        self.publish(to, payload)
    }
}
