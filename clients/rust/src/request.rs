//! What a client asks, as JSON text.

use crate::alert::NewAlert;
use serde::{Serialize, Serializer};
use wire::control::filter::Comparison;
use wire::control::{Channel, Fields, View};

/// One request; `id` is echoed by its reply.
#[derive(Clone, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request<'a> {
    /// The first message of a connection.
    Hello {
        /// Echoed.
        id: u64,
        /// Name of the session.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a str>,
        /// Account to trade for (development mode).
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<&'a str>,
        /// Who it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<&'a str>,
    },
    /// A newer token of the same account.
    Auth {
        /// Echoed.
        id: u64,
        /// The token.
        token: &'a str,
    },
    /// Symbols and patterns of a channel.
    Subscribe {
        /// Echoed.
        id: u64,
        /// Channel.
        #[serde(serialize_with = "word")]
        channel: Channel,
        /// What of it.
        symbols: &'a [&'a str],
        /// Interval, 0 = raw.
        interval_ms: u32,
        /// The gateway may lengthen the interval while this client cannot follow.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        adaptive: bool,
        /// A heartbeat's cursor: what is held from there on is not sent again.
        #[serde(skip_serializing_if = "Option::is_none")]
        resume: Option<&'a str>,
        /// What is shown of the channel.
        #[serde(flatten)]
        shows: Shows,
    },
    /// Ends what [`Request::Subscribe`] began.
    Unsubscribe {
        /// Echoed.
        id: u64,
        /// Channel.
        #[serde(serialize_with = "word")]
        channel: Channel,
        /// What of it.
        symbols: &'a [&'a str],
    },
    /// Another interval.
    SetRate {
        /// Echoed.
        id: u64,
        /// Channel.
        #[serde(serialize_with = "word")]
        channel: Channel,
        /// What of it.
        symbols: &'a [&'a str],
        /// Interval, 0 = raw.
        interval_ms: u32,
        /// As in [`Request::Subscribe`].
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        adaptive: bool,
    },
    /// Most bytes of market data a second.
    Budget {
        /// Echoed.
        id: u64,
        /// 1,000 to 100,000,000; none = no limit.
        bytes_per_s: Option<u32>,
    },
    /// The rows on screen: they are caught up before others.
    Visible {
        /// Echoed.
        id: u64,
        /// Symbols and patterns; none = all alike.
        symbols: &'a [&'a str],
    },
    /// No market data until `unpause`.
    Pause {
        /// Echoed.
        id: u64,
    },
    /// Market data again.
    Unpause {
        /// Echoed.
        id: u64,
    },
    /// Fulls of everything.
    Repair {
        /// Echoed.
        id: u64,
    },
    /// Fulls of some symbols.
    #[serde(rename = "repair")]
    RepairSome {
        /// Echoed.
        id: u64,
        /// Channel.
        #[serde(serialize_with = "word")]
        channel: Channel,
        /// What of it.
        symbols: &'a [&'a str],
    },
    /// Hashes of all buckets, or of the symbols in some.
    Hashes {
        /// Echoed.
        id: u64,
        /// At most eight.
        #[serde(skip_serializing_if = "Option::is_none")]
        buckets: Option<&'a [u8]>,
    },
    /// The session's own statistics, so often.
    Stats {
        /// Echoed.
        id: u64,
        /// 1,000 to 60,000; 0 = no more.
        every_ms: u32,
    },
    /// Four times of the path.
    Ping {
        /// Echoed.
        id: u64,
        /// Own time, µs.
        t: u64,
    },
    /// A new order.
    #[serde(rename = "order.new")]
    OrderNew {
        /// Echoed.
        id: u64,
        /// The order.
        #[serde(flatten)]
        order: NewOrder<'a>,
    },
    /// Cancels what is left of an order.
    #[serde(rename = "order.cancel")]
    OrderCancel {
        /// Echoed.
        id: u64,
        /// This act's own new id.
        cl_ord_id: &'a str,
        /// The order's latest id.
        orig_cl_ord_id: &'a str,
    },
    /// Present state of an id.
    #[serde(rename = "order.status")]
    OrderStatus {
        /// Echoed.
        id: u64,
        /// The id.
        cl_ord_id: &'a str,
    },
    /// Present state of an id; an id that is not known never will be.
    #[serde(rename = "order.resolve")]
    OrderResolve {
        /// Echoed.
        id: u64,
        /// The id.
        cl_ord_id: &'a str,
    },
    /// Open orders of the account.
    Orders {
        /// Echoed.
        id: u64,
    },
    /// A new alert.
    #[serde(rename = "alert.new")]
    AlertNew {
        /// Echoed.
        id: u64,
        /// The alert.
        #[serde(flatten)]
        alert: NewAlert<'a>,
    },
    /// Ends an alert; an id that is not known never will stand.
    #[serde(rename = "alert.cancel")]
    AlertCancel {
        /// Echoed.
        id: u64,
        /// Which.
        cl_alert_id: &'a str,
    },
    /// Standing alerts of the account.
    Alerts {
        /// Echoed.
        id: u64,
    },
    /// An operator's words to live sessions.
    #[serde(rename = "notice.send")]
    NoticeSend {
        /// Echoed.
        id: u64,
        /// 1 to 256 characters.
        text: &'a str,
        /// For the sessions of this account; none = for all.
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<&'a str>,
    },
    /// Sessions of all gateways, for operators.
    Sessions {
        /// Echoed.
        id: u64,
        /// Only those of this account.
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<&'a str>,
    },
}

/// A new order. Numbers are decimal text, taken exactly as written.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct NewOrder<'a> {
    /// Client's key, unique per account for ever.
    pub cl_ord_id: &'a str,
    /// Instrument.
    pub symbol: &'a str,
    /// `buy` or `sell`.
    pub side: &'a str,
    /// `limit` or `market`.
    #[serde(rename = "type")]
    pub ord_type: &'a str,
    /// `day`, `gtc`, `ioc`, `fok`.
    pub tif: &'a str,
    /// Quantity.
    pub qty: &'a str,
    /// Limit price; none for a market order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<&'a str>,
}

/// What a subscription shows; what is none is left to the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Shows {
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'static str>,
    /// Field, comparison, decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Vec<Vec<[String; 3]>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<&'static str>,
}

impl From<&View> for Shows {
    fn from(view: &View) -> Self {
        match view {
            View::Market { fields, filter } => {
                let filter = filter.as_ref().map(|filter| {
                    let text = |one: &Comparison| {
                        [one.field.word().to_owned(), one.test.sign().to_owned(), one.value.to_string()]
                    };
                    filter.0.iter().map(|all| all.iter().map(text).collect()).collect()
                });
                let fields = (*fields != Fields::All).then(|| fields.word());
                Self { fields, filter, ..Self::default() }
            }
            View::Book { depth } => Self { depth: Some(*depth), ..Self::default() },
            View::Bar { period } => Self { period: Some(period.word()), ..Self::default() },
            View::Status => Self::default(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn word<S: Serializer>(channel: &Channel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(channel.word())
}

impl std::fmt::Debug for Request<'_> {
    /// Its text, unless that bears a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auth { .. } | Self::Hello { token: Some(_), .. } => f.write_str("a request with a token"),
            _ => f.write_str(&self.text()),
        }
    }
}

impl Request<'_> {
    /// The text that goes onto the socket.
    #[must_use]
    pub fn text(&self) -> String {
        // The types hold no map with other than text keys, so that writing them cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertCondition;
    use wire::control::filter::{Filter, FilterField, Test};
    use wire::control::{Decoder, Op, Period};

    fn subscribe(channel: Channel, adaptive: bool, view: &View) -> Request<'static> {
        Request::Subscribe {
            id: 7,
            channel,
            symbols: &["ETH*"],
            interval_ms: 50,
            adaptive,
            resume: None,
            shows: Shows::from(view),
        }
    }

    #[test]
    fn the_gateway_reads_what_a_subscription_shows() {
        let comparison = |field, test, value: &str| Comparison { field, test, value: value.parse().unwrap() };
        let low = comparison(FilterField::Ask, Test::AtMost, "-0.50");
        let filter = Filter(vec![vec![comparison(FilterField::Bid, Test::Greater, "61000"), low], vec![low]]);
        let market = |fields, filter| View::Market { fields, filter };
        let views = [
            (Channel::Quote, market(Fields::All, None)),
            (Channel::Trade, market(Fields::Coarse, None)),
            (Channel::Quote, market(Fields::Price, Some(filter))),
            (Channel::Book, View::Book { depth: 20 }),
            (Channel::Bar, View::Bar { period: Period::Minute }),
            (Channel::Status, View::Status),
        ];
        for (channel, view) in views {
            let mut text = subscribe(channel, false, &view).text().into_bytes();
            let Op::Subscribe(read) = Decoder::default().decode(&mut text).unwrap().op else { panic!() };
            assert_eq!((read.channel, read.view), (channel, view));
        }
    }

    fn order() -> NewOrder<'static> {
        NewOrder {
            cl_ord_id: "c-1",
            symbol: "BTCUSDT.BINANCE",
            side: "buy",
            ord_type: "limit",
            tif: "ioc",
            qty: "0.5",
            price: Some("61000.10"),
        }
    }

    fn alert() -> NewAlert<'static> {
        NewAlert {
            cl_alert_id: "a-1",
            symbol: "BTCUSDT.BINANCE",
            condition: AlertCondition::Bid { crosses: "up", level: "61000.10" },
            expires_us: Some(5),
            note: Some("top"),
        }
    }

    #[test]
    fn the_gateway_reads_every_request() {
        let (order, alert) = (order(), alert());
        let symbols = ["ETH*"];
        let (id, channel, symbols) = (7, Channel::Quote, &symbols[..]);
        let requests = [
            Request::Hello { id, session: Some("desk"), account: Some("A1"), token: None },
            Request::Hello { id, session: None, account: None, token: Some("a.b.c") },
            Request::Auth { id, token: "a.b.c" },
            Request::Subscribe {
                id,
                channel,
                symbols,
                interval_ms: 50,
                adaptive: false,
                resume: Some("a1"),
                shows: Shows::default(),
            },
            subscribe(channel, false, &View::default()),
            subscribe(channel, true, &View::default()),
            Request::Stats { id, every_ms: 1_000 },
            Request::Unsubscribe { id, channel, symbols },
            Request::SetRate { id, channel: Channel::Trade, symbols, interval_ms: 100, adaptive: true },
            Request::Budget { id, bytes_per_s: Some(40_000) },
            Request::Budget { id, bytes_per_s: None },
            Request::Visible { id, symbols },
            Request::Visible { id, symbols: &[] },
            Request::Pause { id },
            Request::Unpause { id },
            Request::Repair { id },
            Request::RepairSome { id, channel, symbols },
            Request::Hashes { id, buckets: None },
            Request::Hashes { id, buckets: Some(&[3, 63]) },
            Request::Ping { id, t: 5 },
            Request::OrderNew { id, order },
            Request::OrderNew { id, order: NewOrder { ord_type: "market", price: None, ..order } },
            Request::OrderCancel { id, cl_ord_id: "c-2", orig_cl_ord_id: "c-1" },
            Request::OrderStatus { id, cl_ord_id: "c-1" },
            Request::OrderResolve { id, cl_ord_id: "c-1" },
            Request::Orders { id },
            Request::AlertNew { id, alert },
            Request::AlertNew {
                id,
                alert: NewAlert { condition: AlertCondition::Spread { above_ticks: 3 }, ..alert },
            },
            Request::AlertNew {
                id,
                alert: NewAlert { condition: AlertCondition::Stale { longer_than_ms: 500 }, ..alert },
            },
            Request::AlertCancel { id, cl_alert_id: "a-1" },
            Request::Alerts { id },
            Request::NoticeSend { id, text: "soon", account: Some("A1") },
            Request::Sessions { id, account: None },
        ];
        let mut decoder = Decoder::default();
        for request in requests {
            let mut text = request.text().into_bytes();
            let read = decoder.decode(&mut text).unwrap_or_else(|fault| panic!("{request:?}: {fault:?}"));
            assert_eq!(read.id, Some(7));
            assert_eq!(
                matches!(read.op, Op::Order { .. }),
                matches!(
                    request,
                    Request::OrderNew { .. }
                        | Request::OrderCancel { .. }
                        | Request::OrderStatus { .. }
                        | Request::OrderResolve { .. }
                        | Request::Orders { .. }
                )
            );
        }
    }
}
