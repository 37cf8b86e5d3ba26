// What an update of a book costs: decoded, applied, its checksum verified, accounted for; ten levels a side, two of them
// change. `node bench/books.mjs` after a build. Prints medians of rounds; asserts no time.

import { checksum } from '../dist/sdk/book.js';
import { View } from '../dist/sdk/view.js';

const SYMBOLS = 50;
const DEPTH = 10;
const PASSES = 400;
const ROUNDS = 31;

const little = (value, bytes) => Array.from({ length: bytes }, (_, at) => Math.floor(value / 256 ** at) % 256);
const sides = (view) => view.instruments.get(0).book.sides;

/** Every symbol has the same book: bids 10 ticks apart from 1,000 down, asks from 1,010 up, 5,000 each. */
function full() {
  // t of a side's first price is a zigzag: −1,000 from 0 for the bids (better), 10 above the best bid for the asks.
  const level = (ticks) => [(30 << 3) | (2 << 1) | 1, ...ticks, ...little(5_000, 2)];
  const side = (first) => [...level(first), ...Array.from({ length: DEPTH - 1 }, () => level([9])).flat()];
  return [...little(DEPTH | (DEPTH << 6), 2), ...side([0xcf, 0x0f]), ...side([20])];
}

function measured() {
  const view = new View({}, () => 0);
  const symbols = Array.from({ length: SYMBOLS }, (_, id) => ({ symbol: `S${id}`, id, price_exponent: -2, qty_exponent: -5 }));
  view.subscribed({ op: 'subscribed', channel: 'book', slot: 0, interval_ms: 50, phase_us: 0, depth: DEPTH, symbols });
  const bitmap = Array.from({ length: Math.ceil(SYMBOLS / 8) }, (_, at) => (at * 8 + 8 <= SYMBOLS ? 255 : 2 ** (SYMBOLS % 8) - 1));
  const message = (kind, record) => Uint8Array.from([0x0a, kind, 0, 0, ...bitmap, ...Array.from({ length: SYMBOLS }, () => record).flat()]);
  let counter = 0;
  const take = (bytes) => {
    bytes[0] = (++counter << 4) & 240 | 0x0a;
    view.message(bytes);
  };
  // The checksum that belongs to a record is found by taking it with a wrong one.
  const fitted = (kind, record) => {
    take(message(kind, [...record, 0, 0, 0, 0]));
    const right = [...record, ...little(checksum(sides(view)), 4)];
    return message(kind, right);
  };
  const begin = fitted(4, [1, 0, 100, 0, ...full()]);
  take(begin);
  // Best bid by ±1,000, the third ask by ±5.
  const there = fitted(3, [...little(1 | (1 << 6), 2), 4, ...little(2_000, 2), 0x12, 10]);
  take(begin);
  take(there);
  const back = fitted(3, [...little(1 | (1 << 6), 2), 4, ...little(1_999, 2), 0x12, 9]);
  take(begin);
  const wrong = view.wrongBooks;
  const times = [];
  for (let round = 0; round < ROUNDS + 5; round++) {
    const began = process.hrtime.bigint();
    for (let pass = 0; pass < PASSES; pass++) for (const frame of [there, back]) take(frame);
    if (round >= 5) times.push(Number(process.hrtime.bigint() - began) / (2 * PASSES * SYMBOLS));
  }
  if (view.wrongBooks !== wrong || view.gaps + view.decodeErrors > 0) throw new Error('the frames are no session');
  if (view.books.delivered < ROUNDS * PASSES * SYMBOLS) throw new Error('updates were not taken');
  return { times: times.sort((a, b) => a - b), bytes: (there.length - 4 - bitmap.length) / SYMBOLS };
}

const { times, bytes } = measured();
const at = (share) => times[Math.floor((times.length - 1) * share)].toFixed(1);
console.log(`Node ${process.version}, ${SYMBOLS} updates a frame, ${DEPTH} levels a side, ${bytes} bytes an update`);
console.log(`ns an update: least ${at(0)}, median ${at(0.5)}, p90 ${at(0.9)}`);
