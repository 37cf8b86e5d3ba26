//! All lanes: who goes into which phase, and which lane is due next.

use super::Lane;
use crate::bits::Bits;
use wire::RATES_MS;
use wire::frame::Form;

/// Sessions that a phase takes before the next one opens.
pub const PHASE_SESSIONS: usize = 100;

/// Most phases of a class.
pub const PHASES_MAX: u8 = 64;

/// All lanes.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: Vec<Lane>,
    by_class: [Vec<u32>; RATES_MS.len()],
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

    /// Puts a session's slot into the emptiest open phase of a class; opens the next phase when all hold
    /// [`PHASE_SESSIONS`]. Phases are never closed or rebalanced.
    pub fn join(&mut self, class: usize, session: u32, slot: u8, form: Form, now_us: i64) -> u32 {
        let open = &self.by_class[class];
        let emptiest = open.iter().copied().min_by_key(|lane| self.get(*lane).members.len());
        let phases_max = if RATES_MS[class] == 0 { 1 } else { usize::from(PHASES_MAX) };
        let lane = match emptiest {
            Some(lane) if open.len() >= phases_max || self.get(lane).members.len() < PHASE_SESSIONS => lane,
            _ => {
                let phase = u8::try_from(open.len()).unwrap_or(0);
                let lane = self.len();
                self.lanes.push(Lane::new(class, phase, now_us));
                self.by_class[class].push(lane);
                lane
            }
        };
        let entry = self.get_mut(lane);
        entry.members.push((session, slot));
        entry.forms[form as usize] += 1;
        lane
    }

    /// Takes a session's slot out of its lane.
    pub fn leave(&mut self, lane: u32, session: u32, slot: u8, form: Form) {
        let entry = self.get_mut(lane);
        if let Some(at) = entry.members.iter().position(|member| *member == (session, slot)) {
            entry.members.swap_remove(at);
            entry.forms[form as usize] -= 1;
        }
    }

    /// Rows of some symbols moved.
    pub fn touch(&mut self, touched: &Bits) {
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
            lanes.join(4, session, 0, Form::Compact, 0);
        }
        assert_eq!(lanes.len(), 3);
        for session in 0..500 {
            lanes.join(0, session, 0, Form::Compact, 0);
        }
        assert_eq!(lanes.len(), 4);
    }
}
