//! Follows one partition's log for the relay: republished blocks, beats, and reads of the stream where something is
//! missing. What to do with a block is decided by [`super::Relay`].

use super::position::Take;
use crate::bus::{Block, BusError};
use crate::shell::Shell;
use bytes::Bytes;
use futures_util::stream::{LocalBoxStream, StreamExt};
use std::rc::Rc;
use std::time::Duration;
use wire::block::Life;

/// First wait before following is tried again; it doubles up to [`AGAIN_MAX`].
const AGAIN: Duration = Duration::from_millis(50);

/// Longest wait before following is tried again.
const AGAIN_MAX: Duration = Duration::from_secs(1);

type Reading = Option<LocalBoxStream<'static, Result<Block, BusError>>>;

/// Runs until dropped. While the log cannot be followed it tries again, for ever; readiness says so, and orders are
/// refused.
///
/// # Cancel safety
/// Dropping it ends the subscriptions; the position stays.
pub async fn follow(shell: Rc<Shell>, partition: u16) {
    let mut again = AGAIN;
    loop {
        let began = shell.clock.now_us();
        if let Err(error) = follow_once(&shell, partition).await {
            let now_us = shell.clock.now_us();
            shell.complain(now_us, format_args!("orders of partition {partition}: {error}"));
            if now_us - began > 5_000_000 {
                again = AGAIN;
            }
        }
        tokio::time::sleep(again).await;
        again = (again * 2).min(AGAIN_MAX);
    }
}

async fn follow_once(shell: &Rc<Shell>, partition: u16) -> Result<(), BusError> {
    let mut suspect = shell.bus.alarm().suspect();
    let mut blocks = shell.bus.blocks(partition).await?;
    let mut lives = shell.bus.lives(partition).await?;
    // The answer to this comes after the server has taken both subscriptions: nothing is stored unseen behind it.
    read_last(shell, partition).await?;
    let mut reading: Reading = None;
    let ended = || BusError::Lost("subscription ended".to_owned());
    loop {
        match missing(shell, partition) {
            Some(from) if reading.is_none() => {
                reading = Some(shell.bus.read_blocks(partition, from).await?);
            }
            None => reading = None,
            Some(_) => {}
        }
        tokio::select! {
            block = blocks.next() => take(shell, partition, &block.ok_or_else(ended)?),
            block = next_read(&mut reading) => take(shell, partition, &block.ok_or_else(ended)??),
            life = lives.next() => take_life(shell, partition, &life.ok_or_else(ended)?),
            () = shell.bus.alarm().suspect_since(suspect) => {
                suspect = shell.bus.alarm().suspect();
                if shell.bus.alarm().is_connected() {
                    read_last(shell, partition).await?;
                }
            }
            () = shell.nudged(partition) => {}
        }
    }
}

async fn next_read(reading: &mut Reading) -> Option<Result<Block, BusError>> {
    match reading {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}

async fn read_last(shell: &Rc<Shell>, partition: u16) -> Result<(), BusError> {
    let last = shell.bus.last_block(partition).await?;
    let mut relay = shell.relay.borrow_mut();
    if let Some(position) = relay.position_mut(partition)
        && position.read_last(last)
    {
        tracing::error!(partition, last, "the log is shorter than what was read from it: it is another log");
    }
    Ok(())
}

fn missing(shell: &Rc<Shell>, partition: u16) -> Option<u64> {
    shell.relay.borrow().partition(partition)?.position.missing()
}

fn take(shell: &Rc<Shell>, partition: u16, (sequence, bytes): &Block) {
    let now_us = shell.clock.now_us();
    let mut told = Vec::new();
    let taken = shell.relay.borrow_mut().block(partition, *sequence, bytes, |report, sessions| {
        told.push((report.clone(), sessions.to_vec()));
    });
    match taken {
        Ok(Take::Apply) => shell.tell_reports(&told),
        Ok(Take::Drop | Take::Gap) => {}
        Err(error) => {
            shell.complain(now_us, format_args!("block {sequence} of partition {partition}: {error}"))
        }
    }
}

fn take_life(shell: &Rc<Shell>, partition: u16, bytes: &Bytes) {
    let now_us = shell.clock.now_us();
    match Life::decode(bytes) {
        Ok(life) if life.partition == partition => shell.relay.borrow_mut().life(life, now_us),
        Ok(_) | Err(_) => shell.complain(now_us, format_args!("life.{partition}: damaged beat")),
    }
}
