// One connection to a gateway that comes back by itself: hello, subscriptions, orders, heartbeats, repair.

import { Alerts } from './alerts.js';
import { StaleShards, type Freshness } from './freshness.js';
import type { Instrument } from './instrument.js';
import { isData } from './json.js';
import { RequestError, type ClientOptions, type Link, type OrderOutcome, type Outcome, type SocketLike } from './options.js';
import { Orders, type Order } from './orders.js';
import { reconnects } from './protocol.js';
import type {
  Alert,
  AlertReply,
  BudgetSet,
  Channel,
  ErrorReply,
  Hashes,
  Heartbeat,
  NewAlert,
  NewOrder,
  Notice,
  OrderReply,
  RateChanged,
  RateSet,
  Rejected,
  Report,
  SessionState,
  Sessions,
  Shows,
  Stats,
  StatsSet,
  Subscribed,
  Unsubscribed,
  VisibleSet,
  Welcome,
} from './protocol.js';
import type { Head } from './records.js';
import { Repairs } from './repairs.js';
import { Timing } from './timing.js';
import { View } from './view.js';

interface OrdersReply {
  orders: Report[];
  report_seq: number;
  block: number;
  more: boolean;
}

/** An answer that comes in parts. */
interface Parts {
  op: string;
  id?: number;
  more?: boolean;
}

interface Pending {
  resolve(value: never): void;
  reject(error: RequestError): void;
  outcome: Outcome;
  order: string | null;
  timer: ReturnType<typeof setTimeout> | null;
}

/** How a symbol or pattern is subscribed. */
interface Wanted {
  channel: Channel;
  intervalMs: number;
  maxAgeMs: number | undefined;
  adaptive: boolean;
  shows: Shows;
}

const MARKET: readonly Channel[] = ['quote', 'trade'];
const ORDER_WAIT_MS = 6_000;
const PATTERN_AGAIN_MS = 1_000;
const BACKOFF_MS = { first: 250, most: 8_000 } as const;

export class Client {
  view: View;
  readonly timing: Timing;
  readonly orders: Orders;
  readonly alerts = new Alerts();
  readonly repairs: Repairs;
  readonly stale = new StaleShards();
  link: Link = 'connecting';
  /** Local clock, ms: when the link was lost, and when it is tried again. */
  lostAt = 0;
  retryAt = 0;
  attempts = 0;
  server: Welcome | null = null;
  lastHeartbeat: { at: number; message: Heartbeat } | null = null;
  private socket: SocketLike | null = null;
  private readonly now: () => number;
  private readonly pending = new Map<number, Pending>();
  private readonly wanted = new Map<string, Wanted & { name: string }>();
  /** What is said again after a reconnect. */
  private bytesPerS: number | null = null;
  private statsEveryMs = 0;
  private rowsOnScreen: string[] = [];
  private nextId = 1;
  private rows: Report[] = [];
  private alertRows: Alert[] = [];
  private sessionRows: SessionState[] = [];
  private retry: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly options: ClientOptions) {
    this.now = options.now ?? (() => performance.now());
    this.view = new View(options, this.now, options.form);
    this.timing = new Timing(this.now);
    this.orders = new Orders(() => Date.now());
    const found = (channel: Channel, symbols: string[]): void => options.mismatch?.(channel, symbols);
    this.repairs = new Repairs((message) => this.request(message), this.now, options.verify !== false, found);
  }

  /** Opens the connection and keeps it until `close`. */
  start(): void {
    this.setLink('connecting', '');
    const make = this.options.socket ?? ((url, protocols) => new WebSocket(url, protocols) as unknown as SocketLike);
    const socket = make(this.options.url, [`tickgate.v1.${this.options.form ?? 'compact'}`]);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    socket.onopen = () => {
      const hello: { [key: string]: unknown } = { op: 'hello' };
      if (this.options.session) hello['session'] = this.options.session;
      if (this.options.account) hello['account'] = this.options.account;
      if (this.options.token === undefined) return socket.send(JSON.stringify(hello));
      const say = (token: string): void => {
        if (this.socket === socket) socket.send(JSON.stringify({ ...hello, token }));
      };
      // Without a token there is no session: the gateway closes it, or the function's owner mends it in time.
      this.freshToken().then(say, (error: unknown) => this.untold(error));
    };
    socket.onmessage = (event) => {
      if (this.socket === socket) this.receive(event.data);
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.lost(event.code, event.reason);
    };
    socket.onerror = () => undefined; // a close follows and says more
  }

  /** Says goodbye and stays away. */
  close(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000, 'normal');
    this.settleLost();
    this.setLink('closed', '');
  }

  /** Trades for another account: a new session. */
  setAccount(account: string | null): void {
    this.options.account = account;
    const socket = this.socket;
    this.socket = null;
    if (this.retry !== null) clearTimeout(this.retry);
    socket?.close(1000, 'normal');
    this.settleLost();
    this.orders.clear();
    this.alerts.clear();
    this.start();
  }

  /** Tries now instead of waiting on. */
  retryNow(): void {
    if (this.link !== 'waiting') return;
    if (this.retry !== null) clearTimeout(this.retry);
    this.start();
  }

  private setLink(link: Link, detail: string): void {
    this.link = link;
    this.options.link?.(link, detail);
  }

  private lost(code: number, reason: string): void {
    this.socket = null;
    this.server = null;
    this.lostAt = this.now();
    this.lastHeartbeat = null;
    this.settleLost();
    const detail = `${code}${reason ? ` ${reason}` : ''}`;
    if (!reconnects(code)) {
      this.setLink('closed', detail);
      return;
    }
    const most = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** this.attempts);
    this.attempts++;
    // Full jitter above a floor, so that a thousand pages do not come back in one moment.
    const wait = most * (0.25 + 0.75 * (this.options.random ?? Math.random)());
    this.retryAt = this.now() + wait;
    this.retry = setTimeout(() => this.start(), wait);
    this.setLink('waiting', detail);
  }

  private settleLost(): void {
    for (const [id, pending] of this.pending) {
      this.ended(id);
      if (pending.order === null) pending.reject(new RequestError('connection_lost', 'the connection was lost'));
      else this.orderUnanswered(pending);
    }
  }

  private orderUnanswered(pending: Pending): void {
    this.orders.unanswered(pending.order as string);
    pending.resolve({ outcome: 'unknown', reply: null, error: null } as never);
    this.options.orders?.();
  }

  private receive(data: unknown): void {
    let told: { head: Head | null; whole: boolean };
    if (typeof data === 'string') {
      const message = JSON.parse(data) as { op: string; id?: number };
      if (!isData(message)) return this.text(message);
      told = this.view.message(message, data.length);
    } else {
      told = this.view.message(new Uint8Array(data as ArrayBuffer));
    }
    const { head, whole } = told;
    if (head !== null) this.timing.frame(head);
    this.repairs.taken(!whole);
  }

  private text(message: { op: string; id?: number }): void {
    switch (message.op) {
      case 'welcome':
        return this.welcomed(message as Welcome);
      case 'subscribed':
      case 'added': {
        const part = message as Subscribed;
        this.view.subscribed(part);
        this.timing.slot(part.slot, part.interval_ms, part.phase_us);
        return this.part(part, part.symbols.map((item) => item.symbol));
      }
      case 'unsubscribed':
        this.view.unsubscribed(message as Unsubscribed);
        this.stale.keep(this.view.instruments.values());
        return this.part(message as Unsubscribed, []);
      case 'rate_set': {
        const part = message as RateSet;
        this.view.rateSet(part);
        if (part.slot !== null) this.timing.slot(part.slot, part.interval_ms, part.phase_us);
        return this.part(part, []);
      }
      case 'rate_changed': {
        const changed = message as RateChanged;
        this.timing.slot(changed.slot, changed.interval_ms, changed.phase_us);
        return this.options.rateChanged?.(changed);
      }
      case 'heartbeat':
        return this.beat(message as Heartbeat);
      case 'stats':
        return this.options.stats?.(message as Stats);
      case 'hashes':
        this.repairs.hashes(message as Hashes, this.view);
        return this.other(message);
      case 'repairing':
        this.repairs.repairing();
        return this.other(message);
      case 'order.reply':
        return this.replied(message as OrderReply);
      case 'report':
        this.orders.report(message as unknown as Report);
        return this.options.orders?.();
      case 'alert': {
        const alert = message as unknown as Alert;
        this.orders.counted(alert.seq ?? 0, alert.block ?? 0);
        return this.alerted(alert);
      }
      case 'alert.reply': {
        const { alert } = message as AlertReply;
        if (alert !== undefined) this.alerted(alert);
        return this.other(message);
      }
      case 'notice':
        return this.noticed(message as Notice);
      case 'error':
        return this.failed(message as ErrorReply);
      default:
        return this.other(message);
    }
  }

  private welcomed(welcome: Welcome): void {
    this.server = welcome;
    this.attempts = 0;
    this.repairs.reset();
    this.stale.clear();
    // A new connection numbers slots and frames afresh; subscriptions are no part of a session.
    this.view = new View(this.options, this.now, this.options.form);
    this.timing.reset(welcome.server_time_us);
    this.setLink('open', '');
    this.options.welcome?.(welcome);
    if (this.bytesPerS !== null) this.budget(this.bytesPerS).catch(() => undefined);
    if (this.statsEveryMs > 0) this.stats(this.statsEveryMs).catch(() => undefined);
    if (this.rowsOnScreen.length > 0) this.visible(this.rowsOnScreen).catch(() => undefined);
    this.askWanted();
    if (welcome.account !== null) {
      this.rows = [];
      this.alertRows = [];
      this.request({ op: 'orders' }).catch(() => undefined);
      this.request({ op: 'alerts' }).catch(() => undefined);
    }
  }

  private askWanted(): void {
    const groups = new Map<string, Wanted & { names: string[] }>();
    for (const { name, ...how } of this.wanted.values()) {
      const key = `${how.channel} ${how.intervalMs} ${how.maxAgeMs} ${how.adaptive} ${JSON.stringify(how.shows)}`;
      const group = groups.get(key) ?? { ...how, names: [] };
      group.names.push(name);
      groups.set(key, group);
    }
    for (const { names, ...how } of groups.values()) this.ask(names, how).catch(() => undefined);
  }

  private async freshToken(): Promise<string> {
    const { token } = this.options;
    return typeof token === 'function' ? token() : (token ?? '');
  }

  private untold(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.options.notice?.({ op: 'notice', code: 'token_not_renewed', message });
  }

  /** Sends a fresh token before the old one ends; after its end what was taken is asked for again. */
  private async renewToken(lost: boolean): Promise<void> {
    if (typeof this.options.token !== 'function') return;
    try {
      await this.request({ op: 'auth', token: await this.freshToken() });
      if (lost) this.askWanted();
    } catch (error) {
      this.untold(error);
    }
  }

  private alerted(alert: Alert): void {
    const fired = this.alerts.take(alert);
    this.options.alert?.(alert, fired);
  }

  private noticed(notice: Notice): void {
    if (notice.code === 'token_expiring' || notice.code === 'token_expired') {
      void this.renewToken(notice.code === 'token_expired');
    }
    const told = this.stale.notice(notice);
    if (told !== null) this.options.freshness?.(...told);
    this.options.notice?.(notice);
  }

  /** State of a symbol now, and why it is stale; null when it is not held. Looked for by name, or at once. */
  freshness(symbol: string | Instrument): Freshness | null {
    const named = (): Instrument | undefined => [...this.view.instruments.values()].find((one) => one.symbol === symbol);
    const instrument = typeof symbol === 'string' ? named() : symbol;
    if (instrument === undefined) return null;
    return this.link === 'open' ? this.stale.of(instrument) : { state: 'stale', reason: 'link_lost', words: 'link lost' };
  }

  private beat(message: Heartbeat): void {
    this.lastHeartbeat = { at: this.now(), message };
    this.timing.beat(message.t_us);
    const whole = this.view.lastFrame(message.last_frame);
    this.repairs.taken(!whole);
    if (whole) this.repairs.beat(message.hash, this.view);
    this.options.heartbeat?.(message);
  }

  /** Takes the request that an answer ends out of those that wait. */
  private ended(id: number | undefined): Pending | undefined {
    const pending = this.pending.get(id as number);
    this.pending.delete(id as number);
    if (pending?.timer) clearTimeout(pending.timer);
    return pending;
  }

  private part(message: { id?: number; rejected?: Rejected[]; more?: boolean }, symbols: string[]): void {
    const { outcome } = this.pending.get(message.id as number) ?? {};
    outcome?.symbols.push(...symbols);
    outcome?.rejected.push(...(message.rejected ?? []));
    if (message.more !== true) this.ended(message.id)?.resolve(outcome as never);
  }

  private replied(message: OrderReply): void {
    this.orders.reply(message);
    this.ended(message.id)?.resolve({ outcome: message.outcome, reply: message, error: null } as never);
    this.options.orders?.();
  }

  private failed(error: ErrorReply): void {
    const pending = this.ended(error.id);
    if (pending === undefined) {
      this.options.notice?.({ ...error, op: 'notice' });
    } else if (pending.order === null) {
      pending.reject(new RequestError(error.code, error.message, error.retry));
    } else {
      this.orders.refused(error, pending.order);
      pending.resolve({ outcome: 'error', reply: null, error } as never);
      this.options.orders?.();
    }
  }

  /** Answers without a case of their own: `orders`, `order.state`, `paused`, `repairing`, `pong`, and newer ones. */
  private other(message: { op: string; id?: number; [field: string]: unknown }): void {
    if (message.op === 'orders') this.listed(message as unknown as OrdersReply);
    if (message.op === 'alerts') this.alertsListed(message as unknown as Parts & { alerts: Alert[] });
    if (message.op === 'sessions') this.sessionsListed(message as unknown as Parts & Sessions);
    if (message['more'] !== true) this.ended(message.id)?.resolve(message as never);
  }

  /** Parts of `orders`; behind the last one, what is open here and not there is asked for by id. */
  private listed(message: OrdersReply): void {
    this.rows.push(...message.orders);
    if (message.more) return;
    const elsewhere = this.orders.listed(this.rows, message.report_seq, message.block);
    this.rows = [];
    for (const order of elsewhere) this.status(order.chain.at(-1) ?? order.clOrdId).catch(() => undefined);
    this.options.orders?.();
  }

  /** Parts of `alerts`; behind the last one, what stands here and not there is asked for: it ended unheard. */
  private alertsListed(message: Parts & { alerts: Alert[] }): void {
    this.alertRows.push(...message.alerts);
    if (message.more) return;
    const ended = this.alerts.listed(this.alertRows);
    this.alertRows = [];
    for (const alert of ended) {
      const { cl_alert_id, symbol, condition } = alert;
      // Its id is known: the answer is its end, nothing is set.
      if (symbol !== undefined && condition !== undefined) this.alert({ cl_alert_id, symbol, condition }).catch(() => undefined);
    }
    for (const alert of this.alerts.standing) this.options.alert?.(alert, false);
  }

  private sessionsListed(message: Parts & Sessions): void {
    this.sessionRows.push(...message.sessions);
    if (message.more) return;
    message.sessions = this.sessionRows;
    this.sessionRows = [];
  }

  private request<T>(message: { op: string; [field: string]: unknown }, order: string | null = null): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const socket = this.socket;
      if (socket === null || socket.readyState !== 1 || (this.server === null && message.op !== 'hello')) {
        return reject(new RequestError('not_connected', 'not connected: nothing was sent'));
      }
      const id = this.nextId++;
      const pending: Pending = {
        resolve: resolve as (value: never) => void,
        reject,
        outcome: { symbols: [], rejected: [] },
        order,
        timer: null,
      };
      if (order !== null) {
        pending.timer = setTimeout(() => {
          this.pending.delete(id);
          this.orderUnanswered(pending);
        }, ORDER_WAIT_MS);
      }
      this.pending.set(id, pending);
      socket.send(JSON.stringify({ id, ...message }));
    });
  }

  /**
   * Subscribes now and after every reconnect. Settles when the last part of the answer is here. Shards of which the last
   * proof is older than `maxAgeMs` are told as stale. With `adaptive` the gateway may lengthen the interval while this client
   * cannot follow. `shows` says what of the channel is told.
   */
  subscribe(
    channel: Channel,
    symbols: string[],
    intervalMs: number,
    maxAgeMs?: number,
    adaptive = false,
    shows: Shows = {},
  ): Promise<Outcome> {
    const how = { channel, intervalMs, maxAgeMs, adaptive, shows };
    for (const name of symbols) this.wanted.set(`${channel} ${name}`, { ...how, name });
    return this.ask(symbols, how);
  }

  /** A gateway that has just started knows no symbol yet: a wanted pattern is asked for again until it matches. */
  private async ask(symbols: string[], how: Wanted): Promise<Outcome> {
    const socket = this.socket;
    const { channel, intervalMs, maxAgeMs, adaptive, shows } = how;
    const age = { ...(maxAgeMs === undefined ? {} : { max_age_ms: maxAgeMs }), ...(adaptive ? { adaptive } : {}) };
    const asked = { op: 'subscribe', channel, symbols, interval_ms: intervalMs, ...age, ...shows };
    const outcome = await this.request<Outcome>(asked);
    const early = outcome.rejected.filter(({ symbol, code }) => code === 'unknown_symbol' && symbol.includes('*'));
    if (early.length > 0) {
      setTimeout(() => {
        const still = early.map(({ symbol }) => symbol).filter((symbol) => this.wanted.has(`${channel} ${symbol}`));
        if (this.socket === socket && still.length > 0) this.ask(still, how).catch(() => undefined);
      }, PATTERN_AGAIN_MS);
    }
    return outcome;
  }

  unsubscribe(channel: Channel, symbols: string[]): Promise<Outcome> {
    for (const name of symbols) this.wanted.delete(`${channel} ${name}`);
    return this.request<Outcome>({ op: 'unsubscribe', channel, symbols });
  }

  setRate(channel: Channel, symbols: string[], intervalMs: number, adaptive = false): Promise<Outcome> {
    // Quotes and prints of a symbol share their interval; the other channels have their own.
    const moved = MARKET.includes(channel) ? MARKET : [channel];
    for (const wanted of this.wanted.values()) {
      if (moved.includes(wanted.channel) && symbols.includes(wanted.name)) Object.assign(wanted, { intervalMs, adaptive });
    }
    const how = adaptive ? { adaptive } : {};
    return this.request<Outcome>({ op: 'set_rate', channel, symbols, interval_ms: intervalMs, ...how });
  }

  /** Limits market data to so many bytes a second (1,000 to 100,000,000; null = no limit), also after a reconnect. */
  budget(bytesPerS: number | null): Promise<BudgetSet> {
    this.bytesPerS = bytesPerS;
    return this.request<BudgetSet>({ op: 'budget', bytes_per_s: bytesPerS });
  }

  /** Asks for this session's statistics so often (1,000 to 60,000 ms; 0 = no more), also after a reconnect. */
  stats(everyMs: number): Promise<StatsSet> {
    this.statsEveryMs = everyMs;
    return this.request<StatsSet>({ op: 'stats', every_ms: everyMs });
  }

  /** Names the rows on screen (symbols and patterns; none = all alike): what is missed of them is told first. */
  visible(symbols: string[]): Promise<VisibleSet> {
    this.rowsOnScreen = symbols;
    return this.request<VisibleSet>({ op: 'visible', symbols });
  }

  /** Sends a new order. Always settles: with the gateway's outcome, an error, or `unknown`; rejects only unsent. */
  order(order: NewOrder): Promise<OrderOutcome> {
    const sent = this.request<OrderOutcome>({ op: 'order.new', ...order }, order.cl_ord_id);
    if (this.server !== null) this.orders.sending(order);
    this.options.orders?.();
    return sent;
  }

  cancel(order: Order, clOrdId: string): Promise<OrderOutcome> {
    const message = { op: 'order.cancel', cl_ord_id: clOrdId, orig_cl_ord_id: order.chain.at(-1) ?? order.clOrdId };
    const sent = this.request<OrderOutcome>(message, clOrdId);
    this.orders.cancelling(order, clOrdId);
    this.options.orders?.();
    return sent;
  }

  status(clOrdId: string): Promise<OrderOutcome> {
    return this.request<OrderOutcome>({ op: 'order.status', cl_ord_id: clOrdId }, clOrdId);
  }

  /** Makes the fate of an id definite: its present state, or a logged "never will be". */
  resolve(clOrdId: string): Promise<OrderOutcome> {
    return this.request<OrderOutcome>({ op: 'order.resolve', cl_ord_id: clOrdId }, clOrdId);
  }

  /** Sets an alert. Rejects when it was refused or the connection went; asking again with the same id is safe. */
  alert(alert: NewAlert): Promise<AlertReply> {
    return this.request<AlertReply>({ op: 'alert.new', ...alert });
  }

  /** Ends an alert: the answer is definite, also when it had fired or never was. */
  cancelAlert(clAlertId: string): Promise<AlertReply> {
    return this.request<AlertReply>({ op: 'alert.cancel', cl_alert_id: clAlertId });
  }

  /** Says something to all live sessions, or to those of an account. Only for operators. */
  sendNotice(text: string, account?: string): Promise<{ op: 'notice.sent'; ts_us: number }> {
    return this.request({ op: 'notice.send', text, ...(account === undefined ? {} : { account }) });
  }

  /** The live sessions of all gateways, or those of an account. Only for operators; one question at a time. */
  sessions(account?: string): Promise<Sessions> {
    return this.request<Sessions>({ op: 'sessions', ...(account === undefined ? {} : { account }) });
  }
}
