// What the client holds of one instrument.

import { BookView } from './book.js';
import { Ledger } from './ledger.js';
import type { SymbolInfo } from './protocol.js';
import { STATE, STATUS, type Bar } from './records.js';

/** Best bid and ask, mantissas; size 0 = side absent, its price is then the last one known. */
export class QuoteView {
  /** False until a full, and again after a lost frame: what does not tell totals then means nothing. */
  based = false;
  bid = 0;
  ask = 0;
  bidSize = 0;
  askSize = 0;
  /** As told; `Instrument.state` is what may be shown. */
  state: number = STATE.stale;
  /** Events that the shown value stands for. */
  events = 0;
  readonly account = new Ledger();

  /** Events so far in this feed epoch. */
  get version(): number {
    return this.account.last;
  }
}

const HALF = 2 ** 32;

/** Totals and last print. Volumes beyond 2^53 are shown rounded; what they are compared by is exact. */
export class TradeView {
  based = false;
  /** The volume's halves: high · 2^32 + low. */
  volumeHigh = 0;
  volumeLow = 0;
  buyVolume = 0;
  lastPrice = 0;
  lastQty = 0;
  lastId = 0;
  lastSell: boolean | null = false;
  /** Merged prints that may yet be told one by one (`fixed`, `json`). */
  listable = 0;
  readonly account = new Ledger();

  get volume(): number {
    return this.volumeHigh * HALF + this.volumeLow;
  }

  addVolume(qty: number): void {
    this.volumeHigh += Math.floor(qty / HALF);
    this.volumeLow += qty >>> 0;
    if (this.volumeLow < HALF) return;
    this.volumeLow -= HALF;
    this.volumeHigh++;
  }

  /** Takes a total, as it is rounded and mod 2^32, which together tell it exactly. Returns by how much it moved. */
  setVolume(rounded: number, low: number): number {
    const high = Math.round((rounded - low) / HALF);
    const moved = (high - this.volumeHigh) * HALF + low - this.volumeLow;
    this.volumeHigh = high;
    this.volumeLow = low;
    return moved;
  }

  /** Prints so far in this feed epoch. */
  get tc(): number {
    return this.account.last;
  }
}

/** The newest bar; earlier ones are told and not kept. */
export class BarView {
  /** False until it comes, and again after a lost frame. */
  based = false;
  epoch = 0;
  state: number = STATE.stale;
  /** Null before the first. */
  last: Bar | null = null;
}

/** Trading status. */
export class StatusView {
  based = false;
  epoch = 0;
  state: number = STATE.stale;
  status: number = STATUS.source_stale;
  /** Due time of the newest one, µs. */
  eventUs = 0;
}

/** One instrument that is or was subscribed. */
export class Instrument {
  readonly quote = new QuoteView();
  readonly trade = new TradeView();
  readonly book = new BookView();
  readonly bar = new BarView();
  readonly status = new StatusView();
  /** Of what is held first: quote, prints, book, bars, status. */
  state: number = STATE.stale;
  /** Local clock, ms: when the state became this, when a value last changed. */
  stateAt = 0;
  changedAt = 0;
  /** Channels that hold it: 1 quote, 2 trade, 4 book, 8 bar, 16 status. */
  channels = 0;

  constructor(readonly info: SymbolInfo) {}

  get id(): number {
    return this.info.id;
  }

  get symbol(): string {
    return this.info.symbol;
  }

  /** Whether there is a bid, an ask. Where sizes say nothing, the prices are always there. */
  get hasBid(): boolean {
    return this.info.has_size === false || this.quote.bidSize > 0;
  }

  get hasAsk(): boolean {
    return this.info.has_size === false || this.quote.askSize > 0;
  }
}
