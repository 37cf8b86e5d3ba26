// What messages say, whatever their form. Prices and sizes are mantissas in the instrument's exponents; times are µs
// since the Unix epoch, because nanoseconds do not fit a number.

import type { Changes, Level } from './book.js';

/** Forms of market data, as the subprotocol names them. */
export type Form = 'compact' | 'fixed' | 'json';

/** Kinds of messages that this reader knows; others are skipped whole. */
export const KIND = { quote: 0, quoteFull: 1, trade: 2, book: 3, bookFull: 4, bar: 5, status: 6, tradeFull: 7 } as const;

/** Freshness, by its number on the wire. */
export const STATE = { live: 0, quiet: 1, stale: 2, halted: 3, out: 4 } as const;

/** Trading status, by its number on the wire. */
export const STATUS = { open: 0, halted: 1, closed: 2, source_stale: 3 } as const;

/** What a message says of itself. */
export interface Head {
  kind: number;
  slot: number;
  /** Low four bits of the session's frame counter. */
  counter: number;
  /** Low eight bits of the number of the interval; 0 in `fixed`, which tells the flush time instead. */
  tick: number;
  /** From the interval's begin to the flush, µs; null when not told. */
  lagUs: number | null;
  /** Whole tick, when told. */
  wholeTick: number | null;
  /** Whole frame counter, when told. */
  wholeCounter: number | null;
  /** Flush time in µs, when told. */
  flushUs: number | null;
}

/** A head that tells no time yet. */
export function newHead(kind: number, slot: number, counter: number): Head {
  return { kind, slot, counter, tick: 0, lagUs: null, wholeTick: null, wholeCounter: null, flushUs: null };
}

/** When an event was due (publisher's clock) and when the gateway received it. `compact` tells neither. */
export interface Times {
  readonly eventUs?: number;
  readonly recvUs?: number;
}

/** Totals of a symbol's prints. */
export interface TradeTotals extends Times {
  /** Feed epoch; in `fixed` how many of them this gateway has seen, mod 256. */
  feedEpoch: number;
  state: number;
  /** Prints so far, and of these declared lost; mod 2^32 in `fixed`. */
  tc: number;
  lost: number;
  /** Rounded beyond 2^53, as is `buyVolume`; `volumeLow` is exact, mod 2^32. */
  volume: number;
  volumeLow: number;
  buyVolume: number;
  /** Notional mod 2^96 = high · 2^48 + low. */
  notionalHigh: number;
  notionalLow: number;
  lastPrice: number;
  lastQty: number;
  lastId: number;
}

/** A state's number; what a newer gateway calls otherwise is not proven here. */
export function knownState(state: number): number {
  return state > STATE.out ? STATE.stale : state;
}

/** A trading status's number; of a newer gateway's nothing else is safe. */
export function knownStatus(status: number): number {
  return status > STATUS.source_stale ? STATUS.source_stale : status;
}

/** One print. */
export interface Print extends Times {
  price: number;
  qty: number;
  id: number;
  /** Whether the seller took; null where the venue does not tell. */
  sell: boolean | null;
}

/** First, high and low of the prints that were missed. */
export interface Range {
  first: number;
  high: number;
  low: number;
}

/** What one `compact` record says of a book; `changes` is used again for the next. */
export interface BookChange {
  events: number;
  /** −1 when unchanged. */
  state: number;
  changes: Changes;
  checksum: number;
}

/** A whole book in `compact`: changes of an empty one. */
export interface BookFull {
  feedEpoch: number;
  state: number;
  total: number;
  lost: number;
  changes: Changes;
  checksum: number;
}

/** An update of a book in `fixed` or `json`. */
export interface BookRecord extends Times {
  epoch: number;
  /** Whether it tells the whole book with its totals; else what changed. */
  full: boolean;
  /** Whether the levels are all that the book has; always so when `full`. */
  whole: boolean;
  /** Events that it stands for, when not `full`. */
  events: number;
  /** All events so far, where told: when `full`, and always in `json`. */
  total: number | null;
  lost: number;
  state: number;
  checksum: number;
  levels: readonly Level[];
}

/** One bar: prices and quantities are mantissas. */
export interface Bar {
  /** Begin, µs since the Unix epoch, a multiple of the period. */
  startUs: number;
  open: number;
  high: number;
  low: number;
  close: number;
  /** Rounded beyond 2^53, as is `buyVolume`; `volumeLow` is exact, mod 2^32. */
  volume: number;
  volumeLow: number;
  buyVolume: number;
  /** Sum of price × quantity, mod 2^96. */
  notional: bigint;
  /** Prints in it. */
  count: number;
  /** Prints of the symbol so far, after its last one; mod 2^32 in `fixed`. */
  tc: number;
  /** Whether its period is over; else a later one of the same begin replaces it. */
  closed: boolean;
  /** Whether prints are missing: lost, or from before the symbol was followed. */
  partial: boolean;
}

/** Bars of a symbol, oldest first; none: only the state is told. */
export interface BarsRecord {
  epoch: number;
  state: number;
  bars: Bar[];
}

/** Trading status of a symbol. `recvUs` is told by `fixed` and `json` alone. */
export interface StatusRecord extends Times {
  epoch: number;
  state: number;
  /** One of `STATUS`. */
  status: number;
}

/** A quote with its current values (`fixed`, `json`). */
export interface QuoteRecord extends Times {
  readonly id: number;
  readonly epoch: number;
  /** Events that it stands for. */
  readonly events: number;
  /** All events so far, where told: always in `json`, in `fixed` when it comes in full, mod 2^32. */
  readonly total: number | null;
  readonly lost: number;
  readonly state: number;
  /** Null when that side is absent. */
  readonly bid: number | null;
  readonly ask: number | null;
  readonly bidSize: number;
  readonly askSize: number;
}

/** Takes the records of `fixed` and `json`. A quote given here may be used again for the next: copy what is kept. */
export interface Values {
  value(record: QuoteRecord): void;
  /** `listed`: the totals told before hold it already. */
  printed(id: number, epoch: number, print: Print, listed: boolean): void;
  totals(id: number, totals: TradeTotals, range: Range | null, partial: boolean): void;
  levels(id: number, record: BookRecord): void;
  barred(id: number, record: BarsRecord): void;
  traded(id: number, record: StatusRecord): void;
}
