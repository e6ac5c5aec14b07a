import { BoundedMap } from '../../model/bounded-map.js';
import { isStreamsError, messageOf, StreamsError } from '../../model/errors.js';
import type { Headers } from '../../model/headers.js';
import { NotReady } from '../../model/not-ready.js';
import type { SchemaReference, SchemaRegistry, SchemaVersion } from '../registry/port.js';
import { checkUsable, resolveSchema } from '../registry/resolve.js';
import type { Schema } from '../schema/model.js';
import { parseSchema } from '../schema/parse.js';
import { schemaText } from '../schema/text.js';
import type { BoundSerde, Format, SerdeServices, SerdeUsage } from '../serde.js';
import { fromJson } from './from-json.js';
import { ReaderShape, type ReadValue, readingOf, type Upcast } from './reading.js';
import { type SubjectStrategy, subjectOf } from './subject.js';
import { headerOf, ID_BYTES, idOf, wirePrefix, writerOf } from './wire.js';

const WRITERS = { isWriters: true, hidesInherited: true } as const;

/** The validated options of an Avro serde. */
export interface AvroSpec {
  /** The text of the schema; undefined: the subject's schema. */
  readonly text: string | undefined;
  readonly references: readonly SchemaReference[];
  readonly subject: string | undefined;
  readonly strategy: SubjectStrategy;
  readonly version: number | 'latest' | undefined;
  readonly registry: SchemaRegistry | undefined;
  readonly upcasts: readonly Upcast[];
  /** Set for a schema without external references. */
  readonly shape: ReaderShape | undefined;
}

/** Errors that are not caused by the bytes: no reader could have read them. */
const NOT_THE_BYTES: readonly string[] = ['REGISTRY_UNAVAILABLE', 'REGISTRY_UNAUTHORIZED', 'CONFIG_INVALID'];

/**
 * Limit for the schemas of data that is read: more than any real topic has. The ids in bytes must not fill
 * the memory.
 */
const MAX_SCHEMAS = 1_000;
/** Each topic that is written to has its own serde. */
const MAX_TOPICS = 10_000;

/** An Avro serde for one place: it has the id for writing, and readers for the schemas that it has met. */
export class BoundAvro<T> implements BoundSerde<T> {
  readonly name = 'avro';
  readonly header: string;
  readonly binding: BoundSerde<T>['binding'];
  readonly #spec: AvroSpec;
  readonly #place: SerdeUsage;
  readonly #services: SerdeServices;
  /** By id, or GUID. */
  readonly #reads = new BoundedMap<number | string, ReadValue>(MAX_SCHEMAS);
  /** Errors of schemas; the next decode throws the error once. */
  readonly #failed = new BoundedMap<number | string, unknown>(MAX_SCHEMAS);
  readonly #topics = new BoundedMap<string, BoundAvro<T>>(MAX_TOPICS);
  #lastId = -1;
  #last: ReadValue | undefined;
  #reader: ReaderShape | undefined;
  #writer: { readonly shape: ReaderShape; readonly prefix: Buffer } | undefined;
  #opening: Promise<void> | undefined;

  constructor(spec: AvroSpec, place: SerdeUsage, services: SerdeServices, binding: BoundSerde<T>['binding']) {
    this.#spec = spec;
    this.#place = place;
    this.#services = services;
    this.binding = binding;
    this.header = headerOf(place.side);
    this.#reader = spec.shape;
  }

  get format(): Format | undefined {
    const written = this.#writer?.shape ?? this.#reader;
    if (!written) return undefined;
    return { text: written.text, cannotRead: (text) => this.#cannotRead(text) };
  }

  open(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  at(topic: string): BoundAvro<T> {
    if (this.#place.topic !== undefined || (this.#writer && !this.#needsTopic)) return this;
    let bound = this.#topics.get(topic);
    if (!bound) {
      bound = new BoundAvro<T>(this.#spec, { ...this.#place, topic }, this.#services, this.binding);
      this.#topics.set(topic, bound);
    }
    return bound;
  }

  encode(value: T): Buffer {
    const writer = this.#writer;
    if (writer) return writer.shape.codec.encode(value, writer.prefix);
    if (this.#place.use === 'read') throw new Error('cannot encode Avro: saw a serde that was opened for reading only');
    if (this.#place.topic === undefined && this.#needsTopic)
      throw new Error('cannot encode Avro: saw no topic, which the subject of the schema depends on');
    throw new NotReady(() => this.open());
  }

  decode(bytes: Buffer, headers?: Headers): T {
    const said = headers === undefined || headers.size === 0 ? undefined : headers.get(this.header);
    if (said) return this.#read(writerOf(said).writer)(bytes, 0) as T;
    const id = idOf(bytes);
    if (id < 0) {
      const { writer, length } = writerOf(bytes);
      return this.#read(writer)(bytes, length) as T;
    }
    if (id === this.#lastId) return (this.#last as ReadValue)(bytes, ID_BYTES) as T;
    const read = this.#read(id);
    this.#lastId = id;
    this.#last = read;
    return read(bytes, ID_BYTES) as T;
  }

  ready(bytes: Buffer): void {
    const id = idOf(bytes);
    if (id >= 0 && id !== this.#lastId && !this.#failed.has(id)) this.#read(id);
  }

  fromJson(json: unknown): T {
    const shape = this.#writer?.shape ?? this.#reader;
    if (!shape) throw new Error('cannot make Avro from JSON: saw a serde that is not open');
    return fromJson(shape.schema, json) as T;
  }

  get #needsTopic(): boolean {
    return this.#spec.subject === undefined && this.#spec.strategy !== 'recordName';
  }

  #read(writer: number | string): ReadValue {
    const read = this.#reads.get(writer);
    if (read) return read;
    if (this.#failed.has(writer)) {
      const error = this.#failed.get(writer);
      this.#failed.delete(writer);
      throw error;
    }
    throw new NotReady(() => this.#load(writer));
  }

  /**
   * Fetches the schema of some bytes. The next decode throws an error of the schema, not this call: the
   * writer of the bytes caused it.
   */
  async #load(writer: number | string): Promise<void> {
    try {
      const registry = await this.#registry();
      const reader = await this.#openReader();
      const at = `the schema with the id ${writer}`;
      const stored = typeof writer === 'number' ? await registry.byId(writer) : await registry.byGuid(writer);
      const { schema } = await resolveSchema(registry, stored, at, WRITERS);
      const reading = this.#readingOf(reader, schema, writer);
      if (reading === undefined) return;
      if (typeof reading !== 'string') {
        this.#reads.set(writer, reading);
        return;
      }
      const error = new Error(`cannot decode Avro: ${at} cannot be read with the schema of this serde: ${reading}`);
      this.#reads.set(writer, () => {
        throw error;
      });
    } catch (error) {
      if (!isStreamsError(error) || NOT_THE_BYTES.includes(error.code)) throw error;
      this.#failed.set(writer, error);
    }
  }

  /**
   * Undefined if there was an error, which is stored. Any error is caused by the schema, and so by the bytes.
   */
  #readingOf(reader: ReaderShape, schema: Schema, writer: number | string): ReadValue | string | undefined {
    try {
      return readingOf(reader, schema, this.#spec.upcasts);
    } catch (error) {
      this.#failed.set(writer, error);
      return undefined;
    }
  }

  async #open(): Promise<void> {
    const { use, topic, side } = this.#place;
    const { text, version } = this.#spec;
    const reader = await this.#openReader();
    if (use === 'read' || (topic === undefined && this.#needsTopic)) return;
    const registry = await this.#registry();
    const subject = this.#spec.subject ?? subjectOf(this.#spec.strategy, { topic: topic ?? '', side }, reader.schema);
    if (version !== undefined || text === undefined) {
      const registered = await registry.version(subject, version ?? 'latest');
      const { schema } = await resolveSchema(registry, registered, `version ${registered.version} of ${subject}`);
      this.#write(new ReaderShape(schema), registered.id);
      return;
    }
    const first = side === 'key' ? await firstAlike(registry, subject, reader.text) : undefined;
    if (first) {
      this.#write(reader, first.id);
      return;
    }
    const source = { schema: text, references: this.#spec.references };
    if (this.#services.registerSchemas) {
      this.#write(reader, await registry.register(subject, source));
      return;
    }
    const registered = await registry.lookup(subject, source);
    if (!registered) {
      const { standIn } = this.#services;
      if (!standIn) throw notRegistered(subject, registry.address);
      this.#write(reader, standIn(reader.text));
      return;
    }
    checkUsable(registered, `version ${registered.version} of ${subject}`);
    this.#write(reader, registered.id);
  }

  /** What is written here can be read here, without a request. */
  #write(shape: ReaderShape, id: number): void {
    this.#writer = { shape, prefix: wirePrefix(id) };
    const reading = readingOf(this.#reader as ReaderShape, shape.schema, this.#spec.upcasts);
    if (typeof reading !== 'string') this.#reads.set(id, reading);
  }

  async #openReader(): Promise<ReaderShape> {
    if (this.#reader) return this.#reader;
    const { text, references, version = 'latest' } = this.#spec;
    const registry = await this.#registry();
    if (text !== undefined) {
      const { schema } = await resolveSchema(registry, { schema: text, references }, 'the schema of an Avro serde');
      this.#reader = new ReaderShape(schema);
      return this.#reader;
    }
    const subject = this.#spec.subject as string;
    const registered = await registry.version(subject, version);
    const { schema } = await resolveSchema(registry, registered, `version ${registered.version} of ${subject}`);
    this.#reader = new ReaderShape(schema);
    return this.#reader;
  }

  async #registry(): Promise<SchemaRegistry> {
    return this.#spec.registry ?? this.#services.schemaRegistry();
  }

  #cannotRead(text: string): string | undefined {
    let written: Schema;
    try {
      written = parseSchema(text, WRITERS).schema;
    } catch (error) {
      return messageOf(error);
    }
    const reading = readingOf(this.#reader as ReaderShape, written, this.#spec.upcasts);
    return typeof reading === 'string' ? reading : undefined;
  }
}

/**
 * The version with which equivalent keys were first written. A key is looked up by its bytes, and these
 * include the id. Registries assign another id to a schema that differs only in its docs.
 */
async function firstAlike(registry: SchemaRegistry, subject: string, text: string): Promise<SchemaVersion | undefined> {
  for (const number of await registry.versions(subject)) {
    const at = `version ${number} of ${subject}`;
    try {
      const found = await registry.version(subject, number);
      if (schemaText((await resolveSchema(registry, found, at)).schema) === text) return found;
    } catch (error) {
      // A version that cannot be used was never used.
      if (!isStreamsError(error) || error.code !== 'SCHEMA_INVALID') throw error;
    }
  }
  return undefined;
}

const notRegistered = (subject: string, at: string): StreamsError =>
  new StreamsError('SCHEMA_UNKNOWN', {
    what: `the schema is not registered under ${subject}`,
    at,
    saw: 'no version with this schema',
    action:
      'Register it first (millrace schema register), or let the application do it: --register-schemas, in a service registerSchemas: true.',
  });
