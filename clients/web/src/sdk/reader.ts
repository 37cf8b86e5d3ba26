// Reads bytes of a `compact` message. Every number is exact up to 2^53; beyond it, and at the end, it throws. Sums of many
// quantities may pass 2^53 and are read by `wide`.

/** The bytes are no message of this protocol. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

const BEYOND = 'number beyond 2^53';

/** A cursor over one message. */
export class Reader {
  at = 0;
  /** What `wide` read last, mod 2^32. */
  low = 0;

  constructor(
    readonly bytes: Uint8Array,
    public end: number = bytes.length,
  ) {}

  get left(): number {
    return this.end - this.at;
  }

  u8(): number {
    if (this.at >= this.end) throw new DecodeError('ends too early');
    return this.bytes[this.at++] as number;
  }

  /** Reads a length and tells where the part ends that it counts. */
  part(): number {
    const end = this.u8() + this.at;
    if (end > this.end) throw new DecodeError('ends too early');
    return end;
  }

  /** Skips to the end of a part. */
  leave(end: number): void {
    if (this.at > end) throw new DecodeError('a part is longer than it says');
    this.at = end;
  }

  /** Little-endian, 0 to 6 bytes. */
  little(count: number): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < count; i++) {
      value += this.u8() * scale;
      scale *= 256;
    }
    return value;
  }

  /** Zigzag in whole little-endian bytes. */
  littleSigned(count: number): number {
    return unzigzag(this.little(count));
  }

  /** LEB128. */
  varint(): number {
    let byte = this.u8();
    if (byte < 128) return byte;
    let value = byte & 127;
    let scale = 128;
    do {
      byte = this.u8();
      value += (byte & 127) * scale;
      scale *= 128;
      if (value > Number.MAX_SAFE_INTEGER) throw new DecodeError(BEYOND);
    } while (byte >= 128);
    return value;
  }

  /** LEB128 up to 2^64: rounded beyond 2^53, and mod 2^32 exactly in `low`. */
  wide(): number {
    let [value, low, scale, shift] = [0, 0, 1, 0];
    for (;;) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (shift < 32) low |= (byte & 127) << shift;
      if (byte < 128) break;
      scale *= 128;
      shift += 7;
      if (shift > 63) throw new DecodeError('number beyond 2^64');
    }
    this.low = low >>> 0;
    return value;
  }

  /** Zigzag LEB128: the lowest bit is the sign, so that the magnitude is read by itself and stays exact. */
  signed(): number {
    let byte = this.u8();
    const negative = (byte & 1) === 1;
    let value = (byte & 127) >> 1;
    let scale = 64;
    while (byte >= 128) {
      byte = this.u8();
      value += (byte & 127) * scale;
      scale *= 128;
      if (value > Number.MAX_SAFE_INTEGER) throw new DecodeError(BEYOND);
    }
    return negative ? -value - 1 : value;
  }
}

/** Signed value of a zigzag number below 2^53. */
export function unzigzag(value: number): number {
  const half = Math.floor(value / 2);
  return value % 2 === 1 ? -half - 1 : half;
}

/** Nanoseconds in two halves of 32 bits as µs. They are divided apart, so that nothing is rounded. */
export function micros(low: number, high: number): number {
  return Math.floor((high * 296 + low) / 1000) + high * 4_294_967; // 2^32 = 4,294,967,296
}
