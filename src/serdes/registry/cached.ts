import { createHash } from 'node:crypto';
import { BoundedMap } from '../../model/bounded-map.js';
import { isStreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import type { Compatibility } from '../schema/compatibility.js';
import type { SchemaRegistry, SchemaSource, SchemaVersion, StoredSchema } from './port.js';

/**
 * Far more than a service ever uses; arbitrary ids, from bytes that are not Avro, must not fill the memory.
 */
const MAX_ENTRIES = 10_000;
/** Limit for schemas, at two bytes per character. A larger schema is not kept. */
const MAX_BYTES = 64 * 1024 * 1024;
/** How long an unknown id is not requested again: bytes that are not Avro contain arbitrary ids. */
const UNKNOWN_FOR_MS = 30_000;

/**
 * A registry that requests immutable data once: the schema of an id, a version by its number, the id of a
 * schema. Concurrent requests for the same data share one response. A failed request is repeated, except that
 * an unknown id is not requested again for half a minute. Cached responses remain usable while the registry
 * is down. Memory: 64 MB of schemas; the oldest are fetched again.
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
    // The schema may be registered at any time.
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

/** Stands for a schema in a map key, because its text may be long. */
const hashOf = ({ schema, references }: SchemaSource): string =>
  createHash('sha256')
    .update(JSON.stringify([schema, references]))
    .digest('base64');

function bytesOf(answer: unknown): number {
  const { schema, references } = (answer ?? {}) as Partial<StoredSchema>;
  return schema === undefined ? 0 : 2 * (schema.length + JSON.stringify(references ?? []).length);
}
