//! Messages of Deribit, Gemini, Kraken, KuCoin, OKX, Phemex and Upbit.

use super::read::{aggressor, book, pairs, side};
use super::{Reader, Told};
use crate::replay::decimal::Decimal;
use crate::replay::json::Json;
use wire::tick::BookSide;

/// Channels `ticker.`, `book.` (`[action, price, amount]`) and `trades.`.
pub(super) struct Deribit;

impl Reader for Deribit {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        let params = message.get("params");
        let (channel, data) = (params.get("channel").text(), params.get("data"));
        let name = data.get("instrument_name").text().to_owned();
        if channel.starts_with("ticker.") {
            let told = Told::Quote([
                data.get("best_bid_price").number_or_zero()?,
                data.get("best_ask_price").number_or_zero()?,
                data.get("best_bid_amount").number_or_zero()?,
                data.get("best_ask_amount").number_or_zero()?,
            ]);
            out.push((name, told));
        } else if channel.starts_with("book.") {
            let mut levels = Vec::new();
            for (list, side) in [("bids", BookSide::Bid), ("asks", BookSide::Ask)] {
                for level in data.get(list).list() {
                    let gone = level.at(0).text() == "delete";
                    let amount = if gone { Decimal::default() } else { level.at(2).number()? };
                    levels.push((side, level.at(1).number()?, amount));
                }
            }
            out.push((name, Told::Book { image: data.get("type").text() == "snapshot", levels }));
        } else if channel.starts_with("trades.") {
            for print in data.list() {
                let told = Told::Trade {
                    price: print.get("price").number()?,
                    qty: print.get("amount").number()?,
                    id: print.get("trade_id").number().ok().and_then(Decimal::integer),
                    aggressor: aggressor(print.get("direction").text()),
                };
                out.push((print.get("instrument_name").text().to_owned(), told));
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn tells_quotes(&self) -> bool {
        true
    }
}

/// `l2_updates`: the first of a symbol is an image and carries old prints, which are history.
pub(super) struct Gemini;

impl Reader for Gemini {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        let told = match message.get("type").text() {
            "l2_updates" => {
                let mut levels = Vec::new();
                for change in message.get("changes").list() {
                    levels.push((side(change.at(0).text())?, change.at(1).number()?, change.at(2).number()?));
                }
                Told::Book { image: *message.get("trades") != Json::Null, levels }
            }
            "trade" => Told::Trade {
                price: message.get("price").number()?,
                qty: message.get("quantity").number()?,
                id: message.get("event_id").number()?.integer(),
                aggressor: aggressor(message.get("side").text()),
            },
            _ => return Ok(false),
        };
        out.push((message.get("symbol").text().to_owned(), told));
        Ok(true)
    }

    fn tells_quotes(&self) -> bool {
        false
    }
}

/// `[channel, body…, channel name, pair]`; a book's image has `as` and `bs`, an update `a` or `b` in one or two bodies.
pub(super) struct Kraken;

impl Reader for Kraken {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        let [_, bodies @ .., channel, pair] = message.list() else { return Ok(false) };
        let name = pair.text().to_owned();
        if channel.text().starts_with("book") {
            let (mut levels, mut image) = (Vec::new(), false);
            for body in bodies {
                image |= *body.get("as") != Json::Null;
                for (list, side) in
                    [("bs", BookSide::Bid), ("b", BookSide::Bid), ("as", BookSide::Ask), ("a", BookSide::Ask)]
                {
                    pairs(body.get(list), side, &mut levels)?;
                }
            }
            out.push((name, Told::Book { image, levels }));
        } else if channel.text() == "trade" {
            for print in bodies.iter().flat_map(Json::list) {
                let told = Told::Trade {
                    price: print.at(0).number()?,
                    qty: print.at(1).number()?,
                    id: None,
                    aggressor: aggressor(print.at(3).text()),
                };
                out.push((name.clone(), told));
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn tells_quotes(&self) -> bool {
        false
    }
}

/// Topics: ticker, level 2 updates without an image (price 0 says nothing), matches.
pub(super) struct Kucoin;

impl Reader for Kucoin {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        let data = message.get("data");
        let name = message.get("topic").text().split_once(':').map_or("", |(_, name)| name).to_owned();
        let told = match message.get("subject").text() {
            "trade.ticker" => Told::Quote([
                data.get("bestBid").number_or_zero()?,
                data.get("bestAsk").number_or_zero()?,
                data.get("bestBidSize").number_or_zero()?,
                data.get("bestAskSize").number_or_zero()?,
            ]),
            "trade.l2update" => {
                let changes = data.get("changes");
                let mut levels = Vec::new();
                pairs(changes.get("bids"), BookSide::Bid, &mut levels)?;
                pairs(changes.get("asks"), BookSide::Ask, &mut levels)?;
                levels.retain(|(_, price, _)| !price.is_zero());
                Told::Book { image: false, levels }
            }
            "trade.l3match" => Told::Trade {
                price: data.get("price").number()?,
                qty: data.get("size").number()?,
                id: None,
                aggressor: aggressor(data.get("side").text()),
            },
            _ => return Ok(false),
        };
        out.push((name, told));
        Ok(true)
    }

    fn tells_quotes(&self) -> bool {
        true
    }
}

/// Channels `books` and `trades`. Its tickers are ten times slower than its books and are skipped.
pub(super) struct Okx;

impl Reader for Okx {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        let argument = message.get("arg");
        let (channel, name) = (argument.get("channel").text(), argument.get("instId").text());
        let rows = message.get("data").list();
        for row in rows {
            let told = match channel {
                "books" => {
                    let image = message.get("action").text() == "snapshot";
                    book(row.get("bids"), row.get("asks"), image)?
                }
                "trades" => Told::Trade {
                    price: row.get("px").number()?,
                    qty: row.get("sz").number()?,
                    id: row.get("tradeId").number()?.integer(),
                    aggressor: aggressor(row.get("side").text()),
                },
                _ => return Ok(false),
            };
            out.push((name.to_owned(), told));
        }
        Ok(!rows.is_empty())
    }

    fn tells_quotes(&self) -> bool {
        false
    }
}

/// Integers in fixed scales: contracts have prices in 10^−4 and whole lots, spot (`s…`) has 10^−8 for both. The first
/// prints of a symbol are history.
pub(super) struct Phemex;

impl Phemex {
    fn scaled(json: &Json<'_>, exponent: i32) -> Result<Decimal, String> {
        let value = json.text().parse::<i64>().map_err(|_| format!("no integer: {:?}", json.text()))?;
        Ok(Decimal::new(value, exponent))
    }
}

impl Reader for Phemex {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        let name = message.get("symbol").text();
        let (prices, quantities) = if name.starts_with('s') { (-8, -8) } else { (-4, 0) };
        let image = message.get("type").text() == "snapshot";
        let body = message.get("book");
        if *body != Json::Null {
            let mut levels = Vec::new();
            for (list, side) in [("bids", BookSide::Bid), ("asks", BookSide::Ask)] {
                for level in body.get(list).list() {
                    let price = Self::scaled(level.at(0), prices)?;
                    levels.push((side, price, Self::scaled(level.at(1), quantities)?));
                }
            }
            out.push((name.to_owned(), Told::Book { image, levels }));
            return Ok(true);
        }
        if image {
            return Ok(false);
        }
        let prints = message.get("trades").list();
        for print in prints {
            let told = Told::Trade {
                price: Self::scaled(print.at(2), prices)?,
                qty: Self::scaled(print.at(3), quantities)?,
                id: None,
                aggressor: aggressor(print.at(1).text()),
            };
            out.push((name.to_owned(), told));
        }
        Ok(!prints.is_empty())
    }

    fn tells_quotes(&self) -> bool {
        false
    }
}

/// Whole books of some levels, and prints, under short names.
pub(super) struct Upbit;

impl Reader for Upbit {
    fn read(&mut self, message: &Json<'_>, out: &mut Vec<(String, Told)>) -> Result<bool, String> {
        let told = match message.get("ty").text() {
            "orderbook" => {
                let mut levels = Vec::new();
                for unit in message.get("obu").list() {
                    levels.push((BookSide::Bid, unit.get("bp").number()?, unit.get("bs").number()?));
                    levels.push((BookSide::Ask, unit.get("ap").number()?, unit.get("as").number()?));
                }
                Told::Book { image: true, levels }
            }
            "trade" => Told::Trade {
                price: message.get("tp").number()?,
                qty: message.get("tv").number()?,
                id: message.get("sid").number()?.integer(),
                aggressor: aggressor(message.get("ab").text()),
            },
            _ => return Ok(false),
        };
        out.push((message.get("cd").text().to_owned(), told));
        Ok(true)
    }

    fn tells_quotes(&self) -> bool {
        false
    }
}
