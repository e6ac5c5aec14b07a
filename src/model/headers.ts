import { StreamsError } from './errors.js';
import { show } from './text/show.js';

/** One header. A name may occur more than once; a value may be null. */
export type HeaderEntry = readonly [name: string, value: Uint8Array | null];

/** Whether a value is headers, of this or another copy of the library. Decodes nothing. */
export const isHeaders = (headers: unknown): headers is Headers =>
  typeof headers === 'object' && headers !== null && typeof (headers as Partial<Headers>).without === 'function';

/**
 * The headers of a record: an ordered list of names and bytes, as in Kafka. Immutable.
 *
 * The list may be given as a function, which is called on first access. So headers that are never read cost
 * nothing to decode.
 */
export class Headers implements Iterable<HeaderEntry> {
  static readonly none = new Headers([]);

  /** No private name: `assert.deepEqual` compares it. */
  private list: readonly HeaderEntry[] | (() => readonly HeaderEntry[]);
  #byteLength: number | undefined;

  /** `byteLength`: the size in bytes, if it is known before the headers are decoded. */
  constructor(entries: readonly HeaderEntry[] | (() => readonly HeaderEntry[]), byteLength?: number) {
    this.list = entries;
    this.#byteLength = byteLength;
  }

  /** Creates headers from an object; strings become UTF-8. SERIALIZE_FAILED for a lone surrogate. */
  static of(headers: Readonly<Record<string, string | Uint8Array | null>>): Headers {
    return new Headers(Object.entries(headers).map(([name, value]) => [wellFormed(name), bytesOf(value)]));
  }

  get entries(): readonly HeaderEntry[] {
    if (typeof this.list === 'function') this.list = this.list();
    return this.list;
  }

  get size(): number {
    return this.entries.length;
  }

  /** The approximate total size of names and values in bytes. */
  get byteLength(): number {
    this.#byteLength ??= this.entries.reduce((sum, [name, value]) => sum + name.length + (value?.length ?? 0), 0);
    return this.#byteLength;
  }

  /** The last value of a name, like Kafka's `lastHeader`; undefined if there is none. */
  get(name: string): Uint8Array | null | undefined {
    const entries = this.entries;
    for (let i = entries.length - 1; i >= 0; i--) if (entries[i]?.[0] === name) return entries[i]?.[1];
    return undefined;
  }

  /** The last value of a name as UTF-8 text; undefined if there is none or it is null. */
  text(name: string): string | undefined {
    const value = this.get(name);
    return value ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8') : undefined;
  }

  /** A copy with one more header at the end. Errors: see {@link Headers.of}. */
  with(name: string, value: string | Uint8Array | null): Headers {
    return new Headers([...this.entries, [wellFormed(name), bytesOf(value)]]);
  }

  /** A copy without the headers of a name. */
  without(name: string): Headers {
    return new Headers(this.entries.filter((entry) => entry[0] !== name));
  }

  [Symbol.iterator](): Iterator<HeaderEntry> {
    return this.entries[Symbol.iterator]();
  }
}

const bytesOf = (value: string | Uint8Array | null): Uint8Array | null =>
  typeof value === 'string' ? Buffer.from(wellFormed(value)) : value;

/** Rejects lone surrogates. UTF-8 cannot hold them, and would encode different texts as equal ones. */
function wellFormed(text: string): string {
  if ((text as string & { isWellFormed(): boolean }).isWellFormed()) return text;
  throw new StreamsError('SERIALIZE_FAILED', {
    what: 'cannot write a header',
    saw: `${show(text)}, with half of a surrogate pair`,
    expected: 'text that UTF-8 can write',
    action: 'Write it with toWellFormed(), or give its bytes.',
  });
}
