// JSON messages of the socket, as far as this client reads them. docs/protocol.md has them all.

/** Channels of market data. */
export type Channel = 'quote' | 'trade' | 'book' | 'bar' | 'status';

/** What of a quote is told: `price` of sizes only whether a side is there, `coarse` their three highest binary digits. */
export type Fields = 'all' | 'price' | 'coarse';

/** One comparison of a filter, the value a decimal number. */
export type Comparison = [
  field: 'bid' | 'ask' | 'bid_size' | 'ask_size' | 'spread',
  test: '<' | '<=' | '>' | '>=' | '=' | '!=',
  value: string,
];

/** What a subscription shows. A field that says nothing about its channel is refused (1003). */
export interface Shows {
  /** Of `quote` and `trade`; `all` unless given. */
  fields?: Fields;
  /** Of `quote`: which symbols are told. All comparisons of at least one list must hold; at most 4 lists, 8 comparisons. */
  filter?: Comparison[][];
  /** Of `book`: levels a side, 10 unless given. */
  depth?: 5 | 10 | 20;
  /** Of `bar`: `1s` unless given. */
  period?: '1s' | '1m';
}

export interface SymbolInfo {
  symbol: string;
  id: number;
  price_exponent: number;
  qty_exponent: number;
  tick_size: string;
  lot_size: string;
  has_aggressor?: boolean;
  has_size?: boolean;
  /** Why symbols are stale is told a shard at a time. */
  shard?: number;
}

export interface Rejected {
  symbol: string;
  code: string;
  number?: number;
  interval_ms?: number;
}

export interface Welcome {
  op: 'welcome';
  session: string | null;
  session_epoch: number;
  account: string | null;
  /** `token`, `demo` or `none`. */
  auth: string;
  /** When the token is over, Unix time. */
  expires_at_us?: number;
  resumed: boolean;
  form: string;
  boot_id: string;
  limits: { [name: string]: number };
  rates_ms: number[];
  heartbeat_ms: number;
  stale_after_ms: number;
  quiet_after_ms: number;
  server_time_us: number;
  durability?: string;
}

export interface Subscribed {
  op: 'subscribed' | 'added';
  id?: number;
  channel: Channel;
  slot: number;
  interval_ms: number;
  /** Whether the gateway may lengthen the interval, and what was asked for where it may. */
  adaptive?: boolean;
  asked_ms?: number;
  phase_us: number;
  /** What the slot shows, where the channel has it: as in `Shows`, and whether a filter holds. */
  fields?: Fields;
  filtered?: boolean;
  depth?: number;
  period?: '1s' | '1m';
  symbols: SymbolInfo[];
  rejected?: Rejected[];
  more?: boolean;
}

export interface Unsubscribed {
  op: 'unsubscribed';
  id?: number;
  channel: Channel;
  slot: number | null;
  ids: number[];
  rejected: Rejected[];
  more?: boolean;
}

export interface RateSet {
  op: 'rate_set';
  id?: number;
  channels: Channel[];
  from_slot: number | null;
  slot: number | null;
  interval_ms: number;
  phase_us: number;
  ids: number[];
  rejected: Rejected[];
  more?: boolean;
}

/** A slot runs at another interval: the gateway found this client too slow, or fast enough again. Its wire sets stay. */
export interface RateChanged {
  op: 'rate_changed';
  slot: number;
  interval_ms: number;
  phase_us: number;
  asked_ms: number;
  reason: 'slow' | 'recovered';
}

/** Answer to `budget`; null = no limit. */
export interface BudgetSet {
  op: 'budget_set';
  id?: number;
  bytes_per_s: number | null;
}

/** Answer to `visible`: how many instruments count as on screen. */
export interface VisibleSet {
  op: 'visible_set';
  id?: number;
  symbols: number;
  rejected: Rejected[];
}

/** Answer to `stats`; 0 = none come. */
export interface StatsSet {
  op: 'stats_set';
  id?: number;
  every_ms: number;
}

/** How long a hop took, µs; null where nothing was counted. */
export interface HopTimes {
  n: number;
  p50: number | null;
  p90: number | null;
  p99: number | null;
  max: number | null;
}

/** What the gateway counted for this session since the last one. */
export interface Stats {
  op: 'stats';
  period_us: number;
  frames: number;
  records: number;
  bytes: number;
  catch_ups: number;
  /** Symbols that are owed now. */
  backlog: number;
  /** Due at the publisher until received; sent by the publisher until received; received until flushed; until written. */
  feed_us: HopTimes;
  bus_us: HopTimes;
  wait_us: HopTimes;
  send_us: HopTimes;
}

export interface Heartbeat {
  op: 'heartbeat';
  t_us: number;
  last_frame: number;
  watermark_us: number | null;
  hash: string | null;
  clock_offset_us?: number | null;
}

/** What is to be held where this stands in the stream: of all buckets, or of each symbol in the named ones. */
export interface Hashes {
  op: 'hashes';
  id?: number;
  /** Nothing is claimed: market data is on its way. */
  owed: boolean;
  buckets?: string[];
  symbols?: { channel: Channel; id: number; hash: string }[];
}

export interface ErrorReply {
  op: 'error';
  id?: number;
  code: string;
  number: number;
  message: string;
  retry: string;
  after_ms?: number;
  cl_ord_id?: string;
  cl_alert_id?: string;
}

export interface OrderReply {
  op: 'order.reply';
  id?: number;
  cl_ord_id: string;
  outcome: string;
  report_seq?: number;
  block?: number;
  order?: Report;
}

/** A report, a present state, or an open order: prices and quantities are decimal texts. */
export interface Report {
  op: string;
  seq?: number;
  block?: number;
  cl_ord_id: string;
  orig_cl_ord_id?: string | null;
  order_id?: string | null;
  symbol?: string;
  side?: string;
  type?: string;
  tif?: string;
  qty?: string;
  price?: string | null;
  exec_type?: string;
  ord_status?: string;
  last_qty?: string | null;
  last_price?: string | null;
  leaves_qty?: string;
  cum_qty?: string;
  reason?: string | null;
  text?: string | null;
  ts_us?: number;
  [field: string]: unknown;
}

/** What an alert waits for; a level is decimal text. */
export type AlertCondition =
  | { on: 'bid' | 'ask' | 'last'; crosses: 'up' | 'down'; level: string }
  | { on: 'spread'; above_ticks: number }
  | { on: 'stale'; longer_than_ms: number };

/** A new alert; `note` has at most 64 characters. */
export interface NewAlert {
  cl_alert_id: string;
  symbol: string;
  condition: AlertCondition;
  expires_us?: number;
  note?: string;
}

/** State of an alert; `seq` and `block` stand where the log says it. */
export interface Alert {
  op?: string;
  seq?: number;
  block?: number;
  cl_alert_id: string;
  state: 'standing' | 'fired' | 'cancelled' | 'expired' | 'burned';
  symbol?: string;
  condition?: AlertCondition;
  expires_us?: number;
  note?: string;
  /** What was seen when it fired: a price, ticks or milliseconds. */
  seen?: string;
  ts_us: number;
}

export interface AlertReply {
  op: 'alert.reply';
  id?: number;
  cl_alert_id: string;
  /** `stored`, `known` or `unknown`: then an `alert`, or the same request again, decides. */
  outcome: string;
  report_seq?: number;
  block?: number;
  alert?: Alert;
}

/** One live session, for operators. */
export interface SessionState {
  gateway: string;
  number: number;
  session: string | null;
  account: string | null;
  operator: boolean;
  form: string;
  subscriptions: number;
  slots: number;
  blocked: boolean;
  backlog: number;
  frames: number;
  connected_us: number;
}

/** Sessions of all gateways; those that did not answer are named. */
export interface Sessions {
  op: 'sessions';
  sessions: SessionState[];
  gateways: { gateway: string; count: number; told: number }[];
  missing: string[];
}

/** `stale` has `shard`, `reason` and `age_ms`; `fresh` has `shard`; `token_expiring` has `expires_at_us`; `operator` has `text`, `from` and `ts_us`. */
export interface Notice {
  op: 'notice';
  code: string;
  [field: string]: unknown;
}

/** A new order; all numbers are texts. */
export interface NewOrder {
  cl_ord_id: string;
  symbol: string;
  side: 'buy' | 'sell';
  type: 'limit' | 'market';
  qty: string;
  price?: string;
  tif: 'day' | 'ioc' | 'fok' | 'gtc';
  expires_ms?: number;
}

/** Close codes after which a client comes back by itself. */
export function reconnects(code: number): boolean {
  return code === 1001 || code === 1005 || code === 1006 || code === 1011 || code === 1012 || code === 1013 || code === 4408;
}
