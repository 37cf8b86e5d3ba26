//! Elements of bars and trading status.

use super::{decimal, field, price, state, text, times};
use crate::frame::{Bar, State, StatusImage};
use crate::instrument::Instrument;
use crate::tick::Status;

/// Appends bars of one symbol, oldest first.
pub fn bars(out: &mut Vec<u8>, id: u32, feed_epoch: u64, now: State, bars: &[Bar], instrument: &Instrument) {
    field(out, "{\"id\":", id.into());
    field(out, ",\"epoch\":", feed_epoch.into());
    state(out, now);
    text(out, ",\"bars\":[");
    for (at, one) in bars.iter().enumerate() {
        text(out, if at == 0 { "" } else { "," });
        bar(out, one, instrument);
    }
    text(out, "]}");
}

fn bar(out: &mut Vec<u8>, bar: &Bar, instrument: &Instrument) {
    field(out, "{\"start\":", bar.start_us.into());
    let prices = [
        (",\"open\":", bar.open),
        (",\"high\":", bar.high),
        (",\"low\":", bar.low),
        (",\"close\":", bar.close),
    ];
    for (name, mantissa) in prices {
        price(out, name, (bar.count > 0).then_some(mantissa), instrument.price_exponent);
    }
    price(out, ",\"volume\":", Some(bar.volume), instrument.qty_exponent);
    price(out, ",\"buy_volume\":", Some(bar.buy_volume), instrument.qty_exponent);
    text(out, ",\"notional\":\"");
    decimal(out, bar.notional, instrument.price_exponent + instrument.qty_exponent);
    field(out, "\",\"count\":", bar.count.into());
    field(out, ",\"total\":", bar.tc.into());
    text(out, if bar.closed { ",\"closed\":true" } else { ",\"closed\":false" });
    text(out, if bar.partial { ",\"partial\":true}" } else { ",\"partial\":false}" });
}

/// Appends a status.
pub fn status(out: &mut Vec<u8>, id: u32, now: &StatusImage) {
    field(out, "{\"id\":", id.into());
    field(out, ",\"epoch\":", now.feed_epoch.into());
    text(
        out,
        match now.status {
            Status::Open => ",\"status\":\"open\"",
            Status::Halted => ",\"status\":\"halted\"",
            Status::Closed => ",\"status\":\"closed\"",
            Status::SourceStale => ",\"status\":\"source_stale\"",
        },
    );
    state(out, now.state);
    times(out, now.ts_event, now.ts_recv);
    text(out, "}");
}
