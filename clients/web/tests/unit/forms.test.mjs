// What the golden sessions do not hold: epochs, listed prints, contradictions and continuity in the forms of values.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger, addsUp } from '../../dist/sdk/ledger.js';
import { View } from '../../dist/sdk/view.js';
import { hex } from '../support/collector.mjs';
import { fixedMessage } from '../support/fixed.mjs';

const info = (id) => ({ symbol: `S${id}.T`, id, price_exponent: -2, qty_exponent: -3, tick_size: '0.01', lot_size: '0.001' });

function viewed(form, channel, ids = [7]) {
  const told = { prints: [], merged: [] };
  const events = { print: (_i, print) => told.prints.push(print), merged: (_i, row) => told.merged.push(row) };
  const view = new View(events, () => 0, form);
  view.subscribed({ op: 'subscribed', channel, slot: 0, interval_ms: 50, phase_us: 0, symbols: ids.map(info) });
  return { view, ...told };
}

test('another epoch voids the base until the symbol comes in full', () => {
  const { view } = viewed('fixed', 'quote');
  const { quote } = view.instruments.get(7);
  view.message(fixedMessage(1, 0, [{ id: 7 }]));
  assert.equal(quote.based, false, 'nothing counts before the first full');
  view.message(fixedMessage(2, 1, [{ id: 7, events: 10 }]));
  view.message(fixedMessage(3, 0, [{ id: 7, events: 3, bid: 200 }]));
  assert.deepEqual([quote.bid, quote.version], [200, 13]);
  view.message(fixedMessage(4, 0, [{ id: 7, events: 5, bid: 300, epoch: 2 }]));
  assert.deepEqual([quote.bid, quote.version], [200, 13]);
  view.message(fixedMessage(5, 1, [{ id: 7, events: 2, bid: 400, epoch: 2 }]));
  view.message(fixedMessage(6, 0, [{ id: 7, events: 1, bid: 401, epoch: 2 }]));
  assert.deepEqual([quote.bid, quote.version], [401, 3]);
  assert.deepEqual(view.quotes, { published: 4, delivered: 2, merged: 2, lost: 0, periods: 2, broken: 0 });
  assert.equal(view.gaps, 0);
});

test('an absent side keeps its price, and an unknown state is shown as stale', () => {
  const { view } = viewed('fixed', 'quote');
  const instrument = view.instruments.get(7);
  view.message(fixedMessage(1, 1, [{ id: 7, events: 1, bid: 100 }]));
  view.message(fixedMessage(2, 0, [{ id: 7, bid: -(2n ** 63n), bidSize: 0, state: 9 }]));
  assert.deepEqual([instrument.quote.bid, instrument.quote.bidSize, instrument.state], [100, 0, 2]);
});

test('prints of another epoch and prints from before the period are not counted', () => {
  const { view, prints } = viewed('fixed', 'trade');
  view.message(fixedMessage(1, 7, [{ id: 7, tc: 3, volume: 9 }]));
  view.message(fixedMessage(2, 2, [{ id: 7 }], { listed: true }));
  view.message(fixedMessage(3, 2, [{ id: 7, epoch: 2 }]));
  assert.deepEqual([prints.length, view.trades.published], [0, 0]);
  view.message(fixedMessage(4, 2, [{ id: 7, aggressor: 0 }, { id: 7, aggressor: 1 }, { id: 7, aggressor: 2 }]));
  assert.deepEqual(prints.map(({ sell, eventUs }) => [sell, eventUs]), [null, false, true].map((sell) => [sell, 1_723_075_200_123_456]));
  assert.equal(view.instruments.get(7).trade.buyVolume, 1);
  assert.deepEqual(view.trades, { published: 3, delivered: 3, merged: 0, lost: 0, periods: 1, broken: 0 });
});

test('listed prints are taken from the merged ones, and no more than those', () => {
  const { view, prints, merged } = viewed('fixed', 'trade');
  view.message(fixedMessage(1, 7, [{ id: 7, tc: 3, volume: 9 }]));
  view.message(fixedMessage(2, 7, [{ id: 7, tc: 6, lost: 1, volume: 15, range: [100, 105, 99] }]));
  assert.deepEqual(merged, [{ count: 2, volume: 6, range: { first: 100, high: 105, low: 99 } }]);
  view.message(fixedMessage(3, 2, [{ id: 7 }, { id: 7 }, { id: 7 }], { listed: true }));
  assert.equal(prints.length, 2);
  assert.deepEqual(view.trades, { published: 3, delivered: 2, merged: 0, lost: 1, periods: 1, broken: 0 });
});

test('sums that differ although nothing was missed are a fault', () => {
  const { view } = viewed('fixed', 'trade');
  view.message(fixedMessage(1, 7, [{ id: 7, tc: 3, volume: 9 }]));
  view.message(fixedMessage(2, 2, [{ id: 7, qty: 4 }]));
  view.message(fixedMessage(3, 7, [{ id: 7, tc: 4, volume: 13 }]));
  assert.ok(addsUp(view.trades));
  view.message(fixedMessage(4, 7, [{ id: 7, tc: 4, volume: 14 }]));
  assert.equal(view.trades.broken, 1);
});

test('after a lost frame the range of what was missed is not believed', () => {
  const { view, merged } = viewed('fixed', 'trade');
  view.message(fixedMessage(1, 7, [{ id: 7, tc: 3 }]));
  assert.equal(view.message(fixedMessage(3, 7, [{ id: 7, tc: 6, volume: 6, range: [1, 2, 1] }])).whole, false);
  assert.deepEqual(merged, [{ count: 3, volume: 6, range: null }]);
});

test('a record of a symbol that is not held is damage, and its message is one', () => {
  const { view } = viewed('fixed', 'quote');
  view.message(fixedMessage(1, 1, [{ id: 7, events: 1 }]));
  assert.equal(view.message(fixedMessage(2, 0, [{ id: 8 }])).whole, false);
  assert.equal(view.message(fixedMessage(3, 7, [{ id: 7, tc: 1 }])).whole, false);
  assert.deepEqual([view.decodeErrors, view.instruments.get(7).quote.based], [2, false]);
});

test('kinds of a newer gateway are counted as frames and else skipped', () => {
  const { view } = viewed('fixed', 'quote');
  const newer = fixedMessage(1, 1, [{ id: 7 }]);
  newer[2] = 11;
  assert.equal(view.message(newer).whole, true);
  assert.equal(view.message(fixedMessage(2, 1, [{ id: 7 }])).whole, true);
});

test('the frame counter wraps, and a whole counter shows what four bits hide', () => {
  const { view } = viewed('fixed', 'quote');
  view.lastFrame(0xffff_ffff);
  assert.equal(view.message(fixedMessage(0, 1, [{ id: 7 }])).whole, true);
  assert.equal(view.lastFrame(0), true);

  const compact = viewed('compact', 'quote').view;
  // kind 1 with a long head: tick 0, frame 1; then frame 18 with the low bits of 2
  const full = (first, frame) => hex(`${first} 01 00 0b 01 00 00 00 00 00 00 ${frame} 00 00 00 01 00 0a 00 c8 01 04 05 06`);
  assert.equal(compact.message(full('1e', '01')).whole, true);
  assert.equal(compact.message(full('2e', '12')).whole, false);
  assert.equal(compact.lastFrame(18), true);
});

test('json quotes carry totals, so that even one after a lost frame is counted', () => {
  const { view } = viewed('json', 'quote');
  const quotes = (frame, total, rest = {}) => ({
    op: 'quotes', frame, slot: 0, tick: 1, t_us: 1,
    data: [{ id: 7, epoch: 5, total, events: 1, lost: 0, bid: '1.00', ask: null, bid_size: '0.001', ask_size: '0.000', state: 'live', ts_event: 1, ts_recv: 1, ...rest }],
  });
  view.message(quotes(1, 10));
  assert.equal(view.message(quotes(3, 14, { lost: 1 })).whole, false);
  assert.deepEqual(view.quotes, { published: 4, delivered: 1, merged: 2, lost: 1, periods: 1, broken: 0 });
  assert.equal(view.message(quotes(4, 15, { state: 'frozen' })).whole, true);
  assert.deepEqual([view.instruments.get(7).state, view.instruments.get(7).quote.bid], [2, 100]);
});

test('a ledger of totals mod 2^32 counts on over many turns', () => {
  const ledger = new Ledger();
  const step = 1_500_000_000;
  ledger.take(1, 0, 0, 2 ** 32, -1);
  for (let n = 1; n <= 12; n++) ledger.take(1, (n * step) % 2 ** 32, 0, 2 ** 32, -1);
  assert.equal(ledger.published, 12 * step);
  assert.ok(addsUp(ledger));
  ledger.take(1, (11 * step) % 2 ** 32, 0, 2 ** 32, -1);
  assert.equal(ledger.broken, 1);
  ledger.take(1, ((11 * step) % 2 ** 32) + 2, 3, 2 ** 32, -1);
  assert.equal(ledger.broken, 2, 'more lost than published');
});
