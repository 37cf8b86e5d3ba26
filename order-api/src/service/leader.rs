//! One term: requests and market moves into blocks, one block in flight, replies after its publish ack.

use super::{BEAT, End, RECENT_BLOCKS, Service, ServiceError};
use crate::decide::{Answer, last_alert, last_report};
use crate::log::AppendError;
use async_nats::{Message, Subject, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::task::unconstrained;
use wire::alert::codec::is_alert;
use wire::alert::{AlertReply, AlertRequest};
use wire::block::{Block, BlockWriter};
use wire::order::{OrderReply, OrderRequest, Outcome};

/// Most past states looked up in the log at once; beyond it a request gets no reply, and its sender asks again.
pub(super) const LOOKUPS_MAX: usize = 64;

/// Most requests taken for one block; those that make no step (reads, repeats) do not fill it.
const REQUESTS_MAX: usize = 1_024;

type Append = Pin<Box<dyn Future<Output = Result<(), AppendError>> + Send>>;

/// The block on its way, and who waits for it.
struct InFlight {
    append: Append,
    block: Bytes,
    answers: Vec<(Subject, Answer)>,
}

impl Service {
    /// Leads until stopped or until the term is lost. Undecided state is left to the caller to drop.
    pub(super) async fn lead(
        &mut self,
        mut orders: Subscriber,
        mut out: Subscriber,
    ) -> Result<End, ServiceError> {
        let mut in_flight: Option<InFlight> = None;
        let mut pending: Option<Message> = None;
        let mut stopped = self.stopped.clone();
        let mut stopping = false;
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if in_flight.is_none() {
                in_flight = self.build(&mut pending, &mut orders).await?;
            }
            let waiting = in_flight.is_some();
            tokio::select! {
                stored = acked(&mut in_flight), if waiting => {
                    let Some(block) = in_flight.take() else { continue };
                    if let Err(error) = stored {
                        tracing::warn!(%error, "stepping down: a block was not acknowledged as expected");
                        return Ok(End::Lost { rival: false });
                    }
                    self.stored(block).await;
                }
                message = orders.next(), if !waiting => match message {
                    Some(message) => pending = Some(message),
                    None if stopping => return Ok(End::Stopped),
                    None => return Ok(End::Lost { rival: false }),
                },
                Some(message) = out.next() => {
                    if Block::peek_epoch(&message.payload) > Some(self.core.state.writer_epoch()) {
                        tracing::warn!("stepping down: a later writer has stored a block");
                        return Ok(End::Lost { rival: true });
                    }
                }
                event = self.feed.next() => {
                    self.feed.apply(event, &mut self.core.market, self.clock.now_us());
                }
                _ = beat.tick() => {
                    let current = self.core.market.current_shards(self.clock.now_us());
                    self.metrics.current_shards.set(i64::try_from(current).unwrap_or(0));
                    self.beat().await;
                }
                _ = stopped.wait_for(|stopped| *stopped), if !stopping => {
                    stopping = true; // what has arrived is still decided and answered
                    let _gone = orders.unsubscribe().await;
                }
            }
        }
    }

    /// Decides all that has arrived. Without a step the answers leave at once, else they wait for the block.
    async fn build(
        &mut self,
        pending: &mut Option<Message>,
        orders: &mut Subscriber,
    ) -> Result<Option<InFlight>, ServiceError> {
        let now_us = self.clock.now_us();
        let mut writer = self.core.block();
        let mut answers = Vec::new();
        self.core.market_steps(now_us, &mut writer)?;
        self.core.alert_steps(now_us, &mut writer)?;
        while !writer.is_full() && answers.len() < REQUESTS_MAX {
            let Some(message) =
                pending.take().or_else(|| unconstrained(orders.next()).now_or_never().flatten())
            else {
                break;
            };
            let Some(reply_to) = message.reply else { continue };
            self.metrics.requests.inc();
            let answer = self.decide(&message.payload, now_us, &mut writer)?;
            answers.push((reply_to, answer));
        }
        if writer.is_empty() {
            self.send(answers).await;
            return Ok(None);
        }
        let block = Bytes::from(writer.finish());
        let append = self.log.clone().append(block.clone(), self.core.state.sequence());
        Ok(Some(InFlight { append: Box::pin(append), block, answers }))
    }

    fn decide(
        &mut self,
        payload: &[u8],
        now_us: i64,
        writer: &mut BlockWriter,
    ) -> Result<Answer, ServiceError> {
        let (decided, malformed) = if is_alert(payload) {
            let request = AlertRequest::decode(payload).ok();
            let decided = request.map(|request| self.core.alert_request(&request, now_us, writer));
            (decided, Answer::Alert(AlertReply::Malformed))
        } else {
            let request = OrderRequest::decode(payload).ok();
            let decided = request.map(|request| self.core.request(&request, now_us, writer));
            (decided, Answer::Reply(OrderReply::Malformed))
        };
        match decided {
            Some(decided) => Ok(decided?),
            None => {
                self.metrics.malformed.inc();
                Ok(malformed)
            }
        }
    }

    async fn stored(&mut self, in_flight: InFlight) {
        self.core.stored();
        self.metrics.block_bytes.inc_by(in_flight.block.len() as u64);
        self.note_stored();
        if self.recent.len() == RECENT_BLOCKS {
            self.recent.pop_front();
        }
        self.recent.push_back((self.core.state.sequence(), in_flight.block));
        self.send(in_flight.answers).await;
    }

    async fn send(&self, answers: Vec<(Subject, Answer)>) {
        let (mut bytes, mut ends) =
            (Vec::with_capacity(answers.len() * 128), Vec::with_capacity(answers.len()));
        for (reply_to, answer) in answers {
            match answer {
                Answer::Reply(reply) => {
                    reply.encode(&mut bytes);
                    ends.push((reply_to, bytes.len()));
                }
                Answer::Alert(reply) => {
                    reply.encode(&mut bytes);
                    ends.push((reply_to, bytes.len()));
                }
                Answer::InBlock { account, cl_ord_id, block } => {
                    self.look_up(reply_to, block, move |stored| {
                        let report = Box::new(last_report(stored, block, &account, &cl_ord_id)?);
                        Some(encode(&OrderReply::Decided { outcome: Outcome::Known, cl_ord_id, report }))
                    });
                }
                Answer::AlertInBlock { account, cl_alert_id, block } => {
                    self.look_up(reply_to, block, move |stored| {
                        let report = Box::new(last_alert(stored, block, &account, &cl_alert_id)?);
                        let mut bytes = Vec::with_capacity(192);
                        AlertReply::Decided { outcome: Outcome::Known, report }.encode(&mut bytes);
                        Some(bytes.into())
                    });
                }
            }
        }
        self.metrics.replies.inc_by(ends.len() as u64);
        let (bytes, mut begin) = (Bytes::from(bytes), 0);
        for (reply_to, end) in ends {
            let _gone = self.client.publish(reply_to, bytes.slice(begin..end)).await;
            begin = end;
        }
    }

    /// Answers with what a stored block says of an id, beside the loop.
    fn look_up(
        &self,
        reply_to: Subject,
        sequence: u64,
        answer: impl FnOnce(&Block) -> Option<Bytes> + Send + 'static,
    ) {
        let Ok(permit) = Arc::clone(&self.lookups).try_acquire_owned() else {
            self.metrics.lookups_dropped.inc();
            return;
        };
        let recent = self.recent.iter().find(|(at, _)| *at == sequence).map(|(_, bytes)| bytes.clone());
        let (client, log, metrics) = (self.client.clone(), self.log.clone(), Arc::clone(&self.metrics));
        tokio::spawn(async move {
            let block = match recent {
                Some(bytes) => Block::decode(&bytes).ok(),
                None => log.block(sequence).await.ok(),
            };
            if let Some(reply) = block.and_then(|block| answer(&block)) {
                metrics.replies.inc();
                let _gone = client.publish(reply_to, reply).await;
            } else {
                metrics.lookups_dropped.inc();
            }
            drop(permit);
        });
    }
}

async fn acked(in_flight: &mut Option<InFlight>) -> Result<(), AppendError> {
    match in_flight {
        Some(in_flight) => in_flight.append.as_mut().await,
        None => std::future::pending().await,
    }
}

fn encode(reply: &OrderReply) -> Bytes {
    let mut bytes = Vec::with_capacity(192);
    reply.encode(&mut bytes);
    bytes.into()
}
