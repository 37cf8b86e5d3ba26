//! What every source hands on: changes of instruments with the time at which they are due.

use wire::instrument::Instrument;
use wire::tick::Change;

/// A change of one instrument of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// When it is due, ns since the source's begin.
    pub due_ns: i64,
    /// Index among the source's instruments.
    pub instrument: u32,
    /// What changes.
    pub change: Change,
}

/// A stream of items in order of their times.
pub trait Source {
    /// All instruments that it will ever speak of.
    fn instruments(&self) -> &[Instrument];

    /// Appends all items due up to and including `until_ns`. False = nothing will ever come again.
    ///
    /// # Errors
    /// One line that names the file and the line of a broken recording.
    fn items_until(&mut self, until_ns: i64, out: &mut Vec<Item>) -> Result<bool, String>;

    /// Values that a recording holds and the instrument's exponent cannot: rounded half-even, and counted here.
    fn inexact(&self) -> u64 {
        0
    }
}
