//! A proxy that damages and drops frames on their way: clients find out and mend exactly what stands wrong (P11).

use crate::{ask, nats, read_until, start, subscribed};
use bench::harness::Options;
use bench::load::readers;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tickgate_client::{Client, Event, Form, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// No symbol.
const NONE: u32 = u32::MAX;

/// What the proxy does to messages of the `fixed` form.
#[derive(Debug)]
struct Harm {
    /// The bids of this instrument are damaged, always.
    bids_of: AtomicU32,
    /// The next message of market data does not arrive.
    drop_next: AtomicBool,
}

/// Takes one connection through; returns the address to connect to.
async fn proxy(gateway: &str, harm: Arc<Harm>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let gateway = gateway.to_owned();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let (from_client, to_client) = client.into_split();
        let (from_gateway, to_gateway) = TcpStream::connect(gateway).await.unwrap().into_split();
        tokio::spawn(copy(from_client, to_gateway));
        harmed(from_gateway, to_client, &harm).await;
    });
    address
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _either_side_ended = tokio::io::copy(&mut from, &mut to).await;
}

/// Passes the handshake, then frame by frame.
async fn harmed(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, harm: &Harm) {
    let (mut bytes, mut upgraded) = (Vec::new(), false);
    while from.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
        while let Some(end) = if upgraded { frame_end(&bytes) } else { head_end(&bytes) } {
            let mut piece: Vec<u8> = bytes.drain(..end).collect();
            let dropped = upgraded && piece[0] == 0x82 && harm.drop_next.swap(false, Ordering::SeqCst);
            if upgraded && piece[0] == 0x82 {
                damage(&mut piece, harm.bids_of.load(Ordering::SeqCst));
            }
            upgraded = true;
            if !dropped && to.write_all(&piece).await.is_err() {
                return;
            }
        }
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Begin of a frame's payload.
fn payload_at(bytes: &[u8]) -> usize {
    if bytes[1] < 126 { 2 } else { 4 }
}

fn frame_end(bytes: &[u8]) -> Option<usize> {
    let end = match bytes.get(1)? {
        126 => 4 + usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
        len => 2 + usize::from(*len),
    };
    (bytes.len() >= end).then_some(end)
}

/// Turns a bit of the instrument's bid, in messages of quotes (kinds 0 and 1): what comes out reads well.
fn damage(frame: &mut [u8], id: u32) {
    let message = payload_at(frame);
    if frame.len() < message + 32 || frame[message + 2] > 1 {
        return;
    }
    for record in frame[message + 32..].chunks_exact_mut(64).filter(|record| record[..4] == id.to_le_bytes())
    {
        record[8] ^= 1;
    }
}

/// Waits for a heartbeat that claims something; whether the client holds it.
async fn claim(client: &mut Client, what: &str) -> bool {
    read_until(client, what, Duration::from_secs(10), |client, event| {
        let Event::Message(message, _) = event else { return None };
        let Message::Heartbeat(beat) = &**message else { return None };
        Some(client.view().hash()?.text() == *beat.hash.as_ref()?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_on_the_way_is_found_by_the_hash_and_mended_symbol_by_symbol() {
    if !nats() {
        return;
    }
    let (_alone, stack) = start(Options { orders: false, ..Options::simulator(40, 1_000) }).await;
    let harm = Arc::new(Harm { bids_of: AtomicU32::new(NONE), drop_next: AtomicBool::new(false) });
    let address = proxy(&stack.address, Arc::clone(&harm)).await;
    let (mut client, symbols) = readers::subscribed(&address, &ask(Form::Fixed, 50, "*")).await.unwrap();
    assert!(claim(&mut client, "a first claim").await);

    let victim = symbols[symbols.len() / 2].id;
    harm.bids_of.store(victim, Ordering::SeqCst);
    let bound = Duration::from_secs(30); // until the symbol moves, then a heartbeat and two answers
    read_until(&mut client, "the damage found", bound, |client, _| {
        (client.counts().mismatches > 0).then_some(())
    })
    .await;
    assert_eq!(client.counts().mismatches, 1, "exactly the damaged symbol");
    harm.bids_of.store(NONE, Ordering::SeqCst);
    let mut held = false;
    for _ in 0..10 {
        held = claim(&mut client, "a claim after the damage").await;
        if held {
            break;
        }
    }
    assert!(held, "the view is mended");
    assert_eq!((client.counts().gaps, client.counts().damaged), (0, 0), "only the hash could tell");
    assert!(client.counts().mismatches <= 3, "no other symbol was ever called wrong");

    let mismatches = client.counts().mismatches;
    harm.drop_next.store(true, Ordering::SeqCst);
    read_until(&mut client, "the gap", bound, |client, _| (client.counts().gaps > 0).then_some(())).await;
    let (repairs, mut held) = (client.counts().repairs, 0);
    while held < 3 {
        held += u32::from(claim(&mut client, "a claim after the gap").await);
    }
    assert!(repairs > 0 && client.counts().mismatches == mismatches, "a gap is no mismatch");
    assert!(client.identity_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_claims_every_client_of_every_form_holds() {
    if !nats() {
        return;
    }
    let (_alone, stack) = start(Options { orders: false, ..Options::simulator(40, 4_000) }).await;
    for (form, interval_ms) in [(Form::Compact, 0), (Form::Fixed, 20), (Form::Json, 250)] {
        let (mut client, _) = subscribed(&stack, &ask(form, interval_ms, "*")).await;
        for _ in 0..4 {
            assert!(claim(&mut client, "a claim").await, "{form:?}");
        }
        assert_eq!((client.counts().mismatches, client.counts().repairs), (0, 0), "{form:?}");
    }
}
