//! Bounds what the bodies of plain answers hold together: a peer that asks and does not read keeps its answer.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes of all bodies that were made for an answer and are not yet gone.
pub const BODIES_BYTES_MAX: usize = 64 << 20;

/// Counts the bytes of bodies for as long as they live. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Bodies(Arc<AtomicUsize>);

/// A body that counts; hyper drops it when it is written, or its connection is gone.
struct Counted {
    body: Bytes,
    all: Bodies,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.body.len(), Ordering::Relaxed);
    }
}

impl Bodies {
    /// Takes a body into the count; `None` when there is no room for it.
    #[must_use]
    pub fn hold(&self, body: Bytes) -> Option<Bytes> {
        let held = self.0.fetch_add(body.len(), Ordering::Relaxed);
        let counted = Counted { body, all: self.clone() };
        (held + counted.body.len() <= BODIES_BYTES_MAX).then(|| Bytes::from_owner(counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_refused_above_the_bound_and_taken_again_when_some_are_gone() {
        let bodies = Bodies::default();
        let body = || Bytes::from(vec![7; 16 << 20]);
        let mut held: Vec<Bytes> = (0..4).map(|_| bodies.hold(body()).unwrap()).collect();
        assert_eq!(held[0][0], 7);
        assert!(bodies.hold(Bytes::from_static(b"x")).is_none());
        let copy = held[3].clone();
        held.pop();
        assert!(bodies.hold(body()).is_none(), "a copy keeps it");
        drop(copy);
        held.push(bodies.hold(body()).unwrap());
        drop(held);
        assert_eq!(bodies.0.load(Ordering::Relaxed), 0);
    }
}
