import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../../dist/sdk/client.js';

const welcome = {
  op: 'welcome', session: 's', session_epoch: 0, account: 'A1', auth: 'demo', resumed: false, form: 'compact', boot_id: 'b',
  limits: {}, rates_ms: [0, 50], heartbeat_ms: 1000, stale_after_ms: 400, quiet_after_ms: 1000, server_time_us: 1,
};

function connected(options = {}) {
  const sockets = [];
  const client = new Client({
    url: 'ws://x/ws', account: 'A1', random: () => 0, ...options,
    socket: (url, protocols) => {
      const socket = { url, protocols, sent: [], readyState: 1, binaryType: '', send: (text) => socket.sent.push(JSON.parse(text)), close() {} };
      sockets.push(socket);
      return socket;
    },
  });
  client.start();
  const open = () => {
    const socket = sockets.at(-1);
    socket.onopen();
    say(welcome);
    return socket;
  };
  const say = (message) => sockets.at(-1).onmessage({ data: JSON.stringify(message) });
  return { client, sockets, open, say };
}

const order = { cl_ord_id: 'c-1', symbol: 'S.T', side: 'buy', type: 'limit', qty: '1', price: '2', tif: 'gtc' };

test('hello comes first and the compact form is asked for', () => {
  const { client, open } = connected();
  const socket = open();
  assert.deepEqual(socket.protocols, ['tickgate.v1.compact']);
  assert.deepEqual(socket.sent[0], { op: 'hello', account: 'A1' });
  assert.equal(client.link, 'open');
  client.close();
});

test('an answer in parts settles with all of them', async () => {
  const { client, open, say } = connected();
  const socket = open();
  const asked = client.subscribe('quote', ['*'], 50);
  const { id } = socket.sent.at(-1);
  const part = (ids, more) => ({
    op: 'subscribed', id, channel: 'quote', slot: 0, interval_ms: 50, phase_us: 0, more, rejected: [],
    symbols: ids.map((number) => ({ symbol: `S${number}`, id: number, price_exponent: 0, qty_exponent: 0, tick_size: '1', lot_size: '1' })),
  });
  say(part([1, 2], true));
  say(part([3], false));
  assert.deepEqual((await asked).symbols, ['S1', 'S2', 'S3']);
  client.close();
});

test('a budget and the rows on screen are said again after a reconnect, and a changed rate is told', async () => {
  const told = [];
  const { client, open, say, sockets } = connected({ rateChanged: (changed) => told.push(changed.reason) });
  const socket = open();
  const asked = client.budget(4_000);
  say({ op: 'budget_set', id: socket.sent.at(-1).id, bytes_per_s: 4_000 });
  assert.equal((await asked).bytes_per_s, 4_000);
  const rows = client.visible(['A', 'B*']);
  say({ op: 'visible_set', id: socket.sent.at(-1).id, symbols: 3, rejected: [] });
  assert.equal((await rows).symbols, 3);
  client.subscribe('quote', ['A'], 50, undefined, true).catch(() => undefined);
  assert.equal(socket.sent.at(-1).adaptive, true);
  say({ op: 'rate_changed', slot: 0, interval_ms: 100, phase_us: 50_000, asked_ms: 50, reason: 'slow' });
  assert.deepEqual(told, ['slow']);
  socket.onclose({ code: 1006, reason: '' });
  client.retryNow();
  open();
  const again = sockets.at(-1).sent.map(({ id: _, ...message }) => message);
  assert.ok(again.some((message) => message.op === 'budget' && message.bytes_per_s === 4_000));
  assert.ok(again.some((message) => message.op === 'visible' && message.symbols.length === 2));
  assert.ok(again.some((message) => message.op === 'subscribe' && message.adaptive === true));
  client.close();
});

test('an error rejects its request alone', async () => {
  const { client, open, say } = connected();
  const socket = open();
  const asked = client.subscribe('quote', ['x'], 7);
  say({ op: 'error', id: socket.sent.at(-1).id, code: 'bad_interval', number: 1103, message: 'no', retry: 'never' });
  await assert.rejects(asked, (error) => error.code === 'bad_interval');
  assert.equal(client.link, 'open');
  client.close();
});

test('an order settles by its reply, and a report may come before it', async () => {
  const { client, open, say } = connected();
  const socket = open();
  const sent = client.order(order);
  const { id } = socket.sent.at(-1);
  assert.equal(client.orders.get('c-1').state, 'sending');
  say({ op: 'report', seq: 1, block: 5, cl_ord_id: 'c-1', order_id: '0-1', exec_type: 'new', ord_status: 'new', leaves_qty: '1', cum_qty: '0' });
  assert.equal(client.orders.get('c-1').state, 'working');
  say({ op: 'order.reply', id, cl_ord_id: 'c-1', outcome: 'stored', report_seq: 1, block: 5 });
  assert.equal((await sent).outcome, 'stored');
  say({ op: 'report', seq: 2, block: 6, cl_ord_id: 'c-1', order_id: '0-1', exec_type: 'trade', ord_status: 'filled', last_qty: '1', last_price: '2', leaves_qty: '0', cum_qty: '1' });
  assert.equal(client.orders.get('c-1').state, 'filled');
  assert.equal(client.orders.fills.length, 1);
  client.close();
});

test('a lost connection leaves orders unknown, comes back, subscribes again and asks', async () => {
  const { client, sockets, open } = connected();
  const socket = open();
  client.subscribe('quote', ['*'], 50).catch(() => undefined);
  const sent = client.order(order);
  socket.onclose({ code: 1006, reason: '' });
  assert.equal((await sent).outcome, 'unknown');
  assert.equal(client.orders.get('c-1').state, 'unknown');
  assert.equal(client.link, 'waiting');
  await assert.rejects(client.subscribe('quote', ['A'], 50), (error) => error.code === 'not_connected');
  client.retryNow();
  const again = open();
  const { id } = again.sent.find((message) => message.op === 'orders');
  again.onmessage({ data: JSON.stringify({ op: 'orders', id, block: 3, report_seq: 2, orders: [], more: false }) });
  assert.equal(sockets.length, 2);
  assert.deepEqual(again.sent.map((message) => message.op), ['hello', 'subscribe', 'orders', 'alerts', 'order.status']);
  assert.deepEqual(again.sent[1].symbols, ['*', 'A']);
  client.close();
});

test('a close that says do not come back is final', () => {
  const { client, open } = connected();
  open().onclose({ code: 4409, reason: 'taken_over' });
  assert.equal(client.link, 'closed');
});

test('a pattern that matches nothing yet is asked for again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { client, open, say } = connected();
  const socket = open();
  const asked = client.subscribe('quote', ['*'], 50);
  const { id } = socket.sent.at(-1);
  const rejected = [{ symbol: '*', code: 'unknown_symbol', number: 1101 }];
  say({ op: 'subscribed', id, channel: 'quote', slot: 0, interval_ms: 50, phase_us: 0, symbols: [], rejected, more: false });
  await asked;
  t.mock.timers.tick(1_000);
  assert.deepEqual(socket.sent.slice(-1).map((message) => [message.op, message.symbols]), [['subscribe', ['*']]]);
  assert.notEqual(socket.sent.at(-1).id, id);
  client.close();
});

test('a repair that came too soon is asked for with a later message', () => {
  let now = 0;
  const { client, open, say } = connected({ now: () => now });
  const socket = open();
  const beat = (frame) => say({ op: 'heartbeat', t_us: 1, last_frame: frame, watermark_us: null, hash: null });
  const repairs = () => socket.sent.filter((message) => message.op === 'repair').length;
  now = 5_000;
  beat(3);
  beat(5);
  assert.equal(repairs(), 1, 'one a second');
  now = 6_000;
  beat(5);
  beat(5);
  assert.equal(repairs(), 2, 'the second loss is not forgotten');
  client.close();
});
