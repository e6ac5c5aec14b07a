import { createHash } from 'node:crypto';
import { BoundedMap } from '../../model/bounded-map.js';
import { isStreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import type { Compatibility } from '../schema/compatibility.js';
import type { SchemaRegistry, SchemaSource, SchemaVersion, StoredSchema } from './port.js';

/** Far more than a service ever meets; ids of bytes that are no Avro must not fill the memory. */
const MAX_ENTRIES = 10_000;
/** Of schemas, by the two bytes that a character may take. One that is larger is not kept. */
const MAX_BYTES = 64 * 1024 * 1024;
/** So long an id that is not there is not asked for again: bytes that are no Avro have any. */
const UNKNOWN_FOR_MS = 30_000;

/**
 * A registry that is asked once for what never changes: the schema of an id, a version by its number, the id
 * of a schema. Those who ask for the same at the same time wait for one answer. What failed is asked for
 * again, except an id that is not there, for half a minute. What was answered goes on working when the
 * registry is away. Memory: 64 MB of schemas; the oldest are asked for again.
 */
export class CachedRegistry implements SchemaRegistry {
  readonly address: string;
  readonly #registry: SchemaRegistry;
  readonly #clock: Clock;
  readonly #known = new BoundedMap<string, Promise<unknown>>(MAX_ENTRIES, MAX_BYTES);
  readonly #unknown = new BoundedMap<string, { readonly error: unknown; readonly until: number }>(MAX_ENTRIES);

  constructor(registry: SchemaRegistry, clock: Clock) {
    this.address = registry.address;
    this.#registry = registry;
    this.#clock = clock;
  }

  byId(id: number): Promise<StoredSchema> {
    return this.#once(`id ${id}`, () => this.#registry.byId(id), true);
  }

  byGuid(guid: string): Promise<StoredSchema> {
    return this.#once(`guid ${guid}`, () => this.#registry.byGuid(guid), true);
  }

  version(subject: string, version: number | 'latest'): Promise<SchemaVersion> {
    if (version === 'latest') return this.#registry.version(subject, version);
    return this.#once(`version ${version} ${subject}`, () => this.#registry.version(subject, version));
  }

  async lookup(subject: string, source: SchemaSource): Promise<SchemaVersion | undefined> {
    const key = `lookup ${subject} ${hashOf(source)}`;
    const found = await this.#once(key, () => this.#registry.lookup(subject, source));
    // It may be registered at any time.
    if (!found) this.#known.delete(key);
    return found;
  }

  register(subject: string, source: SchemaSource): Promise<number> {
    const key = `register ${subject} ${hashOf(source)}`;
    return this.#once(key, () => this.#registry.register(subject, source));
  }

  subjects(): Promise<readonly string[]> {
    return this.#registry.subjects();
  }

  versions(subject: string): Promise<readonly number[]> {
    return this.#registry.versions(subject);
  }

  compatibility(subject: string): Promise<Compatibility> {
    return this.#registry.compatibility(subject);
  }

  async refuses(subject: string, source: SchemaSource): Promise<string | undefined> {
    return this.#registry.refuses?.(subject, source);
  }

  #once<T>(key: string, ask: () => Promise<T>, remembersUnknown = false): Promise<T> {
    const known = this.#known.get(key);
    if (known) return known as Promise<T>;
    const unknown = this.#unknown.get(key);
    if (unknown && this.#clock.monotonic() < unknown.until) return Promise.reject(unknown.error);
    this.#unknown.delete(key);
    const asked = ask();
    this.#known.set(key, asked);
    asked.then(
      (answer) => this.#known.weigh(key, asked, bytesOf(answer)),
      (error: unknown) => {
        this.#known.delete(key);
        if (remembersUnknown && isStreamsError(error) && error.code === 'SCHEMA_UNKNOWN')
          this.#unknown.set(key, { error, until: this.#clock.monotonic() + UNKNOWN_FOR_MS });
      },
    );
    return asked;
  }
}

/** Names a schema in the place of its text, which may be long. */
const hashOf = ({ schema, references }: SchemaSource): string =>
  createHash('sha256')
    .update(JSON.stringify([schema, references]))
    .digest('base64');

function bytesOf(answer: unknown): number {
  const { schema, references } = (answer ?? {}) as Partial<StoredSchema>;
  return schema === undefined ? 0 : 2 * (schema.length + JSON.stringify(references ?? []).length);
}
