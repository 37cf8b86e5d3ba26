//! Reads a `fixed` message: a header, then records of the size that it says. A longer record is one of a newer
//! version; what it has more is skipped.

use super::{ABSENT, HEADER_LISTED, Header, record_bytes};
use crate::cursor::Damaged;
use crate::frame::Kind;
use crate::frame::compact::decode::kind;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// A message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Number of the kind; not every number is a [`Kind`].
    pub kind: u8,
    /// Whether the prints are already in totals sent before.
    pub listed: bool,
    /// Slot.
    pub slot: u8,
    /// Frame counter.
    pub frame: u32,
    /// Time of the flush, ns.
    pub ts_flush: i64,
    /// Watermark, ns.
    pub watermark: Option<i64>,
    stride: usize,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the header and checks the lengths.
    ///
    /// # Errors
    /// [`Damaged`] when the header is cut, the version is another, or the records do not fill the message.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| Damaged)?;
        let body = bytes.get(usize::from(header.header_bytes)..).ok_or(Damaged)?;
        let stride = usize::from(header.record_bytes.get());
        let short = usize::from(header.header_bytes) < size_of::<Header>();
        if short || header.version != crate::PROTOCOL_VERSION || stride == 0 || body.len() % stride != 0 {
            return Err(Damaged);
        }
        let message = Self {
            kind: header.kind,
            listed: header.flags & HEADER_LISTED != 0,
            slot: u8::try_from(header.slot.get()).ok().filter(|slot| *slot < 16).ok_or(Damaged)?,
            frame: header.frame.get(),
            ts_flush: header.ts_flush.get(),
            watermark: Some(header.watermark.get()).filter(|ns| *ns != ABSENT),
            stride,
            body,
        };
        match message.known() {
            Some(kind) if stride < usize::from(record_bytes(kind)) => Err(Damaged),
            _ => Ok(message),
        }
    }

    /// The kind, where it is known; else the message is to be skipped.
    #[must_use]
    pub const fn known(&self) -> Option<Kind> {
        kind(self.kind)
    }

    /// Its records. `R` must be the record type of the kind.
    pub fn records<R: FromBytes + Immutable + KnownLayout + Unaligned + 'a>(
        &self,
    ) -> impl Iterator<Item = &'a R> + use<'a, R> {
        self.body.chunks_exact(self.stride).filter_map(|chunk| R::ref_from_prefix(chunk).ok().map(|(r, _)| r))
    }
}
