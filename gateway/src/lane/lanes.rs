//! All lanes: who goes into which phase, and which lane is due next.

use super::{Lane, Touched};
use wire::RATES_MS;
use wire::control::View;
use wire::frame::Form;

/// Sessions that a phase takes before the next one opens.
pub const PHASE_SESSIONS: usize = 100;

/// Most phases of a class.
pub const PHASES_MAX: u8 = 64;

/// Most (rate class, view) that are shown at a time: each costs a pass over what it wants at each flush.
pub const VIEWS_MAX: usize = 256;

/// The phases of one rate class and view.
#[derive(Debug)]
struct Phases {
    class: usize,
    view: View,
    lanes: Vec<u32>,
}

/// All lanes.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: Vec<Lane>,
    shown: Vec<Phases>,
    /// Lanes that nobody is in and that show nothing: their views are gone.
    spare: Vec<u32>,
}

impl Lanes {
    /// One lane.
    #[must_use]
    pub fn get(&self, lane: u32) -> &Lane {
        &self.lanes[lane as usize]
    }

    /// One lane.
    pub fn get_mut(&mut self, lane: u32) -> &mut Lane {
        &mut self.lanes[lane as usize]
    }

    /// Number of lanes.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.lanes.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is no lane yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Puts a session's slot into a lane of a class and view; `None` = [`VIEWS_MAX`] are shown.
    pub fn join(
        &mut self,
        class: usize,
        view: &View,
        (session, slot): (u32, u8),
        form: Form,
        now_us: i64,
    ) -> Option<u32> {
        let lane = self.emptiest(class, view, now_us)?;
        self.enter(lane, session, slot, form);
        Some(lane)
    }

    /// The emptiest open phase of a class and view; opens the next phase when all hold [`PHASE_SESSIONS`]. Phases are
    /// never rebalanced, and closed only with their view, when its last session leaves. `None` = [`VIEWS_MAX`] are shown.
    pub fn emptiest(&mut self, class: usize, view: &View, now_us: i64) -> Option<u32> {
        let known = self.shown.iter().position(|shown| shown.class == class && shown.view == *view);
        let at = match known {
            Some(at) => at,
            None if self.shown.len() >= VIEWS_MAX => return None,
            None => {
                self.shown.push(Phases { class, view: view.clone(), lanes: Vec::new() });
                self.shown.len() - 1
            }
        };
        let open = &self.shown[at].lanes;
        let emptiest = open.iter().copied().min_by_key(|lane| self.get(*lane).members.len());
        let phases_max = if RATES_MS[class] == 0 { 1 } else { usize::from(PHASES_MAX) };
        Some(match emptiest {
            Some(lane) if open.len() >= phases_max || self.get(lane).members.len() < PHASE_SESSIONS => lane,
            _ => {
                let phase = u8::try_from(open.len()).unwrap_or(0);
                let lane = self.open(Lane::new(class, view.clone(), phase, now_us));
                self.shown[at].lanes.push(lane);
                lane
            }
        })
    }

    /// Puts a session's slot into a lane.
    pub fn enter(&mut self, lane: u32, session: u32, slot: u8, form: Form) {
        let entry = self.get_mut(lane);
        entry.members.push((session, slot));
        entry.forms[form as usize] += 1;
    }

    fn open(&mut self, lane: Lane) -> u32 {
        if let Some(at) = self.spare.pop() {
            self.lanes[at as usize] = lane;
            return at;
        }
        self.lanes.push(lane);
        self.len() - 1
    }

    /// Takes a session's slot out of its lane, which it wants nothing of any more.
    pub fn leave(&mut self, lane: u32, session: u32, slot: u8, form: Form) {
        let entry = self.get_mut(lane);
        if let Some(at) = entry.members.iter().position(|member| *member == (session, slot)) {
            entry.members.swap_remove(at);
            entry.forms[form as usize] -= 1;
        }
        if entry.members.is_empty() && *entry.view() != View::default() {
            self.close_empty(lane);
        }
    }

    fn close_empty(&mut self, lane: u32) {
        let Some(at) = self.shown.iter().position(|shown| shown.lanes.contains(&lane)) else { return };
        if self.shown[at].lanes.iter().all(|lane| self.get(*lane).members.is_empty()) {
            self.spare.extend(self.shown.swap_remove(at).lanes);
        }
    }

    /// Some symbols moved.
    pub fn touch(&mut self, touched: &Touched<'_>) {
        self.lanes.iter_mut().filter(|lane| !lane.members.is_empty()).for_each(|lane| lane.touch(touched));
    }

    /// When the next lane with members is due, µs.
    #[must_use]
    pub fn next_due_us(&self) -> Option<i64> {
        self.lanes.iter().filter(|lane| !lane.members.is_empty()).filter_map(Lane::wakes_us).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::phase_offset_us;

    #[test]
    fn phases_lie_evenly_however_many_are_open() {
        let offsets: Vec<i64> = (0..4).map(|phase| phase_offset_us(64_000, phase)).collect();
        assert_eq!(offsets, [0, 32_000, 16_000, 48_000]);
    }

    #[test]
    fn a_full_phase_opens_the_next() {
        let mut lanes = Lanes::default();
        for session in 0..250 {
            lanes.join(4, &View::default(), (session, 0), Form::Compact, 0).unwrap();
        }
        assert_eq!(lanes.len(), 3);
        for session in 0..500 {
            lanes.join(0, &View::default(), (session, 0), Form::Compact, 0).unwrap();
        }
        assert_eq!(lanes.len(), 4);
    }

    #[test]
    fn views_are_bounded_and_given_back() {
        let mut lanes = Lanes::default();
        let depth = |depth| View::Book { depth };
        let join = |lanes: &mut Lanes, session: u32| {
            let view = depth(u8::try_from(session).unwrap());
            lanes.join(4, &view, (session, 0), Form::Compact, 0)
        };
        let all: Vec<u32> = (0..256).map(|session| join(&mut lanes, session).unwrap()).collect();
        assert_eq!(lanes.join(4, &View::Status, (9, 1), Form::Compact, 0), None);
        lanes.leave(all[7], 7, 0, Form::Compact);
        assert_eq!(lanes.join(4, &View::Status, (9, 1), Form::Compact, 0), Some(all[7]));
        assert_eq!((lanes.len(), lanes.get(all[7]).view()), (256, &View::Status));
    }
}
