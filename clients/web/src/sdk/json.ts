// Takes one `json` message (docs/protocol.md), already parsed: current values, decimals as texts.

import { ASK, BID, type Level } from './book.js';
import { DecodeError } from './reader.js';
import { KIND, STATE, STATUS, newHead, type Bar, type Head, type Range, type Values } from './records.js';

type Element = { [field: string]: unknown };

/** A message of market data as `JSON.parse` returns it. */
export interface JsonMessage {
  op: string;
  frame: number;
  slot: number;
  tick: number;
  t_us: number;
  data: Element[];
}

type Reading = (element: Element, to: Values) => void;

const OPS: { [op: string]: [kind: number, reading: Reading] } = {
  quotes: [KIND.quote, quote],
  trades: [KIND.trade, print],
  trade_totals: [KIND.tradeFull, totals],
  books: [KIND.book, book],
  bars: [KIND.bar, bars],
  statuses: [KIND.status, status],
};

/** Whether a text message is market data. */
export function isData(message: { op: string }): message is JsonMessage {
  return Object.hasOwn(OPS, message.op);
}

/** Hands the elements to `to`, as `fixed` does. `begin` takes the head, before any of them. */
export function decodeJson(message: JsonMessage, begin: (head: Head) => unknown, to: Values): Head {
  const { frame, slot, tick, t_us, data } = message;
  if (!isData(message) || !Array.isArray(data)) throw new DecodeError('no market data');
  const [kind, reading] = OPS[message.op] as [number, Reading];
  const head = newHead(kind, whole(slot), whole(frame) & 15);
  head.wholeCounter = frame;
  head.wholeTick = whole(tick);
  head.tick = tick % 256;
  head.flushUs = whole(t_us);
  begin(head);
  for (const element of data) {
    if (element === null) throw new DecodeError('no element');
    reading(element, to);
  }
  return head;
}

function quote({ id, epoch, events, total, lost, state, bid, ask, bid_size, ask_size, ts_event, ts_recv }: Element, to: Values): void {
  to.value({
    id: whole(id),
    epoch: whole(epoch),
    events: whole(events),
    total: whole(total),
    lost: whole(lost),
    state: stateOf(state),
    bid: bid === null ? bid : digits(bid),
    ask: ask === null ? ask : digits(ask),
    bidSize: digits(bid_size),
    askSize: digits(ask_size),
    eventUs: whole(ts_event),
    recvUs: whole(ts_recv),
  });
}

function print({ id, epoch, price, qty, trade_id, side, listed, ts_event, ts_recv }: Element, to: Values): void {
  const told = {
    price: digits(price),
    qty: digits(qty),
    id: whole(trade_id),
    sell: sells(side),
    eventUs: whole(ts_event),
    recvUs: whole(ts_recv),
  };
  to.printed(whole(id), whole(epoch), told, listed === true);
}

function totals(element: Element, to: Values): void {
  const { id, epoch, total, lost, volume, buy_volume, notional, price, qty, trade_id, state, ts_event, ts_recv } = element;
  const { first, high, low } = element;
  const range: Range | null = first === undefined ? null : { first: digits(first), high: digits(high), low: digits(low) };
  const sum = BigInt(text(notional));
  const traded = BigInt(text(volume));
  const told = {
    feedEpoch: whole(epoch),
    state: stateOf(state),
    tc: whole(total),
    lost: whole(lost),
    volume: Number(traded),
    volumeLow: Number(BigInt.asUintN(32, traded)),
    buyVolume: digits(buy_volume),
    notionalHigh: Number(BigInt.asUintN(48, sum >> 48n)),
    notionalLow: Number(BigInt.asUintN(48, sum)),
    lastPrice: price === null ? 0 : digits(price),
    lastQty: qty === null ? 0 : digits(qty),
    lastId: whole(trade_id),
    eventUs: whole(ts_event),
    recvUs: whole(ts_recv),
  };
  to.totals(whole(id), told, range, element['partial'] === true);
}

function book({ id, epoch, full, total, events, lost, state, checksum, bids, asks, ts_event, ts_recv }: Element, to: Values): void {
  to.levels(whole(id), {
    epoch: whole(epoch),
    full: full === true,
    whole: full === true,
    events: whole(events),
    total: whole(total),
    lost: whole(lost),
    state: stateOf(state),
    checksum: whole(checksum),
    levels: [...levels(bids, BID), ...levels(asks, ASK)],
    eventUs: whole(ts_event),
    recvUs: whole(ts_recv),
  });
}

function levels(told: unknown, side: number): Level[] {
  return list(told).map((level) => {
    const [price, qty] = list(level);
    const of = { side, price: digits(price), qty: digits(qty), place: null };
    if (of.qty < 0) throw new DecodeError('a quantity below 0');
    return of;
  });
}

function bars({ id, epoch, state, bars: told }: Element, to: Values): void {
  const record = { epoch: whole(epoch), state: stateOf(state), bars: list(told).map(bar) };
  to.barred(whole(id), record);
}

function bar(told: unknown): Bar {
  if (typeof told !== 'object' || told === null) throw new DecodeError('no bar');
  const { start, open, high, low, close, volume, buy_volume, notional, count, total, closed, partial } = told as Element;
  const price = (value: unknown): number => (value === null ? 0 : digits(value));
  const traded = BigInt(text(volume));
  return {
    startUs: whole(start),
    open: price(open),
    high: price(high),
    low: price(low),
    close: price(close),
    volume: Number(traded),
    volumeLow: Number(BigInt.asUintN(32, traded)),
    buyVolume: digits(buy_volume),
    notional: BigInt(text(notional)),
    count: whole(count),
    tc: whole(total),
    closed: closed === true,
    partial: partial === true,
  };
}

function status({ id, epoch, state, status: word, ts_event, ts_recv }: Element, to: Values): void {
  to.traded(whole(id), {
    epoch: whole(epoch),
    state: stateOf(state),
    status: (STATUS as { [word: string]: number })[word as string] ?? STATUS.source_stale,
    eventUs: whole(ts_event),
    recvUs: whole(ts_recv),
  });
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new DecodeError('no list');
  return value;
}

function sells(side: unknown): boolean | null {
  if (side !== null && side !== 'buy' && side !== 'sell') throw new DecodeError('no side');
  return side && side === 'sell';
}

function whole(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new DecodeError('no whole number');
  return value as number;
}

/** What a newer gateway calls otherwise is not proven here. */
function stateOf(word: unknown): number {
  return (STATE as { [word: string]: number })[word as string] ?? STATE.stale;
}

/** A decimal text without its point: it has exactly the instrument's decimals, so that this is the mantissa. */
function text(value: unknown): string {
  if (typeof value !== 'string' || !/^-?\d+(\.\d+)?$/.test(value)) throw new DecodeError('no decimal');
  return value.replace('.', '');
}

function digits(value: unknown): number {
  return Number(text(value));
}
