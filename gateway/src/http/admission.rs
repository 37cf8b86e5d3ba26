//! Who is let in: as many connections as there is room for, counted together with those that are sent away.

use std::cell::Cell;
use std::rc::Rc;

/// Refused connections that are answered and ended gently at a time; more are only answered.
pub(super) const LINGERING_MAX: u32 = 10;

/// Descriptors that connections leave to the bus, the listener and the runtime.
const DESCRIPTORS_KEPT: u64 = 32;

/// Why a connection or a session is sent away with 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As many connections as may be are open.
    Connections = 0,
    /// The process, or the machine, has no descriptor left.
    Descriptors = 1,
    /// The memory budget is used up: no further session.
    Memory = 2,
}

impl Refusal {
    /// All, by number.
    pub const ALL: [Self; 3] = [Self::Connections, Self::Descriptors, Self::Memory];

    /// The word in the metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Descriptors => "descriptors",
            Self::Memory => "memory",
        }
    }
}

/// The count at the door; shared by all that stand there.
#[derive(Debug)]
pub struct Admission {
    connections_max: u32,
    open: Cell<u32>,
    lingering: Cell<u32>,
    refused: [Cell<u64>; Refusal::ALL.len()],
}

impl Admission {
    /// A door for so many connections at a time, HTTP and WebSocket together.
    #[must_use]
    pub fn new(connections_max: u32) -> Self {
        let refused = [const { Cell::new(0) }; Refusal::ALL.len()];
        Self { connections_max, open: Cell::new(0), lingering: Cell::new(0), refused }
    }

    /// Most connections at a time.
    #[must_use]
    pub const fn connections_max(&self) -> u32 {
        self.connections_max
    }

    /// Open connections.
    #[must_use]
    pub const fn open(&self) -> u32 {
        self.open.get()
    }

    /// How many were sent away for this reason.
    #[must_use]
    pub const fn refused(&self, why: Refusal) -> u64 {
        self.refused[why as usize].get()
    }

    /// One more was sent away.
    pub fn refuse(&self, why: Refusal) {
        let count = &self.refused[why as usize];
        count.set(count.get() + 1);
    }

    /// A place for a connection; `None` = there is no room.
    #[must_use]
    pub fn enter(self: &Rc<Self>) -> Option<Place> {
        Place::take(self, |door| &door.open, self.connections_max)
    }

    /// A place among the few refused connections that are ended gently.
    #[must_use]
    pub(super) fn linger(self: &Rc<Self>) -> Option<Place> {
        Place::take(self, |door| &door.lingering, LINGERING_MAX)
    }
}

/// Counts for as long as it lives, also when a task panics.
#[derive(Debug)]
pub struct Place {
    door: Rc<Admission>,
    counter: fn(&Admission) -> &Cell<u32>,
}

impl Place {
    fn take(door: &Rc<Admission>, counter: fn(&Admission) -> &Cell<u32>, most: u32) -> Option<Self> {
        let count = counter(door);
        (count.get() < most).then(|| {
            count.set(count.get() + 1);
            Self { door: Rc::clone(door), counter }
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let count = (self.counter)(&self.door);
        count.set(count.get() - 1);
    }
}

/// As many connections as asked, or fewer: a connection that is accepted must have its descriptor, and so must those
/// that are told there is no room. Out of descriptors only one at a time can be told anything.
#[must_use]
pub fn connections_within(asked: u32, descriptors: Option<u64>) -> u32 {
    let kept = DESCRIPTORS_KEPT + u64::from(LINGERING_MAX);
    let room = descriptors.map_or(u64::MAX, |all| all.saturating_sub(kept).max(1));
    u32::try_from(room).unwrap_or(u32::MAX).min(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        assert_eq!(connections_within(10_000, None), 10_000);
        assert_eq!(connections_within(10_000, Some(20_000)), 10_000);
        assert_eq!(connections_within(10_000, Some(128)), 86);
        assert_eq!(connections_within(10_000, Some(3)), 1);
    }

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let door = Rc::new(Admission::new(2));
        let places = [door.enter().unwrap(), door.enter().unwrap()];
        assert!(door.enter().is_none());
        drop(places);
        let again = door.enter();
        assert_eq!((again.is_some(), door.open()), (true, 1));
        let lingering: Vec<Place> = (0..LINGERING_MAX).map(|_| door.linger().unwrap()).collect();
        assert!(door.linger().is_none());
        drop(lingering);
        door.refuse(Refusal::Memory);
        assert_eq!(Refusal::ALL.map(|why| door.refused(why)), [0, 0, 1]);
    }
}
