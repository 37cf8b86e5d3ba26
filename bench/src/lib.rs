//! Load, measurement and reports of Tickgate, and the harness that the system tests share.

pub mod config;
pub mod harness;
