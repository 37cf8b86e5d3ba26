// Books (docs/protocol.md): levels of both sides, what changes them in each form, and their checksum. The reference is the
// reader in Rust (wire/src/frame/view/book.rs).

import { addNumber, addWord, BEGIN_LOW, finishLow } from './hash.js';
import { Ledger } from './ledger.js';
import { DecodeError, unzigzag, type Reader } from './reader.js';
import { STATE } from './records.js';

/** Most levels a side that are told. */
export const LEVELS_MAX = 20;
/** Most changes of one side in a record: every old level goes and as many come. */
const CHANGES_MAX = 40;
export const BID = 0;
export const ASK = 1;

/** Levels of one side, best first; the first `size` places of the two lists count. */
export class Side {
  readonly prices: number[] = [];
  readonly qtys: number[] = [];
  size = 0;

  /** Appends the next worse level; a full side takes no more. */
  push(price: number, qty: number): void {
    if (this.size === LEVELS_MAX) return;
    this.prices[this.size] = price;
    this.qtys[this.size++] = qty;
  }

  append(from: Side, begin: number, end: number): void {
    for (let at = begin; at < end; at++) this.push(from.prices[at] as number, from.qtys[at] as number);
  }

  /** Sets a level where its price belongs; quantity 0 removes it. A full side drops its worst for a better one. */
  set(side: number, price: number, qty: number): void {
    const sign = side === BID ? -1 : 1;
    let at = 0;
    while (at < this.size && ((this.prices[at] as number) - price) * sign < 0) at++;
    const held = at < this.size && this.prices[at] === price;
    if (held && qty > 0) this.qtys[at] = qty;
    else if (held) this.remove(at);
    else if (qty > 0 && at < LEVELS_MAX) this.insert(at, price, qty);
  }

  private insert(at: number, price: number, qty: number): void {
    if (this.size < LEVELS_MAX) this.size++;
    for (let to = this.size - 1; to > at; to--) {
      this.prices[to] = this.prices[to - 1] as number;
      this.qtys[to] = this.qtys[to - 1] as number;
    }
    this.prices[at] = price;
    this.qtys[at] = qty;
  }

  private remove(at: number): void {
    this.size--;
    for (let to = at; to < this.size; to++) {
      this.prices[to] = this.prices[to + 1] as number;
      this.qtys[to] = this.qtys[to + 1] as number;
    }
  }

  /** [price, quantity] of each level, best first. */
  levels(): [price: number, qty: number][] {
    return Array.from({ length: this.size }, (_, at) => [this.prices[at] as number, this.qtys[at] as number]);
  }
}

export type Sides = [bids: Side, asks: Side];

/** A symbol's book as the client holds it: mantissas. */
export class BookView {
  /** Whether it came in full and its levels are right: else nothing of it is to be shown. */
  based = false;
  sides: Sides = [new Side(), new Side()];
  /** Of these levels. */
  checksum = 0;
  state: number = STATE.stale;
  readonly account = new Ledger();

  get bids(): [price: number, qty: number][] {
    return this.sides[BID].levels();
  }

  get asks(): [price: number, qty: number][] {
    return this.sides[ASK].levels();
  }

  /** Level events so far in this feed epoch. */
  get version(): number {
    return this.account.last;
  }
}

/** Of all levels as they are (docs/protocol.md, Books). */
export function checksum([bids, asks]: Sides): number {
  return finishLow(sideWords(asks, addWord(sideWords(bids, BEGIN_LOW), -1))) >>> 0;
}

function sideWords({ prices, qtys, size }: Side, begin: number): number {
  let low = begin;
  for (let at = 0; at < size; at++) low = addNumber(addNumber(low, prices[at] as number), qtys[at] as number);
  return low;
}

const REMOVED = 0;
const CHANGED = 1;
const NEW = 2;

/** What one `compact` record changes; one object serves all records, so nothing is allocated for one. */
export class Changes {
  /** Of bids and asks together; those of the bids come first. */
  bids = 0;
  count = 0;
  private readonly what = new Uint8Array(2 * CHANGES_MAX);
  /** Levels passed over, or ticks. */
  private readonly step = new Float64Array(2 * CHANGES_MAX);
  private readonly qty = new Float64Array(2 * CHANGES_MAX);

  /** Reads as many changes as the first two bytes of a record say. */
  read(reader: Reader, first: number): void {
    const asks = (first >> 6) & 63;
    this.bids = first & 63;
    if (this.bids > CHANGES_MAX || asks > CHANGES_MAX) throw new DecodeError('more changes than levels');
    this.count = this.bids + asks;
    for (let at = 0; at < this.count; at++) {
      const control = reader.u8();
      if (control & 1) this.readNew(reader, control, at, at === 0 || at === this.bids);
      else this.readKnown(reader, control, at);
    }
  }

  private readKnown(reader: Reader, control: number, at: number): void {
    const code = control >> 3;
    const bytes = (control >> 1) & 3;
    const wide = code === 31;
    this.what[at] = wide || bytes > 0 ? CHANGED : REMOVED;
    this.step[at] = wide ? reader.varint() : code;
    this.qty[at] = wide ? reader.signed() : reader.littleSigned(bytes);
  }

  /** The first change of a side may be better than what it counts from, so that its ticks have a sign. */
  private readNew(reader: Reader, control: number, at: number, first: boolean): void {
    const code = control >> 3;
    this.what[at] = NEW;
    if (code >= 30) {
      this.step[at] = first ? reader.signed() : reader.varint();
    } else {
      const ticks = code < 28 ? code : code === 28 ? 28 + reader.u8() : reader.little(2);
      this.step[at] = first ? unzigzag(ticks) : ticks;
    }
    this.qty[at] = code === 31 ? reader.varint() : reader.little((control >> 1) & 3);
  }

  /** Writes what becomes of the old sides into `to`, at most `depth` levels each. False: they do not fit. */
  apply(old: Sides, depth: number, to: Sides): boolean {
    return (
      this.applySide(BID, old[BID], base(old[BID], old[ASK]), depth, to[BID]) &&
      this.applySide(ASK, old[ASK], base(old[ASK], to[BID]), depth, to[ASK])
    );
  }

  private applySide(side: number, old: Side, from: number, depth: number, to: Side): boolean {
    const sign = side === BID ? -1 : 1;
    const begin = side === BID ? 0 : this.bids;
    const end = side === BID ? this.bids : this.count;
    let passed = 0;
    let price = from;
    to.size = 0;
    for (let at = begin; at < end; at++) {
      const step = this.step[at] as number;
      const qty = this.qty[at] as number;
      if (this.what[at] === NEW) {
        price += sign * (at === begin ? step : step + 1);
        let upTo = passed;
        while (upTo < old.size && ((old.prices[upTo] as number) - price) * sign < 0) upTo++;
        to.append(old, passed, upTo);
        passed = upTo;
        if (qty === 0 || (passed < old.size && old.prices[passed] === price)) return false;
        to.push(price, qty);
      } else {
        const known = passed + step;
        if (known >= old.size) return false;
        to.append(old, passed, known);
        price = old.prices[known] as number;
        passed = known + 1;
        if (this.what[at] === REMOVED) continue;
        const left = (old.qtys[known] as number) + qty;
        if (left <= 0) return false;
        to.push(price, left);
      }
    }
    to.append(old, passed, old.size);
    to.size = Math.min(to.size, depth);
    return true;
  }
}

/** Where the first price of a side counts from. */
function base(own: Side, other: Side): number {
  if (own.size > 0) return own.prices[0] as number;
  return other.size > 0 ? (other.prices[0] as number) : 0;
}

/** A level as `fixed` and `json` tell it: quantity 0 removes. */
export interface Level {
  side: number;
  price: number;
  qty: number;
  /** Its place after the update, where told; 255 = removed. */
  place: number | null;
}

/** Sets levels, removals first, because a full side drops its worst for a better one. */
export function setAll(levels: readonly Level[], depth: number, to: Sides): void {
  for (const { side, price, qty } of levels) if (qty === 0) (to[side] as Side).set(side, price, 0);
  for (const { side, price, qty } of levels) if (qty > 0) (to[side] as Side).set(side, price, qty);
  for (const side of to) side.size = Math.min(side.size, depth);
}

/** Makes `to` equal to `from`. */
export function copy(from: Sides, to: Sides): void {
  for (const side of [BID, ASK] as const) {
    to[side].size = 0;
    to[side].append(from[side], 0, from[side].size);
  }
}
