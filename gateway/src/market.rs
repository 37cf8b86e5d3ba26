//! The market task: bus payloads into the engine, flushes when they are due, snapshots and definitions when a shard
//! needs them. One task; nothing here knows a client.
//!
//! Questions that must be asked again are found at the latest when freshness is judged, every 50 ms.
//!
//! It must never wait for anything but the next thing to do: whatever asks the bus runs beside it.

mod shards;

use crate::bus::BusError;
use crate::ingest::Want;
use crate::shell::Shell;
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, LocalBoxStream, StreamExt};
use shards::{Due, Payload, Shards};
use std::rc::Rc;
use tokio::time::sleep_until;
use wire::instrument::Definitions;

/// Payloads taken in one turn; then due lanes are flushed and other tasks run.
const TURN_PAYLOADS_MAX: usize = 512;

/// What the bus answered.
enum Answer {
    Following(u16, Result<LocalBoxStream<'static, Bytes>, BusError>),
    Definitions(u16, Result<Bytes, BusError>),
    Snapshot(u16, Result<Bytes, BusError>),
    Books(u16, Result<Bytes, BusError>),
}

type Asked = FuturesUnordered<LocalBoxFuture<'static, Answer>>;

/// Runs until dropped.
///
/// # Cancel safety
/// Dropping it ends all subscriptions; the engine stays as it is.
pub async fn run(shell: Rc<Shell>) {
    let mut shards = Shards::new(shell.shards());
    let mut asked = Asked::new();
    let mut ready: Vec<Payload> = Vec::new();
    let mut suspect = shell.bus.alarm().suspect();
    let mut due_us = shell.clock.now_us();
    loop {
        // In random order: a flood of payloads must not keep a snapshot waiting.
        tokio::select! {
            () = std::future::poll_fn(|context| shards.poll(context, TURN_PAYLOADS_MAX, &mut ready)) => {
                take_payloads(&shell, &mut ready);
            }
            Some(answer) = asked.next() => take_answer(&shell, &mut shards, answer),
            () = shell.bus.alarm().suspect_since(suspect) => {
                suspect = shell.bus.alarm().suspect();
                shell.suspect();
            }
            () = shell.interest.notified() => {}
            () = sleep_until(shell.clock.instant(due_us)) => {}
        }
        due_us = shell.run_due();
        ask(&shell, &mut shards, &asked);
        if shards.took_all(TURN_PAYLOADS_MAX) {
            tokio::task::yield_now().await;
        }
    }
}

fn take_payloads(shell: &Shell, ready: &mut Vec<Payload>) {
    let now_us = shell.clock.now_us();
    for (shard, payload) in ready.drain(..) {
        if let Err(error) = shell.engine.borrow_mut().batch(shard, &payload, now_us) {
            shell.complain(now_us, format_args!("tick.{shard}: {error}"));
        }
    }
}

fn take_answer(shell: &Shell, shards: &mut Shards, answer: Answer) {
    let now_us = shell.clock.now_us();
    match answer {
        Answer::Following(shard, Ok(stream)) => {
            shards.follow(shard, stream);
            shell.engine.borrow_mut().ingest.suspect_shard(shard);
            shards.answered(shard, true, now_us);
        }
        Answer::Definitions(shard, Ok(payload)) => {
            let definitions = serde_json::from_slice::<Definitions>(&payload);
            let good = match definitions {
                Ok(definitions) if definitions.shard == shard => {
                    shell.engine.borrow_mut().define(definitions, now_us);
                    true
                }
                Ok(_) => {
                    shell.complain(now_us, format_args!("inst.{shard}: definitions of another shard"));
                    false
                }
                Err(error) => {
                    shell.complain(now_us, format_args!("inst.{shard}: {error}"));
                    false
                }
            };
            shards.defined(shard, good, now_us);
        }
        Answer::Snapshot(shard, Ok(payload)) => {
            let taken = shell.engine.borrow_mut().snapshot(shard, &payload, now_us);
            let epoch = shell.engine.borrow().ingest.epoch(shard);
            if matches!(taken, Ok(true)) && shards.has_restarted(shard, epoch) {
                shell.tell_restart(shard, epoch);
            }
            if let Err(error) = &taken {
                shell.complain(now_us, format_args!("snap.{shard}: {error}"));
            }
            shards.answered(shard, matches!(taken, Ok(true)), now_us);
        }
        Answer::Books(shard, answer) => take_books(shell, shard, answer, now_us),
        Answer::Following(shard, Err(error))
        | Answer::Definitions(shard, Err(error))
        | Answer::Snapshot(shard, Err(error)) => {
            shell.complain(now_us, format_args!("shard {shard}: {error}"));
            shards.answered(shard, false, now_us);
        }
    }
}

fn take_books(shell: &Shell, shard: u16, answer: Result<Bytes, BusError>, now_us: i64) {
    let mut engine = shell.engine.borrow_mut();
    let taken = match answer {
        Ok(page) => engine.book_page(shard, &page, now_us).map(drop).map_err(|error| error.to_string()),
        Err(error) => {
            engine.books_unanswered(shard, now_us);
            Err(error.to_string())
        }
    };
    drop(engine);
    if let Err(error) = taken {
        shell.complain(now_us, format_args!("book.{shard}: {error}"));
    }
}

/// Asks the bus for what shards need now.
fn ask(shell: &Rc<Shell>, shards: &mut Shards, asked: &Asked) {
    let now_us = shell.clock.now_us();
    let asked_for = shell.asked_for.take();
    if shell.interest_changed.take() {
        shards.want(shell.engine.borrow().shards_wanted() | asked_for);
    }
    for shard in 0..shell.shards() {
        let want = shell.engine.borrow().wants(shard);
        let bus = Rc::clone(&shell.bus);
        if let Some(request) = shell.engine.borrow_mut().book_request(shard, now_us) {
            let answer = bus.books(shard, request.into());
            asked.push(Box::pin(async move { Answer::Books(shard, answer.await) }));
        }
        match shards.due(shard, want, now_us) {
            Due::Nothing => {}
            Due::Left => shell.engine.borrow_mut().ingest.suspect_shard(shard),
            Due::Follow => {
                let following = bus.ticks(shard);
                asked.push(Box::pin(async move { Answer::Following(shard, following.await) }));
            }
            Due::Definitions => {
                let answer = bus.definitions(shard);
                asked.push(Box::pin(async move { Answer::Definitions(shard, answer.await) }));
            }
            Due::Snapshot => {
                let answer = bus.snapshot(shard);
                asked.push(Box::pin(async move { Answer::Snapshot(shard, answer.await) }));
            }
        }
    }
    if asked_for != 0 {
        // Wanted at this look only; they are let go like any that nobody wants any more: after a while.
        shards.want(shell.engine.borrow().shards_wanted());
    }
}

/// Whether a want is one of definitions.
const fn is_definitions(want: Want) -> bool {
    matches!(want, Want::Definitions)
}
