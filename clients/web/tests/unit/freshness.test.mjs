// Why symbols are stale: by notices, a shard at a time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../../dist/sdk/client.js';

const FRESH = { state: 'live', reason: '', words: '' };

/** A client of three symbols: A and B of shard 1, C of shard 2. */
function connected() {
  const [sockets, events, notices] = [[], [], []];
  const client = new Client({
    url: 'ws://x/ws', form: 'json', random: () => 0,
    freshness: (shard, why) => events.push([shard, why]), notice: ({ code }) => notices.push(code),
    socket: () => {
      const socket = { sent: [], readyState: 1, send: (text) => socket.sent.push(JSON.parse(text)), close() {} };
      sockets.push(socket);
      return socket;
    },
  });
  const say = (op, body) => sockets.at(-1).onmessage({ data: JSON.stringify({ op, ...body }) });
  const open = () => {
    sockets.at(-1).onopen();
    say('welcome', { account: null, server_time_us: 1 });
    return sockets.at(-1);
  };
  const join = (symbol, id, shard) => say('subscribed', {
    channel: 'quote', slot: 0, interval_ms: 50, phase_us: 0, rejected: [],
    symbols: [{ symbol, id, shard, price_exponent: 0, qty_exponent: 0, tick_size: '1', lot_size: '1' }],
  });
  const leave = (...ids) => say('unsubscribed', { channel: 'quote', slot: 0, ids, rejected: [] });
  /** Sets the states of all three. */
  const states = (...of) => of.forEach((state, id) => {
    client.view.instruments.get(id).quote.based = true;
    client.view.instruments.get(id).state = state;
  });
  const stale = (shard, reason) => say('notice', { code: 'stale', shard, reason, age_ms: 412 });
  client.start();
  open();
  [['A', 0, 1], ['B', 1, 1], ['C', 2, 2]].forEach((one) => join(...one));
  return { client, sockets, events, notices, open, say, join, leave, states, stale };
}

const words = (client, symbol) => client.freshness(symbol).words;

test('a shard says why its symbols are stale, in words, until it is fresh', () => {
  const { client, events, notices, say, states, stale } = connected();
  states(0, 0, 0);
  assert.deepEqual(client.freshness('A'), FRESH);
  assert.equal(client.freshness('Z'), null);
  stale(1, 'feed_silent');
  assert.deepEqual(client.freshness('A'), FRESH, 'the state travels in the data');
  states(2, 3, 2);
  assert.deepEqual(client.freshness('A'), { state: 'stale', reason: 'feed_silent', words: 'feed silent' });
  assert.equal(client.freshness('B').state, 'halted');
  assert.deepEqual(client.freshness('C'), { state: 'stale', reason: '', words: '' }, 'another shard');
  say('notice', { code: 'fresh', shard: 1 });
  assert.equal(words(client, 'A'), '');
  assert.deepEqual(events, [[1, { reason: 'feed_silent', words: 'feed silent', ageMs: 412 }], [1, null]]);
  say('notice', { code: 'feed_restarted', shard: 1, feed_epoch: 2 });
  assert.equal(events.length, 2, 'other notices are no freshness');
  assert.deepEqual(notices, ['stale', 'fresh', 'feed_restarted']);
  client.close();
});

test('each reason has words, and a newer one is told as it is', () => {
  const { client, states, stale } = connected();
  states(2, 2, 2);
  const told = {
    sequence_gap: 'events missing', bus_lost: 'bus lost', publisher_changed: 'publisher changed', bad_payload: 'unreadable data',
    feed_silent: 'feed silent', feed_behind: 'feed behind', max_age: 'older than asked', moon_full: 'moon full', constructor: 'constructor',
  };
  for (const [reason, wanted] of Object.entries(told)) {
    stale(1, reason);
    assert.equal(words(client, 'A'), wanted);
  }
  client.close();
});

test('what is older than asked is stale, whatever its data says', () => {
  const { client, states, stale } = connected();
  states(0, 3, 1);
  stale(1, 'max_age');
  assert.deepEqual(client.freshness('A'), { state: 'stale', reason: 'max_age', words: 'older than asked' });
  assert.equal(client.freshness('B').state, 'halted');
  assert.equal(client.freshness('C').state, 'quiet');
  client.close();
});

test('a reason goes with the last symbol of its shard, and not before', () => {
  const { client, join, leave, stale } = connected();
  stale(1, 'bus_lost');
  stale(2, 'feed_behind');
  leave(0);
  assert.equal(words(client, 'B'), 'bus lost');
  leave(1);
  join('A', 0, 1);
  assert.equal(words(client, 'A'), '', 'nobody would tell that it is fresh');
  assert.equal(words(client, 'C'), 'feed behind');
  client.close();
});

test('without a link everything is stale, and a new connection knows no reason', () => {
  const { client, sockets, open, join, stale } = connected();
  stale(1, 'bus_lost');
  sockets[0].onclose({ code: 1006, reason: '' });
  assert.equal(words(client, 'A'), 'link lost');
  client.retryNow();
  open();
  join('A', 0, 1);
  assert.deepEqual(client.freshness('A'), { state: 'stale', reason: '', words: '' });
  client.close();
});

test('an age is asked for with the subscription, and again after a reconnect', () => {
  const { client, sockets, open } = connected();
  const ages = (socket) => socket.sent.filter(({ op }) => op === 'subscribe').map(({ symbols, max_age_ms: age }) => [symbols, age]);
  client.subscribe('quote', ['A'], 50, 250).catch(() => undefined);
  client.subscribe('quote', ['B'], 50).catch(() => undefined);
  const wanted = [[['A'], 250], [['B'], undefined]];
  assert.deepEqual(ages(sockets[0]), wanted);
  sockets[0].onclose({ code: 1006, reason: '' });
  client.retryNow();
  assert.deepEqual(ages(open()), wanted);
  client.close();
});
