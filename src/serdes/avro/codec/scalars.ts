import { isUtf8 } from 'node:buffer';
import { type Tap, truncated, types } from './avsc.js';

const REPLACEMENT = '\ufffd';

// Part of JavaScript since Node 20, but of TypeScript's library only from ES2024.
type WellFormedString = string & { isWellFormed(): boolean };
type SlicingBuffer = Buffer & { utf8Slice(start: number, end: number): string };

/**
 * Reads a length and skips that many bytes, after checking that they exist. Returns their start; the tap is
 * after them.
 */
export function take(tap: Tap): number {
  const length = tap.readLong();
  const start = tap.pos;
  if (!(length >= 0 && start + length <= tap.buf.length)) throw truncated();
  tap.pos = start + length;
  return start;
}

export function readString(tap: Tap): string {
  const start = take(tap);
  const text = (tap.buf as SlicingBuffer).utf8Slice(start, tap.pos);
  if (text.includes(REPLACEMENT) && !isUtf8(tap.buf.subarray(start, tap.pos)))
    throw new Error('saw a string that is not UTF-8');
  return text;
}

export function writeString(tap: Tap, value: string): void {
  if (!(value as WellFormedString).isWellFormed())
    throw new Error('saw a string with lone surrogates, which UTF-8 cannot hold');
  tap.writeString(value);
}

export class GuardedInt extends types.IntType {
  _read(tap: Tap): number {
    const value = tap.readInt();
    if (value !== (value | 0)) throw new Error('saw an int of more than 32 bits');
    return value;
  }
}

/** avsc's arithmetic is exact up to here: it doubles the value and subtracts one. */
const EXACT = 2 ** 52;

export class GuardedLong extends types.LongType {
  _read(tap: Tap): number {
    const start = tap.pos;
    const value = tap.readLong();
    return value > -EXACT && value < EXACT - 1 ? value : readLargeLong(tap, start);
  }

  _write(tap: Tap, value: unknown): void {
    if (!Number.isSafeInteger(value)) throw new Error('saw no whole number of at most 2^53 - 1 in size');
    const long = value as number;
    if (long > -EXACT && long < EXACT) tap.writeLong(long);
    else writeLargeLong(tap, BigInt(long));
  }
}

function readLargeLong(tap: Tap, start: number): number {
  let bits = 0n;
  for (let at = tap.pos - 1; at >= start; at--) bits = (bits << 7n) | BigInt((tap.buf[at] ?? 0) & 0x7f);
  const value = Number(bits & 1n ? -((bits + 1n) >> 1n) : bits >> 1n);
  if (Number.isSafeInteger(value)) return value;
  throw new Error('saw a long of more than 2^53 - 1 in size, which a number cannot hold');
}

function writeLargeLong(tap: Tap, value: bigint): void {
  let bits = value < 0n ? -value * 2n - 1n : value * 2n;
  for (; bits > 0x7fn; bits >>= 7n) tap.buf[tap.pos++] = Number(bits & 0x7fn) | 0x80;
  tap.buf[tap.pos++] = Number(bits);
}

export class GuardedString extends types.StringType {
  _read(tap: Tap): string {
    return readString(tap);
  }

  _skip(tap: Tap): void {
    take(tap);
  }

  _write(tap: Tap, value: unknown): void {
    if (typeof value !== 'string') throw new Error('saw no string');
    writeString(tap, value);
  }
}

export class GuardedBytes extends types.BytesType {
  _read(tap: Tap): Buffer {
    const start = take(tap);
    // A copy: a kept value must not keep the whole batch in memory.
    return Buffer.from(tap.buf.subarray(start, tap.pos));
  }

  _skip(tap: Tap): void {
    take(tap);
  }
}
