// Books, bars and trading status as messages change them, whatever form they came in.

import { LEVELS_MAX, Side, checksum, copy, setAll, type Sides } from './book.js';
import type { Instrument } from './instrument.js';
import type { Channel } from './protocol.js';
import { DecodeError } from './reader.js';
import type { BarsRecord, BookChange, BookFull, BookRecord, StatusRecord } from './records.js';
import type { ViewEvents } from './view.js';

const EMPTY: Sides = [new Side(), new Side()];

/** Keeps what the view holds of these channels. `changed` is told the state of a channel with each record. */
export class Market {
  wrongBooks = 0;
  /** Levels a side of each slot's books, and of the message that is read. */
  private readonly depths = new Map<number, number>();
  private depthNow = LEVELS_MAX;
  /** Where a book's next levels are written; then the two change places. */
  private spare: Sides = [new Side(), new Side()];

  constructor(
    private readonly events: ViewEvents,
    private readonly changed: (instrument: Instrument, channel: Channel, state: number) => void,
    private readonly modulus: number,
  ) {}

  /** A message of this slot is read next. */
  begin(slot: number): void {
    this.depthNow = this.depths.get(slot) ?? LEVELS_MAX;
  }

  depth(slot: number, levels: number): void {
    this.depths.set(slot, levels);
  }

  /** A slot that symbols move to shows the same of them. */
  moved(from: number, to: number): void {
    const levels = this.depths.get(from);
    if (levels !== undefined) this.depths.set(to, levels);
  }

  change(instrument: Instrument, { events, state, changes, checksum: told }: BookChange): void {
    const { book } = instrument;
    if (!book.based) return;
    const fits = changes.apply(book.sides, this.depthNow, this.spare);
    book.account.add(events);
    this.now(instrument, state < 0 ? book.state : state, fits, told);
  }

  full(instrument: Instrument, { feedEpoch, state, total, lost, changes, checksum: told }: BookFull): void {
    if (!changes.apply(EMPTY, this.depthNow, this.spare)) throw new DecodeError('no book');
    instrument.book.account.take(feedEpoch, total, lost, this.modulus, -1);
    this.now(instrument, state, true, told);
  }

  levels(instrument: Instrument, { full, whole, epoch, events, total, lost, state, levels, checksum: told }: BookRecord): void {
    const { book } = instrument;
    const { account } = book;
    if (!full && (!book.based || account.epoch !== epoch)) return;
    copy(whole ? EMPTY : book.sides, this.spare);
    setAll(levels, this.depthNow, this.spare);
    const follows = full || total === null || account.last + events === total;
    if (full) account.take(epoch, total as number, lost, this.modulus, -1);
    else account.add(events);
    this.now(instrument, state, follows, told);
  }

  /** The spare levels become the book's, if they fit; it is shown only if it is what the checksum says. */
  private now(instrument: Instrument, state: number, fits: boolean, told: number): void {
    const { book } = instrument;
    if (fits) {
      [book.sides, this.spare] = [this.spare, book.sides];
      book.checksum = checksum(book.sides);
    }
    book.state = state;
    book.based = fits && book.checksum === told;
    if (!book.based) this.wrongBooks++;
    this.changed(instrument, 'book', state);
    this.events.book?.(instrument);
  }

  bars(instrument: Instrument, { epoch, state, bars }: BarsRecord): void {
    const { bar: view } = instrument;
    // A bar of an earlier epoch is void.
    if (view.epoch !== epoch) view.last = null;
    Object.assign(view, { based: true, epoch, state });
    this.changed(instrument, 'bar', state);
    for (const bar of bars) {
      view.last = bar;
      this.events.bar?.(instrument, bar);
    }
  }

  status(instrument: Instrument, { epoch, state, status, eventUs }: StatusRecord): void {
    Object.assign(instrument.status, { based: true, epoch, state, status, eventUs: eventUs ?? 0 });
    this.changed(instrument, 'status', state);
    this.events.status?.(instrument);
  }
}
