//! The gateway's own numbering of instruments, and the way from a shard's indices to it. Pure.

use std::collections::HashMap;
use wire::control::reply::Symbol;
use wire::instrument::{Definitions, Instrument, InstrumentId, matches};

/// All instruments that this gateway has ever heard of. Ids only grow and are never given again.
#[derive(Debug, Default)]
pub struct Directory {
    instruments: Vec<Instrument>,
    shards: Vec<u16>,
    by_symbol: HashMap<String, InstrumentId>,
}

impl Directory {
    /// Number of instruments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.instruments.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.instruments.is_empty()
    }

    /// One instrument.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id.index())
    }

    /// The shard of an instrument.
    #[must_use]
    pub fn shard(&self, id: InstrumentId) -> Option<u16> {
        self.shards.get(id.index()).copied()
    }

    /// By its exact symbol.
    #[must_use]
    pub fn find(&self, symbol: &str) -> Option<InstrumentId> {
        self.by_symbol.get(symbol).copied()
    }

    /// All that match a pattern with `*`, by rising id.
    pub fn matching<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = InstrumentId> + 'a {
        self.iter().filter(move |(_, instrument)| matches(pattern, &instrument.symbol)).map(|(id, _)| id)
    }

    /// All instruments by id.
    pub fn iter(&self) -> impl Iterator<Item = (InstrumentId, &Instrument)> {
        (0_u32..).map(InstrumentId).zip(&self.instruments)
    }

    /// Takes a shard's definitions; the answer is the id of each index. A known symbol keeps its id and takes over
    /// what the new definition says.
    pub fn define(&mut self, definitions: Definitions) -> Vec<InstrumentId> {
        let shard = definitions.shard;
        definitions.instruments.into_iter().map(|instrument| self.define_one(shard, instrument)).collect()
    }

    fn define_one(&mut self, shard: u16, instrument: Instrument) -> InstrumentId {
        if let Some(id) = self.find(&instrument.symbol) {
            self.instruments[id.index()] = instrument;
            self.shards[id.index()] = shard;
            return id;
        }
        let id = InstrumentId(u32::try_from(self.instruments.len()).unwrap_or(u32::MAX));
        self.by_symbol.insert(instrument.symbol.clone(), id);
        self.instruments.push(instrument);
        self.shards.push(shard);
        id
    }
}

impl Directory {
    /// Appends what a client needs to know of an instrument, as a JSON object.
    pub fn describe(&self, id: InstrumentId, out: &mut Vec<u8>) {
        if let (Some(instrument), Some(shard)) = (self.instrument(id), self.shard(id)) {
            // Writing plain fields into memory cannot fail.
            let _written = serde_json::to_writer(out, &Symbol::new(id.0, shard, instrument));
        }
    }
}
