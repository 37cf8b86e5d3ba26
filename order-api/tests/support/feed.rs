//! A feed of one shard with one instrument, `A.X`: price in cents, tick 0.05, whole lots. Also used by the example.

use async_nats::Client;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::sync::mpsc;
use wire::batch::{BatchWriter, Header, SnapshotRow, snapshot_message};
use wire::instrument::{Definitions, Instrument};
use wire::subject;
use wire::tick::{Change, Event, Quote};
use zerocopy::FromZeros;

/// The only instrument.
pub const SYMBOL: &str = "A.X";

/// Sends quotes; dropped, the feed ends.
#[derive(Debug)]
pub struct Feed {
    quotes: mpsc::Sender<Quote>,
}

impl Feed {
    /// Starts it with an empty quote.
    pub async fn start(client: &Client) -> Self {
        let (quotes, from) = mpsc::channel(16);
        let definitions = client.subscribe(subject::definitions(0)).await.unwrap();
        let snapshots = client.subscribe(subject::snapshot(0)).await.unwrap();
        client.flush().await.unwrap();
        tokio::spawn(serve(client.clone(), definitions, snapshots, from));
        Self { quotes }
    }

    /// Bid, ask, bid size, ask size.
    pub async fn quote(&self, [bid, ask, bid_size, ask_size]: [i64; 4]) {
        self.quotes.send(Quote { bid, ask, bid_size, ask_size }).await.unwrap();
    }
}

async fn serve(
    client: Client,
    mut definitions: async_nats::Subscriber,
    mut snapshots: async_nats::Subscriber,
    mut quotes: mpsc::Receiver<Quote>,
) {
    let mut row = SnapshotRow::new_zeroed();
    let mut header = Header::new_zeroed();
    (header.feed_epoch, header.first, header.revision) = (3.into(), 1.into(), 1.into());
    let mut beat = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            Some(message) = definitions.next() => {
                let answer = serde_json::to_vec(&described()).unwrap();
                client.publish(message.reply.unwrap(), answer.into()).await.unwrap();
            }
            Some(message) = snapshots.next() => {
                let answer = snapshot_message(header, [row].iter());
                client.publish(message.reply.unwrap(), answer.into()).await.unwrap();
            }
            quote = quotes.recv() => {
                let Some(quote) = quote else { return };
                let number = row.ver.get() + 1;
                let event = Event { index: 0, number, ts_event: 0, change: Change::Quote(quote) };
                row.apply(&event);
                let mut writer = BatchWriter::default();
                writer.push(&event);
                client.publish(subject::tick(0), writer.finish(header).into()).await.unwrap();
                header.first = (header.first.get() + 1).into();
            }
            _ = beat.tick() => {
                let beat = BatchWriter::default().finish(header);
                client.publish(subject::tick(0), beat.into()).await.unwrap();
            }
        }
    }
}

fn described() -> Definitions {
    let instrument = Instrument {
        symbol: SYMBOL.into(),
        price_exponent: -2,
        qty_exponent: 0,
        tick_size: 5,
        lot_size: 1,
        has_aggressor: true,
        has_size: true,
    };
    Definitions { shard: 0, feed_epoch: 3, revision: 1, instruments: vec![instrument] }
}
