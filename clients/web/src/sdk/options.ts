// What a client is given, tells, and answers.

import type { Stale } from './freshness.js';
import type {
  Alert,
  Channel,
  ErrorReply,
  Heartbeat,
  Notice,
  OrderReply,
  RateChanged,
  Rejected,
  Stats,
  Welcome,
} from './protocol.js';
import type { Form } from './records.js';
import type { ViewEvents } from './view.js';

/** State of the link. `closed` does not come back by itself. */
export type Link = 'connecting' | 'open' | 'waiting' | 'closed';

/** What of a WebSocket is used; the browser's and the package `ws` both fit. */
export interface SocketLike {
  binaryType: string;
  readyState: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
}

export interface ClientOptions extends ViewEvents {
  url: string;
  session?: string;
  account?: string | null;
  /** Says who this is: a token, or a function that gives a fresh one for each connection and before one ends. */
  token?: string | (() => string | Promise<string>);
  /** Form of market data; `compact` unless given. */
  form?: Form;
  /** Makes the socket; the platform's own unless given. */
  socket?: (url: string, protocols: string[]) => SocketLike;
  /** Milliseconds, never backwards. */
  now?: () => number;
  /** 0 ≤ x < 1, for the jitter. */
  random?: () => number;
  /** Whether the view is compared with the hash of each heartbeat; true unless given. */
  verify?: boolean;
  link?(link: Link, detail: string): void;
  welcome?(welcome: Welcome): void;
  orders?(): void;
  notice?(notice: Notice): void;
  /** An alert has another state; `fired` is true once, when it has just fired. */
  alert?(alert: Alert, fired: boolean): void;
  /** Symbols of this shard are stale because of this; null: they are fresh. What is let go is not told. */
  freshness?(shard: number, why: Stale | null): void;
  /** An adaptive slot runs at another interval now. */
  rateChanged?(changed: RateChanged): void;
  /** What was asked for by `Client.stats`. */
  stats?(stats: Stats): void;
  heartbeat?(heartbeat: Heartbeat): void;
  /** These symbols were not as the gateway says, and are asked for in full. */
  mismatch?(channel: Channel, symbols: string[]): void;
}

/** A request was refused, or its connection went before the answer. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  constructor(
    readonly code: string,
    message: string,
    readonly retry = 'now',
  ) {
    super(message);
  }
}

/** What became of a subscribe, unsubscribe or set_rate, all its parts together. */
export interface Outcome {
  symbols: string[];
  rejected: Rejected[];
}

/** Answer to an order request: the gateway's word, or `unknown` when there was none. */
export interface OrderOutcome {
  outcome: string;
  reply: OrderReply | null;
  error: ErrorReply | null;
}
