// Decodes one `compact` message (docs/protocol.md). Holds no state: deltas are handed to a Sink, which has the bases.

import { Changes } from './book.js';
import { DecodeError, Reader, micros } from './reader.js';
import {
  KIND,
  knownState,
  knownStatus,
  newHead,
  type Bar,
  type BarsRecord,
  type BookChange,
  type BookFull,
  type Head,
  type Print,
  type Range,
  type StatusRecord,
  type TradeTotals,
} from './records.js';

/** Takes records; `rank` is the position of the id in the wire set. */
export interface Sink {
  /** `state` is −1 when unchanged. The four numbers are differences. */
  quote(rank: number, events: number, state: number, bid: number, ask: number, bidSize: number, askSize: number): void;
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
  ): void;
  /** `qty` is −1 for "as the last print"; id = last id + 1 + idGap. */
  print(rank: number, priceDelta: number, qty: number, idGap: number, sell: boolean): void;
  printState(rank: number, state: number): void;
  tradeFull(rank: number, totals: TradeTotals, listed: Print[], range: Range | null, partial: boolean): void;
  bookChange(rank: number, record: BookChange): void;
  bookFull(rank: number, record: BookFull): void;
  bars(rank: number, record: BarsRecord): void;
  trading(rank: number, record: StatusRecord): void;
}

const BEYOND = 'a rank beyond the wire set';

/** The lag that a code stands for, µs. */
export function lagUs(code: number): number {
  return ((16 + (code & 15)) << (code >> 4)) - 16;
}

/** Reads the head and leaves the reader behind it. */
export function readHead(reader: Reader): Head {
  const first = reader.u8();
  const head = newHead(KIND.quote, 0, first >> 4);
  if (first & 8) {
    const kind = reader.u8();
    head.kind = kind & 15;
    head.slot = kind >> 4;
  }
  head.tick = reader.u8();
  switch ((first >> 1) & 3) {
    case 1:
      head.lagUs = lagUs(reader.u8());
      break;
    case 2:
      head.lagUs = reader.little(2) * 16;
      break;
    case 3:
      readLongTime(reader, head);
      break;
  }
  return head;
}

function readLongTime(reader: Reader, head: Head): void {
  const end = reader.part();
  const flags = end > reader.at ? reader.u8() : 0;
  if (flags & 1) {
    head.wholeTick = reader.little(6);
    head.wholeCounter = reader.little(4);
  }
  if (flags & 2) reader.little(2); // watermark lag: not used here
  if (flags & 4) {
    const low = reader.little(4);
    head.flushUs = micros(low, reader.little(4));
  }
  reader.leave(end);
}

/**
 * Decodes a whole message into `sink`. `begin` takes the head, before any record, and tells how many ids the wire set
 * of (kind's channel, slot) has. Unknown kinds are skipped and return their head.
 */
export function decode(bytes: Uint8Array, begin: (head: Head) => number, sink: Sink): Head {
  const reader = new Reader(bytes);
  const head = readHead(reader);
  const size = begin(head);
  const record = RECORDS[head.kind];
  if (record === undefined) return head;
  if (size <= 0) throw new DecodeError('no wire set');
  if (size === 1) {
    record(reader, 0, sink);
  } else if ((bytes[0] as number) & 1) {
    let next = 0;
    while (reader.left > 0) {
      const rank = next + reader.varint();
      if (rank >= size) throw new DecodeError(BEYOND);
      record(reader, rank, sink);
      next = rank + 1;
    }
  } else {
    const from = reader.at;
    const count = Math.ceil(size / 8);
    if (reader.left < count) throw new DecodeError('ends too early');
    reader.at += count;
    for (let byte = 0; byte < count; byte++) {
      let bits = bytes[from + byte] as number;
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const rank = byte * 8 + bit;
        if (rank >= size) throw new DecodeError(BEYOND);
        record(reader, rank, sink);
      }
    }
  }
  if (reader.left !== 0) throw new DecodeError('bytes left over');
  return head;
}

type Record = (reader: Reader, rank: number, sink: Sink) => void;

const RECORDS: { [kind: number]: Record } = {
  [KIND.quote]: readQuote,
  [KIND.quoteFull]: readQuoteFull,
  [KIND.trade]: readPrints,
  [KIND.tradeFull]: readTradeFull,
  [KIND.book]: readBookChange,
  [KIND.bookFull]: readBookFull,
  [KIND.bar]: readBars,
  [KIND.status]: readStatus,
};

/** Reads one kind 0 record. */
export function readQuote(reader: Reader, rank: number, sink: Sink): void {
  const control = reader.u8();
  let events = (control >> 5) + 1;
  if (events === 8) events = 8 + reader.varint();
  if ((control & 31) === 0) return readExtendedQuote(reader, rank, events, sink);
  let bid = 0;
  let spread = 0;
  if (control & 1) {
    const price = reader.u8();
    if (price === 255) throw new DecodeError('price byte 255');
    if (price >= 137) {
      bid = 6 + ((price - 137) >> 1);
      if (price % 2 === 0) bid = -bid;
    } else if (price >= 16) {
      bid = Math.floor((price - 16) / 11) - 5;
      spread = ((price - 16) % 11) - 5;
    } else {
      bid = reader.littleSigned((price & 3) + 1);
      spread = reader.littleSigned(price >> 2);
    }
  }
  const bidSize = reader.littleSigned((control >> 1) & 3);
  const askSize = reader.littleSigned((control >> 3) & 3);
  sink.quote(rank, events, -1, bid, bid + spread, bidSize, askSize);
}

function readExtendedQuote(reader: Reader, rank: number, events: number, sink: Sink): void {
  const end = reader.part();
  const flags = end > reader.at ? reader.u8() : 0;
  if (flags & 2) throw new DecodeError('a reserved flag');
  let state = -1;
  let [bid, ask, bidSize, askSize] = [0, 0, 0, 0];
  if (flags & 1) state = reader.u8();
  if (flags & 16) {
    bid = reader.signed();
    ask = reader.signed();
    bidSize = reader.signed();
    askSize = reader.signed();
  }
  reader.leave(end);
  sink.quote(rank, flags & 32 ? 0 : events, state, bid, ask, bidSize, askSize);
}

/** Reads one kind 1 record. */
export function readQuoteFull(reader: Reader, rank: number, sink: Sink): void {
  const epoch = reader.varint();
  const state = reader.u8();
  const total = reader.varint();
  const lost = reader.varint();
  const bid = reader.signed();
  const spread = reader.signed();
  sink.quoteFull(rank, epoch, state, total, lost, bid, bid + spread, reader.varint(), reader.varint());
}

const PRICE_BYTES = [0, 1, 2, 4] as const;

/** Reads the run of one symbol's prints (kind 2). */
export function readPrints(reader: Reader, rank: number, sink: Sink): void {
  while (readPrint(reader, rank, sink));
}

/** Reads one print; true when another of the symbol follows. */
function readPrint(reader: Reader, rank: number, sink: Pick<Sink, 'print' | 'printState'>): boolean {
  const control = reader.u8();
  const sell = (control & 2) !== 0;
  if (control & 128) {
    const end = reader.part();
    const kind = end > reader.at ? reader.u8() : 0;
    if (kind === 1) sink.print(rank, reader.signed(), reader.varint(), reader.signed(), sell);
    else if (kind === 3) sink.printState(rank, reader.u8());
    reader.leave(end);
  } else {
    const price = reader.littleSigned(PRICE_BYTES[(control >> 2) & 3] as number);
    const bytes = (control >> 4) & 3;
    const qty = bytes === 0 ? -1 : reader.little(bytes);
    const gap = control & 64 ? reader.varint() : 0;
    sink.print(rank, price, qty, gap, sell);
  }
  return (control & 1) === 1;
}

/** Reads one kind 7 record, trailer included. */
export function readTradeFull(reader: Reader, rank: number, sink: Sink): void {
  const totals: TradeTotals = {
    feedEpoch: reader.varint(),
    state: reader.u8(),
    tc: reader.varint(),
    lost: reader.varint(),
    volume: reader.wide(),
    volumeLow: reader.low,
    buyVolume: reader.wide(),
    notionalHigh: reader.varint(),
    notionalLow: reader.varint(),
    lastPrice: reader.signed(),
    lastQty: reader.varint(),
    lastId: reader.varint(),
  };
  const count = reader.varint();
  if (count > reader.left) throw new DecodeError('more prints than bytes');
  const listed: Print[] = [];
  const last: Print = { price: totals.lastPrice, qty: totals.lastQty, id: totals.lastId, sell: false };
  const collect: Pick<Sink, 'print' | 'printState'> = {
    print(_rank, priceDelta, qty, idGap, sell) {
      last.price += priceDelta;
      if (qty >= 0) last.qty = qty;
      last.id += 1 + idGap;
      last.sell = sell;
      listed.push({ ...last });
    },
    printState() {
      throw new DecodeError('a state among listed prints');
    },
  };
  // `count` says how many there are; their "another follows" bits mean nothing here.
  for (let i = 0; i < count; i++) readPrint(reader, rank, collect);
  const trailer = reader.u8();
  let range: Range | null = null;
  if (trailer & 1) {
    const first = totals.lastPrice + reader.signed();
    const high = Math.max(first, totals.lastPrice) + reader.varint();
    const low = Math.min(first, totals.lastPrice) - reader.varint();
    range = { first, high, low };
  }
  sink.tradeFull(rank, totals, listed, range, (trailer & 2) !== 0);
}

const EXTENDED = 1 << 12;
const changes = new Changes();
const bookChange: BookChange = { events: 0, state: -1, changes, checksum: 0 };

/** Reads one kind 3 record. */
export function readBookChange(reader: Reader, rank: number, sink: Sink): void {
  const first = reader.little(2);
  let events = (first >> 13) + 1;
  if (events === 8) events = 8 + reader.varint();
  bookChange.state = -1;
  if (first & EXTENDED) {
    const end = reader.part();
    const flags = end > reader.at ? reader.u8() : 0;
    if (flags & 1) bookChange.state = knownState(reader.u8());
    if (flags & 32) events = 0;
    reader.leave(end);
  }
  bookChange.events = events;
  changes.read(reader, first);
  bookChange.checksum = reader.little(4);
  sink.bookChange(rank, bookChange);
}

/** The state of kinds 4 to 6, behind which a newer gateway may tell more. */
function stateAndMore(reader: Reader): number {
  const byte = reader.u8();
  if (byte & 128) skip(reader);
  return knownState(byte & 127);
}

function skip(reader: Reader): void {
  reader.at = reader.part();
}

/** Reads one kind 4 record. */
export function readBookFull(reader: Reader, rank: number, sink: Sink): void {
  const feedEpoch = reader.varint();
  const state = stateAndMore(reader);
  const total = reader.varint();
  const lost = reader.varint();
  const first = reader.little(2);
  if (first >> 12 !== 0) throw new DecodeError('reserved bits');
  changes.read(reader, first);
  sink.bookFull(rank, { feedEpoch, state, total, lost, changes, checksum: reader.little(4) });
}

/** Reads one kind 5 record. */
export function readBars(reader: Reader, rank: number, sink: Sink): void {
  const epoch = reader.varint();
  const state = stateAndMore(reader);
  const count = reader.varint();
  if (count > reader.left) throw new DecodeError('more bars than bytes');
  const bars: Bar[] = [];
  let [start, before] = [0, 0];
  for (let i = 0; i < count; i++) {
    const flags = reader.u8();
    start += reader.signed();
    const open = before + reader.signed();
    const close = (before = open + reader.signed());
    const bar = {
      startUs: start * 1e6,
      open,
      high: Math.max(open, close) + reader.varint(),
      low: Math.min(open, close) - reader.varint(),
      close,
      volume: reader.wide(),
      volumeLow: reader.low,
      buyVolume: reader.wide(),
      notional: notional(reader.varint(), reader.varint()),
      count: reader.varint(),
      tc: reader.varint(),
      closed: (flags & 1) !== 0,
      partial: (flags & 2) !== 0,
    };
    if (flags & 128) skip(reader);
    bars.push(bar);
  }
  sink.bars(rank, { epoch, state, bars });
}

function notional(high: number, low: number): bigint {
  return BigInt.asIntN(96, (BigInt(high) << 48n) | BigInt(low));
}

/** Reads one kind 6 record. */
export function readStatus(reader: Reader, rank: number, sink: Sink): void {
  const epoch = reader.varint();
  const state = stateAndMore(reader);
  sink.trading(rank, { epoch, state, status: knownStatus(reader.u8()), eventUs: reader.signed() });
}
