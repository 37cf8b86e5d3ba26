//! Load, measurement and reports of Tickgate, and the harness that the system tests share.
//!
//! - [`harness`]: real processes on free ports.
//! - [`load`]: clients, thousands or a few, and order clients.
//! - [`measure`]: CPU, memory, machine.
//! - [`blast`]: the bare-write limit that a gateway is compared with.
//! - [`naive`]: the one queue for everything that it is compared with on a thin link.
//! - [`scenario`]: what is measured; [`report`]: the only place that prints.

pub mod blast;
pub mod config;
pub mod harness;
pub mod load;
pub mod measure;
pub mod naive;
pub mod report;
pub mod scenario;
