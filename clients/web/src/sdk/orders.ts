// Own orders: every act has its id, every id ends known, rejected, or is asked for. Nothing is guessed here.

import type { ErrorReply, NewOrder, OrderReply, Report } from './protocol.js';

/** Where an order stands, for eyes. `sending` and `cancelling` are ours, the rest is what reports said. */
export type OrderState =
  | 'sending'
  | 'working'
  | 'partial'
  | 'cancelling'
  | 'filled'
  | 'cancelled'
  | 'expired'
  | 'rejected'
  | 'unknown'
  | 'never';

/** One order of the account, by the newest id of its chain. */
export interface Order {
  clOrdId: string;
  /** Every id of its chain. */
  chain: string[];
  orderId: string;
  symbol: string;
  side: string;
  type: string;
  tif: string;
  qty: string;
  price: string;
  cum: string;
  leaves: string;
  state: OrderState;
  reason: string;
  /** Local clock, ms: when it was sent, when its state last moved. */
  sentAt: number;
  movedAt: number;
}

/** One fill. */
export interface Fill {
  seq: number;
  atMs: number;
  clOrdId: string;
  symbol: string;
  side: string;
  qty: string;
  price: string;
}

const STATES: { [status: string]: OrderState } = {
  new: 'working',
  partially_filled: 'partial',
  filled: 'filled',
  canceled: 'cancelled',
  cancelled: 'cancelled',
  expired: 'expired',
  rejected: 'rejected',
};

/** Whether nothing more will happen to it. */
export function ended(state: OrderState): boolean {
  return state === 'filled' || state === 'cancelled' || state === 'expired' || state === 'rejected' || state === 'never';
}

/** The blotter of one account. */
export class Orders {
  readonly orders: Order[] = [];
  readonly fills: Fill[] = [];
  /** Number and block of the newest report: the cursor. */
  lastSeq = 0;
  lastBlock = 0;
  /** Reports whose number did not follow the last one. */
  gaps = 0;
  /** Reports that a lost connection kept from us; the present states were read instead. */
  missed = 0;
  private readonly byId = new Map<string, Order>();
  private readonly cancels = new Map<string, Order>();

  constructor(private readonly now: () => number) {}

  get(clOrdId: string): Order | undefined {
    return this.byId.get(clOrdId);
  }

  /** Before an order is sent, so that its row stands whatever comes back first. */
  sending(order: NewOrder): Order {
    const known = this.byId.get(order.cl_ord_id);
    if (known !== undefined) return known;
    const row: Order = {
      clOrdId: order.cl_ord_id,
      chain: [order.cl_ord_id],
      orderId: '',
      symbol: order.symbol,
      side: order.side,
      type: order.type,
      tif: order.tif,
      qty: order.qty,
      price: order.price ?? '',
      cum: '0',
      leaves: order.qty,
      state: 'sending',
      reason: '',
      sentAt: this.now(),
      movedAt: this.now(),
    };
    this.add(row);
    return row;
  }

  private add(row: Order): void {
    this.orders.unshift(row);
    for (const id of row.chain) this.byId.set(id, row);
    // The page's memory is bounded; the log has them all.
    while (this.orders.length > 1_000) {
      const last = this.orders.pop();
      if (last !== undefined) for (const id of last.chain) this.byId.delete(id);
    }
  }

  cancelling(order: Order, clOrdId: string): void {
    this.cancels.set(clOrdId, order);
    if (!ended(order.state)) this.move(order, 'cancelling');
  }

  private move(order: Order, state: OrderState, reason?: string): void {
    order.state = state;
    order.movedAt = this.now();
    if (reason !== undefined) order.reason = reason;
  }

  /** No answer in time, or the connection went: the fate of these ids is not known here. */
  unanswered(clOrdId: string): void {
    const order = this.byId.get(clOrdId);
    if (order?.state === 'sending') this.move(order, 'unknown', 'no answer yet');
    const cancelled = this.cancels.get(clOrdId);
    if (cancelled?.state === 'cancelling') this.move(cancelled, 'unknown', 'cancel not answered yet');
  }

  reply(message: OrderReply): void {
    if (message.outcome === 'unknown') this.unanswered(message.cl_ord_id);
    const stated = message.order;
    // Reports are the record; a reply that reflects no more than they did must not turn an order back.
    if (stated && (message.report_seq ?? 0) > this.lastSeq) this.report({ ...stated, op: 'state' });
    else if (stated && !this.byId.has(stated.cl_ord_id)) this.report({ ...stated, op: 'state' });
    else if (stated && this.byId.get(stated.cl_ord_id)?.state === 'unknown') this.report({ ...stated, op: 'state' });
  }

  /** The list of open orders, whole: it stands for every report up to its number. Returns what it does not hold. */
  listed(rows: Report[], reportSeq: number, block: number): Order[] {
    for (const row of rows) this.report({ ...row, op: 'state' });
    if (reportSeq > this.lastSeq) {
      this.missed = this.lastSeq === 0 ? 0 : reportSeq - this.lastSeq;
      this.lastSeq = reportSeq;
      this.lastBlock = block;
    }
    const held = new Set(rows.map((row) => this.byId.get(row.cl_ord_id)));
    return this.orders.filter((order) => !ended(order.state) && !held.has(order));
  }

  /** The request itself was refused: this attempt was not taken. */
  refused(error: ErrorReply, clOrdId: string): void {
    const order = this.byId.get(clOrdId);
    if (order?.state === 'sending') this.move(order, 'rejected', error.message || error.code);
    const cancelled = this.cancels.get(clOrdId);
    if (cancelled?.state === 'cancelling') {
      this.move(cancelled, cancelled.cum === '0' ? 'working' : 'partial', error.message || error.code);
    }
  }

  /** A report that is not of an order: it is of the same row of numbers. Returns whether it is new. */
  counted(seq: number, block: number): boolean {
    if (seq <= this.lastSeq) return false;
    if (this.lastSeq !== 0 && seq !== this.lastSeq + 1) this.gaps++;
    this.lastSeq = seq;
    this.lastBlock = block;
    return true;
  }

  /** A report, a present state, or a row of `orders`. */
  report(message: Report): Order | null {
    if (message.op === 'report' && typeof message.seq === 'number') {
      if (!this.counted(message.seq, message.block ?? this.lastBlock)) return null;
    }
    const order = this.find(message);
    order.chain.includes(message.cl_ord_id) || order.chain.push(message.cl_ord_id);
    const state = STATES[message.ord_status ?? ''];
    if (message.exec_type === 'cancel_rejected' && state !== undefined && !ended(state)) {
      this.move(order, state, `cancel refused: ${reasonOf(message)}`);
    } else if (state !== undefined) {
      const never = state === 'rejected' && message.reason === 'burned';
      this.move(order, never ? 'never' : state, never ? 'never reached the market' : reasonOf(message));
    }
    if (message.order_id) order.orderId = message.order_id;
    if (message.cum_qty !== undefined) order.cum = message.cum_qty;
    if (message.leaves_qty !== undefined) order.leaves = message.leaves_qty;
    if (message.qty !== undefined) order.qty = message.qty;
    if (message.price) order.price = message.price;
    this.fill(message, order);
    return order;
  }

  private find(message: Report): Order {
    const known =
      this.byId.get(message.cl_ord_id) ??
      this.cancels.get(message.cl_ord_id) ??
      (message.orig_cl_ord_id ? this.byId.get(message.orig_cl_ord_id) : undefined) ??
      (message.order_id ? this.orders.find((order) => order.orderId === message.order_id) : undefined);
    if (known !== undefined) {
      this.byId.set(message.cl_ord_id, known);
      return known;
    }
    const row: Order = {
      clOrdId: message.cl_ord_id,
      chain: [message.cl_ord_id],
      orderId: message.order_id ?? '',
      symbol: message.symbol ?? '',
      side: message.side ?? '',
      type: message.type ?? '',
      tif: message.tif ?? '',
      qty: message.qty ?? '',
      price: message.price ?? '',
      cum: '0',
      leaves: message.leaves_qty ?? '',
      state: 'unknown',
      reason: '',
      sentAt: this.now(),
      movedAt: this.now(),
    };
    this.add(row);
    return row;
  }

  private fill(message: Report, order: Order): void {
    if (message.op !== 'report' || !message.last_qty || message.last_qty === '0') return;
    this.fills.unshift({
      seq: message.seq ?? 0,
      atMs: typeof message.ts_us === 'number' ? message.ts_us / 1000 : this.now(),
      clOrdId: message.cl_ord_id,
      symbol: order.symbol,
      side: order.side,
      qty: message.last_qty,
      price: message.last_price ?? '',
    });
    if (this.fills.length > 1_000) this.fills.pop();
  }

  /** Another account begins: nothing of the last one stays. */
  clear(): void {
    this.orders.length = 0;
    this.fills.length = 0;
    this.byId.clear();
    this.cancels.clear();
    this.lastSeq = 0;
    this.lastBlock = 0;
    this.gaps = 0;
    this.missed = 0;
  }

}

const REASONS: { [reason: string]: string } = {
  market_stale: 'quote is stale',
  by_client: 'by you',
  ioc_rest: 'rest of IOC',
  no_liquidity: 'no more quantity',
  too_late: 'done already',
};

function reasonOf(message: Report): string {
  const reason = message.reason ?? '';
  return REASONS[reason] ?? reason.replaceAll('_', ' ');
}
