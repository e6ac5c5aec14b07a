import { isUtf8 } from 'node:buffer';
import { isDeepStrictEqual } from 'node:util';
import { StreamsError } from '../../model/errors.js';
import { isNotReady } from '../../model/not-ready.js';
import { show } from '../../model/show.js';
import { containing } from '../../serdes/containing.js';
import { string } from '../../serdes/scalars.js';
import type { Serde } from '../../serdes/serde.js';
import { isWellFormed } from '../../serdes/text.js';
import type { AnySerde } from '../processor.js';

/** What users tell events and entities apart by. */
export type Id = string | number | bigint;

/**
 * What a function of the user gave as an id, if it can be one. PROCESS_FAILED if nothing was given, or
 * something that may stand for several ids: a number above 2^53, which has lost digits when it was read from
 * JSON, NaN, or half of a surrogate pair, which UTF-8 cannot hold.
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
    what: missing ? `${what} is missing` : `${what} cannot be told from others`,
    at,
    saw: show(id),
    expected: 'a text without lone surrogates, a number up to 2^53 - 1, or a bigint',
    action: missing
      ? 'Let the function return what makes it unique, or filter such records out before.'
      : 'Let the function return the id as text or bigint: have the producer write it as a JSON string, or read it with a serde that keeps all digits.',
  });
}

/**
 * The id as text: other ids have other texts. A string is itself, a number has `#` before it (and a string
 * that begins with that has one more), so 5 is not "5". Whole numbers are the same as numbers and as bigints.
 */
export const idText = (id: Id): string => (typeof id === 'string' ? (id.startsWith('#') ? `#${id}` : id) : `#${id}`);

/** What {@link idText} made, for messages. */
export function shownId(text: string): string {
  if (!text.startsWith('#')) return show(text);
  return text.startsWith('##') ? show(text.slice(1)) : text.slice(1);
}

/**
 * A key as text: keys of other bytes have other texts, whatever stands behind it. Read by people where its
 * bytes are text.
 */
export function keyPart(serde: AnySerde, key: unknown): string {
  if (key === null || key === undefined) return '-:';
  // What UTF-8 cannot hold is refused by the serde.
  if (serde.text && typeof key === 'string' && isWellFormed(key)) return `${key.length}:${key}`;
  const bytes = serde.encode(key);
  if (isUtf8(bytes)) {
    const text = bytes.toString('utf8');
    return `${text.length}:${text}`;
  }
  return `~${bytes.length}:${bytes.toString('latin1')}`;
}

/**
 * Whether two keys have the same bytes. Of a serde that may be bound to a topic which is only read, and
 * cannot write then, they are compared as values; so are keys that cannot be written.
 */
export function sameKey(serde: AnySerde, a: unknown, b: unknown): boolean {
  // Not by `===`: 0 and -0 may have other bytes.
  if (Object.is(a, b)) return true;
  if (a === null || b === null || a === undefined || b === undefined) return false;
  // Texts that are written as they are.
  if (serde.text && typeof a === 'string' && typeof b === 'string') return false;
  if (serde.binding) return isDeepStrictEqual(a, b);
  try {
    return serde.encode(a).equals(serde.encode(b));
  } catch (error) {
    if (isNotReady(error)) throw error;
    return isDeepStrictEqual(a, b);
  }
}

/** What stands for a key in a Map: that of no key with other bytes. */
export const keyId = (serde: AnySerde, key: unknown): string =>
  serde.text ? (key as string) : serde.encode(key).toString('latin1');

/**
 * Rows of ids, which may be those of keys: a row's key is the text of {@link idText}, behind that of {@link
 * keyPart} if there is one; in UTF-8. Format 2: in format 1, which was called "string", values that read
 * alike were one.
 */
export const idSerde = (key?: AnySerde): Serde<string> => {
  const serde: Serde<string> = { ...string, name: key ? `id-2(${key.name})` : 'id-2' };
  return key ? containing(key, serde) : serde;
};
