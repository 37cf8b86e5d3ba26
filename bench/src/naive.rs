//! The naive queue: data and reports of a client in one queue, written in order, nothing conflated. What a gateway is
//! compared with on a thin link.

use crate::blast::{ANSWER, frame};
use crate::load::lean;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

/// What is queued, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Naive {
    /// Bytes of a frame, WebSocket head included.
    pub bytes: usize,
    /// Time between two.
    pub interval: Duration,
}

/// Bytes that a queue may hold: it is a measurement, not a leak.
const QUEUE_BYTES_MAX: usize = 64 << 20;

/// What stands before the client's order id in a request.
const ID: &[u8] = b"\"cl_ord_id\":\"";

/// Listens on a free port of loopback, tells the address, and serves whoever connects, for ever. Runs inside a `LocalSet`.
///
/// # Errors
/// When no port is free.
pub async fn serve(naive: Naive, ready: impl FnOnce(std::net::SocketAddr)) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    ready(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::task::spawn_local(client(stream, naive));
    }
}

async fn client(mut stream: TcpStream, naive: Naive) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < 8_192 {
        request.push(stream.read_u8().await?);
    }
    stream.write_all(ANSWER).await?;
    let data = frame(naive.bytes);
    let (mut queue, mut queued, mut begun, mut asked) = (VecDeque::new(), 0, 0, Vec::new());
    let mut pace = tokio::time::interval(naive.interval);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            _ = pace.tick() => if queued < QUEUE_BYTES_MAX {
                queued += data.len();
                queue.push_back(data.clone());
            },
            ready = stream.readable() => {
                ready?;
                let mut buffer = [0; 4_096];
                match stream.try_read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(count) => asked.extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
                while let Some(report) = report(&mut asked) {
                    queued += report.len();
                    queue.push_back(report);
                }
            }
            ready = stream.writable(), if !queue.is_empty() => {
                ready?;
                let Some(first) = queue.front() else { continue };
                match stream.try_write(&first[begun..]) {
                    Ok(count) => begun += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
                if begun == first.len() {
                    queued -= begun;
                    begun = 0;
                    queue.pop_front();
                }
            }
        }
    }
}

/// The report of the next order in what a client sent. Our clients mask with the key 0: the text is plain.
fn report(asked: &mut Vec<u8>) -> Option<Vec<u8>> {
    let at = asked.windows(ID.len()).position(|bytes| bytes == ID)? + ID.len();
    let length = asked[at..].iter().position(|byte| *byte == b'"')?;
    let id = String::from_utf8_lossy(&asked[at..at + length]).into_owned();
    asked.drain(..at + length);
    let mut out = Vec::new();
    lean::put_plain_frame(
        &mut out,
        lean::TEXT,
        format!(r#"{{"op":"report","cl_ord_id":"{id}","exec_type":"new"}}"#).as_bytes(),
    );
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_gets_one_report_however_it_is_cut() {
        let mut asked = b"xx\"cl_ord_id\":\"a1\",\"y\":1}zz\"cl_ord".to_vec();
        let first = report(&mut asked).unwrap();
        let (opcode, text, taken) = lean::frame(&first).unwrap().unwrap();
        assert_eq!((opcode, taken), (lean::TEXT, first.len()));
        assert_eq!(text, br#"{"op":"report","cl_ord_id":"a1","exec_type":"new"}"#);
        assert!(report(&mut asked).is_none());
        asked.extend_from_slice(b"_id\":\"a2\"");
        assert!(report(&mut asked).is_some() && report(&mut asked).is_none());
    }
}
