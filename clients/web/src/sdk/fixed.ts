// Decodes one `fixed` message (docs/protocol.md): a header, then aligned little-endian records of current values.
// A record is a window on the bytes: a field costs its read, and a field that nobody asks for costs nothing.

import { DecodeError, micros } from './reader.js';
import { KIND, newHead, type Head, type Print, type QuoteRecord, type Range, type TradeTotals, type Values } from './records.js';

const HEADER_BYTES = 32;
const VERSION = 1;
/** Header flag of kind 2: the totals before hold these prints. */
const LISTED = 2;
/** Record flags of kind 7. */
const RANGE = 1;
const PARTIAL = 2;
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
  const quote = new Quote(data, kind === KIND.quoteFull);
  for (let at = first; at < end; at += size) {
    if (kind === KIND.trade) print(data, at, (flags & LISTED) !== 0, to);
    else if (kind === KIND.tradeFull) totals(data, at, to);
    else {
      quote.at = at;
      to.value(quote);
    }
  }
  return head;
}

/** Bytes of the records that this version knows. */
const BYTES: { [kind: number]: number } = { [KIND.quote]: 64, [KIND.quoteFull]: 64, [KIND.trade]: 56, [KIND.tradeFull]: 112 };

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
