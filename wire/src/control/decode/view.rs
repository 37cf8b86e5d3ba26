//! What a subscription shows: `fields`, `filter`, `depth`, `period`.

use super::{Field, Message, bad, fault, shown, width};
use crate::control::Fault;
use crate::control::filter::{
    Comparison, FILTER_ALTERNATIVES_MAX, FILTER_COMPARISONS_MAX, Filter, FilterField, Test,
};
use crate::control::request::{Channel, DEPTHS, Fields, Period, View};
use crate::error::ErrorCode;
use simd_json::Node;

/// Depth of a book that none is asked of.
const DEPTH_DEFAULT: u8 = 10;

fn bad_filter(place: &str, why: &str) -> Fault {
    fault(ErrorCode::BadFilter, format!("{place}: {why}"))
}

impl Message<'_, '_> {
    /// What a subscription of this channel shows; a field that says nothing about it is refused.
    pub(super) fn view(&self, channel: Channel) -> Result<View, Fault> {
        let allowed: &[Field] = match channel {
            Channel::Quote => &[Field::Fields, Field::Filter],
            Channel::Trade => &[Field::Fields],
            Channel::Book => &[Field::Depth],
            Channel::Bar => &[Field::Period],
            Channel::Status => &[],
        };
        for field in [Field::Fields, Field::Filter, Field::Depth, Field::Period] {
            if self.has(field) && !allowed.contains(&field) {
                return Err(bad(Field::NAMES[field as usize], "no field of this channel"));
            }
        }
        Ok(match channel {
            Channel::Quote | Channel::Trade => {
                View::Market { fields: self.fields()?, filter: self.filter()? }
            }
            Channel::Book => View::Book { depth: self.depth()? },
            Channel::Bar => View::Bar { period: self.period()? },
            Channel::Status => View::Status,
        })
    }

    fn fields(&self) -> Result<Fields, Fault> {
        if !self.has(Field::Fields) {
            return Ok(Fields::default());
        }
        Fields::from_word(self.text(Field::Fields)?).ok_or_else(|| bad("fields", "all, price or coarse"))
    }

    fn period(&self) -> Result<Period, Fault> {
        if !self.has(Field::Period) {
            return Ok(Period::default());
        }
        Period::from_word(self.text(Field::Period)?).ok_or_else(|| bad("period", "1s or 1m"))
    }

    fn depth(&self) -> Result<u8, Fault> {
        let asked = self.whole(Field::Depth, 1, u64::from(u8::MAX))?;
        let depth = asked.map_or(Ok(DEPTH_DEFAULT), |depth| u8::try_from(depth).map_err(|_| ()));
        match depth {
            Ok(depth) if DEPTHS.contains(&depth) => Ok(depth),
            _ => Err(bad("depth", "5, 10 or 20")),
        }
    }

    /// `[[["bid",">","61000"],["spread","<=","0.02"]],[["ask","<","60000"]]]`: the first two, or the third.
    fn filter(&self) -> Result<Option<Filter>, Fault> {
        let Some(node) = self.node(Field::Filter) else { return Ok(None) };
        let what = "a list of 1 to 4 lists of comparisons, of which one must hold whole";
        let Node::Array { len, .. } = node else { return Err(bad_filter("filter", what)) };
        if !(1..=FILTER_ALTERNATIVES_MAX).contains(len) {
            return Err(bad_filter("filter", what));
        }
        let mut at = self.at[Field::Filter as usize] as usize + 1;
        let mut alternatives = Vec::with_capacity(*len);
        let mut left = FILTER_COMPARISONS_MAX;
        for alternative in 0..*len {
            let place = format!("filter[{alternative}]");
            let Some(Node::Array { len, .. }) = self.nodes.get(at) else {
                return Err(bad_filter(&place, "a list of comparisons"));
            };
            if *len == 0 || *len > left {
                return Err(bad_filter(&place, "1 to 8 comparisons over all"));
            }
            left -= *len;
            at += 1;
            let mut all = Vec::with_capacity(*len);
            for nth in 0..*len {
                all.push(self.comparison(at, &format!("{place}[{nth}]"))?);
                at += self.nodes.get(at).map_or(1, width);
            }
            alternatives.push(all);
        }
        Ok(Some(Filter(alternatives)))
    }

    fn comparison(&self, at: usize, place: &str) -> Result<Comparison, Fault> {
        let what = "a field, a comparison and a decimal number as texts, like [\"bid\",\">\",\"61000.10\"]";
        let nodes = self.nodes.get(at..).unwrap_or_default();
        let [Node::Array { len: 3, .. }, Node::String(field), Node::String(sign), Node::String(value), ..] =
            nodes
        else {
            return Err(bad_filter(place, what));
        };
        let field = FilterField::from_word(field).ok_or_else(|| {
            bad_filter(
                place,
                &format!("no such field: {}; bid, ask, bid_size, ask_size or spread", shown(field)),
            )
        })?;
        let test = Test::from_sign(sign).ok_or_else(|| {
            bad_filter(place, &format!("no such comparison: {}; <, <=, >, >=, = or !=", shown(sign)))
        })?;
        let value = value.parse().map_err(|error| bad_filter(place, &format!("{error}")))?;
        Ok(Comparison { field, test, value })
    }
}
