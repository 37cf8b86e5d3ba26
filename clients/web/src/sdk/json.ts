// Takes one `json` message (docs/protocol.md), already parsed: current values, decimals as texts.

import { DecodeError } from './reader.js';
import { KIND, STATE, newHead, type Head, type Range, type Values } from './records.js';

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
