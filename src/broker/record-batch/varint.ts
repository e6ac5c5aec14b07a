/**
 * Zigzag varints of Kafka's records. Numbers are JavaScript numbers: exact for every safe integer, so 64-bit
 * timestamp deltas need no BigInt. Bitwise operators are used only below 2^30, where they are exact.
 */
const SMALL = 0x4000_0000;

/** The number of bytes that a value takes. */
export function varintSize(value: number): number {
  if (value >= -SMALL && value < SMALL) {
    const zigzag = (value << 1) ^ (value >> 31);
    if (zigzag >>> 7 === 0) return 1;
    if (zigzag >>> 14 === 0) return 2;
    if (zigzag >>> 21 === 0) return 3;
    return zigzag >>> 28 === 0 ? 4 : 5;
  }
  let rest = Math.floor((value < 0 ? -value - 1 : value) / 64);
  let size = 1;
  while (rest > 0) {
    rest = Math.floor(rest / 128);
    size++;
  }
  return size;
}

/** Writes a value and returns the position of the next byte. The caller has reserved the space. */
export function writeVarint(bytes: Buffer, value: number, at: number): number {
  if (value >= -SMALL && value < SMALL) {
    let zigzag = (value << 1) ^ (value >> 31);
    while (zigzag >>> 7 !== 0) {
      bytes[at++] = (zigzag & 0x7f) | 0x80;
      zigzag >>>= 7;
    }
    bytes[at++] = zigzag;
    return at;
  }
  // The zigzag number itself may exceed 2^53, so its lowest bit (the sign) is written separately.
  const magnitude = value < 0 ? -value - 1 : value;
  let low = (magnitude % 64) * 2 + (value < 0 ? 1 : 0);
  let rest = Math.floor(magnitude / 64);
  while (rest > 0) {
    bytes[at++] = low | 0x80;
    low = rest % 128;
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = low;
  return at;
}

/**
 * Reads consecutive varints. `at` is the start of the next one. A varint that runs past `end`, is longer than
 * ten bytes or is not a safe integer yields NaN, which every range check downstream refuses.
 */
export class VarintReader {
  constructor(
    readonly bytes: Buffer,
    public at: number,
    public end: number,
  ) {}

  next(): number {
    const { bytes, end } = this;
    let at = this.at;
    let zigzag = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (at >= end) return Number.NaN;
      const byte = bytes[at++] as number;
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.at = at;
        return (zigzag >>> 1) ^ -(zigzag & 1);
      }
    }
    return this.#long();
  }

  #long(): number {
    const first = this.bytes[this.at] as number;
    let magnitude = (first & 0x7f) >> 1;
    let scale = 64;
    for (let i = 1; i < 10; i++) {
      const at = this.at + i;
      if (at >= this.end) return Number.NaN;
      const byte = this.bytes[at] as number;
      magnitude += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) {
        this.at = at + 1;
        const value = first & 1 ? -magnitude - 1 : magnitude;
        return Number.isSafeInteger(value) ? value : Number.NaN;
      }
    }
    return Number.NaN;
  }
}
