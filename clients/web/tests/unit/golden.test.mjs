// The protocol's golden files, which Rust and Python read too (wire/tests/data/README.md). Every file must be read here.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { decode } from '../../dist/sdk/compact.js';
import { decodeFixed } from '../../dist/sdk/fixed.js';
import { decodeJson, isData } from '../../dist/sdk/json.js';
import { View } from '../../dist/sdk/view.js';
import { collector, hex } from '../support/collector.mjs';
import { DATA, STATES, compactRecords, json, micros, sidesOf, values } from '../support/golden.mjs';

const { messages } = json('manifest.json');
/** Files whose reading was checked, told again by the last test. */
const read = new Set();
const bytesOf = (message) => new Uint8Array(readFileSync(new URL(message.file, DATA)));

function compact(message) {
  const bytes = bytesOf(message);
  assert.deepEqual(bytes, hex(message.hex));
  const sink = collector(message.depth && { sides: message.base.map(sidesOf), depth: message.depth });
  const head = decode(bytes, () => message.set.length, sink);
  const { time_ns: timeNs, ...expected } = message.head;
  assert.deepEqual(
    {
      kind: head.kind, slot: head.slot, counter: head.counter, gaps: (bytes[0] & 1) === 1, tick: head.tick, lag_us: head.lagUs,
      whole_tick: head.wholeTick, frame: head.wholeCounter,
    },
    expected,
  );
  assert.equal(head.flushUs, micros(timeNs));
  if (message.records === null) assert.deepEqual(sink.records, []);
  else assert.deepEqual(compactRecords(head.kind, message.set, sink.records, message.base), message.records);
}

function fixed(message) {
  const bytes = bytesOf(message);
  assert.deepEqual(bytes, hex(message.hex));
  const sink = values('fixed');
  // Socket libraries hand out parts of larger buffers, at any offset.
  const shifted = new Uint8Array(bytes.length + 3).subarray(3);
  shifted.set(bytes);
  const head = decodeFixed(shifted, () => undefined, sink);
  const { kind, slot, frame, ts_flush: flush } = message.head;
  assert.deepEqual(
    { kind: head.kind, slot: head.slot, frame: head.wholeCounter, counter: head.counter, flushUs: head.flushUs },
    { kind, slot, frame, counter: frame & 15, flushUs: micros(flush) },
  );
  // A bar tells no times.
  const times = ({ ts_event: event, ts_recv: recv }) => (event === undefined ? {} : { ts_event: micros(event), ts_recv: micros(recv) });
  const expected = message.records.map((record) => ({ ...record, ...times(record) }));
  assert.deepEqual(sink.records, expected);
}

function text(message) {
  const sink = values('json');
  const told = json(message.file);
  assert.equal(isData(told), true);
  const head = decodeJson(told, () => undefined, sink);
  const { slot, frame, tick, t_us: flushUs } = message.head;
  assert.deepEqual(
    { slot: head.slot, frame: head.wholeCounter, tick: head.wholeTick, flushUs: head.flushUs },
    { slot, frame, tick, flushUs },
  );
  assert.deepEqual(sink.records, message.records);
}

const READERS = { compact, fixed, json: text };

for (const message of messages) {
  test(`golden message ${message.name}: ${message.about}`, () => {
    const reader = READERS[message.form];
    assert.ok(reader, `no reader of the form ${message.form}`);
    reader(message);
    read.add(message.file);
  });
}

for (const message of messages.filter((entry) => entry.after !== undefined)) {
  test(`golden base and after of ${message.name}`, () => {
    const view = new View({}, () => 0);
    const { slot, counter, frame } = message.head;
    const symbols = message.set.map((id) => ({ symbol: `S${id}`, id, price_exponent: 0, qty_exponent: 0, tick_size: '1', lot_size: '1' }));
    view.subscribed({ op: 'subscribed', channel: 'quote', slot, interval_ms: 50, phase_us: 0, symbols });
    view.lastFrame((frame ?? (counter === 0 ? 16 : counter)) - 1);
    for (const base of message.base) {
      const { quote } = view.instruments.get(base.id);
      Object.assign(quote, { based: true, bid: base.bid, ask: base.ask, bidSize: base.bid_size, askSize: base.ask_size });
      quote.account.begin(base.feed_epoch, base.total, base.lost);
      view.instruments.get(base.id).state = STATES.indexOf(base.state);
    }
    assert.equal(view.message(hex(message.hex)).whole, true);
    const after = message.base.map((base) => {
      const { quote, state } = view.instruments.get(base.id);
      return {
        ask: quote.ask, ask_size: quote.askSize, bid: quote.bid, bid_size: quote.bidSize, feed_epoch: quote.account.epoch, id: base.id,
        lost: base.lost + quote.account.lost, state: STATES[state], total: quote.version,
      };
    });
    assert.deepEqual(after, message.after);
    assert.equal(view.quotes.broken, 0);
  });
}

test('every golden file is in the manifest and was read', () => {
  const files = readdirSync(DATA).filter((name) => !['README.md', 'manifest.json', 'sessions.json'].includes(name));
  assert.ok(files.length > 20);
  assert.deepEqual([...read].sort(), files.sort());
});

test('damaged fixed and json messages throw a DecodeError and nothing else', () => {
  let seed = 11;
  const random = (below) => Math.floor(((seed = (seed * 16807) % 2147483647) / 2147483647) * below);
  const calm = (act) => {
    try {
      act();
    } catch (error) {
      assert.equal(error.name, 'DecodeError', error.stack);
    }
  };
  for (const message of messages.filter(({ form }) => form === 'fixed')) {
    const good = bytesOf(message);
    for (let i = 0; i < 2_000; i++) {
      const bytes = good.slice(0, random(4) === 0 ? random(good.length + 1) : good.length);
      for (let k = random(4); k > 0 && bytes.length > 0; k--) bytes[random(Math.min(bytes.length, 40))] = random(256);
      calm(() => decodeFixed(bytes, () => undefined, values('fixed')));
    }
  }
  const wrong = [null, undefined, 'x', '1.2.3', '1e3', -1.5, 2 ** 60, [], {}, true];
  for (const message of messages.filter(({ form }) => form === 'json')) {
    for (const part of ['head', 'record']) {
      for (const name of Object.keys(part === 'head' ? json(message.file) : json(message.file).data[0])) {
        for (const value of wrong) {
          const told = json(message.file);
          (part === 'head' ? told : told.data[0])[name] = value;
          calm(() => decodeJson(told, () => undefined, values('json')));
        }
      }
    }
  }
});
