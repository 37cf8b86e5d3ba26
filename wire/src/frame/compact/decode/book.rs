//! Kinds 3 and 4 as changes of a book.

use super::state_and_more;
use crate::cursor::{Damaged, Reader, unzigzag};
use crate::frame::book::{BookSideImage, SIDES, better};
use crate::frame::compact::encode::{
    BOOK_COUNT_BITS, BOOK_EXTENDED, BOOK_STATE, BOOK_ZERO_EVENTS, KNOWN_WIDE, NEW_WIDE, TICKS_U8, TICKS_U16,
    TICKS_VARINT, base,
};
use crate::frame::{BOOK_LEVELS_MAX, Level, State};
use crate::tick::BookSide;

/// Most changes of one side: every old level goes and as many come.
const CHANGES_MAX: u16 = 40;

const _: () = assert!(CHANGES_MAX as usize == 2 * BOOK_LEVELS_MAX);

/// A kind 3 record: differences to the book before.
#[derive(Debug, Clone, Copy)]
pub struct BookChange<'a> {
    /// Events that it stands for.
    pub events: u64,
    /// New freshness.
    pub state: Option<State>,
    /// Changes of bids and asks.
    pub sides: [SideChanges<'a>; 2],
    /// Of the levels after them.
    pub checksum: u32,
}

/// A kind 4 record: everything, with running totals.
#[derive(Debug, Clone, Copy)]
pub struct BookFull<'a> {
    /// Feed epoch.
    pub feed_epoch: u64,
    /// Freshness.
    pub state: State,
    /// Level events so far, lost ones included.
    pub lver: u64,
    /// Of these lost.
    pub lost: u64,
    /// The levels, as changes of an empty book.
    pub sides: [SideChanges<'a>; 2],
    /// Of the levels.
    pub checksum: u32,
}

impl<'a> BookChange<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Damaged`] on a cut record or a reserved value.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Damaged> {
        let first = two(reader)?;
        let mut events = match first >> 13 {
            7 => reader.varint()?.checked_add(8).ok_or(Damaged)?,
            code => u64::from(code) + 1,
        };
        let mut state = None;
        if first & BOOK_EXTENDED != 0 {
            let len = usize::from(reader.u8()?);
            let mut part = reader.part(len)?;
            let flags = if part.is_empty() { 0 } else { part.u8()? };
            if flags & BOOK_STATE != 0 {
                state = Some(super::state(part.u8()?));
            }
            if flags & BOOK_ZERO_EVENTS != 0 {
                if events != 1 {
                    return Err(Damaged);
                }
                events = 0;
            }
        }
        let (sides, checksum) = sides(reader, first)?;
        Ok(Self { events, state, sides, checksum })
    }
}

impl<'a> BookFull<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Damaged`] on a cut record or a reserved value.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Damaged> {
        let (feed_epoch, state) = (reader.varint()?, state_and_more(reader)?);
        let (lver, lost) = (reader.varint()?, reader.varint()?);
        let first = two(reader)?;
        if first >> (2 * BOOK_COUNT_BITS) != 0 {
            return Err(Damaged);
        }
        let (sides, checksum) = sides(reader, first)?;
        Ok(Self { feed_epoch, state, lver, lost, sides, checksum })
    }
}

fn two(reader: &mut Reader<'_>) -> Result<u16, Damaged> {
    u16::try_from(reader.little(2)?).map_err(|_| Damaged)
}

fn sides<'a>(reader: &mut Reader<'a>, first: u16) -> Result<([SideChanges<'a>; 2], u32), Damaged> {
    let mask = (1 << BOOK_COUNT_BITS) - 1;
    let bids = SideChanges::read(reader, first & mask)?;
    let asks = SideChanges::read(reader, (first >> BOOK_COUNT_BITS) & mask)?;
    let checksum = u32::try_from(reader.little(4)?).map_err(|_| Damaged)?;
    Ok(([bids, asks], checksum))
}

/// The changes of one side: read once to find their end, and again to apply them.
#[derive(Debug, Clone, Copy, Default)]
pub struct SideChanges<'a> {
    bytes: &'a [u8],
    count: u16,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Known { skip: usize, difference: Option<i64> },
    New { ticks: u64, qty: i64 },
}

impl Change {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let control = reader.u8()?;
        let (bytes, code) = (usize::from((control >> 1) & 3), control >> 3);
        if control & 1 == 0 {
            if code == KNOWN_WIDE {
                let skip = usize::try_from(reader.varint()?).map_err(|_| Damaged)?;
                return Ok(Self::Known { skip, difference: Some(reader.signed()?) });
            }
            let difference = (bytes > 0).then_some(unzigzag(reader.little(bytes)?));
            return Ok(Self::Known { skip: code.into(), difference });
        }
        let ticks = match code {
            NEW_WIDE => {
                let ticks = reader.varint()?;
                let qty = i64::try_from(reader.varint()?).map_err(|_| Damaged)?;
                return Ok(Self::New { ticks, qty });
            }
            TICKS_U8 => u64::from(reader.u8()?) + 28,
            TICKS_U16 => reader.little(2)?,
            TICKS_VARINT => reader.varint()?,
            ticks => ticks.into(),
        };
        Ok(Self::New { ticks, qty: reader.little(bytes)?.cast_signed() })
    }
}

impl<'a> SideChanges<'a> {
    fn read(reader: &mut Reader<'a>, count: u16) -> Result<Self, Damaged> {
        if count > CHANGES_MAX {
            return Err(Damaged);
        }
        let bytes = reader.rest();
        for _ in 0..count {
            Change::read(reader)?;
        }
        Ok(Self { bytes: &bytes[..bytes.len() - reader.rest().len()], count })
    }

    /// How many levels it tells of.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// The side after these changes, at most `depth` levels. `base` is where the first price counts from.
    fn applied(
        self,
        side: BookSide,
        old: &BookSideImage,
        base: i64,
        depth: usize,
    ) -> Result<BookSideImage, Damaged> {
        let (old, mut new) = (old.as_slice(), BookSideImage::default());
        let (mut reader, mut passed, mut told) = (Reader::new(self.bytes), 0, None);
        let mut keep = |level: Level| {
            let _beyond = !new.push(level);
        };
        for _ in 0..self.count {
            match Change::read(&mut reader)? {
                Change::Known { skip, difference } => {
                    let at = skip.checked_add(passed).ok_or(Damaged)?;
                    let held = old.get(at).ok_or(Damaged)?;
                    old[passed..at].iter().for_each(|level| keep(*level));
                    if let Some(difference) = difference {
                        let qty = held.qty.checked_add(difference).filter(|qty| *qty > 0).ok_or(Damaged)?;
                        keep(Level { price: held.price, qty });
                    }
                    (passed, told) = (at + 1, Some(held.price));
                }
                Change::New { ticks, qty } => {
                    let price = price(side, base, told, ticks).ok_or(Damaged)?;
                    let better = |level: &&Level| better(side, level.price, price);
                    let kept = old[passed..].iter().take_while(better).count();
                    old[passed..passed + kept].iter().for_each(|level| keep(*level));
                    passed += kept;
                    if qty == 0 || old.get(passed).is_some_and(|next| next.price == price) {
                        return Err(Damaged);
                    }
                    keep(Level { price, qty });
                    told = Some(price);
                }
            }
        }
        old[passed..].iter().for_each(|level| keep(*level));
        new.truncate(depth);
        Ok(new)
    }
}

fn price(side: BookSide, base: i64, told: Option<i64>, ticks: u64) -> Option<i64> {
    let (from, outward) = match told {
        None => (base, unzigzag(ticks)),
        Some(told) => (told, i64::try_from(ticks).ok()?.checked_add(1)?),
    };
    match side {
        BookSide::Bid => from.checked_sub(outward),
        BookSide::Ask => from.checked_add(outward),
    }
}

/// Both sides after a record's changes, at most `depth` levels each.
///
/// # Errors
/// [`Damaged`] when a change does not fit what is held.
pub fn applied(
    changes: &[SideChanges<'_>; 2],
    old: &[BookSideImage; 2],
    depth: usize,
) -> Result<[BookSideImage; 2], Damaged> {
    let bids = changes[0].applied(SIDES[0], &old[0], base(&old[0], &old[1]), depth)?;
    let asks = changes[1].applied(SIDES[1], &old[1], base(&old[1], &bids), depth)?;
    Ok([bids, asks])
}
