//! Who may connect. Pure.

pub mod origins;
