// Books, bars and trading status as the client holds them: the golden messages through a view, the checksum, the hash of
// docs/protocol.md, a wrong book, the depth of a slot, and the account of level events.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Changes, checksum, setAll, Side } from '../../dist/sdk/book.js';
import { Client } from '../../dist/sdk/client.js';
import { ViewHash, hashOf } from '../../dist/sdk/hash.js';
import { Reader } from '../../dist/sdk/reader.js';
import { View } from '../../dist/sdk/view.js';
import { hex } from '../support/collector.mjs';
import { DATA, json, sidesOf } from '../support/golden.mjs';

const { messages } = json('manifest.json');
const golden = (name) => messages.find((message) => message.name === name);
const bytesOf = (name) => hex(golden(name).hex);
const info = (id) => ({ symbol: `S${id}.T`, id, price_exponent: -2, qty_exponent: -5, tick_size: '0.01', lot_size: '0.00001' });
const subscribed = (channel, slot, ids, shows = {}) => ({
  op: 'subscribed', channel, slot, interval_ms: 100, phase_us: 0, symbols: ids.map(info), rejected: [], ...shows,
});

/** A view before the golden message of this name: what it counts from is held. */
function before(form, channel, slot, name, ids = [7, 9]) {
  const view = new View({}, () => 0, form);
  view.subscribed(subscribed(channel, slot, ids, channel === 'book' ? { depth: 3 } : {}));
  const { head, base } = golden(name);
  view.lastFrame((head.frame ?? head.counter) - 1);
  for (const held of base ?? []) {
    const { book } = view.instruments.get(held.id);
    Object.assign(book, { based: true, sides: sidesOf(held), checksum: held.checksum, state: 0 });
    book.account.begin(held.feed_epoch, held.total, held.lost);
  }
  return view;
}

const BOOK_AFTER = { bids: [[6100012, 40], [6100010, 50900], [6100000, 7]], asks: [[6100050, 9], [6100400, 5000]] };
const levels = ({ bids, asks }) => ({ bids, asks });

test('a book follows its changes, and its account adds up', () => {
  const view = before('compact', 'book', 3, 'compact-book', [7]);
  assert.equal(view.message(bytesOf('compact-book')).whole, true);
  const book = view.book(7);
  assert.deepEqual(levels(book), BOOK_AFTER);
  assert.deepEqual([book.version, book.checksum, view.wrongBooks], [1505, 370978172, 0]);
  assert.deepEqual(view.books, { published: 5, delivered: 1, merged: 4, lost: 0, periods: 1, broken: 0 });
  assert.deepEqual([view.bar(7), view.status(7), view.book(8)], [null, null, null]);
});

test('the same changes in the form of values make the same book', () => {
  const base = golden('compact-book').base[0];
  for (const [form, epoch, ids, slot] of [['fixed', 1, [7, 9], 1], ['json', base.feed_epoch, [7, 9], 2]]) {
    const name = form === 'fixed' ? 'fixed-book' : 'json-books';
    const view = before(form, 'book', slot, name, ids);
    for (const id of ids) {
      const { book } = view.instruments.get(id);
      Object.assign(book, { based: true, sides: sidesOf(base), checksum: base.checksum, state: 0 });
      book.account.begin(epoch, base.total, base.lost);
    }
    const message = form === 'fixed' ? bytesOf(name) : JSON.parse(readFileSync(new URL('json-books.json', DATA), 'utf8'));
    assert.equal(view.message(message, 0).whole, true, form);
    assert.deepEqual(levels(view.book(7)), BOOK_AFTER);
    assert.deepEqual(levels(view.book(9)), levels(base));
    assert.equal(view.wrongBooks, 0);
    assert.deepEqual([view.books.published, view.books.broken], [5, 0]);
  }
});

test('a book that is not what its checksum says is counted, hidden until the next full, and its changes are ignored', () => {
  const view = before('compact', 'book', 3, 'compact-book', [7]);
  const { gaps } = view;
  const { book } = view.instruments.get(7);
  book.sides[0].set(0, 6_100_000, 8);
  const { head, whole } = view.message(bytesOf('compact-book'));
  assert.deepEqual([head.kind, whole, view.wrongBooks, view.gaps - gaps, view.decodeErrors], [3, false, 1, 0, 0]);
  assert.deepEqual([view.book(7), view.hash()], [null, null]);
  // The same changes again, as the next frame: nothing to apply them to, no second fault.
  const again = bytesOf('compact-book');
  again[0] = (again[0] & 15) | 0x30;
  assert.equal(view.message(again).whole, true);
  assert.deepEqual([view.book(7), view.wrongBooks], [null, 1]);
  const full = bytesOf('compact-book-full');
  full[0] = (full[0] & 15) | 0x40;
  assert.equal(view.message(full).whole, true);
  assert.deepEqual(view.book(7).bids, [[6100010, 51900], [6100000, 7], [6099500, 300]]);
});

test('changes that do not fit what is held make the book wrong and nothing else', () => {
  const view = before('compact', 'book', 3, 'compact-book', [7]);
  // One bid passed over 20 levels, one event; any checksum.
  assert.equal(view.message(hex('2a 33 34 44 01 00 a2 05 00 00 00 00')).whole, false);
  assert.deepEqual([view.wrongBooks, view.decodeErrors, view.book(7)], [1, 0, null]);
});

test('a slot that symbols move to keeps the depth', () => {
  const view = before('compact', 'book', 3, 'compact-book', [7]);
  view.rateSet({ op: 'rate_set', from_slot: 3, slot: 6, channels: ['book'], interval_ms: 50, phase_us: 0, ids: [7], rejected: [] });
  const moved = bytesOf('compact-book');
  moved[1] = 0x63;
  assert.equal(view.message(moved).whole, true);
  assert.equal(view.book(7).bids.length, 3);
});

test('bars and status are held until a frame is lost, and a bar of another epoch is void', () => {
  const rows = [];
  const view = new View({ bar: (_i, bar) => rows.push(bar.closed) }, () => 0);
  view.subscribed(subscribed('bar', 4, [7], { period: '1m' }));
  view.subscribed(subscribed('status', 5, [7]));
  view.lastFrame(4);
  view.message(bytesOf('compact-bars'));
  const bar = view.bar(7);
  assert.deepEqual([rows, bar.last.tc, bar.last.startUs, bar.last.notional], [[true, false], 873, 1_723_075_200_000_000, 61_000_000n]);
  view.lastFrame(6);
  assert.equal(view.bar(7), null);
  view.message(bytesOf('compact-status'));
  assert.deepEqual([view.status(7).status, view.status(7).state], [1, 3]);
  assert.equal(view.instruments.get(7).state, 0, 'the state of the symbol is that of its bars, which come before its status');
  // epoch 1, quiet, no bar
  assert.equal(view.message(hex('8a 45 00 00 01 01 00')).whole, true);
  assert.deepEqual([view.bar(7).last, view.bar(7).state], [null, 1]);
});

test('the checksums and hashes of the protocol', () => {
  const one = sidesOf({ bids: [[6_100_010, 150_000], [6_100_000, 1]], asks: [[6_100_020, 2 ** 40]] });
  assert.equal(checksum([new Side(), new Side()]), 1_714_869_021);
  assert.equal(checksum(one), 157_042_023);
  const view = new View({}, () => 0);
  for (const channel of ['book', 'bar', 'status']) view.subscribed(subscribed(channel, 0, [7]));
  const instrument = view.instruments.get(7);
  assert.equal(view.hash(), null);
  Object.assign(instrument.book, { based: true, checksum: 157_042_023, state: 0 });
  instrument.book.account.begin(1, 1_000, 0);
  const last = { tc: 880, startUs: 1_723_075_200_000_000, close: 6_100_010, volume: 150_000, volumeLow: 150_000 };
  Object.assign(instrument.bar, { based: true, last });
  Object.assign(instrument.status, { based: true, state: 3, status: 1 });
  assert.equal(hashOf(instrument, 'book').text, '8d08549499b894e8');
  assert.equal(hashOf(instrument, 'bar').text, '79a2297c591f6e67');
  assert.equal(hashOf(instrument, 'status').text, '42e3a887f0cc0002');
  const sum = new ViewHash();
  for (const channel of ['book', 'bar', 'status']) sum.add(hashOf(instrument, channel));
  assert.equal(view.hash(), sum.text);
});

test('levels set one by one are the best of all that were set', () => {
  let seed = 3;
  const below = (limit) => Math.floor(((seed = (seed * 16807) % 2147483647) / 2147483647) * limit);
  for (const side of [0, 1]) {
    const sides = [new Side(), new Side()];
    const all = new Map();
    for (let i = 0; i < 3_000; i++) {
      const [price, qty] = [below(12) - 6, below(3)];
      if (qty === 0) all.delete(price);
      else all.set(price, qty);
      setAll([{ side, price, qty }], 20, sides);
      const expected = [...all].sort(([a], [b]) => (side === 0 ? b - a : a - b));
      assert.deepEqual(sides[side].levels(), expected);
    }
  }
  const full = new Side();
  for (let price = 0; price < 30; price++) full.set(0, price, 1);
  assert.deepEqual([full.size, full.prices[0], full.prices[19]], [20, 29, 10]);
});

test('more changes than two sides can have are damage', () => {
  assert.throws(() => new Changes().read(new Reader(new Uint8Array(200)), 41), { name: 'DecodeError' });
});

test('what a subscription shows is asked for, again after a reconnect, and so are statistics', () => {
  const sockets = [];
  const stats = [];
  const client = new Client({
    url: 'ws://x/ws', random: () => 0, stats: (told) => stats.push(told.backlog),
    socket: () => {
      const socket = { sent: [], readyState: 1, binaryType: '', send: (text) => socket.sent.push(JSON.parse(text)), close() {} };
      sockets.push(socket);
      return socket;
    },
  });
  client.start();
  const say = (message) => sockets.at(-1).onmessage({ data: JSON.stringify(message) });
  const open = () => {
    sockets.at(-1).onopen();
    say({ op: 'welcome', account: null, server_time_us: 1 });
  };
  open();
  const quiet = (promise) => promise.catch(() => undefined);
  quiet(client.subscribe('book', ['A'], 100, undefined, false, { depth: 5 }));
  quiet(client.subscribe('bar', ['A'], 100, undefined, false, { period: '1m' }));
  quiet(client.subscribe('quote', ['A'], 100, undefined, false, { fields: 'price', filter: [[['bid', '>', '61000']]] }));
  quiet(client.setRate('quote', ['A'], 50));
  quiet(client.stats(1_000));
  const asked = (op) => sockets.at(-1).sent.filter((message) => message.op === op).map(({ id: _, op: __, ...rest }) => rest);
  const book = { channel: 'book', symbols: ['A'], interval_ms: 100, depth: 5 };
  const bar = { channel: 'bar', symbols: ['A'], interval_ms: 100, period: '1m' };
  const quote = { channel: 'quote', symbols: ['A'], interval_ms: 100, fields: 'price', filter: [[['bid', '>', '61000']]] };
  assert.deepEqual(asked('subscribe'), [book, bar, quote]);
  say({ op: 'stats', backlog: 3 });
  assert.deepEqual(stats, [3]);
  sockets.at(-1).onclose({ code: 1006, reason: '' });
  client.retryNow();
  open();
  // A rate that was set for quotes is theirs alone.
  assert.deepEqual(asked('subscribe'), [book, bar, { ...quote, interval_ms: 50 }]);
  assert.deepEqual(asked('stats'), [{ every_ms: 1_000 }]);
  client.close();
});
