//! The `compact` form: one control byte a record, fields as whole-byte zigzag deltas, symbols as a bitmap or gaps.
//!
//! `docs/protocol.md` has the byte tables. Three parts: [`encode`] writes records (once per lane), [`head`] puts
//! records of one message together for one session, [`decode`] reads a message back.

pub mod decode;
pub mod encode;
pub mod head;
