// A token goes with hello, is renewed when the gateway says that it ends, and what its end took is asked for again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../../dist/sdk/client.js';

const WELCOME = { op: 'welcome', account: 'A1', auth: 'token', server_time_us: 1, limits: {}, rates_ms: [] };

async function session(token) {
  const sent = [];
  const notices = [];
  let socket;
  const client = new Client({
    url: 'ws://x/ws', token, notice: (notice) => notices.push(notice),
    socket: () => (socket = { readyState: 1, send: (text) => sent.push(JSON.parse(text)), close() {} }),
  });
  client.start();
  socket.onopen();
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  await settle();
  const say = async (message) => {
    socket.onmessage({ data: JSON.stringify(message) });
    await settle();
  };
  return { client, sent, notices, say };
}

const asked = (sent, op) => sent.filter((message) => message.op === op);

test('a function is asked for each token, and a lost subscription is asked for again', async () => {
  let made = 0;
  const { client, sent, say } = await session(async () => `t${++made}`);
  assert.deepEqual(sent, [{ op: 'hello', token: 't1' }]);
  await say(WELCOME);
  client.subscribe('quote', ['A*'], 50).catch(() => undefined);
  await say({ op: 'notice', code: 'token_expiring', expires_at_us: 9 });
  const [first] = asked(sent, 'auth');
  assert.equal(first.token, 't2');
  await say({ op: 'authenticated', id: first.id, account: 'A1', expires_at_us: 99 });
  assert.equal(asked(sent, 'subscribe').length, 1, 'nothing was lost');
  await say({ op: 'notice', code: 'token_expired', after_ms: 5000 });
  const second = asked(sent, 'auth')[1];
  assert.equal(second.token, 't3');
  await say({ op: 'authenticated', id: second.id, account: 'A1', expires_at_us: 999 });
  assert.deepEqual(asked(sent, 'subscribe').map(({ symbols }) => symbols), [['A*'], ['A*']]);
  client.close();
});

test('a text cannot be renewed, and a function that fails is told of', async () => {
  const fixed = await session('t');
  await fixed.say(WELCOME);
  await fixed.say({ op: 'notice', code: 'token_expiring', expires_at_us: 9 });
  assert.equal(asked(fixed.sent, 'auth').length, 0);
  fixed.client.close();
  let first = true;
  const failing = await session(() => {
    if (!first) throw new Error('no issuer');
    first = false;
    return 't';
  });
  await failing.say(WELCOME);
  await failing.say({ op: 'notice', code: 'token_expiring', expires_at_us: 9 });
  assert.deepEqual(failing.notices.map(({ code }) => code), ['token_expiring', 'token_not_renewed']);
  failing.client.close();
});
