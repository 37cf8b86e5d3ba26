// The protocol's golden files, which Rust and Python read too (wire/tests/data/README.md).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Client } from '../../dist/sdk/client.js';
import { decode } from '../../dist/sdk/compact.js';
import { View } from '../../dist/sdk/view.js';
import { collector, hex } from '../support/collector.mjs';

const DATA = new URL('../../../../wire/tests/data/', import.meta.url);
const json = (name) => JSON.parse(readFileSync(new URL(name, DATA), 'utf8'));
const STATES = ['live', 'quiet', 'stale', 'halted'];
const STATE_OF = (word) => STATES.indexOf(word);

function headOf(head, bytes) {
  return {
    kind: head.kind, slot: head.slot, counter: head.counter, gaps: (bytes[0] & 1) === 1, tick: head.tick, lag_us: head.lagUs,
    whole_tick: head.wholeTick, frame: head.wholeCounter,
  };
}

const side = (sell) => (sell ? 'sell' : 'buy');

/** Records as the manifest writes them; prints are made absolute from their base. */
function recordsOf(kind, set, raw, bases) {
  const records = [];
  for (const item of raw) {
    const id = set[item.rank];
    if (kind === 0) {
      const { events, bid, ask, bidSize, askSize, state } = item;
      records.push({ id, events, bid, ask, bid_size: bidSize, ask_size: askSize, state: state < 0 ? null : STATES[state] });
    } else if (kind === 1) {
      const { feedEpoch, state, total, lost, bid, ask, bidSize, askSize } = item;
      records.push({ id, feed_epoch: feedEpoch, state: STATES[state], total, lost, bid, ask, bid_size: bidSize, ask_size: askSize });
    } else if (kind === 2) {
      let record = records.at(-1);
      if (record?.id !== id) records.push((record = { id, prints: [], state: null }));
      if (item.printState !== undefined) record.state = STATES[item.printState];
      else {
        const last = record.prints.at(-1) ?? bases?.find((base) => base.id === id);
        const qty = item.qty < 0 ? last.qty : item.qty;
        record.prints.push({ price: last.price + item.priceDelta, qty, trade_id: last.trade_id + 1 + item.idGap, side: side(item.sell) });
      }
    } else {
      const { totals, listed, range, partial } = item;
      const notional = ((BigInt(totals.notionalHigh) << 48n) | BigInt(totals.notionalLow)).toString();
      records.push({
        id, feed_epoch: totals.feedEpoch, state: STATES[totals.state], total: totals.tc, lost: totals.lost, volume: totals.volume,
        buy_volume: totals.buyVolume, notional, price: totals.lastPrice, qty: totals.lastQty, trade_id: totals.lastId,
        listed: listed.map((print) => ({ price: print.price, qty: print.qty, trade_id: print.id, side: side(print.sell) })), range, partial,
      });
    }
  }
  return records;
}

for (const message of json('manifest.json').messages.filter((entry) => entry.form === 'compact')) {
  test(`golden message ${message.name}: ${message.about}`, () => {
    const bytes = new Uint8Array(readFileSync(new URL(message.file, DATA)));
    assert.deepEqual(bytes, hex(message.hex));
    const sink = collector();
    const head = decode(bytes, () => message.set.length, sink);
    const { time_ns: timeNs, ...expected } = message.head;
    assert.deepEqual(headOf(head, bytes), expected);
    assert.equal(head.flushUs, timeNs === null ? null : Number(BigInt(timeNs) / 1000n));
    if (message.records === null) return assert.deepEqual(sink.records, []);
    assert.deepEqual(recordsOf(head.kind, message.set, sink.records, message.base), message.records);
  });
}

for (const message of json('manifest.json').messages.filter((entry) => entry.after !== undefined && entry.form === 'compact')) {
  test(`golden base and after of ${message.name}`, () => {
    const view = new View({}, () => 0);
    const { slot, counter } = message.head;
    const symbols = message.set.map((id) => ({ symbol: `S${id}`, id, price_exponent: 0, qty_exponent: 0, tick_size: '1', lot_size: '1' }));
    view.subscribed({ op: 'subscribed', channel: 'quote', slot, interval_ms: 50, phase_us: 0, symbols });
    for (const base of message.base) {
      const { quote } = view.instruments.get(base.id);
      Object.assign(quote, { based: true, feedEpoch: base.feed_epoch, version: base.total, lost: base.lost });
      Object.assign(quote, { bid: base.bid, ask: base.ask, bidSize: base.bid_size, askSize: base.ask_size });
      quote.begin(base.total);
      view.instruments.get(base.id).state = STATE_OF(base.state);
    }
    view.lastFrame(counter === 0 ? 15 : counter - 1);
    for (const base of message.base) view.instruments.get(base.id).quote.based = true;
    assert.equal(view.message(hex(message.hex)).whole, true);
    const after = message.base.map(({ id }) => {
      const { quote, state } = view.instruments.get(id);
      return {
        ask: quote.ask, ask_size: quote.askSize, bid: quote.bid, bid_size: quote.bidSize, feed_epoch: quote.feedEpoch, id,
        lost: quote.lost, state: STATES[state], total: quote.version,
      };
    });
    assert.deepEqual(after, message.after);
    assert.equal(view.quotes.broken, 0);
  });
}

test('the golden session ends with the accounts and quotes that it must', () => {
  const session = json('sessions.json').sessions.find((entry) => entry.form === 'compact');
  const sent = [];
  let now = 0;
  let socket;
  const client = new Client({
    url: 'ws://x/ws', now: () => now,
    socket: () => (socket = { readyState: 1, send: (text) => sent.push(JSON.parse(text)), close() {} }),
  });
  client.start();
  const repairs = [];
  session.steps.forEach((step, i) => {
    now += 2_000; // each repair may be asked for
    if (i === session.steps.length - 1) {
      const shown = session.quotes_before_last_step.map(({ id }) => {
        const { quote, state } = client.view.instruments.get(id);
        return {
          ask: quote.ask, ask_size: quote.askSize, bid: quote.bid, bid_size: quote.bidSize, id, state: STATES[state], total: quote.version,
        };
      });
      assert.deepEqual(shown, session.quotes_before_last_step);
    }
    const before = sent.filter((message) => message.op === 'repair').length;
    socket.onmessage({ data: step.text ? JSON.stringify(step.text) : hex(step.hex).buffer });
    if (sent.filter((message) => message.op === 'repair').length > before) repairs.push(i);
  });
  assert.deepEqual(repairs, session.repair_after_steps);
  for (const [name, mine] of [['quote', client.view.quotes], ['trade', client.view.trades]]) {
    const wanted = session.accounts[name];
    assert.deepEqual(
      { delivered: mine.delivered, merged: mine.merged, declared_lost: mine.lost, broken: mine.broken },
      { delivered: wanted.delivered, merged: wanted.merged, declared_lost: wanted.declared_lost, broken: wanted.broken },
      name,
    );
    assert.equal(mine.delivered + mine.merged + mine.lost, wanted.published);
  }
  client.close();
});
