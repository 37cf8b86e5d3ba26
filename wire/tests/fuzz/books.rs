//! Requests for books, and pages of them.

use crate::bus::{SHARD, header};
use crate::mutate::{Random, fuzz};
use tickgate_wire::book::{Book, SIDE_LEVELS_MAX};
use tickgate_wire::book_page::{PAGE_BOOKS_MAX, Page, PageWriter, parse_request, request};
use tickgate_wire::frame::BOOK_LEVELS_MAX;
use tickgate_wire::tick::{BookLevel, BookSide};

fn book(random: &mut Random) -> Book {
    let mut book = Book::default();
    for number in 0..random.below(60) {
        let level = BookLevel {
            side: random.pick(&[BookSide::Bid, BookSide::Ask]),
            price: if random.chance(4) { random.signed(63) } else { random.signed(5) },
            qty: if random.chance(5) { random.signed(60) } else { random.spread(53) },
            snapshot_begins: random.chance(40),
            update_ends: random.chance(3),
        };
        book.apply(number + 1, random.next().cast_signed(), &level);
    }
    book
}

fn page(random: &mut Random, count: u64) -> Vec<u8> {
    let mut writer = PageWriter::default();
    for index in 0..u32::try_from(count).unwrap() {
        assert!(writer.push(index, &book(random)));
    }
    writer.finish(header(7, random.next()))
}

fn read(bytes: &[u8]) -> bool {
    let Ok(page) = Page::parse(bytes, SHARD) else { return false };
    let books: Vec<(u32, Book)> = page.books().map(|one| (one.head.index.get(), one.book())).collect();
    assert_eq!(books.len(), usize::from(page.header.count.get()));
    assert!(books.len() <= PAGE_BOOKS_MAX);
    let mut writer = PageWriter::default();
    for (index, book) in &books {
        for side in [BookSide::Bid, BookSide::Ask] {
            assert!(book.side(side).len() <= SIDE_LEVELS_MAX);
        }
        assert!(writer.push(*index, book));
    }
    let again = writer.finish(*page.header);
    let again = Page::parse(&again, SHARD).unwrap();
    assert!(again.books().map(|one| (one.head.index.get(), one.book())).eq(books));
    true
}

#[test]
fn book_pages() {
    let mut random = Random(23);
    let corpus: Vec<Vec<u8>> = [0, 1, 2, 5].iter().map(|count| page(&mut random, *count)).collect();
    assert!(corpus.iter().all(|bytes| read(bytes)));
    let mut good = 0_u64;
    fuzz("book_pages", 200_000, |case| {
        let bytes = case.mutated(&corpus);
        good += u64::from(read(&bytes));
    });
    assert!(good == 0 || good > 50, "{good}");
}

#[test]
fn book_pages_round_trip_and_no_cut_of_one_is_taken() {
    fuzz("book_pages_round_trip", 4_000, |case| {
        let count = case.random.below(4);
        let bytes = page(&mut case.random, count);
        case.keep(&bytes);
        assert!(read(&bytes));
        for end in 0..bytes.len() {
            assert!(Page::parse(&bytes[..end], SHARD).is_err());
        }
    });
}

#[test]
fn book_requests() {
    let corpus = [request(&[]), request(&[1]), request(&[7, u32::MAX, 0])];
    fuzz("book_requests", 200_000, |case| {
        let bytes = case.mutated(&corpus);
        let Some(indices) = parse_request(&bytes) else { return };
        let indices: Vec<u32> = indices.collect();
        assert!(indices.len() <= PAGE_BOOKS_MAX);
        assert_eq!(request(&indices), bytes);
    });
}

#[test]
fn any_levels_leave_a_book_in_order_and_within_its_bound() {
    fuzz("book_levels", 40_000, |case| {
        let book = book(&mut case.random);
        let [bids, asks] = [BookSide::Bid, BookSide::Ask].map(|side| book.side(side));
        assert!(bids.len().max(asks.len()) <= SIDE_LEVELS_MAX && SIDE_LEVELS_MAX > BOOK_LEVELS_MAX);
        assert!(bids.is_sorted_by(|a, b| a.price > b.price) && asks.is_sorted_by(|a, b| a.price < b.price));
        assert!(bids.iter().chain(asks).all(|level| level.qty > 0));
    });
}
