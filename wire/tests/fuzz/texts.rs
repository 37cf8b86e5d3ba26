//! Definitions, symbols and patterns, subjects, and how a socket ends.

use crate::mutate::fuzz;
use std::collections::BTreeSet;
use tickgate_wire::close::{CloseReason, reconnects};
use tickgate_wire::frame::{Print, TradeImage, json};
use tickgate_wire::instrument::{Definitions, Instrument, matches, shard_of, valid_pattern, valid_symbol};
use tickgate_wire::order::{AccountId, Symbol, partition_of};
use tickgate_wire::{MANTISSA_MAX, SHARDS_MAX, subject};

fn definitions() -> Definitions {
    let instrument = |symbol: &str, exponent| Instrument {
        symbol: symbol.to_owned(),
        price_exponent: exponent,
        qty_exponent: -8,
        tick_size: 1,
        lot_size: 100,
        has_aggressor: true,
        has_size: false,
    };
    let instruments = vec![instrument("BTCUSDT.BINANCE", -2), instrument("EURUSD.OANDA", -5)];
    Definitions { shard: 3, feed_epoch: 1_723_075_200_000, revision: 2, instruments }
}

/// What is read of an instrument, every writer of numbers can take.
fn written(instrument: &Instrument) {
    let last = Print { price: MANTISSA_MAX, qty: MANTISSA_MAX, ..Print::default() };
    let image = TradeImage { tc: 1, volume: i64::MAX, notional: i128::MIN, last, ..TradeImage::default() };
    let mut out = Vec::new();
    json::trade_full(&mut out, 7, &image, None, false, instrument);
    assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
    assert!(instrument.tick_size > 0 && instrument.lot_size > 0 && valid_symbol(&instrument.symbol));
}

#[test]
fn definitions_as_json() {
    let whole = definitions();
    let described = serde_json::to_vec(&whole).unwrap();
    let empty = serde_json::to_vec(&Definitions { instruments: Vec::new(), ..whole }).unwrap();
    let corpus = [described, empty];
    let mut taken = 0;
    fuzz("definitions_as_json", 240_000, |case| {
        let bytes = case.mutated(&corpus);
        let Ok(read) = serde_json::from_slice::<Definitions>(&bytes) else { return };
        taken += 1;
        assert!(read.instruments.len() <= bytes.len() / 100, "an instrument takes a hundred bytes");
        read.instruments.iter().for_each(written);
        let again = serde_json::to_vec(&read).unwrap();
        assert_eq!(serde_json::from_slice::<Definitions>(&again).unwrap(), read);
    });
    assert!(taken > 0);
}

/// Stars by the textbook: any text, tried at every place.
fn naive(pattern: &[u8], symbol: &[u8]) -> bool {
    match pattern.split_first() {
        None => symbol.is_empty(),
        Some((b'*', rest)) => (0..=symbol.len()).any(|at| naive(rest, &symbol[at..])),
        Some((byte, rest)) => {
            symbol.split_first().is_some_and(|(first, left)| first == byte && naive(rest, left))
        }
    }
}

#[test]
fn symbols_and_patterns() {
    let texts = ["*", "A*", "*USDT.*", "BTC*BINANCE", "AABAAB", "*AB*AB*", "BTCUSDT.BINANCE", "A_b-c/d:e+f"];
    let corpus: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let mut matched = 0;
    fuzz("symbols_and_patterns", 400_000, |case| {
        let (pattern, symbol) = (case.mutated(&corpus), case.mutated(&corpus));
        let (Ok(pattern), Ok(symbol)) = (std::str::from_utf8(&pattern), std::str::from_utf8(&symbol)) else {
            return;
        };
        assert_eq!(valid_symbol(symbol), Symbol::new(symbol).is_ok(), "{symbol:?}");
        assert!(!valid_symbol(symbol) || valid_pattern(symbol));
        if valid_pattern(pattern) {
            assert_eq!(matches(pattern, symbol), naive(pattern.as_bytes(), symbol.as_bytes()));
            matched += u64::from(matches(pattern, symbol));
        }
        assert!(shard_of(symbol, SHARDS_MAX) < SHARDS_MAX);
        assert!(AccountId::new(symbol).is_err() || partition_of(&symbol.parse().unwrap(), 7) < 7);
    });
    assert!(matched > 0);
}

#[test]
fn each_subject_is_its_own_and_holds_no_wildcard() {
    let mut all = BTreeSet::new();
    for number in 0..=u16::MAX {
        let each = [subject::tick, subject::snapshot, subject::definitions, subject::order, subject::report];
        let more = [subject::report_out, subject::life, subject::report_stream];
        all.extend(each.iter().chain(&more).map(|subject| subject(number)));
    }
    assert_eq!(all.len(), 8 << 16);
    assert!(all.iter().all(|text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b))));
}

#[test]
fn every_close_frame_fits_and_only_its_codes_reconnect() {
    use CloseReason as R;
    let all = [
        R::Normal,
        R::GoingAway,
        R::Protocol,
        R::Unsupported,
        R::BadText,
        R::Policy,
        R::TooBig,
        R::NoPong,
        R::TryLater,
        R::Auth,
        R::Forbidden,
        R::SlowConsumer,
        R::TakenOver,
        R::Rate,
    ];
    let codes: BTreeSet<u16> = all.iter().map(|reason| reason.code()).collect();
    let words: BTreeSet<&str> = all.iter().map(|reason| reason.text()).collect();
    assert_eq!((codes.len(), words.len()), (all.len(), all.len()));
    // 125 bytes of a control frame less two of the code; codes that may stand in one (RFC 6455, 7.4).
    assert!(words.iter().all(|word| word.len() <= 123));
    let sendable = |code: &u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    assert!(codes.iter().all(sendable));
    // 1006 is never sent: it is what a client sees without a close frame.
    let again = (0..=u16::MAX).filter(|code| reconnects(*code) && *code != 1006);
    assert!(again.collect::<BTreeSet<_>>().is_subset(&codes));
}
