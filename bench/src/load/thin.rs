//! A client on a thin link: it reads so many bytes a second and no more, sends orders, and times their reports.

use super::lean::{self, Partial};
use super::orders::{Brief, Target, put_order};
use super::swarm::{shake_hands, write};
use super::{histogram, record};
use hdrhistogram::Histogram;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tickgate_client::{Channel, Form, Request, Shows, now_us};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::MissedTickBehavior;

/// What it does.
#[derive(Debug, Clone)]
pub struct Thin {
    /// Account.
    pub account: &'static str,
    /// Symbols of channel `quote`.
    pub symbols: Vec<String>,
    /// Interval of the subscription.
    pub interval_ms: u32,
    /// Bytes that it reads in a second.
    pub bytes_per_s: usize,
    /// Bytes that its kernel keeps for it.
    pub receive_buffer: u32,
    /// What it orders, and how often in a second.
    pub target: Target,
    /// Orders in a second.
    pub orders_per_s: u32,
    /// How long it reads before it orders.
    pub warm: Duration,
    /// How long it orders.
    pub time: Duration,
}

/// What it saw.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Order to report, µs; an order without a report counts with the time that was waited for it.
    pub latency: Histogram<u64>,
    /// Orders sent.
    pub sent: usize,
    /// Of these without a report.
    pub unanswered: usize,
    /// Bytes read in a second.
    pub read_per_s: f64,
}

/// Form of its market data: the one with the most bytes a record.
pub const FORM: Form = Form::Fixed;

/// It reads this often.
const READ_EVERY: Duration = Duration::from_millis(10);

/// How long reports are waited for after the last order.
const DRAIN: Duration = Duration::from_secs(5);

/// Orders by number: when they were to be sent, and whether they are answered.
struct Orders {
    prefix: String,
    sent_us: Vec<i64>,
    open: usize,
    answered: Vec<bool>,
    latency: Histogram<u64>,
}

impl Orders {
    fn send(&mut self, out: &mut Vec<u8>, target: &Target, due_us: i64) {
        let number = self.sent_us.len();
        put_order(out, number as u64, &format!("{}{number}", self.prefix), target);
        self.sent_us.push(due_us);
        self.answered.push(false);
        self.open += 1;
    }

    fn take(&mut self, text: &[u8], at_us: i64) {
        let Ok(brief) = serde_json::from_slice::<Brief<'_>>(text) else { return };
        let number = brief.cl_ord_id.and_then(|id| id.strip_prefix(&self.prefix)?.parse::<usize>().ok());
        let Some(number) = number.filter(|_| brief.op == "report") else { return };
        if self.answered.get(number) == Some(&false) {
            self.answered[number] = true;
            self.open -= 1;
            record(&mut self.latency, self.sent_us[number], at_us);
        }
    }
}

/// Connects, and does what it is made for.
///
/// # Errors
/// When the socket cannot be opened or ends.
pub async fn run(address: &str, thin: Thin) -> io::Result<Seen> {
    let (stream, mut partial) = connect(address, &thin).await?;
    let mut orders = Orders {
        prefix: format!("thin-{:x}-", now_us()),
        sent_us: Vec::new(),
        open: 0,
        answered: Vec::new(),
        latency: histogram(),
    };
    let mut pace = tokio::time::interval(READ_EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun_us = now_us();
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let step_us = 1_000_000 / i64::from(thin.orders_per_s.max(1));
    let first_us = begun_us + micros(thin.warm);
    let last_us = first_us + micros(thin.time);
    let (mut due_us, mut read, mut allowed_us) = (first_us, 0_u64, begun_us);
    let mut scratch = Vec::new();
    let mut at_us = begun_us;
    while at_us < last_us || (orders.open > 0 && at_us < last_us + micros(DRAIN)) {
        pace.tick().await;
        at_us = now_us();
        let mut out = Vec::new();
        while due_us <= at_us && due_us < last_us {
            orders.send(&mut out, &thin.target, due_us);
            due_us += step_us;
        }
        write(&stream, &out).await?;
        // What was not there to be read is not made up for later.
        let share = usize::try_from(at_us - allowed_us).unwrap_or(0) * thin.bytes_per_s / 1_000_000;
        allowed_us = at_us;
        read += drink(&stream, share, &mut partial, &mut scratch, &mut orders)?;
    }
    let unanswered = orders.open;
    for (sent_us, answered) in orders.sent_us.iter().zip(&orders.answered) {
        if !answered {
            record(&mut orders.latency, *sent_us, at_us);
        }
    }
    let read_per_s = read as f64 * 1e6 / (at_us - begun_us).max(1) as f64;
    Ok(Seen { latency: orders.latency, sent: orders.sent_us.len(), unanswered, read_per_s })
}

/// Reads at most so many bytes; how many there were.
fn drink(
    stream: &TcpStream,
    most: usize,
    partial: &mut Partial,
    scratch: &mut Vec<u8>,
    orders: &mut Orders,
) -> io::Result<u64> {
    let mut taken = 0;
    while taken < most {
        let read = |buffer: &mut [u8]| {
            let room = buffer.len().min(most - taken);
            let count = stream.try_read(&mut buffer[..room])?;
            taken += count;
            Ok(count)
        };
        let open = partial.read(scratch, read, |opcode, payload| {
            if opcode == lean::TEXT {
                orders.take(payload, now_us());
            }
        });
        match open {
            Ok(true) => {}
            Ok(false) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(taken as u64)
}

async fn connect(address: &str, thin: &Thin) -> io::Result<(TcpStream, Partial)> {
    let target = address.parse().map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(thin.receive_buffer)?;
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    let partial = shake_hands(&stream, address, FORM).await?;
    let symbols: Vec<&str> = thin.symbols.iter().map(String::as_str).collect();
    let mut bytes = Vec::new();
    let hello = Request::Hello { id: 1, session: None, account: Some(thin.account), token: None };
    lean::put_frame(&mut bytes, lean::TEXT, hello.text().as_bytes());
    let (channel, interval_ms) = (Channel::Quote, thin.interval_ms);
    let shows = Shows::default();
    let subscribe = Request::Subscribe {
        id: 2,
        channel,
        symbols: &symbols,
        interval_ms,
        adaptive: false,
        shows,
        resume: None,
    };
    lean::put_frame(&mut bytes, lean::TEXT, subscribe.text().as_bytes());
    write(&stream, &bytes).await?;
    Ok((stream, partial))
}
