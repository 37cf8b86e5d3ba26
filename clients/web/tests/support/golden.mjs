// Records of all forms as the manifest of the golden files writes them (wire/tests/data/README.md).

import { readFileSync } from 'node:fs';

export const DATA = new URL('../../../../wire/tests/data/', import.meta.url);
export const json = (name) => JSON.parse(readFileSync(new URL(name, DATA), 'utf8'));
export const STATES = ['live', 'quiet', 'stale', 'halted'];

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
    } else {
      const { totals, listed, range, partial } = item;
      records.push({
        id, feed_epoch: totals.feedEpoch, total: totals.tc, lost: totals.lost, ...totalsOf(totals), listed: listed.map(print), range, partial,
      });
    }
  }
  return records;
}

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
  };
}

/** Nanoseconds as text to whole µs: what the readers hand out. */
export const micros = (ns) => (ns === null ? null : Number(BigInt(ns) / 1000n));
