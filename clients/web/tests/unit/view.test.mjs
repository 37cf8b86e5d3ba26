import assert from 'node:assert/strict';
import { test } from 'node:test';
import { View } from '../../dist/sdk/view.js';
import { hex } from '../support/collector.mjs';

const info = (id) => ({ symbol: `S${id}.T`, id, price_exponent: -2, qty_exponent: -3, tick_size: '0.01', lot_size: '0.001' });

function subscribed(ids, channel = 'quote') {
  const prints = [];
  const merged = [];
  const view = new View({ print: (_i, print) => prints.push(print), merged: (_i, row) => merged.push(row) }, () => 0);
  view.subscribed({ op: 'subscribed', channel, slot: 0, interval_ms: 50, phase_us: 0, symbols: ids.map(info) });
  return { view, prints, merged };
}

// epoch 1, live, total, lost 0, bid 100 = zigzag c8 01, spread 2 = 04, sizes 5 and 6
const full = (counter, total, lost = '00') => hex(`${counter}a 01 00 00 01 00 ${total} ${lost} c8 01 04 05 06`);

test('a full is the base of deltas and the account adds up', () => {
  const { view } = subscribed([7]);
  assert.equal(view.message(full('1', '0a')).whole, true);
  const { quote } = view.instruments.get(7);
  assert.deepEqual([quote.bid, quote.ask, quote.bidSize, quote.askSize], [100, 102, 5, 6]);
  // three events: bid +1, ask +2
  assert.equal(view.message(hex('22 01 00 41 58')).whole, true);
  assert.deepEqual([quote.bid, quote.ask, quote.version], [101, 104, 13]);
  // a full that covers 7 events of which 2 were lost
  view.message(full('3', '14', '02'));
  assert.deepEqual(view.quotes, { published: 20 - 10, delivered: 2, merged: 6, lost: 2, periods: 1, broken: 0 });
});

test('a lost frame voids deltas until a full', () => {
  const { view } = subscribed([7]);
  view.message(full('1', '0a'));
  assert.equal(view.message(hex('32 01 00 41 58')).whole, false);
  const { quote } = view.instruments.get(7);
  assert.deepEqual([quote.bid, quote.based, view.gaps], [100, false, 1]);
  assert.equal(view.message(full('4', '14')).whole, true);
  assert.deepEqual([quote.bid, quote.based], [100, true]);
  assert.equal(view.lastFrame(4), true);
  assert.equal(view.lastFrame(5), false);
});

test('ranks follow the ids of the wire set as it grows and shrinks', () => {
  const { view } = subscribed([9, 3]);
  const message = { op: 'subscribed', channel: 'quote', slot: 0, interval_ms: 50, phase_us: 0, symbols: [info(5)] };
  view.subscribed(message);
  // bitmap 0b110: ranks 1 and 2 = ids 5 and 9, fulls
  view.message(hex('1a 01 00 00 06 01 00 0a 00 c8 01 04 05 06 01 00 0b 00 ca 01 04 05 06'));
  assert.equal(view.instruments.get(5).quote.bid, 100);
  assert.equal(view.instruments.get(9).quote.bid, 101);
  view.unsubscribed({ op: 'unsubscribed', channel: 'quote', slot: 0, ids: [5], rejected: [] });
  assert.equal(view.instruments.has(5), false);
  view.message(hex('22 00 00 02 41 58'));
  assert.equal(view.instruments.get(9).quote.bid, 102);
});

test('prints are counted one by one, and what was missed becomes one merged row', () => {
  const { view, prints, merged } = subscribed([1], 'trade');
  // epoch 1, live, tc 3, lost 0, volume 10, buy 5, notional 0 and 9, last price 100, qty 4, id 3, none listed, no trailer
  view.message(hex('1a 07 00 00 01 00 03 00 0a 05 00 09 c8 01 04 03 00 00'));
  // one print: +1, qty 6
  view.message(hex('2a 02 00 00 14 02 06'));
  assert.deepEqual(prints, [{ price: 101, qty: 6, id: 4, sell: false }]);
  // tc 9, volume 30, one listed print, range 100..105
  view.message(hex('3a 07 00 00 01 00 09 00 1e 05 00 09 d2 01 02 08 01 14 02 03 01 09 00 05'));
  assert.equal(prints.length, 2);
  assert.equal(prints[1].id, 9);
  assert.deepEqual(merged, [{ count: 4, volume: 14 - 3, range: { first: 100, high: 105, low: 95 } }]);
  assert.deepEqual(view.trades, { published: 6, delivered: 2, merged: 4, lost: 0, periods: 1, broken: 0 });
});
