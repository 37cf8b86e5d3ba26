// A scripted gateway for the page's own tests: serves dist/ and speaks the protocol, so that states which a healthy
// stack never shows (stale, halted, lost links, unanswered orders) can be looked at.

import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { ViewHash, hashOf } from '../../dist/sdk/hash.js';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

function varint(value) {
  const out = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    out.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    if (rest <= 127n) return out;
  }
}

const zigzag = (value) => varint(value >= 0 ? 2n * BigInt(value) : -2n * BigInt(value) - 1n);

/** A market of made-up symbols that walk at random. */
export function market(count, seed = 7) {
  let state = seed;
  const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
  const bases = ['BTC', 'ETH', 'SOL', 'XRP', 'BNB', 'DOGE', 'ADA', 'AVAX', 'LINK', 'DOT', 'LTC', 'UNI', 'ATOM', 'NEAR', 'APT'];
  const venues = ['BINANCE', 'KRAKEN', 'COINBASE', 'OKX', 'BYBIT'];
  return Array.from({ length: count }, (_, id) => {
    const base = bases[id % bases.length];
    const step = Math.floor(id / bases.length);
    const quote = ['USDT', 'USD', 'EUR'][Math.floor(step / venues.length) % 3];
    const row = {
      id, symbol: `${base}${quote}${step >= 15 ? step : ''}.${venues[step % venues.length]}`,
      bid: Math.floor(10_000 + random() * 6_000_000), spread: 1 + Math.floor(random() * 9), bidSize: 0, askSize: 0,
      version: 1_000 + id, tc: 0, volume: 0, bought: 0, last: 0, lastQty: 0, lastId: 0, state: random() < 0.8 ? 0 : 1, lost: 0,
    };
    row.last = row.bid;
    const move = () => {
      row.bid += Math.floor((random() - 0.5) * 12);
      row.spread = 1 + Math.floor(random() * 9);
      row.bidSize = 1 + Math.floor(random() * 90_000);
      row.askSize = 1 + Math.floor(random() * 90_000);
      row.version += 1 + Math.floor(random() * 20);
    };
    const trade = () => {
      const sell = random() < 0.5;
      const print = { price: sell ? row.bid : row.bid + row.spread, qty: 1 + Math.floor(random() * 9_000), sell };
      row.tc++;
      row.volume += print.qty;
      if (!sell) row.bought += print.qty;
      return print;
    };
    move();
    return Object.assign(row, { move, trade, random });
  });
}

/** The hash of what was to be told of a row. */
function hashOfRow(row, channel) {
  const { id, tc, last: lastPrice, lastQty, bidSize, askSize } = row;
  const quote = { based: true, version: row.version, bid: row.bid, ask: row.bid + row.spread, bidSize, askSize, state: row.state };
  return hashOf({ id, quote, trade: { based: true, tc, volumeLow: row.volume, lastPrice, lastQty }, hasBid: bidSize > 0, hasAsk: askSize > 0 }, channel);
}

/** Starts it; `port`, `sessions`, `rows`, `stop()`, `dropAll()`; `claims` puts hashes into heartbeats, `repairs` were asked for. */
export async function scripted({ symbols = 60, answerOrders = true, port = 0, moving = true } = {}) {
  const rows = market(symbols);
  const http = createServer((request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    if (path === '/readyz') {
      response.setHeader('content-type', 'application/json');
      return response.end(JSON.stringify({ ready: true, durability: 'durable' }));
    }
    const file = join(DIST, normalize(path === '/' ? '/index.html' : path));
    if (!file.startsWith(DIST) || !existsSync(file)) return response.writeHead(404).end();
    response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
  const sockets = new WebSocketServer({ server: http, path: '/ws', handleProtocols: (offered) => [...offered][0] });
  const sessions = new Set();
  const shared = { claims: false, repairs: [] };
  let seq = 0;
  sockets.on('connection', (socket) => {
    const session = new Session(socket, rows, { answerOrders, moving, shared, nextSeq: () => ++seq });
    sessions.add(session);
    socket.on('close', () => (session.end(), sessions.delete(session)));
  });
  await new Promise((resolve) => http.listen(port, '127.0.0.1', resolve));
  return Object.assign(shared, {
    port: http.address().port, rows, sessions,
    dropAll: () => sessions.forEach((session) => session.socket.terminate()),
    stop: () => new Promise((resolve) => {
      sessions.forEach((session) => session.socket.terminate());
      http.close(resolve);
      http.closeAllConnections();
    }),
  });
}

class Session {
  frame = 0;
  watermark = true;
  sets = { quote: [], trade: [] };
  timers = [];

  constructor(socket, rows, options) {
    Object.assign(this, { socket, rows, options });
    socket.on('message', (text) => this.request(JSON.parse(text)));
  }

  say(op, body) {
    this.socket.send(JSON.stringify({ op, ...body }));
  }

  head(kind) {
    this.frame++;
    const now = Date.now();
    return [((this.frame & 15) << 4) | 10, kind, Math.floor(now / 50) & 255, 0x60];
  }

  fulls(ids) {
    const set = this.sets.quote;
    const bitmap = new Array(set.length > 1 ? Math.ceil(set.length / 8) : 0).fill(0);
    const bytes = [];
    for (const id of ids) {
      const rank = set.indexOf(id);
      if (bitmap.length > 0) bitmap[rank >> 3] |= 1 << (rank & 7);
      const row = this.rows[id];
      bytes.push(...varint(1), row.state, ...varint(row.version), ...varint(row.lost), ...zigzag(row.bid), ...zigzag(row.spread));
      bytes.push(...varint(row.bidSize), ...varint(row.askSize));
    }
    this.socket.send(Uint8Array.from([...this.head(1), ...bitmap, ...bytes]));
  }

  tradeFulls(ids) {
    const set = this.sets.trade;
    for (const id of ids) {
      const row = this.rows[id];
      const bitmap = new Array(set.length > 1 ? Math.ceil(set.length / 8) : 0).fill(0);
      const rank = set.indexOf(id);
      if (bitmap.length > 0) bitmap[rank >> 3] |= 1 << (rank & 7);
      const totals = [...varint(row.tc), ...varint(0), ...varint(row.volume), ...varint(row.bought), ...varint(0), ...varint(0)];
      const bytes = [...varint(1), row.state, ...totals, ...zigzag(row.last), ...varint(row.lastQty), ...varint(row.lastId), 0, 0];
      this.socket.send(Uint8Array.from([...this.head(7), ...bitmap, ...bytes]));
    }
  }

  print(id) {
    const set = this.sets.trade;
    const row = this.rows[id];
    const print = row.trade();
    const bitmap = new Array(Math.ceil(set.length / 8)).fill(0);
    const rank = set.indexOf(id);
    if (set.length > 1) bitmap[rank >> 3] |= 1 << (rank & 7);
    const body = [...zigzag(print.price - row.last), ...varint(print.qty), ...zigzag(0)];
    Object.assign(row, { last: print.price, lastQty: print.qty, lastId: row.lastId + 1 });
    const record = [0x80 | (print.sell ? 2 : 0), body.length + 1, 1, ...body];
    this.socket.send(Uint8Array.from([...this.head(2), ...(set.length > 1 ? bitmap : []), ...record]));
  }

  beat() {
    const t = Date.now() * 1000;
    const hash = this.options.shared.claims ? this.sums()[0].text : null;
    this.say('heartbeat', { t_us: t, last_frame: this.frame, watermark_us: this.watermark ? t - 1_000 : null, hash });
  }

  each(act) {
    for (const [channel, ids] of Object.entries(this.sets)) ids.forEach((id) => act(channel, id, hashOfRow(this.rows[id], channel)));
  }

  /** The sums of so many buckets. */
  sums(count = 1) {
    const sums = Array.from({ length: count }, () => new ViewHash());
    this.each((_channel, id, hash) => sums[id % count].add(hash));
    return sums;
  }

  hashes({ id, buckets: within }) {
    if (within === undefined) return this.say('hashes', { id, owed: false, buckets: this.sums(64).map((sum) => sum.text) });
    const symbols = [];
    this.each((channel, symbol, hash) => within.includes(symbol % 64) && symbols.push({ channel, id: symbol, hash: hash.text }));
    this.say('hashes', { id, owed: false, symbols });
  }

  repair({ id, channel, symbols }) {
    const asked = (one) => symbols?.includes(this.rows[one].symbol) ?? true;
    const named = (of) => (channel === undefined || channel === of ? this.sets[of].filter(asked) : []);
    this.options.shared.repairs.push({ channel, symbols });
    this.say('repairing', { id, symbols: symbols?.length ?? this.sets.quote.length, rejected: [] });
    this.fulls(named('quote'));
    this.tradeFulls(named('trade'));
  }

  request(message) {
    const { id, op } = message;
    if (op === 'hello') {
      this.say('welcome', {
        session: 's', session_epoch: 0, account: message.account ?? null, auth: 'demo', resumed: false, form: 'compact',
        boot_id: 'scripted', limits: {}, rates_ms: [0, 50], heartbeat_ms: 1000, stale_after_ms: 400, quiet_after_ms: 1000,
        server_time_us: Date.now() * 1000,
      });
      this.beat();
      this.timers.push(setInterval(() => this.beat(), 1_000));
    } else if (op === 'subscribe') {
      this.subscribe(message);
    } else if (op === 'orders') {
      this.say('orders', { id, block: 0, report_seq: 0, orders: [], more: false });
    } else if (op === 'alerts') {
      this.say('alerts', { id, block: 0, report_seq: 0, alerts: [], more: false });
    } else if (op.startsWith('alert.')) {
      this.alert(message);
    } else if (op.startsWith('order.')) {
      this.order(message);
    } else if (op === 'repair') {
      this.repair(message);
    } else if (op === 'hashes') {
      this.hashes(message);
    }
  }

  /** Sets or cancels an alert; `fire` says that one has come true. */
  alert({ id, op, cl_alert_id, symbol, condition, note }) {
    const kept = (this.alerts ??= new Map()).get(cl_alert_id);
    const seq = this.options.nextSeq();
    const set = { cl_alert_id, symbol, condition, note, ts_us: Date.now() * 1000 };
    const state = op === 'alert.new' ? { ...set, state: 'standing' } : { ...kept, state: 'cancelled' };
    this.alerts.set(cl_alert_id, state);
    this.say('alert', { seq, block: seq, ...state });
    this.say('alert.reply', { id, cl_alert_id, outcome: 'stored', report_seq: seq, block: seq, alert: state });
  }

  fire(seen) {
    const standing = [...this.alerts.values()].find(({ state }) => state === 'standing');
    const seq = this.options.nextSeq();
    this.say('alert', { seq, block: seq, ...standing, state: 'fired', seen });
  }

  subscribe({ id, channel }) {
    if (!(channel in this.sets)) return this.say('error', { id, code: 'unknown_channel', number: 1102, message: 'channel', retry: 'never' });
    this.sets[channel] = this.rows.map((row) => row.id);
    const symbols = this.rows.map((row) => ({
      symbol: row.symbol, id: row.id, price_exponent: -2, qty_exponent: -3, tick_size: '0.01', lot_size: '0.001',
      has_aggressor: true, has_size: true, shard: row.id % 4,
    }));
    for (let at = 0; at < symbols.length; at += 64) {
      const part = symbols.slice(at, at + 64);
      this.say('subscribed', {
        id, channel, slot: 0, interval_ms: 50, phase_us: 0, stale_after_ms: 400, quiet_after_ms: 1000, symbols: part,
        rejected: [], more: at + 64 < symbols.length,
      });
    }
    if (channel === 'quote') this.fulls(this.sets.quote);
    else this.tradeFulls(this.sets.trade);
    if (channel === 'quote' && this.options.moving) this.timers.push(setInterval(() => this.move(), 50));
  }

  move() {
    const live = this.rows.filter((row) => row.state === 0 && row.random() < 0.2);
    for (const row of live) row.move();
    if (live.length > 0) this.fulls(live.map((row) => row.id));
    for (const row of live) if (this.sets.trade.length > 0 && row.random() < 0.3) this.print(row.id);
  }

  order({ id, op, cl_ord_id, ...order }) {
    if (!this.options.answerOrders && op !== 'order.resolve') {
      return this.say('order.reply', { id, cl_ord_id, outcome: 'unknown' });
    }
    const seq = this.options.nextSeq();
    const state = { cl_ord_id, order_id: op === 'order.new' ? `0-${seq}` : null, ts_us: Date.now() * 1000 };
    if (op === 'order.resolve') {
      const burned = { ...state, exec_type: 'rejected', ord_status: 'rejected', reason: 'burned' };
      this.say('report', { seq, block: seq, ...burned });
      return this.say('order.reply', { id, cl_ord_id, outcome: 'rejected', report_seq: seq, block: seq, order: burned });
    }
    const { symbol, side, type, tif, qty, price } = order;
    const terms = { symbol, side, type, tif, qty, price, leaves_qty: qty, cum_qty: '0' };
    const accepted = { ...state, exec_type: 'new', ord_status: 'new', ...terms };
    this.say('report', { seq, block: seq, ...accepted });
    this.say('order.reply', { id, cl_ord_id, outcome: 'stored', report_seq: seq, block: seq, order: accepted });
  }

  end() {
    for (const timer of this.timers) clearInterval(timer);
  }
}
