//! Ticks in, and the two questions that keep them whole: definitions and snapshots. One question a shard at a time.

use super::ServiceError;
use crate::market::Market;
use async_nats::{Client, Message, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, SelectAll};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use wire::instrument::Definitions;
use wire::subject;

const ASK_EVERY: Duration = Duration::from_millis(250);
const ASK_WAIT: Duration = Duration::from_secs(2);

/// What came, or that it is time to ask.
pub(super) enum Incoming {
    Tick(u16, Bytes),
    Definitions(Box<Definitions>),
    Snapshot(u16, Bytes),
    Done(u16),
    Ask,
}

pub(super) struct Feed {
    client: Client,
    ticks: SelectAll<BoxStream<'static, (u16, Message)>>,
    answers: mpsc::Receiver<Incoming>,
    answering: mpsc::Sender<Incoming>,
    asking: Vec<bool>,
    timer: tokio::time::Interval,
    /// Set by the connection when something may have been lost.
    suspect: Arc<AtomicBool>,
}

impl Feed {
    pub(super) async fn start(
        client: Client,
        shards: u16,
        suspect: Arc<AtomicBool>,
    ) -> Result<Self, ServiceError> {
        let mut ticks = SelectAll::new();
        for shard in 0..shards {
            let subscription = client.subscribe(subject::tick(shard)).await;
            let subscription = subscription.map_err(|error| ServiceError::Subscribe(error.to_string()))?;
            ticks.push(subscription.map(move |message| (shard, message)).boxed());
        }
        let (answering, answers) = mpsc::channel(64);
        let mut timer = tokio::time::interval(ASK_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let asking = vec![false; usize::from(shards)];
        Ok(Self { client, ticks, answers, answering, asking, timer, suspect })
    }

    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(super) async fn next(&mut self) -> Incoming {
        tokio::select! {
            Some((shard, message)) = self.ticks.next() => Incoming::Tick(shard, message.payload),
            Some(answer) = self.answers.recv() => answer,
            _ = self.timer.tick() => Incoming::Ask,
        }
    }

    pub(super) fn apply(&mut self, incoming: Incoming, market: &mut Market, now_us: i64) {
        match incoming {
            Incoming::Tick(shard, payload) => market.batch(shard, &payload, now_us),
            Incoming::Definitions(definitions) => market.definitions(definitions.shard, &definitions),
            Incoming::Snapshot(shard, payload) => market.snapshot(shard, &payload, now_us),
            Incoming::Done(shard) => self.asking[usize::from(shard)] = false,
            Incoming::Ask => {
                if self.suspect.swap(false, Ordering::Relaxed) {
                    market.suspect();
                }
                self.ask(market);
            }
        }
    }

    fn ask(&mut self, market: &Market) {
        for (shard, asking) in (0..).zip(&mut self.asking) {
            let (definitions, snapshot) = market.wants(shard);
            if *asking || !(definitions || snapshot) {
                continue;
            }
            *asking = true;
            let (client, answers) = (self.client.clone(), self.answering.clone());
            tokio::spawn(async move {
                if definitions && let Some(payload) = ask(&client, subject::definitions(shard)).await {
                    match serde_json::from_slice::<Definitions>(&payload) {
                        Ok(defined) if defined.shard == shard => {
                            let _gone = answers.send(Incoming::Definitions(Box::new(defined))).await;
                        }
                        Ok(_) => tracing::warn!(shard, "definitions of another shard"),
                        Err(error) => tracing::warn!(shard, %error, "definitions refused"),
                    }
                }
                if snapshot && let Some(payload) = ask(&client, subject::snapshot(shard)).await {
                    let _gone = answers.send(Incoming::Snapshot(shard, payload)).await;
                }
                let _gone = answers.send(Incoming::Done(shard)).await;
            });
        }
    }
}

async fn ask(client: &Client, subject: String) -> Option<Bytes> {
    let request = Request::new().timeout(Some(ASK_WAIT));
    let asked = tokio::time::timeout(ASK_WAIT, client.send_request(subject, request)).await;
    asked.ok()?.ok().map(|message| message.payload)
}
