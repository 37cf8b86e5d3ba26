//! The numbered registry of errors. An error answers one request, or one item of one, and ends nothing else.

use serde::Serialize;

/// What the client should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same request can never succeed.
    Never,
    /// The same request may succeed at once.
    Now,
    /// The same request may succeed later.
    AfterMs,
    /// Authenticate first.
    Reauth,
}

macro_rules! registry {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $code:literal, $retry:ident;)*) => {
        /// Every error code. Numbers are stable for ever and never given again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// All codes, in order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number.
            #[must_use]
            pub const fn number(self) -> u16 { match self { $(Self::$name => $number,)* } }

            /// The word on the wire.
            #[must_use]
            pub const fn code(self) -> &'static str { match self { $(Self::$name => $code,)* } }

            /// What to do about it.
            #[must_use]
            pub const fn retry(self) -> Retry { match self { $(Self::$name => Retry::$retry,)* } }
        }
    };
}

registry! {
    /// The message is no JSON object.
    BadJson = 1001, "bad_json", Never;
    /// `op` is missing or unknown.
    UnknownOp = 1002, "unknown_op", Never;
    /// A field is missing, unknown, of the wrong type or out of range; the message names it.
    BadField = 1003, "bad_field", Never;
    /// A key stands twice in one object.
    DuplicateKey = 1004, "duplicate_key", Never;
    /// `hello` must come first.
    HelloFirst = 1005, "hello_first", Now;
    /// `hello` was already said.
    AlreadyWelcome = 1006, "already_welcome", Never;
    /// This gateway does not do that yet.
    NotSupportedYet = 1007, "not_supported_yet", Never;
    /// No such symbol, or a pattern that matches nothing.
    UnknownSymbol = 1101, "unknown_symbol", AfterMs;
    /// No such channel.
    UnknownChannel = 1102, "unknown_channel", Never;
    /// The interval is not one of the offered rates.
    BadInterval = 1103, "bad_interval", Never;
    /// The symbol's other channel runs at another interval, or only one of them is adaptive.
    IntervalConflict = 1104, "interval_conflict", Never;
    /// Held already; the item shows the effective interval.
    AlreadySubscribed = 1105, "already_subscribed", Never;
    /// Not held.
    NotSubscribed = 1106, "not_subscribed", Never;
    /// The session holds as many symbols as it may.
    TooManySymbols = 1107, "too_many_symbols", Never;
    /// The session uses sixteen intervals already.
    TooManySlots = 1108, "too_many_slots", Never;
    /// Asked again too soon.
    TooOften = 1109, "too_often", AfterMs;
    /// The filter does not parse, or compares what its channel does not tell; the message names the part.
    BadFilter = 1110, "bad_filter", Never;
    /// The gateway shows as many different (interval, fields, filter) as it may.
    TooManyViews = 1111, "too_many_views", AfterMs;
    /// The symbol's other channel is held with other fields or a filter.
    ViewConflict = 1112, "view_conflict", Never;
    /// As many sessions as may ask for their statistics do so.
    TooManyStats = 1113, "too_many_stats", AfterMs;
    /// The cursor cannot be read; the subscription takes effect with snapshots.
    BadCursor = 1120, "bad_cursor", Never;
    /// The session has no account, so it cannot trade.
    NoAccount = 1201, "no_account", Reauth;
    /// No such account here.
    UnknownAccount = 1202, "unknown_account", Never;
    /// The writer of this partition cannot be reached; this attempt was not taken.
    OrderUnavailable = 1203, "order_unavailable", AfterMs;
    /// More orders than the account may send.
    OrderRate = 1204, "order_rate", AfterMs;
    /// The account's orders are too many to hold.
    OrderIdsExhausted = 1205, "order_ids_exhausted", Never;
    /// A token is needed, or this one is broken, not for this service, or not signed by a known key.
    BadToken = 1301, "bad_token", Reauth;
    /// The token is over.
    TokenExpired = 1302, "token_expired", Reauth;
    /// The token or `account` names another account than the session's.
    OtherAccount = 1303, "other_account", Never;
    /// The session is not entitled to it.
    NotEntitled = 1304, "not_entitled", Never;
    /// The account has as many sessions as it may.
    TooManySessions = 1305, "too_many_sessions", AfterMs;
    /// Only an operator's session may ask this.
    NotOperator = 1401, "not_operator", Reauth;
    /// The bus is not connected; nothing was said or asked.
    BusUnavailable = 1402, "bus_unavailable", AfterMs;
    /// The alert's level has more decimals than the instrument, or is not above zero.
    AlertLevel = 1501, "alert_level", Never;
    /// The alert's time is over already.
    AlertExpired = 1502, "alert_expired", Never;
    /// The account has 256 standing alerts.
    TooManyAlerts = 1503, "too_many_alerts", Never;
    /// The partition has as many standing alerts as it may.
    AlertsExhausted = 1504, "alerts_exhausted", AfterMs;
    /// Something failed inside; it is logged with the id shown.
    Internal = 1900, "internal", AfterMs;
    /// The server has no memory for more subscriptions now.
    NoMemory = 1901, "no_memory", AfterMs;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_and_words_are_unique() {
        let numbers: Vec<u16> = ErrorCode::ALL.iter().map(|c| c.number()).collect();
        assert!(numbers.windows(2).all(|w| w[0] < w[1]));
        let mut words: Vec<&str> = ErrorCode::ALL.iter().map(|c| c.code()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ErrorCode::ALL.len());
    }
}
