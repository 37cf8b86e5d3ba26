//! Finds which symbols stand wrong when a heartbeat's hash differs (promise P11).
//!
//! A claim that differs is followed by `hashes` of all buckets, then of the symbols in those that differ, then by a repair
//! of exactly the symbols that differ. Each answer is held against the view at the moment when it is read.

use crate::follow::number;
use crate::message::{Hashes, Message};
use crate::{Channel, Client, Request, now_us};
use std::collections::BTreeSet;
use wire::frame::view::View;
use wire::view_hash::{BUCKETS, ViewHash};

/// At most one repair a second.
const REPAIR_US: i64 = 1_000_000;

/// Most buckets that one request may name.
const NAMED_MAX: usize = 8;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    Rest,
    /// Ask `hashes`, of these buckets or of all.
    Ask(Option<Vec<u8>>),
    /// These (channel, instrument id) stand wrong.
    Wrong(BTreeSet<(u8, u32)>),
}

/// Where the search stands. Pure.
#[derive(Debug, Default)]
pub(crate) struct Search {
    asked: Option<u64>,
}

impl Search {
    /// A question went out.
    pub(crate) fn asked(&mut self, id: u64) {
        self.asked = Some(id);
    }

    /// A question was refused, or everything is being repaired.
    pub(crate) fn give_up(&mut self) {
        self.asked = None;
    }

    /// A heartbeat claims what the view should be.
    pub(crate) fn claim(&self, hash: Option<&str>, view: &View) -> Next {
        let claimed = hash.and_then(ViewHash::parse);
        match (claimed, view.hash()) {
            (Some(claimed), Some(held)) if self.asked.is_none() && claimed != held => Next::Ask(None),
            _ => Next::Rest,
        }
    }

    /// An answer to the question.
    pub(crate) fn answer(&mut self, hashes: &Hashes, view: &View) -> Next {
        if hashes.id.is_none() || hashes.id != self.asked {
            return Next::Rest;
        }
        self.asked = None;
        match (&hashes.buckets, &hashes.symbols) {
            _ if hashes.owed => Next::Rest,
            (Some(buckets), _) => {
                let mut own = [ViewHash::default(); BUCKETS as usize];
                view.each_hash(|_, id, hash| {
                    let sum = &mut own[(id % BUCKETS) as usize];
                    *sum = sum.and(hash.unwrap_or_default());
                });
                let pairs = (0_u8..).zip(own.iter().zip(buckets));
                let wrong = pairs.filter(|(_, (own, told))| own.text() != **told).map(|(bucket, _)| bucket);
                let wrong: Vec<u8> = wrong.take(NAMED_MAX).collect();
                if wrong.is_empty() { Next::Rest } else { Next::Ask(Some(wrong)) }
            }
            (None, Some(symbols)) => {
                let mut told: BTreeSet<(u8, u32, String)> = BTreeSet::new();
                told.extend(symbols.iter().map(|one| (number(&one.channel), one.id, one.hash.clone())));
                view.each_hash(|channel, id, hash| {
                    told.remove(&(channel, id, hash.unwrap_or_default().text()));
                });
                let wrong: BTreeSet<(u8, u32)> =
                    told.into_iter().map(|(channel, id, _)| (channel, id)).collect();
                if wrong.is_empty() { Next::Rest } else { Next::Wrong(wrong) }
            }
            (None, None) => Next::Rest,
        }
    }
}

impl Client {
    /// Asks for fulls of everything, at most once a second; what could not be asked is asked with a later message.
    pub(crate) fn repair(&mut self) {
        let now = now_us();
        if now - self.repaired_us < REPAIR_US {
            return;
        }
        let id = self.id();
        if self.socket.try_send(Request::Repair { id }.text()) {
            self.repaired_us = now;
            self.counts.repairs += 1;
            self.needs_repair = false;
            self.wrong.clear();
        }
    }

    /// Holds the gateway's claims against the view.
    pub(crate) fn verify(&mut self, message: &Message, gap: bool) {
        let next = match message {
            Message::Heartbeat(_) if gap || self.needs_repair || !self.wrong.is_empty() => Next::Rest,
            Message::Heartbeat(beat) => self.search.claim(beat.hash.as_deref(), &self.view),
            Message::Hashes(hashes) => self.search.answer(hashes, &self.view),
            Message::Subscribed(joined) | Message::Added(joined) => {
                let names = joined.symbols.iter().map(|symbol| (symbol.id, symbol.symbol.clone()));
                return self.names.extend(names);
            }
            Message::Error(_) => return self.search.give_up(),
            _ => return,
        };
        match next {
            Next::Rest => {}
            Next::Ask(buckets) => {
                let id = self.id();
                if self.socket.try_send(Request::Hashes { id, buckets: buckets.as_deref() }.text()) {
                    self.search.asked(id);
                }
            }
            Next::Wrong(wrong) => {
                self.counts.mismatches += wrong.len() as u64;
                self.wrong = wrong;
            }
        }
    }

    /// Asks for fulls of what stands wrong, a channel at a time.
    pub(crate) fn repair_wrong(&mut self) {
        let now = now_us();
        let Some((channel, _)) = self.wrong.first().copied() else { return };
        if now - self.repaired_us < REPAIR_US {
            return;
        }
        let id = self.id();
        let ids = self.wrong.iter().filter(|(of, _)| *of == channel);
        let symbols: Vec<&str> = ids.filter_map(|(_, id)| self.names.get(id)).map(String::as_str).collect();
        // The view knows no other channels than these.
        let named = Channel::ALL.get(usize::from(channel)).copied().unwrap_or(Channel::Quote);
        let request = Request::RepairSome { id, channel: named, symbols: &symbols };
        if self.socket.try_send(request.text()) {
            self.repaired_us = now;
            self.counts.repairs += 1;
            self.wrong.retain(|(of, _)| *of != channel);
        }
    }
}
