//! How many sessions an account has at a time. Pure.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use wire::order::AccountId;

/// Places of all accounts.
#[derive(Debug)]
pub struct Seats {
    most: u32,
    taken: RefCell<HashMap<AccountId, u32>>,
}

/// A place; dropping it gives it back, however its session ends.
#[derive(Debug)]
pub struct Seat {
    seats: Rc<Seats>,
    account: AccountId,
}

impl Seats {
    /// So many for each account.
    #[must_use]
    pub fn new(most: u32) -> Rc<Self> {
        Rc::new(Self { most, taken: RefCell::default() })
    }

    /// A place for one more session, if there is one.
    #[must_use]
    pub fn take(self: &Rc<Self>, account: AccountId) -> Option<Seat> {
        let mut taken = self.taken.borrow_mut();
        let sessions = taken.entry(account).or_insert(0);
        if *sessions >= self.most {
            return None;
        }
        *sessions += 1;
        Some(Seat { seats: Rc::clone(self), account })
    }

    /// How many an account has.
    #[must_use]
    pub fn of(&self, account: &AccountId) -> u32 {
        self.taken.borrow().get(account).copied().unwrap_or(0)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.borrow_mut();
        if let Some(sessions) = taken.get_mut(&self.account) {
            *sessions -= 1;
            if *sessions == 0 {
                taken.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_with_its_session() {
        let (seats, [a, b]) = (Seats::new(2), ["A", "B"].map(|name| AccountId::new(name).unwrap()));
        let first = seats.take(a).unwrap();
        let second = seats.take(a).unwrap();
        assert!(seats.take(a).is_none() && seats.take(b).is_some());
        drop(first);
        assert_eq!((seats.of(&a), seats.of(&b)), (1, 0));
        drop((seats.take(a).unwrap(), second));
        assert!(seats.taken.borrow().is_empty());
    }
}
