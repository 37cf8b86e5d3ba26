//! Requests and replies: round trips, and damaged bytes.
