// What a record costs to decode, per form, at 50 records a frame: `npm run bench`. Prints medians of rounds; asserts
// nothing, because a shared machine cannot promise a time.

import { decode } from '../dist/sdk/compact.js';
import { decodeFixed } from '../dist/sdk/fixed.js';
import { decodeJson } from '../dist/sdk/json.js';
import { View } from '../dist/sdk/view.js';
import { FRAMES, RECORDS, SYMBOLS, compactFrames, fixedFrames, jsonFrames } from './frames.mjs';

const ROUNDS = 31;
const PASSES = 40;

/** Adds up what it is given, so that no read can be left out. */
class Sum {
  sum = 0;
  quote(rank, events, _state, bid, ask, bidSize, askSize) {
    this.sum += rank + events + bid + ask + bidSize + askSize;
  }
  value(record) {
    this.sum += record.id + record.epoch + record.events + record.state + record.bid + record.ask + record.bidSize + record.askSize;
  }
}

/** As Sum, with both times, which only who asks for pays. */
class SumWithTimes {
  sum = 0;
  value(record) {
    this.sum += record.id + record.epoch + record.events + record.state + record.bid + record.ask + record.bidSize + record.askSize;
    this.sum += record.eventUs + record.recvUs;
  }
}

const size = () => SYMBOLS;

/** Frames through a view that has seen its fulls; its counter goes on over all rounds. */
function viewed(form, first, frames, renumber) {
  const view = new View({}, () => 0, form);
  const symbols = Array.from({ length: SYMBOLS }, (_, id) => ({ symbol: `S${id}`, id, price_exponent: -2, qty_exponent: -5 }));
  view.subscribed({ op: 'subscribed', channel: 'quote', slot: 0, interval_ms: 50, phase_us: 0, symbols });
  view.message(first);
  let number = 1;
  return {
    frame: (bytes) => {
      renumber(bytes, ++number);
      view.message(bytes);
    },
    check: () => {
      if (view.gaps + view.decodeErrors > 0 || view.quotes.broken > 0) throw new Error(`${form}: the frames are no session`);
    },
    frames,
  };
}

function measure(frames, frame) {
  const times = [];
  for (let round = 0; round < ROUNDS + 5; round++) {
    const began = process.hrtime.bigint();
    for (let pass = 0; pass < PASSES; pass++) for (const bytes of frames) frame(bytes);
    const ns = Number(process.hrtime.bigint() - began) / (PASSES * FRAMES * RECORDS);
    if (round >= 5) times.push(ns);
  }
  times.sort((a, b) => a - b);
  return times;
}

function row(name, frames, frame) {
  const times = measure(frames, frame);
  const at = (share) => times[Math.floor((times.length - 1) * share)].toFixed(1).padStart(7);
  console.log(`${name.padEnd(34)}${at(0)}${at(0.5)}${at(0.9)}`);
}

const compact = compactFrames();
const fixed = fixedFrames();
const json = jsonFrames();
const bytes = (frames) => (frames.reduce((all, frame) => all + frame.length, 0) / FRAMES / RECORDS).toFixed(1);
console.log(`Node ${process.version}, ${RECORDS} records a frame; bytes a record: compact ${bytes(compact.frames)}, fixed ${bytes(fixed.frames)}`);
console.log(`${'ns a record'.padEnd(34)}${'least'.padStart(7)}${'median'.padStart(7)}${'p90'.padStart(7)}`);
const sum = new Sum();
const timed = new SumWithTimes();
row('compact, decoded', compact.frames, (frame) => decode(frame, size, sum));
row('fixed, decoded', fixed.frames, (frame) => decodeFixed(frame, size, sum));
row('fixed, decoded with both times', fixed.frames, (frame) => decodeFixed(frame, size, timed));
row('json, decoded', json.texts, (frame) => decodeJson(JSON.parse(frame), size, sum));
for (const { form, first, frames, renumber } of [compact, fixed]) {
  const view = viewed(form, first, frames, renumber);
  row(`${form}, view and accounts`, view.frames, view.frame);
  view.check();
}
if (!Number.isFinite(sum.sum + timed.sum)) throw new Error('a field was not read');
