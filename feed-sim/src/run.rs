//! The open loop: at each step everything that is due is packed and sent, however late.
//!
//! A step is 1 ms, the grain of the runtime's timer, so a shard's first event after a silence waits for nothing but
//! that, and what follows is held for at most one step.

use crate::clock::Clock;
use crate::config::Config;
use crate::event::{Item, Source};
use crate::pace::{Lateness, Pace};
use crate::publish::Publisher;
use crate::shards::{Outgoing, Shards};
use std::cell::RefCell;
use std::rc::Rc;
use tokio::time::sleep_until;

/// Time between two steps: what arrives within one goes into one batch per shard.
const STEP_NS: i64 = 1_000_000;

/// How one run of a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The source is at its end and is to begin again.
    Again,
}

/// Publishes a source until dropped; or, with `again`, until its end. After the end of a recording beats go on, so that
/// its instruments are quiet, not stale.
///
/// # Errors
/// One line.
///
/// # Cancel safety
/// What was packed and not yet handed to the link is lost; sequences tell.
pub async fn publish(
    source: &mut dyn Source,
    publisher: &mut Publisher,
    config: &Config,
    clock: Clock,
    lateness: &mut Lateness,
    ready: impl FnOnce(u64, usize),
) -> Result<End, String> {
    let last = publisher.last_epoch(config.shards).await;
    let epoch = (clock.now_ns() / 1_000_000).unsigned_abs().max(last + 1);
    let shards = Rc::new(RefCell::new(Shards::new(source.instruments(), config.shards, epoch)?));
    let serving = publisher.serve(&shards, config.shards, clock).await?;
    ready(epoch, source.instruments().len());
    let ended = step_all(source, publisher, config, clock, &shards, lateness).await;
    drop(serving);
    ended
}

async fn step_all(
    source: &mut dyn Source,
    publisher: &mut Publisher,
    config: &Config,
    clock: Clock,
    shards: &RefCell<Shards>,
    lateness: &mut Lateness,
) -> Result<End, String> {
    let begin_ns = clock.now_ns();
    let mut pace = Pace::new(begin_ns, config.speed.0);
    let (mut items, mut outgoing) = (Vec::new(), Vec::new());
    let (mut said_ns, mut step_ns, mut running) = (begin_ns, begin_ns, true);
    let mut said = *lateness;
    loop {
        let now_ns = clock.now_ns();
        let until_ns = pace.advance(now_ns);
        if running {
            running = source.items_until(until_ns, &mut items)?;
        }
        for item in &items {
            lateness.see(now_ns - pace.due_ns(item.due_ns));
        }
        pack(&mut shards.borrow_mut(), &mut items, &pace, clock, &mut outgoing);
        publisher.publish(&mut outgoing).await;
        if config.live && now_ns - said_ns >= 1_000_000_000 {
            said_ns = now_ns;
            say(&mut said, lateness, publisher, source);
        }
        if !running && config.again {
            return Ok(End::Again);
        }
        step_ns += STEP_NS;
        if step_ns > clock.now_ns() {
            sleep_until(clock.instant(step_ns)).await;
        } else {
            // Behind: go on at once, but let requests be answered.
            step_ns = step_ns.max(pace.through_ns());
            tokio::task::yield_now().await;
        }
    }
}

/// Packs what is due; items are taken out.
fn pack(shards: &mut Shards, items: &mut Vec<Item>, pace: &Pace, clock: Clock, out: &mut Vec<Outgoing>) {
    let now_ns = clock.now_ns();
    for item in items.drain(..) {
        shards.push(&item, pace.due_ns(item.due_ns), now_ns, out);
    }
    shards.flush(pace.through_ns(), now_ns, out);
}

/// One line of the last second.
fn say(said: &mut Lateness, lateness: &mut Lateness, publisher: &Publisher, source: &dyn Source) {
    let (published, counts) = (publisher.published(), source.counts());
    tracing::info!(
        events_per_s = lateness.items - said.items,
        late_over_2_ms = lateness.over_2_ms - said.over_2_ms,
        late_over_20_ms = lateness.over_20_ms - said.over_20_ms,
        late_us_max = lateness.max_us,
        messages = published.messages,
        bytes = published.bytes,
        publish_failures = published.dropped,
        inexact = counts.inexact,
        skipped = counts.skipped,
        "published"
    );
    *said = *lateness;
}
