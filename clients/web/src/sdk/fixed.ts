// Decodes one `fixed` message (docs/protocol.md): a header, then aligned little-endian records of current values.
// A record is a window on the bytes: a field costs its read, and a field that nobody asks for costs nothing.

import type { Level } from './book.js';
import { DecodeError, micros } from './reader.js';
import {
  KIND,
  knownState,
  knownStatus,
  newHead,
  type Head,
  type Print,
  type QuoteRecord,
  type Range,
  type TradeTotals,
  type Values,
} from './records.js';

const HEADER_BYTES = 32;
const VERSION = 1;
/** Header flag of kind 2: the totals before hold these prints. */
const LISTED = 2;
/** Record flags of kind 7. */
const RANGE = 1;
const PARTIAL = 2;
/** Level flags of kinds 3 and 4: a whole book begins, the update ends, no level. */
const BEGINS = 1;
const ENDS = 2;
const NO_LEVEL = 4;
/** Record flags of kind 5. */
const CLOSED = 1;
const BAR_PARTIAL = 2;
const NO_BAR = 4;
const HALF = 2 ** 32;
/** High half of −2^63, which stands for a price that is absent. */
const ABSENT_HIGH = -(2 ** 31);

/** A number of 64 bits, exact within ±2^53, which prices and sizes never pass. */
function i64(data: DataView, at: number): number {
  return data.getInt32(at + 4, true) * HALF + data.getUint32(at, true);
}

function orNull(data: DataView, at: number): number | null {
  return data.getInt32(at + 4, true) === ABSENT_HIGH ? null : i64(data, at);
}

/** A time in ns, as µs. */
function us(data: DataView, at: number): number {
  return micros(data.getUint32(at, true), data.getInt32(at + 4, true));
}

class Quote implements QuoteRecord {
  at = 0;
  constructor(
    private readonly data: DataView,
    private readonly full: boolean,
  ) {}
  get id(): number {
    return this.data.getUint32(this.at, true);
  }
  get events(): number {
    return this.full ? 0 : this.data.getUint32(this.at + 4, true);
  }
  get total(): number | null {
    return this.full ? this.data.getUint32(this.at + 4, true) : null;
  }
  get bid(): number | null {
    return orNull(this.data, this.at + 8);
  }
  get ask(): number | null {
    return orNull(this.data, this.at + 16);
  }
  get bidSize(): number {
    return i64(this.data, this.at + 24);
  }
  get askSize(): number {
    return i64(this.data, this.at + 32);
  }
  get eventUs(): number {
    return us(this.data, this.at + 40);
  }
  get lost(): number {
    return this.data.getUint32(this.at + 48, true);
  }
  get state(): number {
    return this.data.getUint8(this.at + 54);
  }
  get epoch(): number {
    return this.data.getUint8(this.at + 55);
  }
  get recvUs(): number {
    return us(this.data, this.at + 56);
  }
}

/** Decodes a whole message. `begin` takes the head, before any record. Records of unknown kinds are skipped. */
export function decodeFixed(bytes: Uint8Array, begin: (head: Head) => unknown, to: Values): Head {
  if (bytes.length < HEADER_BYTES) throw new DecodeError('ends too early');
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [size, kind, first, flags] = [data.getUint16(0, true), data.getUint8(2), data.getUint8(4), data.getUint8(5)];
  if (data.getUint8(3) !== VERSION || first < HEADER_BYTES || (bytes.length - first) % size !== 0) {
    throw new DecodeError('records do not fill the message');
  }
  const frame = data.getUint32(8, true);
  const head = newHead(kind, data.getUint16(6, true), frame & 15);
  head.wholeCounter = frame;
  head.flushUs = us(data, 16);
  begin(head);
  const known = BYTES[kind];
  if (known === undefined) return head;
  if (size < known) throw new DecodeError('records shorter than this version’s');
  const end = bytes.length;
  if (kind === KIND.book || kind === KIND.bookFull) {
    for (let at = first; at < end; ) at = book(data, at, size, end, kind === KIND.bookFull, to);
    return head;
  }
  const quote = new Quote(data, kind === KIND.quoteFull);
  for (let at = first; at < end; at += size) {
    if (kind === KIND.trade) print(data, at, (flags & LISTED) !== 0, to);
    else if (kind === KIND.tradeFull) totals(data, at, to);
    else if (kind === KIND.bar) bar(data, at, to);
    else if (kind === KIND.status) status(data, at, to);
    else {
      quote.at = at;
      to.value(quote);
    }
  }
  return head;
}

/** Bytes of the records that this version knows. */
const BYTES: { [kind: number]: number } = { 0: 64, 1: 64, 2: 56, 3: 56, 4: 56, 5: 88, 6: 24, 7: 112 };

function print(data: DataView, at: number, listed: boolean, to: Values): void {
  const aggressor = data.getUint8(at + 40);
  const told: Print = {
    price: i64(data, at + 8),
    qty: i64(data, at + 16),
    id: i64(data, at + 32),
    sell: aggressor === 0 ? null : aggressor === 2,
    eventUs: us(data, at + 24),
    recvUs: us(data, at + 48),
  };
  to.printed(data.getUint32(at, true), data.getUint8(at + 42), told, listed);
}

function totals(data: DataView, at: number, to: Values): void {
  const u32 = (offset: number): number => data.getUint32(at + offset, true);
  const flags = data.getUint16(at + 12, true);
  const told: TradeTotals = {
    feedEpoch: data.getUint8(at + 15),
    state: data.getUint8(at + 14),
    tc: u32(4),
    lost: u32(8),
    volume: i64(data, at + 16),
    volumeLow: u32(16),
    buyVolume: i64(data, at + 24),
    // Bits 48 to 95 and 0 to 47 of 128.
    notionalHigh: u32(40) * 2 ** 16 + (u32(36) >>> 16),
    notionalLow: (u32(36) & 0xffff) * HALF + u32(32),
    lastPrice: i64(data, at + 48),
    lastQty: i64(data, at + 56),
    lastId: i64(data, at + 64),
    eventUs: us(data, at + 96),
    recvUs: us(data, at + 104),
  };
  const first = orNull(data, at + 72);
  const ranged = (flags & RANGE) !== 0 && first !== null;
  const range: Range | null = ranged ? { first, high: i64(data, at + 80), low: i64(data, at + 88) } : null;
  to.totals(u32(0), told, range, (flags & PARTIAL) !== 0);
}

/** Reads the records of one update, up to the one that ends it. Returns where the next begins. */
function book(data: DataView, first: number, size: number, end: number, full: boolean, to: Values): number {
  const symbol = data.getUint32(first, true);
  const whole = (data.getUint16(first + 34, true) & BEGINS) !== 0;
  if (full && !whole) throw new DecodeError('a full that does not begin a book');
  const levels: Level[] = [];
  for (let at = first; at < end; at += size) {
    const flags = data.getUint16(at + 34, true);
    const [side, place] = [data.getUint8(at + 32), data.getUint8(at + 33)];
    const level: Level = { side, price: i64(data, at + 8), qty: i64(data, at + 16), place };
    if (data.getUint32(at, true) !== symbol || side > 1 || level.qty < 0) throw new DecodeError('a level out of place');
    if ((flags & NO_LEVEL) === 0) levels.push(level);
    if ((flags & ENDS) === 0) continue;
    const events = data.getUint32(at + 4, true);
    to.levels(symbol, {
      epoch: data.getUint8(at + 53),
      full,
      whole,
      events: full ? 0 : events,
      total: full ? events : null,
      lost: data.getUint32(at + 48, true),
      state: knownState(data.getUint8(at + 52)),
      checksum: data.getUint32(at + 36, true),
      levels,
      eventUs: us(data, at + 24),
      recvUs: us(data, at + 40),
    });
    return at + size;
  }
  throw new DecodeError('an update without its end');
}

function bar(data: DataView, at: number, to: Values): void {
  const flags = data.getUint16(at + 84, true);
  const told = { epoch: data.getUint8(at + 87), state: knownState(data.getUint8(at + 86)) };
  const one = {
    startUs: i64(data, at + 8),
    open: i64(data, at + 16),
    high: i64(data, at + 24),
    low: i64(data, at + 32),
    close: i64(data, at + 40),
    volume: i64(data, at + 48),
    volumeLow: data.getUint32(at + 48, true),
    buyVolume: i64(data, at + 56),
    notional: BigInt.asIntN(96, (data.getBigInt64(at + 72, true) << 64n) | data.getBigUint64(at + 64, true)),
    count: data.getUint32(at + 4, true),
    tc: data.getUint32(at + 80, true),
    closed: (flags & CLOSED) !== 0,
    partial: (flags & BAR_PARTIAL) !== 0,
  };
  to.barred(data.getUint32(at, true), { ...told, bars: flags & NO_BAR ? [] : [one] });
}

function status(data: DataView, at: number, to: Values): void {
  to.traded(data.getUint32(at, true), {
    epoch: data.getUint8(at + 6),
    state: knownState(data.getUint8(at + 5)),
    status: knownStatus(data.getUint8(at + 4)),
    eventUs: us(data, at + 8),
    recvUs: us(data, at + 16),
  });
}
