// The hash of everything that is held (docs/protocol.md, promise P11): each held (channel, symbol) is mixed into two
// numbers of 32 bits, and these are summed, so that order does not matter. The reference is wire/src/view_hash.rs.

import type { Instrument } from './instrument.js';
import type { Channel } from './protocol.js';

/** Number of buckets by which one looks for what differs: instrument id mod this. */
export const BUCKETS = 64;

const HALF = 2 ** 32;

/** A sum of mixed records, or one while its words are mixed. */
export class ViewHash {
  constructor(
    public high = 0,
    public low = 0,
  ) {}

  /** Takes one number of 32 bits. */
  word(word: number): this {
    const high = Math.imul(this.high ^ word, 0x85ebca6b);
    const low = Math.imul(this.low ^ word, 0xc2b2ae35);
    this.high = high ^ (high >>> 13);
    this.low = low ^ (low >>> 16);
    return this;
  }

  /** Takes a whole number as the two words of an i64; exact up to 2^53, because both halves are. */
  number(number: number): this {
    return this.word(number | 0).word(Math.floor(number / HALF) | 0);
  }

  end(): this {
    this.high = finish(this.high);
    this.low = finish(this.low);
    return this;
  }

  add({ high, low }: ViewHash): void {
    this.high = (this.high + high) | 0;
    this.low = (this.low + low) | 0;
  }

  /** As told: 16 hexadecimal digits. */
  get text(): string {
    return [this.high, this.low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }
}

function finish(word: number): number {
  const first = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35);
  return second ^ (second >>> 16);
}

/** What the low number begins with. */
export const BEGIN_LOW = 0x7f4a7c15;

/** The low number alone with one more word: the checksum of a book needs no other. */
export function addWord(low: number, word: number): number {
  const mixed = Math.imul(low ^ word, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** As `ViewHash.number`. */
export function addNumber(low: number, number: number): number {
  return addWord(addWord(low, number | 0), Math.floor(number / HALF) | 0);
}

export { finish as finishLow };

const begin = (channel: number, id: number): ViewHash => new ViewHash(0x9e3779b9, BEGIN_LOW).word(channel).word(id);

/** Of what is held in a channel; null while it has not come, or is suspect. */
export function hashOf(instrument: Instrument, channel: Channel): ViewHash | null {
  return instrument[channel].based ? HASHES[channel](instrument).end() : null;
}

const HASHES: { [channel in Channel]: (instrument: Instrument) => ViewHash } = {
  quote: (instrument) => {
    const { id, quote } = instrument;
    return begin(0, id)
      .word(quote.version)
      .number(instrument.hasBid ? quote.bid : 0)
      .number(instrument.hasAsk ? quote.ask : 0)
      .number(quote.bidSize)
      .number(quote.askSize)
      .word(quote.state);
  },
  trade: ({ id, trade }) =>
    begin(1, id).word(trade.tc).word(trade.volumeLow).number(trade.lastPrice).number(trade.lastQty),
  book: ({ id, book }) => begin(2, id).word(book.version).word(book.checksum).word(book.state),
  bar: ({ id, bar: { last } }) => {
    const hash = begin(3, id).word(last?.tc ?? 0).number(last?.startUs ?? 0).number(last?.close ?? 0);
    // The volume may be rounded, its two words never are.
    return last === null ? hash.number(0) : hash.word(last.volumeLow).word(Math.round((last.volume - last.volumeLow) / HALF));
  },
  status: ({ id, status }) => begin(4, id).word(status.state).word(status.status),
};
