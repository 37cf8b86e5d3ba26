import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Alerts, conditionText } from '../../dist/sdk/alerts.js';
import { Client } from '../../dist/sdk/client.js';

const welcome = {
  op: 'welcome', session: 's', session_epoch: 0, account: 'A1', auth: 'demo', resumed: false, form: 'compact', boot_id: 'b',
  limits: {}, rates_ms: [0, 50], heartbeat_ms: 1000, stale_after_ms: 400, quiet_after_ms: 1000, server_time_us: 1,
};

function connected(options = {}) {
  const socket = { sent: [], readyState: 1, binaryType: '', send: (text) => socket.sent.push(JSON.parse(text)), close() {} };
  const client = new Client({ url: 'ws://x/ws', account: 'A1', ...options, socket: () => socket });
  client.start();
  socket.onopen();
  const say = (message) => socket.onmessage({ data: JSON.stringify(message) });
  say(welcome);
  return { client, socket, say, asked: (op) => socket.sent.find((message) => message.op === op) };
}

const condition = { on: 'last', crosses: 'up', level: '2.5' };
const alert = (id, state, more = {}) => ({ cl_alert_id: id, state, symbol: 'S.T', condition, ts_us: 5, ...more });

test('an alert that ended never stands again, and fires once', () => {
  const alerts = new Alerts();
  assert.equal(alerts.take(alert('a', 'standing')), false);
  assert.equal(alerts.take(alert('a', 'fired', { seen: '2.6' })), true);
  assert.equal(alerts.take(alert('a', 'fired')), false);
  alerts.take(alert('a', 'standing'));
  assert.equal(alerts.get('a').state, 'fired');
  assert.deepEqual(alerts.listed([alert('b', 'standing')]), []);
  assert.deepEqual(alerts.listed([]).map((one) => one.cl_alert_id), ['b']);
});

test('what is kept is bounded, and what stands stays', () => {
  const alerts = new Alerts();
  alerts.take(alert('first', 'standing'));
  for (let i = 0; i < 2_000; i++) alerts.take(alert(`a${i}`, 'cancelled'));
  assert.equal(alerts.all.length, 600);
  assert.equal(alerts.get('first').state, 'standing');
  assert.equal(alerts.all[0].cl_alert_id, 'a1999');
});

test('an alert is set, told by the log once, and counts among the reports', async () => {
  const told = [];
  const { client, say, socket } = connected({ alert: (one, fired) => told.push([one.cl_alert_id, one.state, fired]) });
  say({ op: 'orders', id: 1, block: 3, report_seq: 4, orders: [], more: false });
  const sent = client.alert({ cl_alert_id: 'a', symbol: 'S.T', condition, note: 'n' });
  const request = socket.sent.at(-1);
  assert.deepEqual({ ...request, id: 0 }, { id: 0, op: 'alert.new', cl_alert_id: 'a', symbol: 'S.T', condition, note: 'n' });
  say({ op: 'alert', seq: 5, block: 6, ...alert('a', 'standing') });
  say({ op: 'alert.reply', id: request.id, cl_alert_id: 'a', outcome: 'stored', report_seq: 5, block: 6, alert: alert('a', 'standing') });
  assert.equal((await sent).outcome, 'stored');
  say({ op: 'alert', seq: 6, block: 7, ...alert('a', 'fired', { seen: '2.6' }) });
  assert.deepEqual(told.filter(([, , fired]) => fired), [['a', 'fired', true]]);
  say({ op: 'report', seq: 7, block: 8, cl_ord_id: 'c', order_id: null, exec_type: 'rejected', ord_status: 'rejected' });
  assert.deepEqual([client.orders.gaps, client.orders.lastSeq, client.orders.lastBlock], [0, 7, 8]);
  client.close();
});

test('what ended while nobody listened is asked for by its id', () => {
  const { client, say, asked, socket } = connected();
  client.alerts.take(alert('gone', 'standing'));
  const { id } = asked('alerts');
  say({ op: 'alerts', id, block: 1, report_seq: 1, alerts: [alert('a', 'standing')], more: true });
  say({ op: 'alerts', id, block: 1, report_seq: 1, alerts: [alert('b', 'standing')], more: false });
  const request = socket.sent.at(-1);
  assert.deepEqual([request.op, request.cl_alert_id], ['alert.new', 'gone']);
  say({ op: 'alert.reply', id: request.id, cl_alert_id: 'gone', outcome: 'known', alert: alert('gone', 'fired') });
  assert.deepEqual(client.alerts.standing.map((one) => one.cl_alert_id), ['b', 'a']);
  client.close();
});

test('a refused alert rejects with the code, and operators get their answers', async () => {
  const notices = [];
  const { client, say, socket } = connected({ notice: (notice) => notices.push(notice) });
  const refused = client.alert({ cl_alert_id: 'a', symbol: 'S.T', condition });
  say({ op: 'error', id: socket.sent.at(-1).id, code: 'too_many_alerts', number: 1503, message: 'full', retry: 'never' });
  await assert.rejects(refused, (error) => error.code === 'too_many_alerts');
  const cancelled = client.cancelAlert('a');
  assert.equal(socket.sent.at(-1).cl_alert_id, 'a');
  say({ op: 'alert.reply', id: socket.sent.at(-1).id, cl_alert_id: 'a', outcome: 'stored', alert: { cl_alert_id: 'a', state: 'burned', ts_us: 1 } });
  assert.equal((await cancelled).alert.state, 'burned');
  const said = client.sendNotice('soon', 'A2');
  assert.deepEqual([socket.sent.at(-1).text, socket.sent.at(-1).account], ['soon', 'A2']);
  say({ op: 'notice.sent', id: socket.sent.at(-1).id, ts_us: 9 });
  assert.equal((await said).ts_us, 9);
  const listing = client.sessions();
  const { id } = socket.sent.at(-1);
  say({ op: 'sessions', id, sessions: [{ number: 1 }], more: true });
  say({ op: 'sessions', id, sessions: [{ number: 2 }], gateways: [{ gateway: 'g', count: 2, told: 2 }], missing: ['h'], more: false });
  const listed = await listing;
  assert.deepEqual([listed.sessions.map((one) => one.number), listed.missing], [[1, 2], ['h']]);
  say({ op: 'notice', code: 'operator', text: 'soon', from: 'OPS', ts_us: 9 });
  assert.equal(notices.at(-1).text, 'soon');
  client.close();
});

test('conditions are said in words', () => {
  assert.equal(conditionText(condition), 'last up through 2.5');
  assert.equal(conditionText({ on: 'spread', above_ticks: 3 }), 'spread above 3 ticks');
  assert.equal(conditionText({ on: 'stale', longer_than_ms: 500 }), 'STALE for longer than 500 ms');
});
