// What the client holds: wire sets, instruments, bases of deltas, and the account of every source event (P1). The same
// for all three forms; the reference is the reader in Rust (wire/src/frame/view.rs).

import type { BookView } from './book.js';
import { decode, type Sink } from './compact.js';
import { decodeFixed } from './fixed.js';
import { hashOf, ViewHash } from './hash.js';
import { Instrument, type BarView, type QuoteView, type StatusView, type TradeView } from './instrument.js';
import { decodeJson, type JsonMessage } from './json.js';
import { addsUp, type Account, type Ledger } from './ledger.js';
import { Market } from './market.js';
import type { Channel, RateSet, Subscribed, Unsubscribed } from './protocol.js';
import { DecodeError } from './reader.js';
import {
  knownState,
  type Bar,
  type BarsRecord,
  type BookChange,
  type BookFull,
  type BookRecord,
  type Form,
  type Head,
  type Print,
  type QuoteRecord,
  type Range,
  type StatusRecord,
  type TradeTotals,
  type Values,
} from './records.js';
import { WireSets } from './sets.js';

/** Prints that a slow moment merged into one row. In `fixed` and `json` some of them may follow one by one. */
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
  /** A book, its state or its totals changed; or it is wrong and hidden until it comes in full. */
  book?(instrument: Instrument): void;
  /** A bar, closed or so far; one of the same begin is replaced. */
  bar?(instrument: Instrument, bar: Bar): void;
  /** A trading status. */
  status?(instrument: Instrument): void;
  joined?(instrument: Instrument, channel: Channel): void;
  left?(instrument: Instrument, channel: Channel): void;
}

const CHANNELS: Channel[] = ['quote', 'trade', 'book', 'bar', 'status'];
const QUOTE = 0;
const TRADE = 1;
const BOOK = 2;
const BAR = 3;
const STATUS = 4;
/** The channel of each kind; an unknown one has none. */
const CHANNEL_OF: { [kind: number]: number } = { 0: QUOTE, 1: QUOTE, 2: TRADE, 3: BOOK, 4: BOOK, 5: BAR, 6: STATUS, 7: TRADE };
/** What totals count to: `fixed` tells 32 bits of them. */
const MODULUS = { compact: Number.MAX_SAFE_INTEGER, json: Number.MAX_SAFE_INTEGER, fixed: 2 ** 32 } as const;

/** The state of one connection. */
export class View implements Sink, Values {
  readonly instruments = new Map<number, Instrument>();
  private readonly sets = new WireSets();
  private set: number[] = [];
  /** The last frame's number. */
  private frame = 0;
  /** Accounts of instruments that were given up. */
  private readonly gone = [sum([]), sum([]), sum([])];
  private readonly market: Market;
  private readonly modulus: number;
  frames = 0;
  records = 0;
  bytes = 0;
  gaps = 0;
  decodeErrors = 0;

  constructor(
    private readonly events: ViewEvents,
    private readonly now: () => number,
    private readonly form: Form = 'compact',
  ) {
    this.modulus = MODULUS[form];
    const changed = (instrument: Instrument, channel: Channel, state: number): void => {
      if (!this.leads(instrument, CHANNELS.indexOf(channel))) return;
      instrument.changedAt = this.now();
      this.setState(instrument, state);
    };
    this.market = new Market(events, changed, this.modulus);
  }

  /** The account of all quotes. Added up when asked for. */
  get quotes(): Account {
    return this.account(QUOTE);
  }

  /** The account of all prints. */
  get trades(): Account {
    return this.account(TRADE);
  }

  /** The account of all level events. Bars and trading status are not numbered. */
  get books(): Account {
    return this.account(BOOK);
  }

  /** Books that were not what their checksum says, or could not follow a change. Zero, or a fault. */
  get wrongBooks(): number {
    return this.market.wrongBooks;
  }

  private account(channel: number): Account {
    return sum([this.gone[channel] as Account, ...[...this.instruments.values()].map((one) => ledger(one, channel) as Account)]);
  }

  /** A symbol's book: null while it has not come, or is wrong. */
  book(id: number): BookView | null {
    return held(this.instruments.get(id)?.book);
  }

  /** A symbol's newest bar. */
  bar(id: number): BarView | null {
    return held(this.instruments.get(id)?.bar);
  }

  /** A symbol's trading status. */
  status(id: number): StatusView | null {
    return held(this.instruments.get(id)?.status);
  }

  /** Takes one message of the form. Not whole: a frame was lost or unreadable, or a book is wrong; ask for repair. */
  message(data: Uint8Array | JsonMessage, length = (data as Uint8Array).length): { head: Head | null; whole: boolean } {
    this.frames++;
    this.bytes += length;
    const { gaps, wrongBooks } = this;
    try {
      const head =
        this.form === 'json'
          ? decodeJson(data as JsonMessage, this.begin, this)
          : (this.form === 'fixed' ? decodeFixed : decode)(data as Uint8Array, this.begin, this);
      return { head, whole: gaps === this.gaps && wrongBooks === this.wrongBooks };
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.decodeErrors++;
      this.distrust();
      return { head: null, whole: false };
    }
  }

  /** The counter is checked before the records, so that no delta lands on a base that missed one. */
  private readonly begin = ({ kind, slot, counter, wholeCounter }: Head): number => {
    const next = (this.frame + 1) >>> 0;
    this.follow(next, wholeCounter ?? (next + ((counter - next) & 15)) >>> 0);
    this.set = this.sets.of(slot, CHANNEL_OF[kind] ?? QUOTE);
    this.market.begin(slot);
    return this.set.length;
  };

  private follow(expected: number, frame: number): boolean {
    this.frame = frame;
    if (frame === expected) return true;
    this.gaps++;
    this.distrust();
    return false;
  }

  /** Compares with the heartbeat's frame counter. */
  lastFrame(frame: number): boolean {
    return this.follow(this.frame, frame);
  }

  /** The hash of all that is held; null while a symbol has not come. */
  hash(): string | null {
    const sum = new ViewHash();
    let whole = true;
    this.eachHash((_instrument, _channel, hash) => {
      if (hash === null) whole = false;
      else sum.add(hash);
    });
    return whole ? sum.text : null;
  }

  /** Hands out the hash of each held (symbol, channel); null for one that has not come. */
  eachHash(each: (instrument: Instrument, channel: Channel, hash: ViewHash | null) => void): void {
    for (const instrument of this.instruments.values()) {
      CHANNELS.forEach((name, channel) => {
        if (instrument.channels & (1 << channel)) each(instrument, name, hashOf(instrument, name));
      });
    }
  }

  /** Deltas are ignored until a full comes. */
  private distrust(): void {
    for (const one of this.instruments.values()) for (const name of CHANNELS) one[name].based = false;
  }

  subscribed(message: Subscribed): void {
    const channel = CHANNELS.indexOf(message.channel);
    if (message.depth !== undefined) this.market.depth(message.slot, message.depth);
    for (const info of message.symbols) {
      const instrument = this.instruments.get(info.id) ?? new Instrument(info);
      this.instruments.set(info.id, instrument);
      instrument.channels |= 1 << channel;
      instrument.stateAt = this.now();
      this.sets.join(message.slot, channel, info.id);
      this.events.joined?.(instrument, message.channel);
    }
  }

  unsubscribed(message: Unsubscribed): void {
    const channel = CHANNELS.indexOf(message.channel);
    for (const id of message.ids) {
      if (message.slot !== null) this.sets.leave(message.slot, channel, id);
      const instrument = this.instruments.get(id);
      if (instrument === undefined) continue;
      instrument.channels &= ~(1 << channel);
      // The base goes with the subscription: what comes later is another accounting period.
      instrument[message.channel].based = false;
      const ended = ledger(instrument, channel);
      if (ended !== undefined) ended.open = false;
      // A bar of before is no newest one of what comes later.
      if (channel === BAR) instrument.bar.last = null;
      if (instrument.channels === 0) {
        this.instruments.delete(id);
        for (const i of [QUOTE, TRADE, BOOK]) this.gone[i] = sum([this.gone[i] as Account, ledger(instrument, i) as Account]);
      }
      this.events.left?.(instrument, message.channel);
    }
  }

  rateSet({ slot, from_slot: from, channels, ids }: RateSet): void {
    if (slot === null || from === null) return;
    this.market.moved(from, slot);
    for (const name of channels) {
      const channel = CHANNELS.indexOf(name);
      for (const id of ids) if (this.sets.leave(from, channel, id)) this.sets.join(slot, channel, id);
    }
  }

  private ranked(rank: number): Instrument {
    return this.held(this.set[rank] as number, -1);
  }

  /** The instrument, if one of the channels (bits) holds it. */
  private held(id: number, channels: number): Instrument {
    const instrument = this.instruments.get(id);
    if (instrument === undefined || (instrument.channels & channels) === 0) {
      throw new DecodeError('a symbol that is not subscribed');
    }
    this.records++;
    return instrument;
  }

  private setState(instrument: Instrument, state: number): void {
    const known = knownState(state);
    if (instrument.state === known) return;
    instrument.state = known;
    instrument.stateAt = this.now();
  }

  quote(rank: number, events: number, state: number, bid: number, ask: number, bidSize: number, askSize: number): void {
    const instrument = this.ranked(rank);
    const view = instrument.quote;
    if (!view.based) return;
    view.account.add(events);
    if (events > 0) view.events = events;
    if (bid !== 0 || ask !== 0 || bidSize !== 0 || askSize !== 0) {
      view.bid += bid;
      view.ask += ask;
      view.bidSize += bidSize;
      view.askSize += askSize;
      instrument.changedAt = this.now();
    }
    if (state >= 0) this.setState(instrument, (view.state = state));
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
    const instrument = this.ranked(rank);
    this.quoteTotals(instrument, feedEpoch, total, lost);
    put(instrument.quote, bid, ask, bidSize, askSize);
    instrument.changedAt = this.now();
    this.setState(instrument, (instrument.quote.state = state));
    this.events.quote?.(instrument);
  }

  private quoteTotals({ quote }: Instrument, epoch: number, total: number, lost: number): void {
    const { account } = quote;
    quote.based = true;
    if (!account.take(epoch, total, lost, this.modulus, -1)) return;
    const events = account.covered - account.declared;
    if (events > 0) quote.events = events;
  }

  /** A quote with its values, of `fixed` or `json`. */
  value(record: QuoteRecord): void {
    const instrument = this.held(record.id, 1 << QUOTE);
    const { quote } = instrument;
    if (record.total !== null) {
      this.quoteTotals(instrument, record.epoch, record.total, record.lost);
    } else {
      if (!quote.based || quote.account.epoch !== record.epoch) return;
      quote.account.add(record.events);
      if (record.events > 0) quote.events = record.events;
    }
    const { bid, ask } = record;
    put(quote, bid ?? quote.bid, ask ?? quote.ask, record.bidSize, record.askSize);
    // Without an event it is a state, and the values are as they were.
    if (record.total !== null || record.events > 0) instrument.changedAt = this.now();
    this.setState(instrument, (quote.state = record.state));
    this.events.quote?.(instrument);
  }

  print(rank: number, priceDelta: number, qty: number, idGap: number, sell: boolean): void {
    const instrument = this.ranked(rank);
    const view = instrument.trade;
    if (!view.based) return;
    const price = view.lastPrice + priceDelta;
    const seller = instrument.info.has_aggressor === false ? null : sell;
    this.take(instrument, { price, qty: qty < 0 ? view.lastQty : qty, id: view.lastId + 1 + idGap, sell: seller });
  }

  /** A print of `fixed` or `json`. */
  printed(id: number, epoch: number, print: Print, listed: boolean): void {
    const instrument = this.held(id, 1 << TRADE);
    const view = instrument.trade;
    if (!view.based || view.account.epoch !== epoch) return;
    if (!listed) return this.take(instrument, print);
    if (view.listable === 0) return; // from before the period
    view.listable--;
    view.account.tell();
    view.lastSell = print.sell;
    this.events.print?.(instrument, print);
  }

  /** A print that no totals hold yet. */
  private take(instrument: Instrument, print: Print): void {
    const view = instrument.trade;
    last(view, print);
    view.addVolume(print.qty);
    if (print.sell === false) view.buyVolume += print.qty;
    view.account.add(1);
    this.events.print?.(instrument, print);
  }

  printState(rank: number, state: number): void {
    const instrument = this.ranked(rank);
    this.setState(instrument, state);
    this.events.quote?.(instrument);
  }

  tradeFull(rank: number, totals: TradeTotals, listed: Print[], range: Range | null, _partial: boolean): void {
    const instrument = this.ranked(rank);
    if (instrument.info.has_aggressor === false) for (const print of listed) print.sell = null;
    this.summary(instrument, totals, listed, range);
  }

  /** Trade totals of `fixed` or `json`; listed prints follow in a message of their own. */
  totals(id: number, totals: TradeTotals, range: Range | null, _partial: boolean): void {
    this.summary(this.held(id, 1 << TRADE), totals, [], range);
  }

  /** Prints since the last totals: listed ones singly, the rest as one merged row, losses declared. */
  private summary(instrument: Instrument, totals: TradeTotals, listed: Print[], range: Range | null): void {
    const { trade: view } = instrument;
    const { account } = view;
    const goesOn = account.take(totals.feedEpoch, totals.tc, totals.lost, this.modulus, listed.length);
    const merged = goesOn ? Math.max(0, account.covered - account.declared - listed.length) : 0;
    const moved = view.setVolume(totals.volume, totals.volumeLow);
    const volume = moved - listed.reduce((shown, print) => shown + print.qty, 0);
    // Nothing was missed, so that the sums must agree.
    if (goesOn && merged === 0 && account.declared === 0 && volume !== 0) account.broken++;
    const { buyVolume, lastPrice, lastQty, lastId } = totals;
    // After a lost frame the range does not hold what was lost on the way.
    const told = view.based ? range : null;
    Object.assign(view, { based: true, buyVolume, lastPrice, lastQty, lastId, listable: merged });
    if (merged > 0) this.events.merged?.(instrument, { count: merged, volume, range: told });
    const newest = listed.at(-1);
    if (newest !== undefined) view.lastSell = newest.sell;
    if (goesOn) for (const print of listed) this.events.print?.(instrument, print);
    if (this.leads(instrument, TRADE)) this.setState(instrument, totals.state);
    this.events.quote?.(instrument);
  }

  /** The state and age of a symbol are those of the first channel that holds it. */
  private leads(instrument: Instrument, channel: number): boolean {
    return (instrument.channels & ((1 << channel) - 1)) === 0;
  }

  bookChange(rank: number, record: BookChange): void {
    this.market.change(this.ranked(rank), record);
  }

  bookFull(rank: number, record: BookFull): void {
    this.market.full(this.ranked(rank), record);
  }

  /** A book of `fixed` or `json`. */
  levels(id: number, record: BookRecord): void {
    this.market.levels(this.held(id, 1 << BOOK), record);
  }

  bars(rank: number, record: BarsRecord): void {
    this.market.bars(this.ranked(rank), record);
  }

  /** Bars of `fixed` or `json`. */
  barred(id: number, record: BarsRecord): void {
    this.market.bars(this.held(id, 1 << BAR), record);
  }

  trading(rank: number, record: StatusRecord): void {
    this.market.status(this.ranked(rank), record);
  }

  /** Trading status of `fixed` or `json`. */
  traded(id: number, record: StatusRecord): void {
    this.market.status(this.held(id, 1 << STATUS), record);
  }
}

function held<T extends { based: boolean }>(view: T | undefined): T | null {
  return view?.based === true ? view : null;
}

function put(view: QuoteView, bid: number, ask: number, bidSize: number, askSize: number): void {
  view.bid = bid;
  view.ask = ask;
  view.bidSize = bidSize;
  view.askSize = askSize;
}

function last(view: TradeView, { price, qty, id, sell }: Print): void {
  view.lastPrice = price;
  view.lastQty = qty;
  view.lastId = id;
  view.lastSell = sell;
}

/** Undefined of channels whose events are not numbered. */
function ledger({ quote, trade, book }: Instrument, channel: number): Ledger | undefined {
  return [quote, trade, book][channel]?.account;
}

/** Accounts together. One that does not add up counts as broken even where no record contradicted another. */
function sum(accounts: Account[]): Account {
  const all = { published: 0, delivered: 0, merged: 0, lost: 0, periods: 0, broken: 0 };
  for (const one of accounts) {
    for (const name of Object.keys(all) as (keyof Account)[]) all[name] += one[name];
    if (one.broken === 0 && !addsUp(one)) all.broken++;
  }
  return all;
}
