//! A client over fastwebsockets whole: independent of the server's own reader.

use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// What came.
#[derive(Debug)]
pub(crate) enum Came {
    /// A JSON text.
    Text(Value),
    /// A binary message.
    Binary(Vec<u8>),
    /// The close code.
    Close(u16),
}

/// A connected client.
pub(crate) struct Client {
    socket: FragmentCollector<TokioIo<Upgraded>>,
    /// `op` of each text so far, heartbeats left out.
    pub(crate) seen: Vec<String>,
}

struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

impl Client {
    /// Connects without a hello.
    pub(crate) async fn connect(address: SocketAddr, form: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let request = Request::get("/ws")
            .header(HOST, address.to_string())
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "upgrade")
            .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_PROTOCOL, format!("tickgate.v1.{form}"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::task::spawn_local(async move { connection.with_upgrades().await });
        let mut response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 101);
        let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
        let mut socket = WebSocket::after_handshake(TokioIo::new(upgraded), Role::Client);
        socket.set_auto_close(false);
        Self { socket: FragmentCollector::new(socket), seen: Vec::new() }
    }

    /// Connects and says hello for an account.
    pub(crate) async fn hello(address: SocketAddr, form: &str, account: &str) -> Self {
        let mut client = Self::connect(address, form).await;
        client.send(&format!(r#"{{"op":"hello","session":"t","account":"{account}"}}"#)).await;
        client.until("welcome").await;
        client
    }

    /// Sends a text.
    pub(crate) async fn send(&mut self, text: &str) {
        let frame = Frame::text(Payload::Owned(text.as_bytes().to_vec()));
        self.socket.write_frame(frame).await.unwrap();
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Came {
        loop {
            let frame = self.socket.read_frame().await.unwrap();
            match frame.opcode {
                OpCode::Text => {
                    let text: Value = serde_json::from_slice(&frame.payload).unwrap();
                    let op = text["op"].as_str().unwrap_or_default();
                    self.seen.extend((op != "heartbeat").then(|| op.to_owned()));
                    return Came::Text(text);
                }
                OpCode::Binary => return Came::Binary(frame.payload.to_vec()),
                OpCode::Close => {
                    return Came::Close(u16::from_be_bytes([frame.payload[0], frame.payload[1]]));
                }
                _ => {}
            }
        }
    }

    /// The next text whose `op` is this one; others are passed over.
    pub(crate) async fn until(&mut self, op: &str) -> Value {
        self.until_any(&[op]).await
    }

    /// As [`Client::until`], of several kinds.
    pub(crate) async fn until_any(&mut self, ops: &[&str]) -> Value {
        loop {
            match self.next().await {
                Came::Text(text) if ops.iter().any(|op| text["op"] == *op) => return text,
                Came::Close(code) => panic!("closed with {code} while waiting for {ops:?}"),
                _ => {}
            }
        }
    }

    /// Sends a request and waits for a reply of this kind.
    pub(crate) async fn ask(&mut self, request: &str, op: &str) -> Value {
        self.send(request).await;
        self.until(op).await
    }

    /// The next record of this kind whose element satisfies `good` (form `json`).
    pub(crate) async fn record(&mut self, op: &str, good: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.until(op).await;
            let found = message["data"].as_array().unwrap().iter().find(|record| good(record)).cloned();
            if let Some(record) = found {
                return record;
            }
        }
    }

    /// Waits for the end of the connection.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Came::Close(code) = self.next().await {
                return code;
            }
        }
    }
}

/// A plain HTTP GET: status and body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn_local(connection);
    let request = Request::get(path).header(HOST, address.to_string()).body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
