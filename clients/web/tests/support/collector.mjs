// A sink that keeps records as objects, and bytes from hex.

export function hex(text) {
  return Uint8Array.from(text.trim().split(/\s+/).map((byte) => Number.parseInt(byte, 16)));
}

export function collector() {
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
  };
}
