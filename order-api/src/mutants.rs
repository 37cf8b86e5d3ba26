//! Rules of the core that its own tests break on purpose, to see that the model notices. Outside tests no rule is ever
//! broken, and the question costs nothing.

/// Names of those about alerts.
#[cfg(test)]
pub(crate) const ALERT_RULES: [&str; 2] = ["alert_is_armed_first", "dropped_hits_come_back"];

/// Names of all others.
#[cfg(test)]
pub(crate) const RULES: [&str; 10] = [
    "quote_before_orders",
    "replace_loses_place",
    "limit_is_kept",
    "no_self_trade",
    "fok_whole_or_nothing",
    "taken_size_stays_taken",
    "undo_covers_ids",
    "undo_covers_orders",
    "known_id_acts_on_nothing",
    "closed_order_frees_no_id",
];

#[cfg(test)]
thread_local! {
    /// The one that is broken in this thread.
    pub(crate) static BROKEN: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// Whether a rule is broken.
#[cfg(test)]
pub(crate) fn broken(rule: &str) -> bool {
    debug_assert!(RULES.contains(&rule) || ALERT_RULES.contains(&rule), "{rule}");
    BROKEN.get() == Some(rule)
}

/// Whether a rule is broken: never.
#[cfg(not(test))]
#[inline]
pub(crate) const fn broken(_rule: &str) -> bool {
    false
}
