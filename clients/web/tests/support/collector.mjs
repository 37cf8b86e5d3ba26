// A sink that keeps records as objects, and bytes from hex.

import { Side } from '../../dist/sdk/book.js';

export function hex(text) {
  return Uint8Array.from(text.trim().split(/\s+/).map((byte) => Number.parseInt(byte, 16)));
}

/** `books` are the sides held before, by rank, and their depth. */
export function collector(books = { sides: [], depth: 20 }) {
  const records = [];
  return {
    records,
    quote(rank, events, state, bid, ask, bidSize, askSize) {
      records.push({ rank, events, state, bid, ask, bidSize, askSize });
    },
    quoteFull(rank, feedEpoch, state, total, lost, bid, ask, bidSize, askSize) {
      records.push({ rank, feedEpoch, state, total, lost, bid, ask, bidSize, askSize });
    },
    print(rank, priceDelta, qty, idGap, sell) {
      records.push({ rank, priceDelta, qty, idGap, sell });
    },
    printState(rank, printState) {
      records.push({ rank, printState });
    },
    tradeFull(rank, totals, listed, range, partial) {
      records.push({ rank, totals, listed, range, partial });
    },
    /** The changes are used again, so that they are applied at once, to what the test holds by rank. */
    bookChange(rank, { events, state, changes, checksum }) {
      const after = [new Side(), new Side()];
      const fits = changes.apply(books.sides[rank], books.depth, after);
      records.push({ rank, events, state, fits, checksum, sides: after });
    },
    bookFull(rank, { changes, ...told }) {
      const sides = [new Side(), new Side()];
      const fits = changes.apply([new Side(), new Side()], 20, sides);
      records.push({ rank, ...told, fits, sides });
    },
    bars(rank, told) {
      records.push({ rank, ...told });
    },
    trading(rank, told) {
      records.push({ rank, ...told });
    },
  };
}
