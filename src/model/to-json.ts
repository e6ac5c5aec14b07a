import { ownOf } from './own.js';
import { plainJson } from './text/plain-text.js';
import { show } from './text/show.js';

/**
 * A user's value as JSON, to be looked at by people and programs. Values without a JSON form become text
 * (bigint), base64 (bytes) or null. A value that cannot be written at all (a cycle, a getter that throws)
 * becomes a text that describes it. Never throws. Nothing is read back from this form but the policies of a
 * configuration, which are checked then.
 */
export function toJson(value: unknown): string {
  try {
    return plainJson(JSON.stringify(value, special) ?? 'null');
  } catch {
    return plainJson(JSON.stringify(show(value)));
  }
}

function special(this: unknown, key: string, value: unknown): unknown {
  // Buffers convert themselves to arrays of numbers before this call, so read the original value.
  const original = ownOf(this as Record<string, unknown>, key);
  if (original instanceof Uint8Array) return { base64: Buffer.from(original).toString('base64') };
  return typeof value === 'bigint' ? value.toString() : value;
}
