//! The open loop: at each step everything that is due is packed and sent, however late.

use crate::clock::Clock;
use crate::config::Config;
use crate::event::{Item, Source};
use crate::publish::Publisher;
use crate::shards::Shards;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep_until;

/// Time between two steps: what arrives within one goes into one batch per shard.
const STEP_NS: i64 = 1_000_000;

/// How one run of a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The source is at its end and is to begin again.
    Again,
}

/// Figures of a run.
#[derive(Debug, Default, Clone, Copy)]
struct Figures {
    items: u64,
    late_us_max: i64,
}

/// Publishes a source until dropped; or, with `again`, until its end. After the end of a recording beats go on, so that
/// its instruments are quiet, not stale.
///
/// # Errors
/// One line.
pub async fn publish(
    source: &mut dyn Source,
    publisher: &mut Publisher,
    config: &Config,
    clock: Clock,
    ready: impl FnOnce(u64, usize),
) -> Result<End, String> {
    let last = publisher.last_epoch(config.shards).await;
    let epoch = (clock.now_ns() / 1_000_000).unsigned_abs().max(last + 1);
    let shards = Rc::new(RefCell::new(Shards::new(source.instruments(), config.shards, epoch)?));
    let serving = publisher.serve(&shards, config.shards, clock).await?;
    ready(epoch, source.instruments().len());
    let ended = step_all(source, publisher, config, clock, &shards).await;
    drop(serving);
    ended
}

async fn step_all(
    source: &mut dyn Source,
    publisher: &mut Publisher,
    config: &Config,
    clock: Clock,
    shards: &Rc<RefCell<Shards>>,
) -> Result<End, String> {
    let begin_ns = clock.now_ns();
    let (mut items, mut outgoing): (Vec<Item>, _) = (Vec::new(), Vec::new());
    let mut figures = Figures::default();
    let mut said_ns = begin_ns;
    let mut running = true;
    let mut step_ns = begin_ns;
    loop {
        let now_ns = clock.now_ns();
        if running {
            // Recording time that has passed by now: speed is in thousandths.
            let recorded = i128::from(now_ns - begin_ns) * i128::from(config.speed.0) / 1_000;
            running = source.items_until(i64::try_from(recorded).unwrap_or(i64::MAX), &mut items)?;
        }
        let mut packed = shards.borrow_mut();
        for item in items.drain(..) {
            let due_ns = begin_ns
                + i64::try_from(i128::from(item.due_ns) * 1_000 / i128::from(config.speed.0)).unwrap_or(0);
            figures.items += 1;
            figures.late_us_max = figures.late_us_max.max((now_ns - due_ns) / 1_000);
            packed.push(&item, due_ns, now_ns, &mut outgoing);
        }
        packed.flush(now_ns, clock.now_ns(), &mut outgoing);
        drop(packed);
        publisher.publish(&mut outgoing).await;
        if config.live && now_ns - said_ns >= 1_000_000_000 {
            said_ns = now_ns;
            say(&std::mem::take(&mut figures), publisher, source.inexact());
        }
        if !running && config.again {
            return Ok(End::Again);
        }
        step_ns = (step_ns + STEP_NS).max(clock.now_ns());
        sleep_until(clock.instant(step_ns)).await;
    }
}

fn say(figures: &Figures, publisher: &Publisher, inexact: u64) {
    let published = publisher.published();
    tracing::info!(
        events_per_s = figures.items,
        late_us_max = figures.late_us_max,
        messages = published.messages,
        dropped = published.dropped,
        inexact,
        "published"
    );
}

/// How long the last bytes may take at the end.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(2);
