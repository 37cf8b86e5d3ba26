// Records of all forms as the manifest of the golden files writes them (wire/tests/data/README.md).

import { readFileSync } from 'node:fs';

import { checksum, setAll, Side } from '../../dist/sdk/book.js';

export const DATA = new URL('../../../../wire/tests/data/', import.meta.url);
export const json = (name) => JSON.parse(readFileSync(new URL(name, DATA), 'utf8'));
export const STATES = ['live', 'quiet', 'stale', 'halted', 'out'];
export const STATUSES = ['open', 'halted', 'closed', 'source_stale'];

const SIDES = new Map([[true, 'sell'], [false, 'buy'], [null, null]]);
const print = ({ price, qty, id, sell }) => ({ price, qty, trade_id: id, side: SIDES.get(sell) });

/** Signed where the manifest's number is: the wire tells notional mod 2^96. */
const notionalOf = ({ notionalHigh, notionalLow }) => BigInt.asIntN(96, (BigInt(notionalHigh) << 48n) | BigInt(notionalLow)).toString();

/** What totals say in all forms. */
const totalsOf = (totals) => ({
  state: STATES[totals.state], volume: totals.volume, buy_volume: totals.buyVolume, notional: notionalOf(totals),
  price: totals.lastPrice, qty: totals.lastQty, trade_id: totals.lastId,
});

/** Records of `compact`; prints are made absolute from their base. */
export function compactRecords(kind, set, raw, bases) {
  const records = [];
  for (const item of raw) {
    const id = set[item.rank];
    if (kind === 0) {
      const { events, bid, ask, bidSize, askSize, state } = item;
      records.push({ id, events, bid, ask, bid_size: bidSize, ask_size: askSize, state: state < 0 ? null : STATES[state] });
    } else if (kind === 1) {
      const { feedEpoch, state, total, lost, bid, ask, bidSize, askSize } = item;
      records.push({ id, feed_epoch: feedEpoch, state: STATES[state], total, lost, bid, ask, bid_size: bidSize, ask_size: askSize });
    } else if (kind === 2) {
      let record = records.at(-1);
      if (record?.id !== id) records.push((record = { id, prints: [], state: null }));
      if (item.printState !== undefined) record.state = STATES[item.printState];
      else {
        const last = record.prints.at(-1) ?? bases?.find((base) => base.id === id);
        const qty = item.qty < 0 ? last.qty : item.qty;
        record.prints.push(print({ price: last.price + item.priceDelta, qty, id: last.trade_id + 1 + item.idGap, sell: item.sell }));
      }
    } else if (kind === 3 || kind === 4) {
      records.push(bookOf(kind, id, item));
    } else if (kind === 5) {
      records.push({ id, feed_epoch: item.epoch, state: STATES[item.state], bars: item.bars.map(barOf) });
    } else if (kind === 6) {
      const { epoch, state, status, eventUs } = item;
      records.push({ id, feed_epoch: epoch, state: STATES[state], status: STATUSES[status], ts_event: eventUs });
    } else {
      const { totals, listed, range, partial } = item;
      records.push({
        id, feed_epoch: totals.feedEpoch, total: totals.tc, lost: totals.lost, ...totalsOf(totals), listed: listed.map(print), range, partial,
      });
    }
  }
  return records;
}

/** Levels of each side, from what the manifest tells of a book. */
export function sidesOf({ bids, asks }) {
  const sides = [new Side(), new Side()];
  const levels = [bids, asks].flatMap((told, side) => told.map(([price, qty]) => ({ side, price, qty })));
  setAll(levels, 20, sides);
  return sides;
}

/** A record that does not fit, or whose checksum is another than it says, is no record of the manifest. */
function bookOf(kind, id, { fits, sides, checksum: told, events, state, feedEpoch, total, lost }) {
  if (!fits || checksum(sides) !== told) throw new Error(`wrong book of ${id}`);
  const levels = { bids: sides[0].levels(), asks: sides[1].levels(), checksum: told };
  if (kind === 3) return { id, events, state: state < 0 ? null : STATES[state], ...levels };
  return { id, feed_epoch: feedEpoch, state: STATES[state], total, lost, ...levels };
}

function barOf({ startUs, buyVolume, notional, tc, volumeLow, ...rest }) {
  if (volumeLow !== (rest.volume & -1) >>> 0) throw new Error('volume');
  return { start: startUs, buy_volume: buyVolume, notional: notional.toString(), total: tc, ...rest };
}

const BOOK_SIDES = ['bid', 'ask'];

/** Updates as the manifest writes them: `fixed` a record a level, `json` an element. */
const UPDATES = {
  fixed(id, { epoch, full, whole, events, total, lost, state, checksum: told, levels, eventUs, recvUs }) {
    const none = { side: 0, place: 0, price: 0, qty: 0 };
    const list = levels.length > 0 ? levels : [none];
    return list.map(({ side, place, price, qty }, at) => {
      const ends = at === list.length - 1;
      const flags = (whole && at === 0 ? 1 : 0) | (ends ? 2 : 0) | (levels.length > 0 ? 0 : 4);
      return {
        symbol: id, epoch, events: full ? total : events, lost, flags, state: STATES[state], book_side: BOOK_SIDES[side], level: place,
        price, qty, checksum: ends ? told : 0, ts_event: eventUs, ts_recv: recvUs,
      };
    });
  },
  json(id, { epoch, full, events, total, lost, state, checksum: told, levels }) {
    const of = (which) => levels.filter(({ side }) => side === which).map(({ price, qty }) => [price, qty]);
    return [{ id, feed_epoch: epoch, full, events, total, lost, state: STATES[state], checksum: told, bids: of(0), asks: of(1) }];
  },
};

const BARS = {
  fixed: (id, { epoch, state, bars }) =>
    bars.map(({ startUs, buyVolume, notional, volumeLow: _low, closed, partial, ...rest }) => ({
      symbol: id, epoch, state: STATES[state], start_us: startUs, buy_volume: buyVolume, notional: notional.toString(),
      flags: (closed ? 1 : 0) | (partial ? 2 : 0), ...rest,
    })),
  json: (id, { epoch, state, bars }) => [{ id, feed_epoch: epoch, state: STATES[state], bars: bars.map(barOf) }],
};

const FORM_FIELDS = {
  fixed: {
    quote: ({ id, epoch, events, total, lost }) => ({ symbol: id, epoch, events: total ?? events, lost, flags: 0 }),
    print: (id, epoch) => ({ symbol: id, epoch, events: 1, flags: 0 }),
    totals: (id, totals, range, partial) => ({
      symbol: id, epoch: totals.feedEpoch, tc: totals.tc, tlost: totals.lost, flags: (range === null ? 0 : 1) | (partial ? 2 : 0), range,
    }),
    times: ({ eventUs, recvUs }) => ({ ts_event: eventUs, ts_recv: recvUs }),
  },
  json: {
    quote: ({ id, epoch, events, total, lost }) => ({ id, feed_epoch: epoch, events, total, lost }),
    print: (id, epoch, listed) => ({ id, listed }),
    totals: (id, totals, range, partial) => ({
      id, feed_epoch: totals.feedEpoch, total: totals.tc, lost: totals.lost, partial, range,
    }),
    times: () => ({}),
  },
};

/** Takes the records of `fixed` or `json` and keeps them as the manifest writes them. */
export function values(form) {
  const records = [];
  const { quote, print: printed, totals: summed, times } = FORM_FIELDS[form];
  return {
    records,
    value(record) {
      const { bid, ask, bidSize, askSize, state } = record;
      records.push({ ...quote(record), bid, ask, bid_size: bidSize, ask_size: askSize, state: STATES[state], ...times(record) });
    },
    printed(id, epoch, told, listed) {
      records.push({ ...printed(id, epoch, listed), ...print(told), ...times(told) });
    },
    totals(id, totals, range, partial) {
      records.push({ ...summed(id, totals, range, partial), ...totalsOf(totals), ...times(totals) });
    },
    levels(id, record) {
      records.push(...UPDATES[form](id, record));
    },
    barred(id, record) {
      records.push(...BARS[form](id, record));
    },
    traded(id, record) {
      const { epoch, state, status } = record;
      const named = form === 'fixed' ? { symbol: id, epoch } : { id, feed_epoch: epoch };
      records.push({ ...named, state: STATES[state], status: STATUSES[status], ...times(record) });
    },
  };
}

/** Nanoseconds as text to whole µs: what the readers hand out. */
export const micros = (ns) => (ns === null ? null : Number(BigInt(ns) / 1000n));
