/**
 * Keys as JSON, for users and commands: every command prints keys in this form, and accepts what is printed.
 * `docs/ids.md` describes it for users.
 */
import { ownOf } from '../model/own.js';
import { type Windowed, WindowKey } from '../model/window.js';
import { isWindowed, type Serde, type WindowedSerde } from './serde.js';

// biome-ignore lint/suspicious/noExplicitAny: a serde of any keys
type AnySerde = Serde<any>;

/**
 * A key in a JSON form from which {@link keyOfForm} restores a key with the same bytes. The form is what the
 * serde decodes, or `{"base64": "…"}` with the key's bytes where JSON cannot represent that. Never throws; a
 * value that is not a key of the serde gets the best form possible.
 */
export function keyForm(serde: AnySerde | undefined, key: unknown): unknown {
  if (serde === undefined || key === null || key === undefined) return plainForm(key);
  let bytes: Buffer;
  let read: unknown;
  try {
    bytes = serde.encode(key);
    read = serde.decode(bytes);
  } catch {
    return plainForm(key);
  }
  const form = isWindowed(serde) ? windowForm(serde, read as Windowed<unknown>) : plainForm(read);
  return isFormOf(serde, form, bytes) ? form : { base64: bytes.toString('base64') };
}

const windowForm = ({ inner }: WindowedSerde<unknown>, { key, start, end }: Windowed<unknown>): unknown => ({
  key: keyForm(inner, key),
  start,
  end: end === Number.POSITIVE_INFINITY ? null : end,
});

/** The key of a form. Throws a plain `Error`, or the serde's error, if the form is not a key of the serde. */
export function keyOfForm<T>(serde: Serde<T>, form: unknown): T {
  const bytes = bytesOfForm(form);
  const written = bytes && keyOfBytes(serde, bytes);
  if (written) return written.key;
  if (serde.fromJson) return checked(serde, serde.fromJson(form));
  let problem: unknown;
  for (const candidate of meanings(form)) {
    try {
      return checked(serde, candidate as T);
    } catch (error) {
      problem ??= error;
    }
  }
  throw problem;
}

/**
 * Any value in a JSON form. Bigints and the numbers that JSON lacks become text, bytes `{"base64": "…"}`,
 * dates ISO 8601, the end of an endless window null. Different values may have the same form.
 */
function plainForm(value: unknown): unknown {
  return formed(value, []);
}

function formed(value: unknown, within: readonly object[]): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return numberForm(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  // A cycle cannot be a key; the code that prints it reports the error.
  if (within.includes(value) || within.length > MAX_DEPTH) return value;
  const inside = [...within, value];
  if (Array.isArray(value)) return value.map((item) => formed(item, inside));
  if ('toJSON' in value && typeof value.toJSON === 'function') return formed(value.toJSON(), inside);
  const isEndless = value instanceof WindowKey && value.end === Number.POSITIVE_INFINITY;
  const fields = isEndless ? { ...value, end: null } : value;
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, formed(field, inside)]));
}

const MAX_DEPTH = 100;

/** Numbers that JSON lacks, or does not preserve (−0). */
const numberForm = (value: number): number | string =>
  Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? '-0' : String(value);

/** The number of a {@link plainForm}; undefined: it is not a number. */
export function numberOfForm(form: unknown): number | undefined {
  if (typeof form === 'number') return form;
  return typeof form === 'string' && /^(NaN|-?Infinity|-0)$/.test(form) ? Number(form) : undefined;
}

/** The bytes of `{"base64": "…"}` without other fields; undefined: it is something else. */
export function bytesOfForm(form: unknown): Buffer | undefined {
  if (typeof form !== 'object' || form === null) return undefined;
  const text = ownOf(form as Record<string, unknown>, 'base64');
  if (typeof text !== 'string' || Object.keys(form).length !== 1) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** Decodes a key, if the serde would encode it to the same bytes. */
function keyOfBytes<T>(serde: Serde<T>, bytes: Buffer): { readonly key: T } | undefined {
  try {
    const key = serde.decode(bytes);
    return serde.encode(key).equals(bytes) ? { key } : undefined;
  } catch {
    return undefined;
  }
}

function isFormOf(serde: AnySerde, form: unknown, bytes: Buffer): boolean {
  try {
    return serde.encode(keyOfForm(serde, JSON.parse(JSON.stringify(form)))).equals(bytes);
  } catch {
    return false;
  }
}

function checked<T>(serde: Serde<T>, key: T): T {
  serde.encode(key);
  return key;
}

/**
 * The values that a form may stand for, for a serde without `fromJson`. First the form itself, then the form
 * with text replaced by bytes, bigints, dates or numbers.
 */
function* meanings(form: unknown): Generator<unknown> {
  yield form;
  yield revived(form, (part) => bytesOfForm(part));
  yield revived(form, (part) => bytesOfForm(part) ?? bigintOf(part));
  yield revived(form, (part) => bytesOfForm(part) ?? dateOf(part));
  yield revived(form, (part) => bytesOfForm(part) ?? dateOf(part) ?? bigintOf(part) ?? numberOfForm(part));
}

function revived(form: unknown, revive: (part: unknown) => unknown): unknown {
  const made = revive(form);
  if (made !== undefined || typeof form !== 'object' || form === null) return made ?? form;
  if (Array.isArray(form)) return form.map((part) => revived(part, revive));
  return Object.fromEntries(Object.entries(form).map(([name, part]) => [name, revived(part, revive)]));
}

const bigintOf = (part: unknown): bigint | undefined =>
  typeof part === 'string' && /^-?\d+$/.test(part) ? BigInt(part) : undefined;

function dateOf(part: unknown): Date | undefined {
  const date = typeof part === 'string' && /^[+-]?\d{4,6}-\d\d-\d\dT/.test(part) ? new Date(part) : undefined;
  return date !== undefined && !Number.isNaN(date.getTime()) && date.toISOString() === part ? date : undefined;
}
