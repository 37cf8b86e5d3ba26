//! `subscribe`, `unsubscribe`, `set_rate`.

use super::Desk;
use crate::bits::Bits;
use crate::outbox::{Outbox, Socket};
use crate::pending::Join;
use crate::resume::Resume;
use std::collections::{BTreeMap, BTreeSet};
use wire::RATES_MS;
use wire::control::Channel;
use wire::control::reply::{RateSet, Rejected, Unsubscribed, text};
use wire::control::{Names, Selection, SetRate, Subscribe, View};
use wire::cursor_shards::ShardCursor;
use wire::error::ErrorCode;
use wire::instrument::{InstrumentId, matches};

/// A held symbol and the slot that it is in.
type Held = (u8, InstrumentId);

/// The channel that is shown together with this one.
fn other(channel: Channel) -> Option<Channel> {
    match channel {
        Channel::Quote => Some(Channel::Trade),
        Channel::Trade => Some(Channel::Quote),
        Channel::Book | Channel::Bar | Channel::Status => None,
    }
}

fn is_pattern(name: &str) -> bool {
    name.contains('*')
}

/// Index of an interval in the offered rates; the decoder let only those through.
fn class_of(interval_ms: u32) -> usize {
    RATES_MS.iter().position(|rate| *rate == interval_ms).unwrap_or(0)
}

/// JSON members that say what a subscription shows, with a leading comma.
fn shown(view: &View) -> String {
    match view {
        View::Market { fields, filter } => {
            format!(",\"fields\":\"{}\",\"filtered\":{}", fields.word(), filter.is_some())
        }
        View::Book { depth } => format!(",\"depth\":{depth}"),
        View::Bar { period } => format!(",\"period\":\"{}\"", period.word()),
        View::Status => String::new(),
    }
}

/// JSON members that say that a cursor was not read, with a leading comma.
fn resume_rejected(asked: &Subscribe<'_>) -> String {
    let unread = asked.resume.is_some_and(|cursor| ShardCursor::parse(cursor).is_none());
    let code = ErrorCode::BadCursor;
    let text = format!(
        ",\"resumed\":0,\"resume_rejected\":{{\"code\":\"{}\",\"number\":{}}}",
        code.code(),
        code.number()
    );
    if unread { text } else { String::new() }
}

/// JSON members of a list of refused items, with a leading comma.
fn rejected_tail(rejected: &[Rejected]) -> String {
    let list = serde_json::to_string(rejected).unwrap_or_else(|_| "[]".to_owned());
    format!(",\"rejected\":{list},\"more\":false")
}

impl<S: Socket> Desk<'_, S> {
    fn outbox(&self) -> Option<&Outbox<S>> {
        self.engine.outbox(self.client.session)
    }

    /// Interval in force of a held symbol.
    fn interval_of(&self, slot: u8) -> u32 {
        self.engine.interval_ms(self.client.session, slot)
    }

    /// What was asked for a slot: its interval, and whether it adapts.
    fn asked_of(&self, slot: u8) -> Option<(u32, bool)> {
        let slot = self.outbox()?.slots.get(usize::from(slot))?;
        Some((*RATES_MS.get(slot.class)?, slot.adaptive))
    }

    /// JSON members that begin `subscribed` and `added`; the rate in force comes when they are written.
    fn join_head(&self, op: &str, id: Option<u64>, slot: u8, asked: &Subscribe<'_>) -> String {
        let channel = asked.channel;
        let max_age = asked.max_age_ms.map_or_else(String::new, |ms| format!(",\"max_age_ms\":{ms}"));
        let id = id.map_or_else(String::new, |id| format!("\"id\":{id},"));
        format!(
            "\"op\":\"{op}\",{id}\"channel\":\"{}\",\"slot\":{slot},\"stale_after_ms\":{},\
             \"quiet_after_ms\":{}{max_age}{}",
            channel.word(),
            self.terms.stale_after_ms,
            self.terms.quiet_after_ms,
            shown(&asked.view),
        )
    }

    pub(super) fn subscribe(&mut self, id: Option<u64>, asked: &Subscribe<'_>) {
        let channel = asked.channel;
        let mut rejected = Vec::new();
        let mut ids = BTreeSet::new();
        let mut patterns: Vec<&str> = Vec::new();
        let left = self.engine.wildcards_left(self.client.session);
        for name in &asked.symbols.0 {
            if is_pattern(name) {
                let matching = match self.matching(channel, name) {
                    Ok(matching) => matching,
                    Err(code) => {
                        rejected.push(Rejected::new(name, code, None));
                        continue;
                    }
                };
                let known =
                    self.engine.remembers(self.client.session, channel, name) || patterns.contains(name);
                if !known && patterns.len() >= left {
                    rejected.push(Rejected::new(name, ErrorCode::TooManySymbols, None));
                    continue;
                }
                if !known {
                    patterns.push(*name);
                }
                for instrument in matching {
                    self.take(asked, instrument, None, &mut ids, &mut rejected);
                }
            } else if !self.engine.may_see(self.client.session, channel, name) {
                rejected.push(Rejected::new(name, ErrorCode::NotEntitled, None));
            } else if let Some(instrument) = self.engine.directory.find(name) {
                self.take(asked, instrument, Some(name), &mut ids, &mut rejected);
            } else {
                rejected.push(Rejected::new(name, ErrorCode::UnknownSymbol, None));
            }
        }
        let nothing = ids.is_empty() && patterns.is_empty();
        let class = class_of(asked.interval_ms);
        let session = self.client.session;
        if nothing {
            return self.subscribed_nothing(id, asked, &rejected);
        }
        let slot = match self.engine.slot(session, class, &asked.view, asked.adaptive, self.now_us) {
            Ok(slot) => slot,
            Err(code) => {
                let refused = ids.iter().filter_map(|id| self.engine.directory.instrument(*id));
                rejected.extend(refused.map(|gone| Rejected::new(&gone.symbol, code, None)));
                return self.subscribed_nothing(id, asked, &rejected);
            }
        };
        for pattern in patterns {
            let head = self.join_head("added", None, slot, asked);
            self.engine.remember(session, channel, slot, pattern, head, asked.max_age_ms);
        }
        let head = self.join_head("subscribed", id, slot, asked);
        let (tail, ids) = (rejected_tail(&rejected), ids.into_iter().collect());
        let resume = asked.resume.and_then(ShardCursor::parse).map(Resume::new);
        let head = head + &resume_rejected(asked);
        let join = Join { head, tail, channel, slot, ids, max_age_ms: asked.max_age_ms, resume };
        self.engine.join(session, join, self.now_us);
    }

    /// Whether the memory budget holds what is asked for; a wildcard may match all that a session may hold.
    pub(super) fn has_memory(&mut self, asked: &Subscribe<'_>) -> bool {
        let all = self.engine.directory.len().min(wire::SESSION_SYMBOLS_MAX);
        let symbols = asked.symbols.0.iter().map(|name| if is_pattern(name) { all } else { 1 });
        let symbols = symbols.sum::<usize>().min(all);
        self.engine.memory.grant(symbols)
    }

    /// Every item is refused: nothing else is lost.
    pub(super) fn refuse_for_memory(&mut self, id: Option<u64>, asked: &Subscribe<'_>) {
        let refused = asked.symbols.0.iter().map(|name| Rejected::new(name, ErrorCode::NoMemory, None));
        let rejected: Vec<Rejected> = refused.collect();
        self.subscribed_nothing(id, asked, &rejected);
    }

    fn subscribed_nothing(&mut self, id: Option<u64>, asked: &Subscribe<'_>, rejected: &[Rejected]) {
        let Subscribe { channel, interval_ms, adaptive, .. } = *asked;
        let id = id.map_or_else(String::new, |id| format!("\"id\":{id},"));
        self.answer(&format!(
            "{{\"op\":\"subscribed\",{id}\"channel\":\"{}\",\"slot\":null,\"interval_ms\":{interval_ms},\
             \"adaptive\":{adaptive},\"stale_after_ms\":{},\"quiet_after_ms\":{},\"symbols\":[]{}}}",
            channel.word(),
            self.terms.stale_after_ms,
            self.terms.quiet_after_ms,
            resume_rejected(asked) + &rejected_tail(rejected),
        ));
    }

    /// What of a pattern the session may see: at least one, or why there is none.
    fn matching(&self, channel: Channel, pattern: &str) -> Result<Vec<InstrumentId>, ErrorCode> {
        let directory = &self.engine.directory;
        let mut matching: Vec<InstrumentId> = directory.matching(pattern).collect();
        if matching.is_empty() {
            return Err(ErrorCode::UnknownSymbol);
        }
        matching.retain(|id| {
            let known = directory.instrument(*id);
            known.is_some_and(|known| self.engine.may_see(self.client.session, channel, &known.symbol))
        });
        if matching.is_empty() { Err(ErrorCode::NotEntitled) } else { Ok(matching) }
    }

    /// Takes one instrument into a subscription, or says why not. `name` is the exact name that asked for it; none
    /// when a pattern did, for which what is held already is silently fine.
    fn take(
        &self,
        asked: &Subscribe<'_>,
        instrument: InstrumentId,
        name: Option<&str>,
        ids: &mut BTreeSet<InstrumentId>,
        rejected: &mut Vec<Rejected>,
    ) {
        let Some(outbox) = self.outbox() else { return };
        let Subscribe { channel, interval_ms, .. } = *asked;
        let symbol =
            || self.engine.directory.instrument(instrument).map_or("", |known| known.symbol.as_str());
        if let Some(slot) = outbox.slot_of(channel, instrument) {
            if let Some(name) = name {
                let interval = self.interval_of(slot);
                rejected.push(Rejected::new(name, ErrorCode::AlreadySubscribed, Some(interval)));
            }
            return;
        }
        let beside = other(channel).and_then(|other| outbox.slot_of(other, instrument));
        let held = beside.and_then(|slot| self.asked_of(slot));
        let interval = held.map(|held| held.0);
        if held.is_some_and(|held| held != (interval_ms, asked.adaptive)) {
            rejected.push(Rejected::new(symbol(), ErrorCode::IntervalConflict, interval));
        } else if beside.is_some_and(|slot| self.engine.view(self.client.session, slot) != Some(&asked.view))
        {
            rejected.push(Rejected::new(symbol(), ErrorCode::ViewConflict, interval));
        } else if outbox.symbols() + ids.len() >= self.engine.symbols_max(self.client.session)
            && !ids.contains(&instrument)
        {
            rejected.push(Rejected::new(symbol(), ErrorCode::TooManySymbols, None));
        } else if !ids.insert(instrument)
            && let Some(name) = name
        {
            rejected.push(Rejected::new(name, ErrorCode::AlreadySubscribed, Some(interval_ms)));
        }
    }

    /// What of `names` the session holds in a channel, told or still to be told.
    pub(super) fn held(&self, channel: Channel, names: &Names<'_>) -> (Vec<Held>, Vec<Rejected>) {
        let (mut held, mut rejected) = (BTreeMap::new(), Vec::new());
        let Some(outbox) = self.outbox() else { return (Vec::new(), rejected) };
        for name in &names.0 {
            let before = held.len();
            if is_pattern(name) {
                for (slot, id) in all_held(outbox, channel) {
                    let known = self.engine.directory.instrument(id);
                    if known.is_some_and(|known| matches(name, &known.symbol)) {
                        held.insert(id, slot);
                    }
                }
                if held.len() == before && !self.engine.remembers(self.client.session, channel, name) {
                    rejected.push(Rejected::new(name, ErrorCode::NotSubscribed, None));
                }
                continue;
            }
            let found = self.engine.directory.find(name);
            match found.and_then(|id| Some((id, outbox.slot_of(channel, id)?))) {
                Some((id, slot)) => {
                    held.insert(id, slot);
                }
                None => {
                    let code =
                        if found.is_some() { ErrorCode::NotSubscribed } else { ErrorCode::UnknownSymbol };
                    rejected.push(Rejected::new(name, code, None));
                }
            }
        }
        (held.into_iter().map(|(id, slot)| (slot, id)).collect(), rejected)
    }

    pub(super) fn unsubscribe(&mut self, id: Option<u64>, asked: &Selection<'_>) {
        let channel = asked.channel;
        let (held, mut rejected) = self.held(channel, &asked.symbols);
        let session = self.client.session;
        for name in asked.symbols.0.iter().filter(|name| is_pattern(name)) {
            self.engine.forget(session, channel, name);
        }
        let groups = by_slot(&held);
        let mut left = groups.len();
        for (slot, ids) in &groups {
            left -= 1;
            self.engine.leave(session, channel, *slot, &bits(ids));
            let part = Unsubscribed {
                id,
                channel: channel.word(),
                slot: Some(*slot),
                ids: ids.iter().map(|id| id.0).collect(),
                rejected: if left == 0 { std::mem::take(&mut rejected) } else { Vec::new() },
                more: left > 0,
            };
            self.answer(&text("unsubscribed", &part));
        }
        if groups.is_empty() {
            let part = Unsubscribed {
                id,
                channel: channel.word(),
                slot: None,
                ids: Vec::new(),
                rejected,
                more: false,
            };
            self.answer(&text("unsubscribed", &part));
        }
    }

    pub(super) fn set_rate(&mut self, id: Option<u64>, asked: &SetRate<'_>) {
        let channel = asked.channel;
        let (mut held, mut rejected) = self.held(channel, &asked.symbols);
        let session = self.client.session;
        held.retain(|(slot, id)| {
            // What is not told yet has no place in a wire set that it could leave.
            let told = self.outbox().is_some_and(|outbox| is_told(outbox, *slot, *id));
            if !told && let Some(known) = self.engine.directory.instrument(*id) {
                rejected.push(Rejected::new(
                    &known.symbol,
                    ErrorCode::TooOften,
                    Some(self.interval_of(*slot)),
                ));
            }
            told
        });
        let mut groups = Vec::new();
        for (from, ids) in by_slot(&held) {
            match self.slot_like(from, asked) {
                Ok(to) => groups.push((from, to, ids)),
                Err(code) => {
                    let refused = ids.iter().filter_map(|id| self.engine.directory.instrument(*id));
                    rejected.extend(refused.map(|gone| Rejected::new(&gone.symbol, code, None)));
                }
            }
        }
        if groups.is_empty() {
            let part = self.rate_set(id, Vec::new(), (None, None), asked, (&[], rejected), false);
            return self.answer(&text("rate_set", &part));
        }
        let mut left = groups.len();
        for (from, to, ids) in &groups {
            left -= 1;
            let moved = bits(ids);
            let channels = self.channels_held(*from, &moved);
            self.engine.move_rate(session, *from, *to, &moved, self.now_us);
            let rejected = if left == 0 { std::mem::take(&mut rejected) } else { Vec::new() };
            let slots = (Some(*from), Some(*to));
            let part = self.rate_set(id, channels, slots, asked, (ids, rejected), left > 0);
            self.answer(&text("rate_set", &part));
        }
    }

    /// The slot at another interval that shows what this one does.
    fn slot_like(&mut self, slot: u8, asked: &SetRate<'_>) -> Result<u8, ErrorCode> {
        let session = self.client.session;
        let view = self.engine.view(session, slot).cloned().unwrap_or_default();
        self.engine.slot(session, class_of(asked.interval_ms), &view, asked.adaptive, self.now_us)
    }

    fn rate_set(
        &self,
        id: Option<u64>,
        channels: Vec<&'static str>,
        (from_slot, slot): (Option<u8>, Option<u8>),
        asked: &SetRate<'_>,
        (ids, rejected): (&[InstrumentId], Vec<Rejected>),
        more: bool,
    ) -> RateSet {
        let phase_us = slot.map_or(0, |slot| self.engine.phase_us(self.client.session, slot));
        RateSet {
            id,
            channels,
            from_slot,
            slot,
            interval_ms: slot.map_or(asked.interval_ms, |slot| self.interval_of(slot)),
            adaptive: asked.adaptive,
            phase_us: u32::try_from(phase_us).unwrap_or(0),
            ids: ids.iter().map(|id| id.0).collect(),
            rejected,
            more,
        }
    }

    /// Channels in which a slot holds any of these.
    fn channels_held(&self, slot: u8, ids: &Bits) -> Vec<&'static str> {
        let Some(slot) = self.outbox().and_then(|outbox| outbox.slots.get(usize::from(slot))) else {
            return Vec::new();
        };
        let holds = |channel: &Channel| slot.subs[channel.place()].iter().any(|id| ids.contains(id));
        slot.channels().iter().copied().filter(holds).map(Channel::word).collect()
    }
}

fn is_told<S: Socket>(outbox: &Outbox<S>, slot: u8, id: InstrumentId) -> bool {
    outbox.slots.get(usize::from(slot)).is_some_and(|slot| slot.subs.iter().any(|set| set.contains(id)))
        && !outbox.joins().any(|join| join.ids.contains(&id))
}

fn all_held<S: Socket>(outbox: &Outbox<S>, channel: Channel) -> Vec<Held> {
    let numbered = outbox.slots.iter().zip(0_u8..);
    let sets = numbered.filter_map(|(slot, number)| Some((slot.set(channel)?, number)));
    let told = sets.flat_map(|(set, number)| set.iter().map(move |id| (number, id)));
    let waiting = outbox.joins().filter(|join| join.channel == channel);
    let waiting = waiting.flat_map(|join| join.ids.iter().map(move |id| (join.slot, *id)));
    told.chain(waiting).collect()
}

pub(super) fn by_slot(held: &[Held]) -> BTreeMap<u8, Vec<InstrumentId>> {
    let mut groups: BTreeMap<u8, Vec<InstrumentId>> = BTreeMap::new();
    for (slot, id) in held {
        groups.entry(*slot).or_default().push(*id);
    }
    groups
}

pub(super) fn bits(ids: &[InstrumentId]) -> Bits {
    let mut bits = Bits::default();
    for id in ids {
        bits.insert(*id);
    }
    bits
}
