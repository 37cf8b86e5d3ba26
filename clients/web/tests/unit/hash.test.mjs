// The view's hash (P11): the vectors of docs/protocol.md, volumes beyond 2^53, and how damage is found and repaired.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../../dist/sdk/client.js';
import { ViewHash, hashOf } from '../../dist/sdk/hash.js';
import { View } from '../../dist/sdk/view.js';
import { hex } from '../support/collector.mjs';
import { fixedMessage } from '../support/fixed.mjs';
import { json } from '../support/golden.mjs';

const info = (id) => ({ symbol: `S${id}.T`, id, price_exponent: -2, qty_exponent: -3, tick_size: '0.01', lot_size: '0.001' });
const subscribed = (channel, ids) => ({ op: 'subscribed', channel, slot: 0, interval_ms: 50, phase_us: 0, rejected: [], symbols: ids.map(info) });

function viewOf(form, channel, ids) {
  const view = new View({}, () => 0, form);
  view.subscribed(subscribed(channel, ids));
  return view;
}

test('the vectors of the protocol', () => {
  const view = viewOf('fixed', 'quote', [7]);
  view.subscribed(subscribed('trade', [7]));
  assert.equal(view.hash(), null, 'nothing has come');
  view.message(fixedMessage(1, 1, [{ id: 7, events: 1000, bid: 6_100_010, ask: 6_100_020, bidSize: 150_000, askSize: 1 }]));
  assert.equal(view.hash(), null, 'no totals have come');
  view.message(fixedMessage(2, 7, [{ id: 7, tc: 11, volume: -5n - 2n ** 40n }]));
  view.message(fixedMessage(3, 2, [{ id: 7, price: -1, qty: 2n ** 40n }]));
  const one = view.instruments.get(7);
  assert.equal(hashOf(one, 'quote').text, '9efeb623ee07c1d6');
  assert.equal(hashOf(one, 'trade').text, 'dea85d33a608631d');
  assert.equal(view.hash(), '7da71356941024f3');
});

test('the price of an absent side does not count, where sizes tell that it is absent', () => {
  const hashes = [100, 200].flatMap((bid) => {
    const view = viewOf('fixed', 'quote', [7]);
    view.message(fixedMessage(1, 1, [{ id: 7, bid, bidSize: 0 }]));
    const { info: told } = view.instruments.get(7);
    return [view.hash(), ((told.has_size = false), view.hash())];
  });
  assert.equal(hashes[0], hashes[2]);
  assert.notEqual(hashes[1], hashes[3]);
});

test('numbers of both signs and any size are two words of a two’s complement', () => {
  for (const number of [0, 1, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 32, -(2 ** 32), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    const words = BigInt.asUintN(64, BigInt(number));
    const wanted = new ViewHash(1, 2).word(Number(words & 0xffffffffn)).word(Number(words >> 32n));
    assert.equal(new ViewHash(1, 2).number(number).text, wanted.text, String(number));
  }
});

/** LEB128 of a bigint. */
function varint(value) {
  const bytes = [];
  for (; value >= 128n; value >>= 7n) bytes.push(Number(value & 127n) | 128);
  return [...bytes, Number(value)];
}

const totals = {
  // epoch 1, live, tc, lost 0, volume, buy volume, notional 0 and 0, last 100 × 4, id 3, none listed, no trailer
  compact: (frame, tc, volume) =>
    Uint8Array.from([(frame << 4) | 10, 7, 0, 0, 1, 0, tc, 0, ...varint(volume), ...varint(volume), 0, 0, 0xc8, 1, 4, 3, 0, 0]),
  fixed: (frame, tc, volume) => fixedMessage(frame, 7, [{ id: 7, tc, volume }]),
  json: (frame, tc, volume) => ({
    op: 'trade_totals', frame, slot: 0, tick: 1, t_us: 1,
    data: [{
      id: 7, epoch: 1, total: tc, lost: 0, volume: `${volume / 1000n}.${String(volume % 1000n).padStart(3, '0')}`, buy_volume: '0.000',
      notional: '0.00000', price: '1.00', qty: '0.004', trade_id: 3, state: 'live', ts_event: 1, ts_recv: 1,
    }],
  }),
};
const prints = {
  compact: (frame) => hex(`${frame}a 02 00 00 10 06`),
  fixed: (frame) => fixedMessage(frame, 2, [{ id: 7, qty: 6 }]),
  json: (frame) => ({
    op: 'trades', frame, slot: 0, tick: 1, t_us: 1,
    data: [{ id: 7, epoch: 1, price: '1.00', qty: '0.006', side: 'buy', trade_id: 4, ts_event: 1, ts_recv: 1 }],
  }),
};

for (const form of ['compact', 'fixed', 'json']) {
  test(`a volume beyond 2^53 is no error, and exact mod 2^32 (${form})`, () => {
    const view = viewOf(form, 'trade', [7]);
    const { trade } = view.instruments.get(7);
    const volume = 2n ** 62n + 2n ** 32n - 3n;
    const take = (message) => assert.equal(view.message(message, 1).whole, true);
    take(totals[form](1, 3, volume));
    const low = () => [trade.volumeLow, BigInt(trade.volumeHigh) * 2n ** 32n + BigInt(trade.volumeLow) - volume];
    assert.deepEqual(low(), [2 ** 32 - 3, 0n]);
    take(prints[form](2));
    assert.deepEqual(low(), [3, 6n], 'the carry');
    take(totals[form](3, 4, volume + 6n));
    take(totals[form](4, 6, volume + 8n));
    assert.deepEqual([view.trades.broken, view.trades.merged, view.decodeErrors], [0, 2, 0]);
    take(totals[form](5, 6, volume + 9n));
    assert.equal(view.trades.broken, 1, 'one more without a print');
  });
}

/** A client behind a fake socket, and the view of the gateway, which reads the same frames undamaged. */
function stage(options = {}) {
  const sent = [];
  const told = [];
  const clock = { now: 0 };
  let frame = 0;
  let socket;
  const client = new Client({
    url: 'ws://x/ws', form: 'fixed', now: () => clock.now, mismatch: (channel, symbols) => told.push([channel, symbols]), ...options,
    socket: () => (socket = { readyState: 1, send: (text) => sent.push(JSON.parse(text)), close() {} }),
  });
  client.start();
  const truth = new View({}, () => 0, 'fixed');
  const say = (message) => socket.onmessage({ data: JSON.stringify(message) });
  say({ op: 'welcome', account: null, server_time_us: 1 });
  const beat = (hash = truth.hash()) => {
    clock.now += 1_000;
    say({ op: 'heartbeat', t_us: 1, last_frame: frame, watermark_us: null, hash });
  };
  /** Both read it; `harm` changes the client's bytes. */
  const data = (kind, records, harm = () => undefined) => {
    const bytes = fixedMessage(++frame, kind, records);
    truth.message(bytes);
    const mine = bytes.slice();
    harm(new DataView(mine.buffer));
    socket.onmessage({ data: mine.buffer });
  };
  const both = (message) => {
    if (message.op !== 'subscribed') truth[message.op === 'rate_set' ? 'rateSet' : message.op](message);
    else truth.subscribed(message);
    say(message);
  };
  /** Takes the newest request, which must be of this op. */
  const asked = (op) => {
    const { id: _, ...last } = sent.at(-1);
    assert.equal(last.op, op, JSON.stringify(sent));
    return last;
  };
  /** Answers the newest `hashes` as the gateway does. */
  const answer = () => {
    const { id, op, buckets: within } = sent.at(-1);
    assert.equal(op, 'hashes');
    const sums = Array.from({ length: 64 }, () => new ViewHash());
    const symbols = [];
    truth.eachHash((one, channel, hash) => {
      sums[one.id % 64].add(hash);
      if (within?.includes(one.id % 64)) symbols.push({ channel, id: one.id, hash: hash.text });
    });
    say({ op: 'hashes', id, owed: false, ...(within ? { symbols } : { buckets: sums.map((sum) => sum.text) }) });
  };
  return { client, clock, sent, told, say, beat, data, both, asked, answer };
}

const ids = Array.from({ length: 200 }, (_, i) => i + 1);

function filled(options) {
  const on = stage(options);
  on.both(subscribed('quote', ids));
  on.both(subscribed('trade', ids));
  on.data(1, ids.map((id) => ({ id, events: 1 })));
  on.data(7, ids.map((id) => ({ id, tc: 1, volume: id })));
  return on;
}

const flipBid = (view) => view.setUint8(32 + 8, view.getUint8(32 + 8) ^ 1);

test('a damaged record is found, exactly its symbol is asked for, and the view is verified again', () => {
  const { client, clock, sent, told, say, beat, data, asked, answer } = filled();
  beat();
  assert.deepEqual([client.repairs.matches, client.repairs.verifiedAt], [1, 1_000]);
  data(0, [{ id: 70 }], flipBid);
  beat();
  assert.deepEqual(asked('hashes'), { op: 'hashes' });
  data(0, [{ id: 80 }]);
  answer();
  assert.equal(sent.length, 1, 'one look in 300 ms');
  clock.now += 300;
  data(0, [{ id: 81 }]);
  assert.deepEqual(asked('hashes'), { op: 'hashes', buckets: [6] });
  answer();
  assert.deepEqual(asked('repair'), { op: 'repair', channel: 'quote', symbols: ['S70.T'] });
  assert.deepEqual(told, [['quote', ['S70.T']]]);
  beat();
  assert.equal(sent.length, 3, 'nothing is compared while the repair is under way');
  say({ op: 'repairing', id: sent.at(-1).id, symbols: 1, rejected: [] });
  beat(null);
  data(1, [{ id: 70, events: 2 }]);
  beat();
  const { matches, mismatches, repaired } = client.repairs;
  assert.deepEqual([matches, mismatches, repaired, sent.length], [2, 1, 1, 3]);
  client.close();
});

test('many damaged symbols of both channels are found eight buckets at a time and asked for once a second', () => {
  const { client, clock, sent, beat, data, answer, say } = filled();
  for (const id of ids.slice(0, 20)) data(0, [{ id }], flipBid);
  data(2, [{ id: 5 }], (view) => view.setUint8(32 + 16, 9));
  beat();
  answer();
  for (let i = 0; i < 3; i++) {
    clock.now += 300;
    data(0, [{ id: 100 }]);
    answer();
  }
  const looks = sent.filter(({ op }) => op === 'hashes').map(({ buckets }) => buckets?.length ?? 0);
  assert.deepEqual(looks, [0, 8, 8, 4]);
  const repairs = () => sent.filter(({ op }) => op === 'repair').map(({ channel, symbols }) => [channel, symbols.length]);
  assert.deepEqual(repairs(), [['quote', 20]]);
  say({ op: 'repairing', id: sent.at(-1).id, symbols: 20, rejected: [] });
  data(0, [{ id: 100 }]);
  assert.equal(repairs().length, 1, 'one a second');
  clock.now += 1_000;
  data(0, [{ id: 100 }]);
  assert.deepEqual(repairs(), [['quote', 20], ['trade', 1]]);
  assert.equal(client.repairs.repaired, 21);
  client.close();
});

test('a symbol that never came although nothing is owed is asked for, and a look that finds nothing is not repeated at once', () => {
  const { client, sent, beat, data, both, answer, clock } = filled();
  both(subscribed('quote', [300]));
  beat('0000000000000000');
  data(0, [{ id: 1 }]);
  data(1, [{ id: 300, events: 1 }]);
  answer();
  clock.now += 300;
  data(0, [{ id: 1 }]);
  assert.equal(sent.length, 1, 'what came meanwhile is not asked for');
  clock.now -= 1_300;
  beat('0000000000000000');
  assert.equal(sent.length, 1);
  assert.equal(client.repairs.mismatches, 2);
  client.close();
});

test('an answer that claims nothing, a lost frame and a new connection end a look', () => {
  const { client, sent, say, beat, data, answer, asked, clock } = filled();
  data(0, [{ id: 70 }], flipBid);
  beat();
  say({ op: 'hashes', id: sent.at(-1).id, owed: true });
  clock.now += 300;
  data(0, [{ id: 1 }]);
  assert.equal(sent.length, 1);
  clock.now += 2_000;
  beat();
  asked('hashes');
  say({ op: 'heartbeat', t_us: 1, last_frame: 99, watermark_us: null, hash: null });
  assert.deepEqual(asked('repair'), { op: 'repair' });
  const looked = sent.at(-2);
  assert.equal(looked.op, 'hashes');
  sent.push(looked);
  answer();
  clock.now += 1_000;
  assert.equal(sent.length, 4, 'its answer is void');
  say({ op: 'welcome', account: null, server_time_us: 1 });
  assert.equal(client.repairs.verifiedAt, null);
  client.close();
});

test('a repair of everything that was refused is asked for again', async () => {
  const { client, sent, say, data, clock } = filled();
  clock.now += 1_000;
  say({ op: 'heartbeat', t_us: 1, last_frame: 99, watermark_us: null, hash: null });
  say({ op: 'error', id: sent.at(-1).id, code: 'too_often', number: 1, message: 'no', retry: 'later' });
  await Promise.resolve();
  await Promise.resolve();
  clock.now += 1_000;
  data(0, [{ id: 1 }]);
  assert.deepEqual(sent.map(({ op }) => op), ['repair', 'repair']);
  client.close();
});

test('no false alarm through set_rate, pause, unsubscribe and what comes behind them', () => {
  const { client, sent, say, beat, data, both } = filled();
  both({ op: 'rate_set', channels: ['quote', 'trade'], from_slot: 0, slot: 1, interval_ms: 100, phase_us: 0, ids: [3, 70], rejected: [] });
  beat();
  data(0, [{ id: 70, bid: 90, state: 1 }]);
  beat();
  say({ op: 'paused' });
  beat();
  say({ op: 'unpaused' });
  data(1, [{ id: 70, events: 9, bid: 91 }]);
  data(7, [{ id: 70, tc: 9, volume: 170 }]);
  beat();
  both({ op: 'unsubscribed', channel: 'trade', slot: 1, ids: [70], rejected: [] });
  beat();
  both({ op: 'unsubscribed', channel: 'quote', slot: 1, ids: [70], rejected: [] });
  beat();
  both(subscribed('quote', [70]));
  beat(null);
  data(1, [{ id: 70, events: 10 }]);
  beat();
  assert.deepEqual([client.repairs.matches, client.repairs.mismatches, sent], [7, 0, []]);
  client.close();
});

test('verification can be turned off', () => {
  const { client, sent, beat } = filled({ verify: false });
  beat('0123456789abcdef');
  assert.deepEqual([sent, client.repairs.mismatches, client.repairs.matches], [[], 0, 0]);
  client.close();
});

for (const { form, steps } of json('sessions.json').sessions) {
  test(`every claim of the ${form} session is what the client holds`, () => {
    let now = 0;
    let socket;
    const client = new Client({
      url: 'ws://x/ws', now: () => now, form, socket: () => (socket = { readyState: 1, send() {}, close() {} }),
    });
    client.start();
    let claims = 0;
    for (const { text, hex: bytes } of steps) {
      now += 2_000;
      socket.onmessage({ data: text ? JSON.stringify(text) : hex(bytes).buffer });
      if (text?.op !== 'heartbeat') continue;
      assert.equal(client.view.hash(), text.hash);
      if (text.hash !== null) claims++;
    }
    assert.deepEqual([claims, client.repairs.matches, client.repairs.mismatches], [7, 7, 0]);
    client.close();
  });
}
