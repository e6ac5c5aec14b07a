import { ownOf } from './own.js';
import { plainJson } from './plain-text.js';
import { show } from './show.js';

/**
 * A value of the user as JSON, for people and programs that look at it. What JSON has no form for is text
 * (bigint), base64 (bytes) or null; what cannot be written at all (a cycle, a getter that throws) is a text
 * about it. Never throws. Not a format that anything is read back from.
 */
export function toJson(value: unknown): string {
  try {
    return plainJson(JSON.stringify(value, special) ?? 'null');
  } catch {
    return plainJson(JSON.stringify(show(value)));
  }
}

function special(this: unknown, key: string, value: unknown): unknown {
  // Buffers turn themselves into arrays of numbers before this is asked: look at what was there.
  const original = ownOf(this as Record<string, unknown>, key);
  if (original instanceof Uint8Array) return { base64: Buffer.from(original).toString('base64') };
  return typeof value === 'bigint' ? value.toString() : value;
}
