// Messages of `fixed`, written by hand for tests.

const BYTES = { 0: 64, 1: 64, 2: 56, 7: 112 };
const NS = 1_723_075_200_123_456_000n;

const WRITERS = {
  quote(data, at, { id, events = 1, bid = 100, ask = 101, bidSize = 5, askSize = 6, lost = 0, state = 0, epoch = 1 }) {
    for (const [offset, value] of [[0, id], [4, events], [48, lost]]) data.setUint32(at + offset, value, true);
    for (const [offset, value] of [[8, bid], [16, ask], [24, bidSize], [32, askSize]]) data.setBigInt64(at + offset, BigInt(value), true);
    data.setUint8(at + 54, state);
    data.setUint8(at + 55, epoch);
    for (const offset of [40, 56]) data.setBigInt64(at + offset, NS, true);
  },
  trade(data, at, { id, price = 100, qty = 1, tradeId = 1, aggressor = 1, epoch = 1 }) {
    data.setUint32(at, id, true);
    data.setUint32(at + 4, 1, true);
    for (const [offset, value] of [[8, price], [16, qty], [32, tradeId]]) data.setBigInt64(at + offset, BigInt(value), true);
    data.setUint8(at + 40, aggressor);
    data.setUint8(at + 42, epoch);
    for (const offset of [24, 48]) data.setBigInt64(at + offset, NS, true);
  },
  totals(data, at, { id, tc, lost = 0, volume = 0, range = null, state = 0, epoch = 1 }) {
    for (const [offset, value] of [[0, id], [4, tc], [8, lost]]) data.setUint32(at + offset, value, true);
    data.setUint16(at + 12, range === null ? 0 : 1, true);
    data.setUint8(at + 14, state);
    data.setUint8(at + 15, epoch);
    data.setBigInt64(at + 16, BigInt(volume), true);
    const told = range ?? [-(2n ** 63n), 0, 0];
    told.forEach((value, i) => data.setBigInt64(at + 72 + i * 8, BigInt(value), true));
  },
};

/** One message: `kind` 0, 1, 2 or 7. */
export function fixedMessage(frame, kind, records, { listed = false, slot = 0 } = {}) {
  const size = BYTES[kind];
  const bytes = new Uint8Array(32 + records.length * size);
  const data = new DataView(bytes.buffer);
  bytes.set([size, 0, kind, 1, 32, listed ? 2 : 0, slot]);
  data.setUint32(8, frame, true);
  data.setBigInt64(16, NS, true);
  const write = { 0: WRITERS.quote, 1: WRITERS.quote, 2: WRITERS.trade, 7: WRITERS.totals }[kind];
  records.forEach((record, i) => write(data, 32 + i * size, record));
  return bytes;
}
