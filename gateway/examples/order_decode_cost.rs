//! What reading one order costs: 151 bytes of JSON to a checked request, and on to the bytes for its writer.
//! Run it with `cargo run --release -p gateway --example order_decode_cost`.

use std::hint::black_box;
use std::process::ExitCode;
use wire::control::{Decoder, Op};
use wire::order::{AccountId, OrderRequest, SessionName};

const ORDER: &[u8] = br#"{"op":"order.new","id":31,"cl_ord_id":"desk7-0001","symbol":"BTCUSDT.BINANCE","side":"buy","type":"limit","qty":"0.5","price":"61000.10","tif":"gtc"}"#;

const ROUNDS: u32 = 20;
const PER_ROUND: u32 = 200_000;

#[expect(clippy::disallowed_methods, reason = "a stopwatch is what this is")]
#[expect(clippy::print_stdout, reason = "its result")]
fn main() -> ExitCode {
    let Ok(account) = AccountId::new("A1") else { return ExitCode::FAILURE };
    let mut decoder = Decoder::default();
    let mut message = ORDER.to_vec();
    let mut out = Vec::with_capacity(256);
    let (mut decode, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = std::time::Instant::now();
        for _ in 0..PER_ROUND {
            message.copy_from_slice(ORDER);
            if black_box(decoder.decode(black_box(&mut message))).is_err() {
                return ExitCode::FAILURE;
            }
        }
        decode.push(begin.elapsed() / PER_ROUND);
        let begin = std::time::Instant::now();
        for _ in 0..PER_ROUND {
            message.copy_from_slice(ORDER);
            let Ok(request) = decoder.decode(black_box(&mut message)) else { return ExitCode::FAILURE };
            let Op::Order { act, .. } = request.op else { return ExitCode::FAILURE };
            let session = SessionName::default();
            let request =
                OrderRequest { account, session, session_epoch: 0, received_us: 1, expires_us: None, act };
            out.clear();
            request.encode(&mut out);
            black_box(&out);
        }
        whole.push(begin.elapsed() / PER_ROUND);
    }
    decode.sort_unstable();
    whole.sort_unstable();
    let middle = decode.len() / 2;
    println!(
        "{} B of JSON: decoded and validated {} ns (best {}), and encoded for the bus {} ns (best {})",
        ORDER.len(),
        decode[middle].as_nanos(),
        decode[0].as_nanos(),
        whole[middle].as_nanos(),
        whole[0].as_nanos(),
    );
    ExitCode::SUCCESS
}
