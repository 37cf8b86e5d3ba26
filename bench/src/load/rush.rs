//! Clients that all come at once, each as soon as it can: how long until each has its first market data.
//!
//! A client that is refused tries again; when it has its data it goes on reading, and counts no more.

use super::lean::{self, Partial};
use super::swarm::{Plan, requests, shake_hands, write};
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;
use tickgate_client::now_us;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet, spawn_local};

/// A refused client tries again after this, and up to as long again, so that not all come in step.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// When one client had what, µs since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub struct Came {
    /// Its WebSocket.
    pub upgraded_us: i64,
    /// Its first market data.
    pub first_us: i64,
    /// Connections that came to nothing before.
    pub retries: u32,
}

/// The clients, each at its work until this is dropped.
#[derive(Debug, Default)]
pub struct Rush(Rc<RefCell<Vec<AbortHandle>>>);

impl Drop for Rush {
    fn drop(&mut self) {
        self.0.take().iter().for_each(AbortHandle::abort);
    }
}

impl Rush {
    /// Lets all come; returns when each has its first market data.
    ///
    /// # Errors
    /// When one has none within `bound`.
    pub async fn all(&self, address: &str, plans: Vec<Plan>, bound: Duration) -> io::Result<Vec<Came>> {
        let mut coming = JoinSet::new();
        let (count, scratch) = (plans.len(), Rc::<RefCell<Vec<u8>>>::default());
        for (number, plan) in plans.into_iter().enumerate() {
            let (address, readers) = (address.to_owned(), Rc::clone(&self.0));
            let pause = AGAIN_AFTER + AGAIN_AFTER * u32::try_from(number % 64).unwrap_or(0) / 64;
            let scratch = Rc::clone(&scratch);
            coming.spawn_local(async move {
                let mut retries = 0;
                loop {
                    let tried = come(&address, &plan, &scratch).await;
                    if let Ok((stream, partial, upgraded_us)) = tried {
                        let first_us = now_us();
                        readers.borrow_mut().push(spawn_local(read_on(stream, partial)).abort_handle());
                        return Came { upgraded_us, first_us, retries };
                    }
                    retries += 1;
                    tokio::time::sleep(pause).await;
                }
            });
        }
        let mut came = Vec::with_capacity(count);
        let all = async {
            while let Some(Ok(one)) = coming.join_next().await {
                came.push(one);
            }
        };
        let _elapsed = tokio::time::timeout(bound, all).await;
        if came.len() < count {
            let text = format!("{} of {count} clients have market data", came.len());
            return Err(io::Error::new(ErrorKind::TimedOut, text));
        }
        Ok(came)
    }
}

/// One attempt: connects, subscribes, reads until the first market data.
async fn come(
    address: &str,
    plan: &Plan,
    scratch: &RefCell<Vec<u8>>,
) -> io::Result<(TcpStream, Partial, i64)> {
    let target = address.parse().map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
    let stream = TcpSocket::new_v4()?.connect(target).await?;
    stream.set_nodelay(true)?;
    let mut partial = shake_hands(&stream, address, plan.form).await?;
    let upgraded_us = now_us();
    write(&stream, &requests(plan)).await?;
    let mut has_data = false;
    while !has_data {
        stream.readable().await?;
        let read = partial.read(
            &mut scratch.borrow_mut(),
            |buffer| stream.try_read(buffer),
            |opcode, _| {
                has_data |= opcode == lean::BINARY;
            },
        );
        match read {
            Ok(true) => {}
            Ok(false) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok((stream, partial, upgraded_us))
}

/// Throws away what comes, so that the gateway meets no slow reader.
async fn read_on(stream: TcpStream, _begun: Partial) {
    let mut buffer = [0; 4_096];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != ErrorKind::WouldBlock => return,
            _ => tokio::task::consume_budget().await,
        }
    }
}
