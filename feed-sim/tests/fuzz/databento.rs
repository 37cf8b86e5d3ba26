//! Files in Databento's encoding, made by its own writer and then damaged.

use crate::mutate::fuzz;
use crate::{Folder, all, check};
use dbn::encode::{DbnEncoder, EncodeRecord};
use dbn::{BboMsg, BidAskPair, MboMsg, Mbp1Msg, Mbp10Msg, Metadata, SType, Schema, TradeMsg};

fn pair(at: i64) -> BidAskPair {
    let (bid_px, ask_px) = (3_720_250_000_000 - at * 250_000_000, 3_720_500_000_000 + at * 250_000_000);
    BidAskPair { bid_px, ask_px, bid_sz: 24, ask_sz: 11, bid_ct: 1, ask_ct: 2 }
}

fn file(schema: Schema, write: impl FnOnce(&mut DbnEncoder<&mut Vec<u8>>)) -> Vec<u8> {
    let metadata = Metadata::builder()
        .dataset("GLBX.MDP3".to_owned())
        .schema(Some(schema))
        .start(1_609_160_400_000_000_000)
        .stype_in(Some(SType::RawSymbol))
        .stype_out(SType::InstrumentId)
        .symbols(vec!["XY1".to_owned()])
        .build();
    let mut bytes = Vec::new();
    let mut encoder = DbnEncoder::new(&mut bytes, &metadata).unwrap();
    write(&mut encoder);
    bytes
}

/// One file a kind of record that has a meaning here.
fn corpus() -> Vec<Vec<u8>> {
    let time = 1_609_160_400_000_704_060;
    let (action, side) = (b'T'.cast_signed(), b'A'.cast_signed());
    let (price, size) = (3_720_250_000_000, 5);
    let quote = Mbp1Msg { price, size, side, ts_recv: time, levels: [pair(0)], ..Mbp1Msg::default() };
    let print = Mbp1Msg { action, ts_recv: time + 9, ..quote.clone() };
    let ten = Mbp10Msg {
        ts_recv: time,
        levels: std::array::from_fn(|at| pair(i64::try_from(at).unwrap())),
        ..Mbp10Msg::default()
    };
    let trade = TradeMsg { price, size, action, side, ts_recv: time, ..TradeMsg::default() };
    let order = MboMsg { price, size, action, side, ts_recv: time, ..MboMsg::default() };
    let bbo = BboMsg {
        price,
        size,
        side,
        ts_recv: time,
        levels: [pair(1)],
        ..BboMsg::default_for_schema(Schema::Bbo1S)
    };
    vec![
        file(Schema::Mbp1, |to| to.encode_records(&[quote, print]).unwrap()),
        file(Schema::Mbp10, |to| to.encode_record(&ten).unwrap()),
        file(Schema::Trades, |to| to.encode_record(&trade).unwrap()),
        file(Schema::Mbo, |to| to.encode_record(&order).unwrap()),
        file(Schema::Bbo1S, |to| to.encode_record(&bbo).unwrap()),
    ]
}

#[test]
fn databento_files() {
    let (folder, corpus) = (Folder::new("dbn"), corpus());
    for bytes in &corpus {
        assert!(!all(&folder.write("x.dbn", bytes), None).unwrap().is_empty());
    }
    let (mut read, mut refused) = (0_u64, 0_u64);
    fuzz("databento_files", 8_000, |case| {
        let bytes = case.mutated(&corpus);
        let path = folder.write("x.dbn", &bytes);
        if check(case, &path) { read += 1 } else { refused += 1 }
    });
    assert!(read + refused < 500 || (read > 20 && refused > 20), "{read} {refused}");
}

#[test]
fn a_damaged_record_is_named() {
    let (folder, bytes) = (Folder::new("damaged"), corpus().swap_remove(0));
    let second = bytes.len() - size_of::<Mbp1Msg>();
    let says = |damage: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        damage(&mut bytes);
        all(&folder.write("x.dbn", &bytes), None).unwrap_err()
    };
    // Lengths in words of four bytes: shorter, longer, not a multiple of eight bytes, none at all.
    for (words, length) in [(12, "48"), (40, "160"), (21, "84"), (0, "0")] {
        let error = says(&|bytes| bytes[second] = words);
        assert!(
            error.contains(&format!("x.dbn:2: a record of {length} bytes where 80 are needed")),
            "{error}"
        );
    }
    let error = says(&|bytes| bytes[second + 1] = 0x77);
    assert!(error.contains("x.dbn:2: no kind of record: 0x77"), "{error}");
    let error = says(&|bytes| bytes.truncate(second + 70));
    assert!(error.contains("x.dbn:2: a record cut short"), "{error}");
    let error = says(&|bytes| bytes.truncate(60));
    assert!(error.contains("x.dbn: metadata of "), "{error}");
    let error = says(&|bytes| bytes[3] = 9);
    assert!(error.contains("x.dbn: no DBN file of version 1 to 3"), "{error}");
}
