//! Records of a file in Databento's encoding. Each length is checked against its kind before a field is read: the
//! `dbn` crate's own decoder trusts lengths, panics on a damaged one or reads what is not aligned, so it reads the
//! metadata alone.

use dbn::compat::{
    ErrorMsgV1, InstrumentDefMsgV1, InstrumentDefMsgV2, StatMsgV1, SymbolMappingMsgV1, SystemMsgV1,
};
use dbn::decode::{DbnMetadataDecoder, DynReader};
use dbn::{
    BboMsg, CbboMsg, Cmbp1Msg, ErrorMsg, ImbalanceMsg, InstrumentDefMsg, MboMsg, Mbp1Msg, Mbp10Msg, Metadata,
    OhlcvMsg, RecordHeader, StatMsg, StatusMsg, SymbolMappingMsg, SystemMsg, TradeMsg, rtype,
};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use wire::tick::Aggressor;

/// A price that is not there.
pub(super) const ABSENT: i64 = dbn::UNDEF_PRICE;

/// Letters, version, length.
const PRELUDE: usize = 8;

/// The newest version whose records are known.
const VERSION_MAX: u8 = 3;

/// Bytes of a header: length in words of four, kind, publisher, instrument, time of the event.
const HEADER: usize = size_of::<RecordHeader>();

/// One price on each side of a book; prices are 10^−9.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) bid: i64,
    pub(super) ask: i64,
    pub(super) bid_size: u32,
    pub(super) ask_size: u32,
}

/// What a record says here; prices are 10^−9.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) trade: Option<(i64, u32, Aggressor)>,
    pub(super) levels: Vec<Pair>,
    /// The levels are those before the print.
    pub(super) before: bool,
}

/// One record.
#[derive(Debug)]
pub(super) struct Record {
    /// When it was captured, or where that is not told, when it happened; Unix ns.
    pub(super) time_ns: u64,
    /// The publisher's number of the instrument.
    pub(super) instrument: u32,
    /// None where it has no meaning here.
    pub(super) told: Option<Told>,
}

/// One open file behind its metadata.
pub(super) struct Records {
    bytes: BufReader<DynReader<'static, BufReader<File>>>,
    version: u8,
    /// Each record ends in the time at which it was sent.
    ts_out: bool,
    /// The record at hand: a length is one byte of words of four.
    frame: [u8; 4 * 255],
}

impl Records {
    /// Opens a file and reads its metadata.
    ///
    /// # Errors
    /// What is wrong; the caller names the file.
    pub(super) fn open(path: &Path) -> Result<(Self, Metadata), String> {
        let mut bytes = BufReader::new(DynReader::from_file(path).map_err(|error| error.to_string())?);
        // All of it is read before it is decoded: the decoder would make room for any length that is claimed.
        let mut head = vec![0; PRELUDE];
        bytes.read_exact(&mut head).map_err(|_| "no DBN file".to_owned())?;
        let version = head[3];
        if &head[..3] != b"DBN" || !(1..=VERSION_MAX).contains(&version) {
            return Err("no DBN file of version 1 to 3".to_owned());
        }
        let length = u64::from(u32::from_le_bytes(take(&head, 4)));
        let read = bytes.by_ref().take(length).read_to_end(&mut head).map_err(|error| error.to_string())?;
        if read as u64 != length {
            return Err(format!("metadata of {length} bytes cut short after {read}"));
        }
        let metadata = DbnMetadataDecoder::new(&head[..]).decode().map_err(|error| error.to_string())?;
        let ts_out = metadata.ts_out;
        Ok((Self { bytes, version, ts_out, frame: [0; 4 * 255] }, metadata))
    }

    /// The next record, none at the end.
    ///
    /// # Errors
    /// What is wrong; the caller names file and record.
    pub(super) fn next(&mut self) -> Result<Option<Record>, String> {
        if self.bytes.fill_buf().map_err(|error| error.to_string())?.is_empty() {
            return Ok(None);
        }
        self.fill(0, HEADER)?;
        let length = usize::from(self.frame[0]) * 4;
        let kind = self.frame[1];
        let needed =
            size_of_kind(kind, self.version).ok_or_else(|| format!("no kind of record: {kind:#04x}"))?;
        let needed = needed + if self.ts_out { size_of::<u64>() } else { 0 };
        if length != needed {
            return Err(format!("a record of {length} bytes where {needed} are needed"));
        }
        self.fill(HEADER, length)?;
        let frame = &self.frame[..length];
        let captured_at = match kind {
            rtype::MBO => 40,
            rtype::MBP_0 | rtype::MBP_1 | rtype::MBP_10 | rtype::BBO_1S | rtype::BBO_1M => 32,
            _ => 8,
        };
        Ok(Some(Record {
            time_ns: u64::from_le_bytes(take(frame, captured_at)),
            instrument: u32::from_le_bytes(take(frame, 4)),
            told: told(kind, frame),
        }))
    }

    fn fill(&mut self, from: usize, to: usize) -> Result<(), String> {
        self.bytes.read_exact(&mut self.frame[from..to]).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "a record cut short".to_owned(),
            _ => error.to_string(),
        })
    }
}

/// Bytes of a record of a kind, without the time at which it was sent. None: there is no such kind.
const fn size_of_kind(kind: u8, version: u8) -> Option<usize> {
    Some(match (kind, version) {
        (rtype::MBO, _) => size_of::<MboMsg>(),
        (rtype::MBP_0, _) => size_of::<TradeMsg>(),
        (rtype::MBP_1, _) => size_of::<Mbp1Msg>(),
        (rtype::MBP_10, _) => size_of::<Mbp10Msg>(),
        (rtype::BBO_1S | rtype::BBO_1M, _) => size_of::<BboMsg>(),
        (rtype::CMBP_1 | rtype::TCBBO, _) => size_of::<Cmbp1Msg>(),
        (rtype::CBBO_1S | rtype::CBBO_1M, _) => size_of::<CbboMsg>(),
        // 0x11 is that of bars before they had one for each length.
        (
            0x11 | rtype::OHLCV_1S | rtype::OHLCV_1M | rtype::OHLCV_1H | rtype::OHLCV_1D | rtype::OHLCV_EOD,
            _,
        ) => size_of::<OhlcvMsg>(),
        (rtype::STATUS, _) => size_of::<StatusMsg>(),
        (rtype::IMBALANCE, _) => size_of::<ImbalanceMsg>(),
        (rtype::INSTRUMENT_DEF, 1) => size_of::<InstrumentDefMsgV1>(),
        (rtype::INSTRUMENT_DEF, 2) => size_of::<InstrumentDefMsgV2>(),
        (rtype::INSTRUMENT_DEF, _) => size_of::<InstrumentDefMsg>(),
        (rtype::STATISTICS, 1 | 2) => size_of::<StatMsgV1>(),
        (rtype::STATISTICS, _) => size_of::<StatMsg>(),
        (rtype::SYMBOL_MAPPING, 1) => size_of::<SymbolMappingMsgV1>(),
        (rtype::SYMBOL_MAPPING, _) => size_of::<SymbolMappingMsg>(),
        (rtype::ERROR, 1) => size_of::<ErrorMsgV1>(),
        (rtype::ERROR, _) => size_of::<ErrorMsg>(),
        (rtype::SYSTEM, 1) => size_of::<SystemMsgV1>(),
        (rtype::SYSTEM, _) => size_of::<SystemMsg>(),
        _ => return None,
    })
}

/// What a record of a checked length says.
fn told(kind: u8, frame: &[u8]) -> Option<Told> {
    let trade = |price_at: usize, size_at: usize, action_at: usize| {
        let price = i64::from_le_bytes(take(frame, price_at));
        let size = u32::from_le_bytes(take(frame, size_at));
        let aggressor = match frame[action_at + 1] {
            b'B' => Aggressor::Buy,
            b'A' => Aggressor::Sell,
            _ => Aggressor::None,
        };
        (frame[action_at] == b'T' && price != ABSENT && size > 0).then_some((price, size, aggressor))
    };
    match kind {
        rtype::MBP_1 => {
            let trade = trade(16, 24, 28);
            Some(Told { trade, levels: levels(frame, 1), before: trade.is_some() })
        }
        rtype::MBP_10 => Some(Told { trade: trade(16, 24, 28), levels: levels(frame, 10), before: false }),
        rtype::BBO_1S | rtype::BBO_1M => Some(Told { levels: levels(frame, 1), ..Told::default() }),
        rtype::MBP_0 => trade(16, 24, 28).map(|trade| Told { trade: Some(trade), ..Told::default() }),
        rtype::MBO => trade(24, 32, 38).map(|trade| Told { trade: Some(trade), ..Told::default() }),
        _ => None,
    }
}

/// Pairs of prices, sizes and counts of orders: 32 bytes each, from byte 48.
fn levels(frame: &[u8], count: usize) -> Vec<Pair> {
    let pair = |at: usize| Pair {
        bid: i64::from_le_bytes(take(frame, at)),
        ask: i64::from_le_bytes(take(frame, at + 8)),
        bid_size: u32::from_le_bytes(take(frame, at + 16)),
        ask_size: u32::from_le_bytes(take(frame, at + 20)),
    };
    (0..count).map(|level| pair(48 + 32 * level)).collect()
}

/// `N` bytes of a frame that is long enough.
fn take<const N: usize>(frame: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|byte| frame[at + byte])
}
