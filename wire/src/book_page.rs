//! Whole books on request: what a reader asks on `book.<shard>`, and the page that answers.
//!
//! A request is a version byte and up to 512 indices of 4 bytes. A page is the bus' 48-byte header (`kind` 2, `first` =
//! the sequence that the next event will have, `count` books, `record_bytes` 24) and for each book a head of 24 bytes,
//! then its bids and its asks, best first, 16 bytes each: price, quantity.
//!
//! A page joins the events around it by each book's own count: what is numbered above `lver` comes on `tick.<shard>`.

use crate::batch::{BATCH_VERSION, BatchError, Header};
use crate::book::{Book, SIDE_LEVELS_MAX};
use crate::frame::Level;
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Version of a request.
pub const REQUEST_VERSION: u8 = 1;

/// Most books of a request and of its page.
pub const PAGE_BOOKS_MAX: usize = 512;

const KIND: u8 = 2;

/// Head of a book.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BookHead {
    /// Index within the shard's definitions.
    pub index: U32,
    /// Bids that follow, at most [`SIDE_LEVELS_MAX`].
    pub bids: u8,
    /// Asks that follow them, at most [`SIDE_LEVELS_MAX`].
    pub asks: u8,
    /// Bit 0: an update is open, the book is not to be shown until it ends.
    pub flags: u8,
    /// Zero.
    pub reserved: u8,
    /// Level events so far.
    pub lver: U64,
    /// Due time of the last of them, ns.
    pub ts_event: I64,
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LevelRecord {
    price: I64,
    qty: I64,
}

const HEAD_BYTES: usize = size_of::<BookHead>();
const LEVEL_BYTES: usize = size_of::<LevelRecord>();
const _: () = assert!(HEAD_BYTES == 24 && LEVEL_BYTES == 16);
const BOOK_BYTES_MAX: usize = HEAD_BYTES + 2 * SIDE_LEVELS_MAX * LEVEL_BYTES;
const _: () = assert!(size_of::<Header>() + PAGE_BOOKS_MAX * BOOK_BYTES_MAX <= 1 << 20);

/// A request for these books; those after [`PAGE_BOOKS_MAX`] are left out.
#[must_use]
pub fn request(indices: &[u32]) -> Vec<u8> {
    let mut bytes = vec![REQUEST_VERSION];
    indices.iter().take(PAGE_BOOKS_MAX).for_each(|index| bytes.extend_from_slice(&index.to_le_bytes()));
    bytes
}

/// The indices of a request, as they stand; `None` for bytes that are none.
#[must_use]
pub fn parse_request(payload: &[u8]) -> Option<impl Iterator<Item = u32> + '_> {
    let (version, rest) = payload.split_first()?;
    let (indices, rest) = rest.as_chunks::<4>();
    let good = *version == REQUEST_VERSION && rest.is_empty() && indices.len() <= PAGE_BOOKS_MAX;
    good.then(|| indices.iter().map(|index| u32::from_le_bytes(*index)))
}

/// Builds a page in one buffer.
#[derive(Debug)]
pub struct PageWriter {
    bytes: Vec<u8>,
    count: u16,
}

impl Default for PageWriter {
    fn default() -> Self {
        Self { bytes: vec![0; size_of::<Header>()], count: 0 }
    }
}

impl PageWriter {
    /// Adds a book; false = there are [`PAGE_BOOKS_MAX`] already.
    pub fn push(&mut self, index: u32, book: &Book) -> bool {
        if usize::from(self.count) == PAGE_BOOKS_MAX {
            return false;
        }
        let [bids, asks] = &book.sides;
        let len = |levels: &[Level]| u8::try_from(levels.len()).unwrap_or(u8::MAX);
        let head = BookHead {
            index: index.into(),
            bids: len(bids),
            asks: len(asks),
            flags: u8::from(book.open),
            reserved: 0,
            lver: book.lver.into(),
            ts_event: book.ts_event.into(),
        };
        self.bytes.extend_from_slice(head.as_bytes());
        for Level { price, qty } in bids.iter().chain(asks) {
            let level = LevelRecord { price: (*price).into(), qty: (*qty).into() };
            self.bytes.extend_from_slice(level.as_bytes());
        }
        self.count += 1;
        true
    }

    /// Puts the header in front. Sets `version`, `kind`, `count` and `record_bytes`; the rest of `header`, its `first`
    /// among it, is taken as given.
    #[must_use]
    pub fn finish(mut self, header: Header) -> Vec<u8> {
        let header = Header {
            version: BATCH_VERSION,
            kind: KIND,
            count: self.count.into(),
            record_bytes: U16::new(24),
            ..header
        };
        self.bytes[..size_of::<Header>()].copy_from_slice(header.as_bytes());
        self.bytes
    }
}

/// A checked page, borrowed from its payload.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The header.
    pub header: &'a Header,
    books: &'a [u8],
}

/// One book of a page: levels best first, prices strictly worse from one to the next, quantities ≥ 1.
#[derive(Debug, Clone, Copy)]
pub struct PagedBook<'a> {
    /// The head.
    pub head: &'a BookHead,
    sides: [&'a [LevelRecord]; 2],
}

impl<'a> Page<'a> {
    /// Checks an answer of `book.<shard>` to its last byte.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub fn parse(payload: &'a [u8], shard: u16) -> Result<Self, BatchError> {
        let (header, books) = Header::ref_from_prefix(payload).map_err(|_| BatchError::Truncated)?;
        if header.version != BATCH_VERSION {
            return Err(BatchError::Version);
        }
        if header.kind != KIND {
            return Err(BatchError::Kind);
        }
        if header.shard.get() != shard {
            return Err(BatchError::Shard);
        }
        let head_bytes = usize::from(header.record_bytes.get());
        if header.count.get() > 0 && head_bytes < HEAD_BYTES {
            return Err(BatchError::RecordSize);
        }
        if usize::from(header.count.get()) > PAGE_BOOKS_MAX {
            return Err(BatchError::Levels);
        }
        let mut rest = books;
        for _ in 0..header.count.get() {
            let (book, behind) = PagedBook::split(rest, head_bytes).ok_or(BatchError::Truncated)?;
            if !book.is_sound() {
                return Err(BatchError::Levels);
            }
            rest = behind;
        }
        if rest.is_empty() { Ok(Self { header, books }) } else { Err(BatchError::Levels) }
    }

    /// The books in order.
    pub fn books(&self) -> impl Iterator<Item = PagedBook<'a>> + use<'a> {
        let (mut rest, head_bytes) = (self.books, usize::from(self.header.record_bytes.get()));
        (0..self.header.count.get()).map_while(move |_| {
            let (book, behind) = PagedBook::split(rest, head_bytes)?;
            rest = behind;
            Some(book)
        })
    }
}

impl<'a> PagedBook<'a> {
    fn split(bytes: &'a [u8], head_bytes: usize) -> Option<(Self, &'a [u8])> {
        let (head, _) = BookHead::ref_from_prefix(bytes).ok()?;
        let levels = bytes.get(head_bytes..)?;
        let split =
            |bytes, count: u8| <[LevelRecord]>::ref_from_prefix_with_elems(bytes, usize::from(count)).ok();
        let (bids, rest) = split(levels, head.bids)?;
        let (asks, rest) = split(rest, head.asks)?;
        Some((Self { head, sides: [bids, asks] }, rest))
    }

    fn is_sound(&self) -> bool {
        let [bids, asks] = self.sides;
        bids.len().max(asks.len()) <= SIDE_LEVELS_MAX
            && bids.iter().chain(asks).all(|level| level.qty.get() > 0)
            && bids.is_sorted_by(|better, worse| better.price.get() > worse.price.get())
            && asks.is_sorted_by(|better, worse| better.price.get() < worse.price.get())
    }

    /// The book.
    #[must_use]
    pub fn book(&self) -> Book {
        let side = |levels: &[LevelRecord]| {
            let level = |level: &LevelRecord| Level { price: level.price.get(), qty: level.qty.get() };
            levels.iter().map(level).collect()
        };
        Book {
            sides: self.sides.map(side),
            lver: self.head.lver.get(),
            ts_event: self.head.ts_event.get(),
            open: self.head.flags & 1 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::{BookLevel, BookSide};

    fn book(open: bool) -> Book {
        let mut book = Book::default();
        for (number, price) in (1..).zip([5, 7, 6]) {
            for (side, away) in [(BookSide::Bid, 0), (BookSide::Ask, 9)] {
                let (price, update_ends) = (price + away, !open);
                let level = BookLevel { side, price, qty: number, snapshot_begins: false, update_ends };
                book.apply(number.cast_unsigned(), 77, &level);
            }
        }
        book
    }

    fn page() -> Vec<u8> {
        let mut writer = PageWriter::default();
        for (index, book) in [(3, book(false)), (9, Book::default()), (4, book(true))] {
            assert!(writer.push(index, &book));
        }
        writer.finish(Header { shard: 2.into(), feed_epoch: 8.into(), first: 41.into(), ..Header::default() })
    }

    #[test]
    fn a_page_round_trips_and_every_cut_is_refused() {
        let bytes = page();
        let page = Page::parse(&bytes, 2).unwrap();
        assert_eq!((page.header.first.get(), page.header.count.get()), (41, 3));
        let books: Vec<(u32, Book)> = page.books().map(|b| (b.head.index.get(), b.book())).collect();
        assert_eq!(books, [(3, book(false)), (9, Book::default()), (4, book(true))]);
        assert_eq!(Page::parse(&bytes, 1).err(), Some(BatchError::Shard));
        for end in 0..bytes.len() {
            assert_eq!(Page::parse(&bytes[..end], 2).err(), Some(BatchError::Truncated), "{end}");
        }
        assert_eq!(Page::parse(&[&bytes[..], &[0]].concat(), 2).err(), Some(BatchError::Levels));
    }

    #[test]
    fn levels_that_no_book_can_hold_are_refused() {
        let bytes = page();
        let first = size_of::<Header>() + HEAD_BYTES;
        let broken = |at: usize, value: i64| {
            let mut bytes = bytes.clone();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            Page::parse(&bytes, 2).err()
        };
        assert_eq!(broken(first + 8, 0), Some(BatchError::Levels));
        assert_eq!(broken(first + 8, -1), Some(BatchError::Levels));
        assert_eq!(broken(first, 6), Some(BatchError::Levels), "a price twice");
        assert_eq!(broken(first, 8), None);
    }

    #[test]
    fn requests_round_trip_and_bytes_that_are_none_are_refused() {
        let indices: Vec<u32> = (0..600).collect();
        let bytes = request(&indices);
        assert!(parse_request(&bytes).unwrap().eq(0..512));
        for end in 0..=9 {
            assert_eq!(parse_request(&bytes[..end]).is_some(), end % 4 == 1, "{end}");
        }
        assert!(parse_request(&[&bytes[..], &[0; 4]].concat()).is_none());
        assert!(parse_request(&[2]).is_none());
    }
}
