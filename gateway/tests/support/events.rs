//! A reader of server-sent events as the WHATWG's HTML standard describes it (9.2.6), over chunks as RFC 9112 does (7.1).

use super::peer::{Nothing, Peer};
use serde_json::Value;
use std::net::SocketAddr;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Its name.
    pub(crate) name: String,
    /// Its data: in this protocol always JSON.
    pub(crate) data: Value,
}

/// A stream.
#[derive(Debug)]
pub(crate) struct Events {
    peer: Peer,
    text: String,
    /// Bytes of all chunks so far.
    pub(crate) bytes: usize,
    /// Id of the last event that had one.
    pub(crate) last_id: Option<String>,
    /// What the stream said about coming again, ms.
    pub(crate) retry_ms: Option<u64>,
}

/// A question for a stream.
pub(crate) fn question(address: SocketAddr, method: &str, query: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} /v1/stream{query} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n")
}

impl Events {
    /// Opens a stream that is answered by one.
    pub(crate) async fn open(address: SocketAddr, query: &str) -> Self {
        Self::over(Peer::connect(address, None).await, address, query, &[]).await
    }

    /// The same on a connection of the test's.
    pub(crate) async fn over(
        mut peer: Peer,
        address: SocketAddr,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Self {
        assert!(peer.send(question(address, "GET", query, headers).as_bytes()).await);
        Self::answered(peer).await
    }

    /// The stream that a connection's next answer is.
    pub(crate) async fn answered(mut peer: Peer) -> Self {
        assert_eq!(peer.status().await, Ok(200), "{}", peer.head);
        for line in ["content-type: text/event-stream\r\n", "transfer-encoding: chunked\r\n"] {
            assert!(peer.head.contains(line), "{}", peer.head);
        }
        Self { peer, text: String::new(), bytes: 0, last_id: None, retry_ms: None }
    }

    /// The next event; `None` = the body ended as it should.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Nothing> {
        let (mut name, mut data) = (String::new(), Vec::new());
        loop {
            let Some(at) = self.text.find('\n') else {
                if !self.chunk().await? {
                    return Ok(None);
                }
                continue;
            };
            let line: String = self.text.drain(..=at).collect();
            let line = line.trim_end_matches('\n');
            if line.is_empty() {
                if data.is_empty() {
                    continue;
                }
                let data: Value = serde_json::from_str(&data.join("\n")).unwrap();
                assert_eq!(data["op"], name.as_str(), "an event is named as its message");
                return Ok(Some(Event { name, data }));
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut name),
                "data" => data.push(value.to_owned()),
                "id" => self.last_id = Some(value.to_owned()),
                "retry" => self.retry_ms = value.parse().ok(),
                _ => panic!("no field of an event: {line}"),
            }
        }
    }

    /// Takes one chunk; false at the last.
    async fn chunk(&mut self) -> Result<bool, Nothing> {
        let size = usize::from_str_radix(&self.peer.line().await?, 16).unwrap();
        if size > 0 {
            self.text.push_str(&String::from_utf8(self.peer.body(size).await).unwrap());
        }
        assert_eq!(self.peer.line().await?, "", "a chunk ends with a line break");
        self.bytes += size;
        Ok(size > 0)
    }

    /// The next event of this name; others are passed over.
    pub(crate) async fn until(&mut self, name: &str) -> Value {
        loop {
            match self.next().await.unwrap() {
                Some(event) if event.name == name => return event.data,
                Some(_) => {}
                None => panic!("ended while waiting for {name}"),
            }
        }
    }

    /// The next record in events of this name that satisfies `good`.
    pub(crate) async fn record(&mut self, name: &str, good: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.until(name).await;
            if let Some(record) = message["data"].as_array().unwrap().iter().find(|record| good(record)) {
                return record.clone();
            }
        }
    }

    /// The connection, once the body ended.
    pub(crate) fn into_peer(self) -> Peer {
        self.peer
    }
}
