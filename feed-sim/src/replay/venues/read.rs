//! Messages of Binance's futures, Bitfinex, BitMEX and Bitstamp.

use super::{Reader, Told};
use crate::replay::decimal::Decimal;
use crate::replay::json::Json;
use std::collections::HashMap;
use wire::tick::{Aggressor, BookSide};

/// Side and quantity of a level by its name for the side.
pub(super) fn side(text: &str) -> Result<BookSide, String> {
    match text {
        "buy" | "Buy" | "bid" | "bids" => Ok(BookSide::Bid),
        "sell" | "Sell" | "ask" | "asks" => Ok(BookSide::Ask),
        other => Err(format!("no side: {other:?}")),
    }
}

/// Who took, by the name of the taker's side.
pub(super) fn aggressor(text: &str) -> Aggressor {
    match text {
        "buy" | "Buy" | "b" | "BID" => Aggressor::Buy,
        "sell" | "Sell" | "s" | "ASK" => Aggressor::Sell,
        _ => Aggressor::None,
    }
}

type Levels = Vec<(BookSide, Decimal, Decimal)>;

/// Appends `[price, quantity, …]` elements.
pub(super) fn pairs(list: &Json<'_>, side: BookSide, out: &mut Levels) -> Result<(), String> {
    for level in list.list() {
        out.push((side, level.at(0).number()?, level.at(1).number()?));
    }
    Ok(())
}

/// Bids and asks as lists of `[price, quantity, …]`.
pub(super) fn book(bids: &Json<'_>, asks: &Json<'_>, image: bool) -> Result<Told, String> {
    let mut levels = Vec::new();
    pairs(bids, BookSide::Bid, &mut levels)?;
    pairs(asks, BookSide::Ask, &mut levels)?;
    Ok(Told::Book { image, levels })
}

/// `{"stream","data"}` of the futures: best, aggregated prints, book updates without an image.
pub(super) struct Binance;

impl Reader for Binance {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        let data = message.get("data");
        let told = match data.get("e").text() {
            "bookTicker" => Told::Quote([
                data.get("b").number()?,
                data.get("a").number()?,
                data.get("B").number()?,
                data.get("A").number()?,
            ]),
            "trade" | "aggTrade" => Told::Trade {
                price: data.get("p").number()?,
                qty: data.get("q").number()?,
                id: [data.get("a"), data.get("t")].iter().find_map(|id| id.number().ok()?.integer()),
                // The buyer was the maker, so the seller took.
                aggressor: match data.get("m") {
                    Json::Bool(true) => Aggressor::Sell,
                    Json::Bool(false) => Aggressor::Buy,
                    _ => Aggressor::None,
                },
            },
            "depthUpdate" => book(data.get("b"), data.get("a"), false)?,
            _ => return Ok(false),
        };
        out.push((data.get("s").text().to_owned(), told));
        Ok(true)
    }

    fn tells_quotes(&self) -> bool {
        true
    }
}

/// Lists by channel number: book `[price, count, ±amount]`, where count 0 deletes; prints `"te"`. Its ticker is slower
/// than its book and is skipped.
#[derive(Default)]
pub(super) struct Bitfinex {
    channels: HashMap<String, (bool, String)>,
}

impl Bitfinex {
    fn level(level: &Json<'_>) -> Result<(BookSide, Decimal, Decimal), String> {
        let price = level.at(0).number()?;
        let (amount, asks) = level.at(2).number()?.split_sign();
        let side = if asks { BookSide::Ask } else { BookSide::Bid };
        let gone = level.at(1).number()?.is_zero();
        Ok((side, price, if gone { Decimal::default() } else { amount }))
    }
}

impl Reader for Bitfinex {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        if message.get("event").text() == "subscribed" {
            let name = message.get("symbol").text();
            let name = name.strip_prefix('t').unwrap_or(name).to_owned();
            let books = match message.get("channel").text() {
                "book" => true,
                "trades" => false,
                _ => return Ok(false),
            };
            self.channels.insert(message.get("chanId").text().to_owned(), (books, name));
            return Ok(false);
        }
        let Some((books, name)) = self.channels.get(message.at(0).text()) else { return Ok(false) };
        let body = message.at(1);
        let told = if !*books {
            // `te` = executed; `tu` says the same again, a list of prints is history.
            if body.text() != "te" {
                return Ok(false);
            }
            let print = message.at(2);
            let (qty, sold) = print.at(2).number()?.split_sign();
            Told::Trade {
                price: print.at(3).number()?,
                qty,
                id: print.at(0).number()?.integer(),
                aggressor: if sold { Aggressor::Sell } else { Aggressor::Buy },
            }
        } else if let Json::List(list) = body {
            let image = matches!(list.first(), Some(Json::List(_)) | None);
            let levels = if image {
                list.iter().map(Self::level).collect::<Result<_, _>>()?
            } else {
                vec![Self::level(body)?]
            };
            Told::Book { image, levels }
        } else {
            return Ok(false);
        };
        out.push((name.clone(), told));
        Ok(true)
    }

    fn tells_quotes(&self) -> bool {
        false
    }
}

/// Tables with actions: quotes; the book by level ids, whose prices only images and insertions tell.
#[derive(Default)]
pub(super) struct Bitmex {
    prices: HashMap<String, Decimal>,
}

impl Bitmex {
    fn level(&mut self, row: &Json<'_>, action: &str) -> Result<(BookSide, Decimal, Decimal), String> {
        let id = format!("{} {}", row.get("symbol").text(), row.get("id").text());
        if let Ok(price) = row.get("price").number() {
            self.prices.insert(id.clone(), price);
        }
        let price = self.prices.get(&id).copied().ok_or_else(|| format!("level {id} was never told"))?;
        let size = if action == "delete" { Decimal::default() } else { row.get("size").number()? };
        Ok((side(row.get("side").text())?, price, size))
    }
}

impl Reader for Bitmex {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        let (table, action) = (message.get("table").text(), message.get("action").text());
        let rows = message.get("data").list();
        match table {
            "quote" => {
                for row in rows {
                    let told = Told::Quote([
                        row.get("bidPrice").number_or_zero()?,
                        row.get("askPrice").number_or_zero()?,
                        row.get("bidSize").number_or_zero()?,
                        row.get("askSize").number_or_zero()?,
                    ]);
                    out.push((row.get("symbol").text().to_owned(), told));
                }
            }
            "trade" if action == "insert" => {
                for row in rows {
                    let told = Told::Trade {
                        price: row.get("price").number()?,
                        qty: row.get("size").number()?,
                        id: None,
                        aggressor: aggressor(row.get("side").text()),
                    };
                    out.push((row.get("symbol").text().to_owned(), told));
                }
            }
            "orderBookL2" => {
                let image = action == "partial";
                let mut names: Vec<String> = Vec::new();
                let mut books: Vec<Levels> = Vec::new();
                for row in rows {
                    let name = row.get("symbol").text();
                    let at = names.iter().position(|known| known == name).unwrap_or(names.len());
                    if at == names.len() {
                        names.push(name.to_owned());
                        books.push(Vec::new());
                    }
                    books[at].push(self.level(row, action)?);
                }
                out.extend(
                    names.into_iter().zip(books).map(|(name, levels)| (name, Told::Book { image, levels })),
                );
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn tells_quotes(&self) -> bool {
        true
    }
}

/// Book updates without an image, and prints.
pub(super) struct Bitstamp;

impl Reader for Bitstamp {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        let (channel, data) = (message.get("channel").text(), message.get("data"));
        let event = message.get("event").text();
        let (name, told) = if let ("data", Some(name)) = (event, channel.strip_prefix("diff_order_book_")) {
            (name, book(data.get("bids"), data.get("asks"), false)?)
        } else if let ("trade", Some(name)) = (event, channel.strip_prefix("live_trades_")) {
            let told = Told::Trade {
                price: data.get("price_str").number()?,
                qty: data.get("amount_str").number()?,
                id: data.get("id").number()?.integer(),
                aggressor: if data.get("type").text() == "0" { Aggressor::Buy } else { Aggressor::Sell },
            };
            (name, told)
        } else {
            return Ok(false);
        };
        out.push((name.to_owned(), told));
        Ok(true)
    }

    fn tells_quotes(&self) -> bool {
        false
    }
}
