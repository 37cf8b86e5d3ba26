//! A whole client that measures as it reads: every form, every symbol asked for, every event accounted.

use super::{histogram, record};
use hdrhistogram::Histogram;
use std::time::Duration;
use tickgate_client::{Account, Channel, Client, Counts, Error, Event, Form, Message, SymbolInfo, Update};
use tokio::sync::watch;
use wire::frame::view::{QUOTE, TRADE};

/// What one client asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Form.
    pub form: Form,
    /// Interval, 0 = raw.
    pub interval_ms: u32,
    /// Symbols or patterns.
    pub symbols: Vec<String>,
    /// Channels.
    pub channels: Vec<Channel>,
}

/// Times and ages, in seconds of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Messages.
    pub frames: u64,
    /// Records.
    pub records: u64,
    /// Sum of latencies, µs.
    pub latency_sum_us: u64,
    /// Highest latency, µs.
    pub latency_max_us: u64,
}

/// What one client saw.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What it asked for.
    pub ask: Ask,
    /// Instruments that it holds.
    pub symbols: usize,
    /// Counts of messages while measuring.
    pub counts: Counts,
    /// Account of both channels over the whole connection.
    pub accounts: [Account; 2],
    /// Receive − flush, µs.
    pub latency: Histogram<u64>,
    /// Receive at the gateway − due time at the source, µs. Empty in `compact`.
    pub bus: Histogram<u64>,
    /// Flush − receive at the gateway, µs: the deliberate wait. Empty in `compact`, which tells no such time.
    pub wait: Histogram<u64>,
    /// Receive − due time at the source, µs. Empty in `compact`.
    pub total: Histogram<u64>,
    /// By second.
    pub seconds: Vec<Second>,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Error replies, which no client here provokes.
    pub errors: Vec<String>,
    /// How the socket ended, if it did by itself.
    pub ended: Option<String>,
}

impl Seen {
    /// Whether every event is accounted for and every message was read.
    #[must_use]
    pub fn identity_ok(&self) -> bool {
        self.accounts.iter().all(Account::identity_ok) && self.counts.damaged == 0 && self.ended.is_none()
    }

    /// Delivered + merged.
    #[must_use]
    pub fn accounted(&self) -> u64 {
        self.accounts.iter().map(|account| account.delivered + account.merged).sum()
    }

    /// Bytes of messages per record, our heads included.
    #[must_use]
    pub fn bytes_per_record(&self) -> Option<f64> {
        (self.counts.records > 0).then(|| self.counts.bytes as f64 / self.counts.records as f64)
    }
}

/// Connects, subscribes and waits for the whole answer, at most 15 s. Returns the client and its instruments.
///
/// # Errors
/// As [`Client::connect`]; [`Error::Refused`] when nothing is subscribed or nothing is answered.
pub async fn subscribed(address: &str, ask: &Ask) -> Result<(Client, Vec<SymbolInfo>), Error> {
    let bound = Duration::from_secs(15);
    let answer = tokio::time::timeout(bound, Box::pin(subscribe(address, ask))).await;
    answer
        .unwrap_or_else(|_| Err(Error::Refused(format!("{address}: no answer within {} s", bound.as_secs()))))
}

async fn subscribe(address: &str, ask: &Ask) -> Result<(Client, Vec<SymbolInfo>), Error> {
    let mut client = Box::pin(Client::connect(address, ask.form)).await?;
    client.hello(None, None).await?;
    let symbols: Vec<&str> = ask.symbols.iter().map(String::as_str).collect();
    let mut waiting = Vec::new();
    for channel in &ask.channels {
        waiting.push(client.subscribe(*channel, &symbols, ask.interval_ms).await?);
    }
    let mut joined = Vec::new();
    while !waiting.is_empty() {
        match client.next().await {
            Event::Message(message, _) => match *message {
                Message::Subscribed(part) => {
                    if let Some(first) = part.rejected.first() {
                        return Err(Error::Refused(format!("{}: {}", first.symbol, first.code)));
                    }
                    joined.extend(part.symbols);
                    if !part.more {
                        waiting.retain(|id| Some(*id) != part.id);
                    }
                }
                Message::Error(refusal) => {
                    return Err(Error::Refused(format!("{}: {}", refusal.code, refusal.message)));
                }
                _ => {}
            },
            Event::Closed(closed) => {
                return Err(Error::Refused(format!("closed {} {}", closed.code, closed.reason)));
            }
            Event::Data(_) | Event::Damaged => {}
        }
    }
    joined.sort_by_key(|symbol| symbol.id);
    joined.dedup_by_key(|symbol| symbol.id);
    Ok((client, joined))
}

/// Every symbol that the gateway knows, in order of their numbers.
///
/// # Errors
/// As [`subscribed`].
pub async fn all_symbols(address: &str) -> Result<Vec<SymbolInfo>, Error> {
    let ask = Ask {
        form: Form::Compact,
        interval_ms: 1_000,
        symbols: vec!["*".to_owned()],
        channels: vec![Channel::Quote],
    };
    let (client, symbols) = subscribed(address, &ask).await?;
    let _ = client.close().await;
    Ok(symbols)
}

/// Phases of a run, told to every reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Read and account, but do not measure yet.
    Warm,
    /// Measure.
    Measure,
    /// Finish and tell.
    Finish,
}

/// Reads until told to finish. `client` must be subscribed.
pub async fn read(mut client: Client, ask: Ask, symbols: usize, mut phase: watch::Receiver<Phase>) -> Seen {
    let mut seen = Seen {
        ask,
        symbols,
        counts: Counts::default(),
        accounts: [Account::default(); 2],
        latency: histogram(),
        bus: histogram(),
        wait: histogram(),
        total: histogram(),
        seconds: Vec::new(),
        heartbeats: 0,
        errors: Vec::new(),
        ended: None,
    };
    let mut begun: Option<(i64, Counts)> = None;
    loop {
        tokio::select! {
            biased;
            changed = phase.changed() => {
                let now = *phase.borrow_and_update();
                if changed.is_err() || now == Phase::Finish {
                    break;
                }
                if now == Phase::Measure {
                    begun = Some((tickgate_client::now_us(), client.counts()));
                }
            }
            event = client.next() => match event {
                Event::Data(data) => {
                    if let Some((begun_us, _)) = begun {
                        measure(&mut seen, begun_us, &data);
                    }
                }
                Event::Message(message, _) => match *message {
                    Message::Heartbeat(_) => seen.heartbeats += 1,
                    Message::Error(refusal) if refusal.code != "too_often" => {
                        seen.errors.push(format!("{}: {}", refusal.code, refusal.message));
                    }
                    _ => {}
                },
                Event::Damaged => {}
                Event::Closed(closed) => {
                    seen.ended = Some(format!("{} {}", closed.code, closed.reason));
                    break;
                }
            },
        }
    }
    seen.counts = since(client.counts(), begun.map_or_else(|| client.counts(), |(_, counts)| counts));
    seen.accounts = [client.view().account(QUOTE), client.view().account(TRADE)];
    let _ = tokio::time::timeout(Duration::from_secs(1), client.close()).await;
    seen
}

fn measure(seen: &mut Seen, begun_us: i64, data: &tickgate_client::Data) {
    let second = usize::try_from((data.at_us - begun_us) / 1_000_000).unwrap_or(0);
    if seen.seconds.len() <= second {
        seen.seconds.resize(second + 1, Second::default());
    }
    let by_second = &mut seen.seconds[second];
    by_second.frames += 1;
    by_second.records += data.received.records;
    let Some(flush_us) = data.received.flush_us else { return };
    let latency = u64::try_from(data.at_us - flush_us).unwrap_or(0);
    by_second.latency_sum_us += latency;
    by_second.latency_max_us = by_second.latency_max_us.max(latency);
    record(&mut seen.latency, flush_us, data.at_us);
    for update in &data.updates {
        let (ts_event, ts_recv) = match update {
            // A snapshot tells an old event again: that is no latency of this flush.
            Update::Quote { events: 0, .. } | Update::Book { events: 0, .. } => continue,
            Update::Summary { .. } | Update::Bar { .. } | Update::Status { .. } => continue,
            Update::Quote { ts_event, ts_recv, .. } | Update::Book { ts_event, ts_recv, .. } => {
                (*ts_event, *ts_recv)
            }
            Update::Print { print, .. } => (print.ts_event, print.ts_recv),
        };
        if ts_recv > 0 {
            record(&mut seen.wait, ts_recv / 1_000, flush_us);
        }
        if ts_recv > 0 && ts_event > 0 {
            record(&mut seen.bus, ts_event / 1_000, ts_recv / 1_000);
            record(&mut seen.total, ts_event / 1_000, data.at_us);
        }
    }
}

const fn since(now: Counts, then: Counts) -> Counts {
    Counts {
        frames: now.frames - then.frames,
        records: now.records - then.records,
        bytes: now.bytes - then.bytes,
        gaps: now.gaps - then.gaps,
        damaged: now.damaged - then.damaged,
        repairs: now.repairs - then.repairs,
        mismatches: now.mismatches - then.mismatches,
    }
}
