//! Rules of the engine that can be broken on purpose, to see that the model test notices. Without the feature
//! `mutants` every switch is a constant `false`.

/// Names of all rules that can be broken.
pub const NAMES: &[&str] = &[
    "snapshot_loss_uncounted",
    "epoch_keeps_totals",
    "epoch_keeps_ring",
    "prints_go_too_far_back",
    "staleness_unjudged",
    "unchanged_row_moves_on",
    "never_settles",
    "raw_never_settles",
    "delta_over_loss",
    "delta_over_epoch",
    "partial_list_as_delta",
    "blocked_is_not_owed",
    "would_block_owes_nothing",
    "would_block_uses_a_frame",
    "short_write_drops_the_rest",
    "short_write_owes_nothing",
    "held_survives_being_told",
    "held_forgets_the_first",
    "told_before_written",
    "catch_up_from_the_table",
    "catch_up_wraps_around",
    "control_overtakes_the_remainder",
    "no_snapshot_at_join",
    "unpause_without_drain",
    "repair_owes_nothing",
    "move_without_flush",
    "move_without_settle",
    "move_leaves_the_backlog",
    "leave_keeps_the_set",
    "groups_have_no_cap",
    "missed_holes_are_forgotten",
    "pause_is_ignored",
    "reports_go_backwards",
    "reports_after_market_data",
    "heartbeat_claims_a_frame",
    "silent_source_is_live",
    "halt_is_ignored",
    "filter_lets_all_through",
    "book_begins_empty",
    "end_stays_in_the_lane",
    "move_forgets_the_range",
    "want_shows_nothing",
    "prints_join_an_old_quote",
    "hash_claims_what_is_owed",
    "heartbeat_before_its_data",
    "fresh_is_not_told",
    "heartbeat_claims_the_next_slot",
    "budget_is_ignored",
    "budget_never_wakes",
    "value_starves_the_rest",
    "visible_rows_weigh_nothing",
    "catch_up_is_not_sorted",
    "slot_moves_untold",
    "slot_moves_without_flush",
    "slot_moves_without_settle",
    "resume_ignores_the_row",
    "resume_while_behind",
    "resume_of_an_old_lane",
    "resume_mixes_epochs",
    "resume_forgets_the_loss",
    "resume_does_not_wait",
    "restored_rows_look_old",
    "unchanged_is_told_too",
    "cursor_while_owed",
    "cursor_before_joins",
    "cursor_of_a_dirty_lane",
    "cursor_of_one_slot",
];

#[cfg(feature = "mutants")]
static CHOSEN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(usize::MAX);

/// Breaks a rule for the rest of the process; false when there is none of that name.
#[cfg(feature = "mutants")]
pub fn choose(name: &str) -> bool {
    let at = NAMES.iter().position(|known| *known == name);
    CHOSEN.store(at.unwrap_or(usize::MAX), std::sync::atomic::Ordering::Relaxed);
    at.is_some()
}

/// Whether a rule is broken.
#[cfg(feature = "mutants")]
#[must_use]
pub fn broken(name: &str) -> bool {
    NAMES.get(CHOSEN.load(std::sync::atomic::Ordering::Relaxed)).is_some_and(|chosen| *chosen == name)
}

/// Whether a rule is broken: never.
#[cfg(not(feature = "mutants"))]
#[must_use]
#[inline(always)]
pub const fn broken(_name: &str) -> bool {
    false
}
