import { isUtf8 } from 'node:buffer';
import { isDeepStrictEqual } from 'node:util';
import { StreamsError } from '../../model/errors.js';
import { isNotReady } from '../../model/not-ready.js';
import { show } from '../../model/text/show.js';
import { containing } from '../../serdes/containing.js';
import { string } from '../../serdes/scalars.js';
import type { Serde } from '../../serdes/serde.js';
import { isWellFormed } from '../../serdes/text.js';
import type { AnySerde } from '../contract/processor.js';

/** The id of an event or an entity, as the user's function returns it. */
export type Id = string | number | bigint;

/**
 * Returns the id that the user's function gave. Throws PROCESS_FAILED if the id is missing, or if several ids
 * may have turned into it. Such ids are NaN, half of a surrogate pair (UTF-8 cannot hold it), and integers
 * above 2^53 − 1, which lose digits when JSON is parsed.
 *
 * @param what "the id of a record".
 * @param at "dedupe seen".
 */
export function checkedId(id: unknown, what: string, at: string): Id {
  if (typeof id === 'string' && id !== '' && isWellFormed(id)) return id;
  if (typeof id === 'bigint') return id;
  if (typeof id === 'number' && (Number.isSafeInteger(id) || (Number.isFinite(id) && !Number.isInteger(id)))) return id;
  const missing = id === undefined || id === null || id === '';
  throw new StreamsError('PROCESS_FAILED', {
    what: missing ? `${what} is missing` : `${what} is ambiguous`,
    at,
    saw: show(id),
    expected: 'a text without lone surrogates, a number up to 2^53 - 1, or a bigint',
    action: missing
      ? 'Return a unique id from the function, or filter out such records first.'
      : 'Return the id as text or bigint: have the producer write it as a JSON string, or use a serde that keeps all digits.',
  });
}

/**
 * The id as text; different ids have different texts. A string is itself. A number has the prefix `#`, and a
 * string that begins with `#` gets one more, so 5 is not "5". An integer has the same text as a number and as
 * a bigint.
 */
export const idText = (id: Id): string => (typeof id === 'string' ? (id.startsWith('#') ? `#${id}` : id) : `#${id}`);

/** Turns a text of {@link idText} back into a form for messages. */
export function shownId(text: string): string {
  if (!text.startsWith('#')) return show(text);
  return text.startsWith('##') ? show(text.slice(1)) : text.slice(1);
}

/**
 * A key as a text prefix: keys with different bytes have different texts, whatever follows the prefix. If the
 * bytes are text, the prefix is readable.
 */
export function keyPart(serde: AnySerde, key: unknown): string {
  if (key === null || key === undefined) return '-:';
  // The serde rejects text that UTF-8 cannot hold.
  if (serde.text && typeof key === 'string' && isWellFormed(key)) return `${key.length}:${key}`;
  const bytes = serde.encode(key);
  if (isUtf8(bytes)) {
    const text = bytes.toString('utf8');
    return `${text.length}:${text}`;
  }
  return `~${bytes.length}:${bytes.toString('latin1')}`;
}

/**
 * Whether two keys have the same bytes. Keys are compared as values if they cannot be encoded. The same holds
 * for a serde that may be bound to a read-only topic, which cannot encode.
 */
export function sameKey(serde: AnySerde, a: unknown, b: unknown): boolean {
  // Not by `===`: 0 and -0 may have different bytes.
  if (Object.is(a, b)) return true;
  if (a === null || b === null || a === undefined || b === undefined) return false;
  // Texts that are written unchanged.
  if (serde.text && typeof a === 'string' && typeof b === 'string') return false;
  if (serde.binding) return isDeepStrictEqual(a, b);
  try {
    return serde.encode(a).equals(serde.encode(b));
  } catch (error) {
    if (isNotReady(error)) throw error;
    return isDeepStrictEqual(a, b);
  }
}

/** An id for a key, for use in a Map. Keys with different bytes have different ids. */
export const keyId = (serde: AnySerde, key: unknown): string =>
  serde.text ? (key as string) : serde.encode(key).toString('latin1');

/**
 * The serde of rows of ids: the text of {@link idText}, preceded by {@link keyPart} if ids count per key.
 * UTF-8. This is format 2. Format 1, named "string", did not distinguish values with the same text (5 and
 * "5").
 */
export const idSerde = (key?: AnySerde): Serde<string> => {
  const serde: Serde<string> = { ...string, name: key ? `id-2(${key.name})` : 'id-2' };
  return key ? containing(key, serde) : serde;
};
