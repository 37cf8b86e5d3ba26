//! What control messages change in a view.

use crate::message::Message;
use wire::control::Channel;
use wire::frame::view::{BAR, BOOK, Joined, QUOTE, STATUS, TRADE, View};

/// Tells a view what a control message changes in its wire sets; true when a heartbeat shows that a frame was lost.
/// [`Client`] does it by itself; this is for readers that own their sockets.
pub fn follow(view: &mut View, message: &Message) -> bool {
    match message {
        Message::Subscribed(m) | Message::Added(m) => {
            if let (Some(slot), Some(phase_us)) = (m.slot, m.phase_us) {
                let joined = m.symbols.iter().map(|s| Joined {
                    id: s.id,
                    has_aggressor: s.has_aggressor,
                    has_size: s.has_size,
                });
                if let Some(depth) = m.depth {
                    view.book_depth(slot, depth.into());
                }
                view.joined(number(&m.channel), slot, m.interval_ms, i64::from(phase_us), joined);
            }
        }
        Message::Unsubscribed(m) => {
            if let Some(slot) = m.slot {
                view.left(number(&m.channel), slot, &m.ids);
            }
        }
        Message::RateSet(m) => {
            if let (Some(from), Some(to), Some(phase_us)) = (m.from_slot, m.slot, m.phase_us) {
                view.moved(from, to, m.interval_ms, i64::from(phase_us), &m.ids);
            }
        }
        Message::RateChanged(m) => view.rate_changed(m.slot, m.interval_ms, i64::from(m.phase_us)),
        Message::Heartbeat(beat) => return view.heartbeat(beat.t_us, beat.last_frame),
        _ => {}
    }
    false
}

/// The view's number of a channel; of an unknown one nothing is held.
pub(crate) fn number(channel: &str) -> u8 {
    match Channel::from_word(channel) {
        Some(Channel::Trade) => TRADE,
        Some(Channel::Book) => BOOK,
        Some(Channel::Bar) => BAR,
        Some(Channel::Status) => STATUS,
        Some(Channel::Quote) | None => QUOTE,
    }
}

/// Whether a text message of the `json` form is market data.
#[must_use]
pub fn is_data(bytes: &[u8]) -> bool {
    [&b"{\"op\":\"quotes\""[..], b"{\"op\":\"trades\"", b"{\"op\":\"trade_totals\""]
        .into_iter()
        .chain([&b"{\"op\":\"books\""[..], b"{\"op\":\"bars\"", b"{\"op\":\"statuses\""])
        .any(|head| bytes.starts_with(head))
}
