import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../../dist/sdk/compact.js';
import { Reader } from '../../dist/sdk/reader.js';
import { collector, hex } from '../support/collector.mjs';

function decoded(text, size) {
  const sink = collector();
  const head = decode(hex(text), () => size, sink);
  return { head, records: sink.records };
}

test('the worked message of three records is read', () => {
  const { head, records } = decoded('52 34 44 29 02 c7 f9 0f a3 80 32 02 41 58', 6);
  assert.equal(head.counter, 5);
  assert.equal(head.tick, 0x34);
  assert.ok(Math.abs(head.lagUs - 310) <= 310 * 0.06);
  assert.deepEqual(records, [
    { rank: 0, events: 1, state: -1, bid: 0, ask: 0, bidSize: -100, askSize: 0 },
    { rank: 3, events: 23, state: -1, bid: 19, ask: 19, bidSize: 0, askSize: 72000 },
    { rank: 5, events: 3, state: -1, bid: 1, ask: 2, bidSize: 0, askSize: 0 },
  ]);
});

test('gaps name far symbols', () => {
  const { records } = decoded('63 35 44 00 02 c7 95 01 f9 0f a3 80 32 02', 200);
  assert.deepEqual(
    records.map((record) => record.rank),
    [0, 150],
  );
});

test('events without a change, and a state without an event', () => {
  assert.deepEqual(decoded('12 00 00 e0 01 00', 1).records[0].events, 9);
  const stale = decoded('12 00 00 00 02 21 02', 1).records[0];
  assert.deepEqual([stale.events, stale.state], [0, 2]);
});

test('a full with its epoch is read', () => {
  const { records } = decoded('1a 01 00 00 80 88 a4 fa 92 32 00 dc 0b 00 d4 d0 e8 05 02 bc 95 03 ac 02', 1);
  assert.deepEqual(records[0], {
    rank: 0,
    feedEpoch: 1723075200000,
    state: 0,
    total: 1500,
    lost: 0,
    bid: 6100010,
    ask: 6100011,
    bidSize: 51900,
    askSize: 300,
  });
});

test('a state stands in place of prints', () => {
  assert.deepEqual(decoded('1a 02 00 00 80 02 03 02', 1).records, [{ rank: 0, printState: 2 }]);
});

test('numbers are exact up to 2^53 and refused beyond', () => {
  const most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
  assert.equal(new Reader(new Uint8Array(most)).varint(), Number.MAX_SAFE_INTEGER);
  assert.throws(() => new Reader(hex('ff ff ff ff ff ff ff ff 7f')).varint(), /2\^53/);
  // zigzag of -(2^53 - 1) = 2^54 - 3
  const bytes = [];
  for (let rest = (1n << 54n) - 3n; ; rest >>= 7n) {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    if (rest <= 127n) break;
  }
  assert.equal(new Reader(new Uint8Array(bytes)).signed(), -Number.MAX_SAFE_INTEGER);
});

test('damaged messages throw a DecodeError and nothing else, and unknown kinds are skipped', () => {
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const good = hex('52 34 44 29 02 c7 f9 0f a3 80 32 02 41 58');
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from(good.slice(0, 1 + Math.floor(random() * good.length)));
    for (let k = 0; k < 3; k++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    try {
      decode(bytes, () => 1 + Math.floor(random() * 20), collector());
    } catch (error) {
      assert.equal(error.name, 'DecodeError');
    }
  }
  assert.equal(decoded('1a 0b 00 00 ff ff', 1).head.kind, 11);
});
