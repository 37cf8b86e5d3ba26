//! The limit: a process that only writes a pre-built frame to each client, with the gateway's wakes and phases.
//!
//! Same clients, same bytes, same frames a second as the gateway beside it; no data, no logic. Its CPU is what the
//! kernel asks for the writes and the wakes, so that a ratio says what the gateway adds.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, MissedTickBehavior};

/// What is written, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Blast {
    /// Bytes of a frame, WebSocket head included.
    pub bytes: usize,
    /// Time between two frames of a client.
    pub interval: Duration,
    /// Sweeps that an interval is divided into.
    pub phases: u32,
    /// Wakes a second that do nothing else; 0 = only the sweeps wake.
    pub wakes: u32,
}

pub(crate) const ANSWER: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Listens on a free port of loopback, tells the address, and writes to whoever connects, for ever.
/// Runs inside a `LocalSet`.
///
/// # Errors
/// When no port is free.
pub async fn serve(blast: Blast, ready: impl FnOnce(std::net::SocketAddr)) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(8_192)?;
    ready(listener.local_addr()?);
    let clients: Rc<RefCell<Vec<TcpStream>>> = Rc::default();
    tokio::task::spawn_local(sweep(blast, Rc::clone(&clients)));
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") && request.len() < 8_192 {
            request.push(stream.read_u8().await?);
        }
        stream.write_all(ANSWER).await?;
        clients.borrow_mut().push(stream);
    }
}

async fn sweep(blast: Blast, clients: Rc<RefCell<Vec<TcpStream>>>) {
    let frame = frame(blast.bytes);
    let phases = blast.phases.max(1);
    let step = blast.interval / phases;
    let wake = match blast.wakes {
        0 => step,
        wakes => Duration::from_secs(1) / wakes,
    };
    let mut pace = tokio::time::interval(wake.min(step));
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut due = Instant::now();
    let mut phase = 0;
    loop {
        let now = pace.tick().await;
        if now.duration_since(due) > blast.interval {
            due = now; // as often as it can: what was missed would only be missed again
        }
        while due <= now {
            let clients = clients.borrow();
            for stream in clients.iter().skip(phase as usize).step_by(phases as usize) {
                // A full socket loses its frame: this is no gateway.
                let _ = stream.try_write(&frame);
            }
            phase = (phase + 1) % phases;
            due += step;
        }
    }
}

pub(crate) fn frame(bytes: usize) -> Vec<u8> {
    let (head, length) = match bytes {
        0..=127 => (vec![0x82], bytes.saturating_sub(2)),
        _ => (vec![0x82, 126], bytes.saturating_sub(4).min(0xffff)),
    };
    let mut frame = head;
    match u16::try_from(length) {
        Ok(length @ 0..=125) if bytes <= 127 => frame.push(length.to_be_bytes()[1]),
        Ok(length) => frame.extend_from_slice(&length.to_be_bytes()),
        Err(_) => {}
    }
    frame.resize(frame.len() + length, 0);
    frame
}

#[cfg(test)]
mod tests {
    use super::frame;
    use crate::load::lean;

    #[test]
    fn frames_have_the_length_asked_for() {
        for bytes in [20, 127, 128, 516, 4_000] {
            let frame = frame(bytes);
            let (opcode, _, taken) = lean::frame(&frame).unwrap().unwrap();
            assert_eq!((opcode, taken, frame.len()), (lean::BINARY, bytes, bytes));
        }
    }
}
