//! Small recordings of every kind, made up here in the shape of the real ones.

/// A recording's kind: the name of its file, and its text.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) lines: &'static [&'static str],
}

impl Sample {
    pub(crate) fn text(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.bytes().chain([b'\n'])).collect()
    }
}

pub(crate) const BINANCE: Sample = Sample {
    name: "spot-xyusdt_20240808.txt",
    lines: &[
        r#"1723161253000000001 {"stream":"xyusdt@bookTicker","data":{"u":1,"s":"XYUSDT","b":"1.00","B":"2","a":"1.01","A":"3"}}"#,
        r#"1723161253000000002 {"stream":"xyusdt@depth@100ms","data":{"e":"depthUpdate","U":1,"u":2,"b":[["1.00","2.5"],["0.99","0"]],"a":[["1.01","3"]]}}"#,
        r#"1723161253000000003 {"lastUpdateId":3,"bids":[["1.00","2"],["0.98","7"]],"asks":[["1.01","3"],["1.05","1"]]}"#,
        r#"1723161253000000004 {"stream":"xyusdt@trade","data":{"e":"trade","s":"XYUSDT","t":77,"p":"1.01","q":"0.5","m":true}}"#,
        r#"1723161259000000005 {"stream":"xyusdt@depth@100ms","data":{"e":"depthUpdate","U":3,"u":4,"b":[],"a":[["1.02","4"]]}}"#,
        r#"1723161259000000006 {"stream":"xyusdt@kline","data":{}}"#,
    ],
};

pub(crate) const EQUITY_QUOTES: Sample = Sample {
    name: "abc_20131008_quote.csv",
    lines: &[
        "14400135,481800,100,0,0,P,1,0",
        "14400136,0,0,491000,300,P,1,0",
        "34200000,481900,200,482000,100,Q,1,0",
    ],
};

pub(crate) const EQUITY_PRINTS: Sample = Sample {
    name: "abc_20131008_trade.csv",
    lines: &["34200000,488000,500,P,2000,0", "34200001,488050,100,D,2000,0", "34200002,488400,0,D,2000,0"],
};

pub(crate) const FX: Sample = Sample {
    name: "dealer_eurusd_20140508_quote.csv",
    lines: &["8715,1.39101,1.39114", "15681,1.39102,1.39116", "86399999,1.4,1.40001"],
};

pub(crate) const VENUES: [Sample; 12] = [
    Sample {
        name: "BINANCE_DELIVERY.ws.1.0",
        lines: &[
            "wss://x.invalid/stream",
            r#"1626916409.222616: {"stream":"xy@bookTicker","data":{"u":1,"e":"bookTicker","s":"XYUSD_PERP","b":"3.467","B":"954","a":"3.468","A":"400"}}"#,
            r#"1626916409.322616: {"data":{"e":"aggTrade","s":"XYUSD_PERP","a":7,"p":"3.468","q":"2","m":false}}"#,
        ],
    },
    Sample {
        name: "BINANCE_FUTURES.ws.1.0",
        lines: &[
            "wss://x.invalid/stream",
            r#"1626992747.8940291: {"data":{"e":"depthUpdate","s":"XYUSDT","b":[["1.00600","14217"]],"a":[["1.01200","11149"]]}}"#,
            r#"1626992799.8940291: {"data":{"e":"bookTicker","s":"XYUSDT","b":"1.006","B":"1","a":"1.012","A":"2"}}"#,
        ],
    },
    Sample {
        name: "BITFINEX.ws.1.0",
        lines: &[
            "wss://x.invalid/ws",
            r#"1618677550.1: {"event":"subscribed","channel":"book","chanId":5,"symbol":"tXYUSD"}"#,
            r#"1618677550.2: {"event":"subscribed","channel":"trades","chanId":6,"symbol":"tXYUSD"}"#,
            "1618677550.3: [5,[[0.00102,1,7.5],[0.00103,2,-3]],1]",
            "1618677550.4: [5,[0.00102,0,1],2]",
            r#"1618677550.5: [6,"te",[901,1618677550400,-0.25,0.00103],3]"#,
        ],
    },
    Sample {
        name: "BITMEX.ws.1.0",
        lines: &[
            "wss://x.invalid/realtime",
            r#"1626993370.1: {"table":"orderBookL2","action":"partial","data":[{"symbol":"XYUSD","id":8,"side":"Sell","size":9,"price":1.17},{"symbol":"XYUSD","id":9,"side":"Buy","size":4,"price":1.16}]}"#,
            r#"1626993370.2: {"table":"orderBookL2","action":"update","data":[{"symbol":"XYUSD","id":8,"side":"Sell","size":5}]}"#,
            r#"1626993370.3: {"table":"orderBookL2","action":"delete","data":[{"symbol":"XYUSD","id":9,"side":"Buy"}]}"#,
            r#"1626993370.4: {"table":"quote","action":"insert","data":[{"symbol":"XYUSD","bidPrice":1.16,"bidSize":4,"askPrice":1.17,"askSize":null}]}"#,
            r#"1626993370.5: {"table":"trade","action":"insert","data":[{"symbol":"XYUSD","side":"Buy","size":3,"price":1.17}]}"#,
        ],
    },
    Sample {
        name: "BITSTAMP.ws.1.0",
        lines: &[
            "wss://x.invalid",
            r#"1641343697.1: {"data":{"bids":[["0.88","12.5"]],"asks":[["0.89","0.0"],["0.90","3"]]},"channel":"diff_order_book_xyeur","event":"data"}"#,
            r#"1641343697.2: {"data":{"id":21,"price_str":"0.90","amount_str":"1.5","type":0},"channel":"live_trades_xyeur","event":"trade"}"#,
        ],
    },
    Sample {
        name: "DERIBIT.ws.1.0",
        lines: &[
            "wss://x.invalid/ws",
            r#"1626993732.1: {"params":{"channel":"book.XY-P.raw","data":{"type":"snapshot","instrument_name":"XY-P","bids":[["new",0.001,5.0]],"asks":[["new",0.002,1e1]]}}}"#,
            r#"1626993732.2: {"params":{"channel":"book.XY-P.raw","data":{"type":"change","instrument_name":"XY-P","bids":[["delete",0.001,0.0]],"asks":[]}}}"#,
            r#"1626993732.3: {"params":{"channel":"ticker.XY-P.raw","data":{"instrument_name":"XY-P","best_bid_price":0.001,"best_ask_price":0.002,"best_bid_amount":5,"best_ask_amount":null}}}"#,
            r#"1626993732.4: {"params":{"channel":"trades.XY-P.raw","data":[{"instrument_name":"XY-P","trade_id":"12","price":0.002,"amount":2.0,"direction":"sell"}]}}"#,
        ],
    },
    Sample {
        name: "GEMINI.ws.1.0",
        lines: &[
            "wss://x.invalid/v2",
            r#"1624493671.1: {"type":"l2_updates","symbol":"XYUSD","changes":[["sell","0.887","4"],["buy","0.886","2"]],"trades":[]}"#,
            r#"1624493671.2: {"type":"trade","symbol":"XYUSD","event_id":5,"price":"0.887","quantity":"1","side":"buy"}"#,
        ],
    },
    Sample {
        name: "KRAKEN.ws.1.0",
        lines: &[
            "wss://x.invalid",
            r#"1618678134.1: [9,{"as":[["22.5","1.0","1"]],"bs":[["22.4","2","1"]]},"book-10","X\/Y"]"#,
            r#"1618678134.2: [9,{"a":[["22.5","0","2"]]},{"b":[["22.4","3","2"]]},"book-10","X\/Y"]"#,
            r#"1618678134.3: [8,[["22.5","0.1","3","b","l",""]],"trade","X\/Y"]"#,
        ],
    },
    Sample {
        name: "KUCOIN.ws.1.0",
        lines: &[
            "wss://x.invalid/endpoint",
            r#"1619378328.1: {"data":{"changes":{"asks":[["243.2","1","7"]],"bids":[["0","0","8"]]}},"subject":"trade.l2update","topic":"/market/level2:XY-USDT"}"#,
            r#"1619378328.2: {"data":{"bestAsk":"243.2","bestBidSize":"19.5","bestAskSize":"43.3","bestBid":"243.1"},"subject":"trade.ticker","topic":"/market/ticker:XY-USDT"}"#,
            r#"1619378328.3: {"data":{"price":"243.2","size":"0.5","side":"sell"},"subject":"trade.l3match","topic":"/market/match:XY-USDT"}"#,
        ],
    },
    Sample {
        name: "OKX.ws.1.0",
        lines: &[
            "wss://x.invalid/public",
            r#"1652459228.1: {"arg":{"channel":"books","instId":"X-Y"},"action":"snapshot","data":[{"asks":[["30.1","3","0","1"]],"bids":[["30.0","2","0","1"]]}]}"#,
            r#"1652459228.2: {"arg":{"channel":"trades","instId":"X-Y"},"data":[{"tradeId":"33","px":"30.1","sz":"0.2","side":"buy"}]}"#,
        ],
    },
    Sample {
        name: "PHEMEX.ws.1.0",
        lines: &[
            "wss://x.invalid/ws",
            r#"1625342244.1: {"book":{"asks":[[30100,81511]],"bids":[[30010,22230]]},"symbol":"XYUSD","type":"snapshot"}"#,
            r#"1625342244.2: {"book":{"asks":[[1878760000,0]],"bids":[[1878750000,12345678]]},"symbol":"sXYUSDT","type":"incremental"}"#,
            r#"1625342244.3: {"trades":[[1625342244000000000,"Sell",30010,7]],"symbol":"XYUSD","type":"incremental"}"#,
        ],
    },
    Sample {
        name: "UPBIT.ws.1.0",
        lines: &[
            "wss://x.invalid/v1",
            r#"1618678284.1: b'{"ty":"orderbook","cd":"KRW-XY","obu":[{"ap":127.0,"bp":126.0,"as":267.5,"bs":6E2}]}'"#,
            r#"1618678284.2: b'{"ty":"trade","cd":"KRW-XY","tp":126.0,"tv":7874.01574803,"ab":"ASK","sid":16186782820000000}'"#,
        ],
    },
];

/// A venue's list of instruments, beside its capture.
pub(crate) const LIST: &str = r#"https://x.invalid/instruments -> 1652458996.2: {"data":[{"instId":"X-Y","tickSz":"0.1","lotSz":"0.00000001"},{"instId":"Z","tickSz":"5e-4","lotSz":"1"}]}"#;
