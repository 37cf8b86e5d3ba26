// Frames for the measurement: 50 of 200 symbols move as quotes do, most by little, some by much.

export const RECORDS = 50;
export const SYMBOLS = 200;
export const FRAMES = 500;

let seed = 7;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const below = (limit) => Math.floor(random() * limit);
const zigzag = (value) => (value >= 0 ? value * 2 : -value * 2 - 1);

function varint(out, value) {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
}

function little(out, value) {
  const from = out.length;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) out.push(rest % 256);
  return out.length - from;
}

/** Which symbols move, in order. */
function movers() {
  const ids = new Set();
  while (ids.size < RECORDS) ids.add(below(SYMBOLS));
  return [...ids].sort((a, b) => a - b);
}

function change(out) {
  const body = [];
  const moved = random() < 0.7;
  if (moved) {
    const far = random();
    if (far < 0.9) body.push(16 + below(121));
    else if (far < 0.97) body.push(137 + below(118));
    else {
      const price = [];
      const bid = little(price, zigzag(300 + below(30_000)));
      body.push(bid - 1, ...price);
    }
  }
  const sizes = [0, 1].map(() => little(body, random() < 0.6 ? zigzag(1 + below(60_000) - 30_000) : 0));
  const control = (moved ? 1 : 0) | (sizes[0] << 1) | (sizes[1] << 3);
  if ((control & 31) === 0) return out.push(below(7) << 5, 0);
  out.push((below(7) << 5) | control, ...body);
}

export function compactFrames() {
  const head = (k) => (k ? [0x1a, 1] : [0x12]);
  const first = [...head(true), 0, 0x44, ...new Array(SYMBOLS / 8).fill(255)];
  for (let id = 0; id < SYMBOLS; id++) {
    varint(first, 1);
    first.push(0);
    for (const value of [1_000, 0, zigzag(6_100_000), 2, 51_900, 300]) varint(first, value);
  }
  const frames = Array.from({ length: FRAMES }, () => {
    const out = [...head(false), 0, 0x44];
    const bits = new Array(SYMBOLS / 8).fill(0);
    const ids = movers();
    for (const id of ids) bits[id >> 3] |= 1 << (id & 7);
    out.push(...bits);
    for (let i = 0; i < ids.length; i++) change(out);
    return Uint8Array.from(out);
  });
  const renumber = (bytes, number) => (bytes[0] = (bytes[0] & 15) | ((number & 15) << 4));
  return { form: 'compact', first: Uint8Array.from(first), frames, renumber };
}

function fixedFrame(kind, ids) {
  const bytes = new Uint8Array(32 + ids.length * 64);
  const data = new DataView(bytes.buffer);
  const now = 1_723_075_200_123_456_000n;
  bytes.set([64, 0, kind, 1, 32, kind, 0, 0, 1]);
  data.setBigInt64(16, now, true);
  data.setBigInt64(24, now, true);
  ids.forEach((id, i) => {
    const at = 32 + i * 64;
    const bid = 6_100_000 + below(1_000);
    data.setUint32(at, id, true);
    data.setUint32(at + 4, kind === 1 ? 1_000 : 1 + below(9), true);
    [bid, bid + 1 + below(5), 1 + below(90_000), 1 + below(90_000)].forEach((value, k) => data.setBigInt64(at + 8 + k * 8, BigInt(value), true));
    for (const offset of [40, 56]) data.setBigInt64(at + offset, now, true);
    bytes[at + 55] = 1;
  });
  return bytes;
}

export function fixedFrames() {
  const all = Array.from({ length: SYMBOLS }, (_, id) => id);
  const frames = Array.from({ length: FRAMES }, () => fixedFrame(0, movers()));
  const renumber = (bytes, number) => new DataView(bytes.buffer).setUint32(8, number, true);
  return { form: 'fixed', first: fixedFrame(1, all), frames, renumber };
}

export function jsonFrames() {
  const texts = Array.from({ length: FRAMES }, (_, frame) => {
    const data = movers().map((id) => {
      const bid = 6_100_000 + below(1_000);
      const price = (mantissa) => `${Math.floor(mantissa / 100)}.${String(mantissa % 100).padStart(2, '0')}`;
      return {
        id, epoch: 1_723_075_200_000, total: 1_600, events: 3, lost: 0, bid: price(bid), ask: price(bid + 1),
        bid_size: '0.51900', ask_size: '0.00300', state: 'live', ts_event: 1_723_075_200_123_456, ts_recv: 1_723_075_200_123_706,
      };
    });
    return JSON.stringify({ op: 'quotes', frame, slot: 0, tick: 1, t_us: 1_723_075_200_173_456, data });
  });
  return { texts };
}
