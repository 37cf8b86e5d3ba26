// What the client holds: wire sets, instruments, bases of deltas, and the account of every source event (P1).

import { KIND, STATE, decode, type Head, type Print, type Range, type Sink, type TradeTotals } from './compact.js';
import { DecodeError } from './reader.js';
import type { Channel, RateSet, Subscribed, SymbolInfo, Unsubscribed } from './protocol.js';

/** Accounts of one (symbol, channel) or of all. Events: accounted = delivered + merged. */
export interface Account {
  /** Records that stood for at least one event. */
  delivered: number;
  /** Events that such a record stood for beside its own. */
  merged: number;
  /** Events that the gateway declared lost. */
  lost: number;
  /** Periods in which delivered + merged + lost was not last − first version. */
  broken: number;
}

function account(): Account {
  return { delivered: 0, merged: 0, lost: 0, broken: 0 };
}

/** Best bid and ask of an instrument, mantissas; size 0 = side absent. */
export class QuoteView {
  /** False until a full, and again after a lost frame: deltas then mean nothing. */
  based = false;
  /** Whether an accounting period is open: it outlives a lost frame, not a new epoch or the subscription. */
  counting = false;
  feedEpoch = 0;
  version = 0;
  lost = 0;
  bid = 0;
  ask = 0;
  bidSize = 0;
  askSize = 0;
  /** Events that the shown value stands for. */
  events = 0;
  readonly account = account();
  /** Version at the begin of the period and what was accounted since. */
  private first = 0;
  private covered = 0;

  begin(version: number): void {
    this.first = version;
    this.covered = 0;
  }

  cover(events: number, lost: number, total: Account): void {
    this.covered += events + lost;
    count(this.account, total, events, lost);
    if (this.covered !== this.version - this.first) {
      this.account.broken++;
      total.broken++;
      this.begin(this.version);
    }
  }
}

/** Totals and last print of an instrument. */
export class TradeView {
  based = false;
  counting = false;
  feedEpoch = 0;
  tc = 0;
  lost = 0;
  volume = 0;
  buyVolume = 0;
  lastPrice = 0;
  lastQty = 0;
  lastId = 0;
  lastSell = false;
  readonly account = account();
}

function count(own: Account, total: Account, events: number, lost: number): void {
  const delivered = events > 0 ? 1 : 0;
  for (const account of [own, total]) {
    account.delivered += delivered;
    account.merged += events - delivered;
    account.lost += lost;
  }
}

/** One instrument that is or was subscribed. */
export class Instrument {
  readonly quote = new QuoteView();
  readonly trade = new TradeView();
  state: number = STATE.stale;
  /** Local clock, ms: when the state became this, when a value last changed. */
  stateAt = 0;
  changedAt = 0;
  /** Channels that hold it. */
  channels = 0;

  constructor(readonly info: SymbolInfo) {}

  get id(): number {
    return this.info.id;
  }

  get symbol(): string {
    return this.info.symbol;
  }
}

/** Prints that a slow moment merged into one row. */
export interface Merged {
  count: number;
  volume: number;
  range: Range | null;
}

/** What the view tells its owner. */
export interface ViewEvents {
  /** A quote, its state or its totals changed. */
  quote?(instrument: Instrument): void;
  print?(instrument: Instrument, print: Print): void;
  merged?(instrument: Instrument, merged: Merged): void;
  joined?(instrument: Instrument, channel: Channel): void;
  left?(instrument: Instrument, channel: Channel): void;
}

const CHANNELS: Channel[] = ['quote', 'trade'];

/** The state of one connection. */
export class View implements Sink {
  readonly instruments = new Map<number, Instrument>();
  readonly quotes = account();
  readonly trades = account();
  /** Ids in order, by slot · 2 + channel. */
  private readonly sets = new Map<number, number[]>();
  private set: number[] = [];
  /** Frames counted by the client; −1 until the first. */
  private frame = 0;
  frames = 0;
  records = 0;
  bytes = 0;
  gaps = 0;
  decodeErrors = 0;

  constructor(
    private readonly events: ViewEvents,
    private readonly now: () => number,
  ) {}

  /** Takes one binary message. False: a frame was lost or unreadable, deltas are ignored, ask for repair. */
  message(bytes: Uint8Array): { head: Head | null; whole: boolean } {
    this.frame = (this.frame + 1) >>> 0;
    this.frames++;
    this.bytes += bytes.length;
    let head: Head;
    let whole = true;
    try {
      // The counter is checked before the records, so that no delta lands on a base that missed one.
      if ((bytes[0] as number) >> 4 !== (this.frame & 15)) {
        whole = false;
        this.gaps++;
        this.frame = this.nearest((bytes[0] as number) >> 4);
        this.distrust();
      }
      head = decode(bytes, this.setSize, this);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.decodeErrors++;
      this.distrust();
      return { head: null, whole: false };
    }
    return { head, whole };
  }

  /** Compares with the heartbeat's frame counter. */
  lastFrame(frame: number): boolean {
    if (frame === this.frame) return true;
    this.gaps++;
    this.frame = frame;
    this.distrust();
    return false;
  }

  private nearest(counter: number): number {
    return (this.frame + ((counter - this.frame) & 15)) >>> 0;
  }

  /** Deltas are ignored until a full comes. */
  private distrust(): void {
    for (const instrument of this.instruments.values()) {
      instrument.quote.based = false;
      instrument.trade.based = false;
    }
  }

  private readonly setSize = (kind: number, slot: number): number => {
    const channel = kind === KIND.quote || kind === KIND.quoteFull ? 0 : 1;
    this.set = this.sets.get(slot * 2 + channel) ?? [];
    return this.set.length;
  };

  subscribed(message: Subscribed): void {
    const channel = CHANNELS.indexOf(message.channel);
    for (const info of message.symbols) {
      const instrument = this.instruments.get(info.id) ?? new Instrument(info);
      this.instruments.set(info.id, instrument);
      instrument.channels |= 1 << channel;
      instrument.stateAt = this.now();
      this.join(message.slot, channel, info.id);
      this.events.joined?.(instrument, message.channel);
    }
  }

  unsubscribed(message: Unsubscribed): void {
    const channel = CHANNELS.indexOf(message.channel);
    for (const id of message.ids) {
      if (message.slot !== null) this.leave(message.slot, channel, id);
      const instrument = this.instruments.get(id);
      if (instrument === undefined) continue;
      instrument.channels &= ~(1 << channel);
      // The base goes with the subscription: what comes later is another accounting period.
      const view = channel === 0 ? instrument.quote : instrument.trade;
      view.based = false;
      view.counting = false;
      if (instrument.channels === 0) this.instruments.delete(id);
      this.events.left?.(instrument, message.channel);
    }
  }

  rateSet(message: RateSet): void {
    const { slot, from_slot: from } = message;
    if (slot === null || from === null) return;
    for (const name of message.channels) {
      const channel = CHANNELS.indexOf(name);
      for (const id of message.ids) {
        this.leave(from, channel, id);
        this.join(slot, channel, id);
      }
    }
  }

  private join(slot: number, channel: number, id: number): void {
    const key = slot * 2 + channel;
    const set = this.sets.get(key);
    if (set === undefined) {
      this.sets.set(key, [id]);
      return;
    }
    const at = lowerBound(set, id);
    if (set[at] !== id) set.splice(at, 0, id);
  }

  private leave(slot: number, channel: number, id: number): void {
    const set = this.sets.get(slot * 2 + channel);
    if (set === undefined) return;
    const at = lowerBound(set, id);
    if (set[at] === id) set.splice(at, 1);
  }

  private at(rank: number): Instrument {
    const instrument = this.instruments.get(this.set[rank] as number);
    if (instrument === undefined) throw new DecodeError('a rank without an instrument');
    this.records++;
    return instrument;
  }

  private setState(instrument: Instrument, state: number): void {
    if (instrument.state === state) return;
    instrument.state = state;
    instrument.stateAt = this.now();
  }

  quote(rank: number, events: number, state: number, bid: number, ask: number, bidSize: number, askSize: number): void {
    const instrument = this.at(rank);
    const view = instrument.quote;
    if (!view.based) return;
    view.version += events;
    view.cover(events, 0, this.quotes);
    if (events > 0) view.events = events;
    if (bid !== 0 || ask !== 0 || bidSize !== 0 || askSize !== 0) {
      view.bid += bid;
      view.ask += ask;
      view.bidSize += bidSize;
      view.askSize += askSize;
      instrument.changedAt = this.now();
    }
    if (state >= 0) this.setState(instrument, state);
    this.events.quote?.(instrument);
  }

  quoteFull(
    rank: number,
    feedEpoch: number,
    state: number,
    total: number,
    lost: number,
    bid: number,
    ask: number,
    bidSize: number,
    askSize: number,
  ): void {
    const instrument = this.at(rank);
    const view = instrument.quote;
    const goesOn = view.counting && view.feedEpoch === feedEpoch;
    const covered = total - view.version;
    const declared = lost - view.lost;
    Object.assign(view, { based: true, counting: true, feedEpoch, version: total, lost, bid, ask, bidSize, askSize });
    if (goesOn) {
      view.cover(covered - declared, declared, this.quotes);
      if (covered - declared > 0) view.events = covered - declared;
    } else {
      view.begin(total);
    }
    this.setState(instrument, state);
    instrument.changedAt = this.now();
    this.events.quote?.(instrument);
  }

  print(rank: number, priceDelta: number, qty: number, idGap: number, sell: boolean): void {
    const instrument = this.at(rank);
    const view = instrument.trade;
    if (!view.based) return;
    view.lastPrice += priceDelta;
    if (qty >= 0) view.lastQty = qty;
    view.lastId += 1 + idGap;
    view.lastSell = sell;
    view.tc++;
    view.volume += view.lastQty;
    if (!sell) view.buyVolume += view.lastQty;
    count(view.account, this.trades, 1, 0);
    this.events.print?.(instrument, { price: view.lastPrice, qty: view.lastQty, id: view.lastId, sell });
  }

  printState(rank: number, state: number): void {
    const instrument = this.at(rank);
    this.setState(instrument, state);
    this.events.quote?.(instrument);
  }

  tradeFull(rank: number, totals: TradeTotals, listed: Print[], range: Range | null, _partial: boolean): void {
    const instrument = this.at(rank);
    const view = instrument.trade;
    const goesOn = view.counting && view.feedEpoch === totals.feedEpoch;
    const covered = totals.tc - view.tc;
    const declared = totals.lost - view.lost;
    const volume = totals.volume - view.volume;
    view.based = true;
    view.counting = true;
    view.feedEpoch = totals.feedEpoch;
    view.tc = totals.tc;
    view.lost = totals.lost;
    view.volume = totals.volume;
    view.buyVolume = totals.buyVolume;
    view.lastPrice = totals.lastPrice;
    view.lastQty = totals.lastQty;
    view.lastId = totals.lastId;
    if (goesOn) this.missedPrints(instrument, covered, declared, volume, listed, range);
    if ((instrument.channels & 1) === 0) this.setState(instrument, totals.state);
    const last = listed.at(-1);
    if (last !== undefined) {
      view.lastPrice = last.price;
      view.lastQty = last.qty;
      view.lastId = last.id;
      view.lastSell = last.sell;
    }
    this.events.quote?.(instrument);
  }

  /** Prints since the last full: listed ones singly, the rest as one merged row, losses declared. */
  private missedPrints(
    instrument: Instrument,
    covered: number,
    declared: number,
    volume: number,
    listed: Print[],
    range: Range | null,
  ): void {
    const account = instrument.trade.account;
    const merged = covered - declared - listed.length;
    for (const own of [account, this.trades]) {
      own.delivered += listed.length;
      own.merged += Math.max(0, merged);
      own.lost += declared;
      if (merged < 0) own.broken++;
    }
    if (merged > 0) {
      const shown = listed.reduce((sum, print) => sum + print.qty, 0);
      this.events.merged?.(instrument, { count: merged, volume: volume - shown, range });
    }
    for (const print of listed) this.events.print?.(instrument, print);
  }
}

function lowerBound(set: number[], id: number): number {
  let low = 0;
  let high = set.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((set[middle] as number) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
