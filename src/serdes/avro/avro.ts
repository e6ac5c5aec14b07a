import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import type { SchemaReference, SchemaRegistry } from '../registry/port.js';
import { jsonText } from '../schema/json-text.js';
import { parseSchema } from '../schema/parse.js';
import type { Serde } from '../serde.js';
import { type AvroSpec, BoundAvro } from './bound.js';
import type { AvroSchema, FromAvro, ToAvro } from './from-avro.js';
import { ReaderShape, type Upcast } from './reading.js';
import { STRATEGIES, type SubjectStrategy } from './subject.js';

/** A serde of Avro values: reads `R`, and writes `W`, in which fields with a default may be left out. */
export interface AvroSerde<R, W = R> extends Omit<Serde<R>, 'encode'> {
  encode(value: W): Buffer;
  // Last, because types are inferred from the last overload: the content of a topic has the type that is
  // read.
  encode(value: R): Buffer;
}

/** A schema in the code; errors in it are reported on use. */
type Inline = { readonly type: unknown } | readonly unknown[];

export interface AvroOptions<R = unknown> {
  /** How the subject of the schema is chosen. Default `topicName`: `<topic>-value`, `<topic>-key`. */
  readonly strategy?: SubjectStrategy;
  /** A fixed subject, whatever the topic. */
  readonly subject?: string;
  /**
   * Write with this registered version of the subject, instead of with the given schema; `latest` is resolved
   * when a task starts.
   */
  readonly version?: number | 'latest';
  /** Where the types are registered that the schema refers to but does not define. */
  readonly references?: readonly SchemaReference[];
  /** How to read values of schemas that this one cannot read; see {@link upcast}. */
  readonly upcasts?: readonly Upcaster<R>[];
  /** The registry for this serde. Default: the registry of the application. */
  readonly registry?: SchemaRegistry;
}

/** Created by {@link upcast}. */
export interface Upcaster<R> {
  readonly from: AvroSchema;
  readonly to: (old: never) => R;
}

/**
 * Converts values of an older schema to the current one, where Avro's own rules are not enough: a field was
 * split, a unit changed. It is used for bytes that were written with exactly that schema, and for bytes that
 * only that schema can read.
 *
 * ```ts
 * import { avro, upcast } from 'millrace/avro';
 *
 * const v1 = { type: 'record', name: 'Person', fields: [{ name: 'name', type: 'string' }] } as const;
 * const v2 = { type: 'record', name: 'Person', fields: [{ name: 'first', type: 'string' }, { name: 'last', type: 'string' }] } as const;
 * const person = avro(v2, { upcasts: [upcast(v1, ({ name }) => ({ first: name.split(' ')[0] ?? '', last: name.split(' ')[1] ?? '' }))] });
 * ```
 */
export function upcast<const S extends Inline, R>(from: S, to: (old: FromAvro<S>) => R): Upcaster<R> {
  return { from: from as unknown as AvroSchema, to: to as (old: never) => R };
}

/** The type of {@link avro}. */
export interface Avro {
  <const S extends Inline>(schema: S, options?: AvroOptions<FromAvro<S>>): AvroSerde<FromAvro<S>, ToAvro<S>>;
  <R = unknown, W = R>(schemaOrSubject: string, options?: AvroOptions<R>): AvroSerde<R, W>;
}

/**
 * Avro with a schema registry, in the wire format of Confluent's serializers: `00 | id | value`. Bytes with
 * their schema in a header (`__value_schema_id`) can be read too. {@link FromAvro} describes the TypeScript
 * types of the values.
 *
 * - With a schema (an object, or its JSON as text), values are read as that schema defines, whatever schema
 *   wrote them. Fields are found by name or alias, missing ones get their default, numbers are widened. With
 *   the name of a subject, values are read and written with its version `latest`, resolved when a task
 *   starts, or with a fixed version. You then state their type yourself.
 * - It needs a schema registry: `--schema-registry` or SCHEMA_REGISTRY_URL on the command line,
 *   `schemaRegistry` in a service. The test driver needs none, because it has its own. The registry is asked
 *   before the first record, and once for each schema that occurs in the data. Encoding and decoding are
 *   synchronous and send no requests. While the registry is down, all known schemas remain usable. Bytes of
 *   an unknown schema wait for half a minute. Then the application ends with REGISTRY_UNAVAILABLE, without
 *   skipping them.
 * - A schema must be registered before it is used for writing (SCHEMA_UNKNOWN names the subject), unless
 *   `registerSchemas` is on. That includes stores and repartition topics, which have the subjects of their
 *   topics: `<application>-<store>-changelog-value`.
 * - In stores, including the stores of windows, joins and buffers, rows keep the schema that they were
 *   written with. They are read through the current schema when they are needed. A change that cannot read
 *   them is refused at the start (STATE_MISMATCH).
 * - Two keys are equal if their bytes are equal, so the schema of a key must not change. A change of mere
 *   wording (a doc) is written with the id of the first equivalent version.
 *
 * Bytes that are not Avro, have an unknown schema, or have one that cannot be read as this one are handled by
 * `onError.deserialize`. Values that do not fit the schema: SERIALIZE_FAILED, with the path of the field. A
 * schema with a `ruleSet` is refused (SCHEMA_INVALID), because its rules would not be applied. So is an
 * invalid schema, or a reference to a missing one.
 *
 * Cost: avsc's, which compiles each schema once. A value that was written with another schema is read by a
 * resolver, compiled once for each pair. Memory: per task one reader for each schema in the data.
 *
 * ```ts
 * import { avro } from 'millrace/avro';
 *
 * const order = avro({ type: 'record', name: 'Order', namespace: 'shop', fields: [{ name: 'id', type: 'string' }, { name: 'cents', type: 'long', default: 0 }] });
 * const orders = t.stream('orders', { key: serdes.string, value: order }); // { id: string; cents: number }
 * ```
 */
export const avro = make as unknown as Avro;

function make(schemaOrSubject: unknown, options: AvroOptions<never> = {}): Serde<unknown> {
  const spec = specOf(schemaOrSubject, options);
  const binding: NonNullable<Serde<unknown>['binding']> = {
    bind: (place, services) => new BoundAvro<unknown>(spec, place, services, binding),
  };
  return {
    name: 'avro',
    binding,
    encode: () => {
      throw unbound();
    },
    decode: () => {
      throw unbound();
    },
  };
}

function specOf(given: unknown, options: AvroOptions<never>): AvroSpec {
  const { strategy = 'topicName', references = [], upcasts = [], version, registry } = options;
  if (!STRATEGIES.includes(strategy))
    throw invalid(`the strategy ${show(strategy)}`, `one of ${STRATEGIES.join(', ')}`);
  if (version !== undefined && version !== 'latest' && !(Number.isInteger(version) && version > 0))
    throw invalid(`the version ${show(version)}`, 'latest, or a whole number of at least 1');
  // A subject's name may contain almost any character, but does not begin with a brace, bracket or quote.
  const isSubject = typeof given === 'string' && !/^\s*["[{]/.test(given);
  if (isSubject && options.subject !== undefined)
    throw invalid('a subject twice', 'the schema, or the subject, as the first argument');
  const text = isSubject ? undefined : typeof given === 'string' ? given : jsonText(given);
  return {
    text,
    references,
    subject: isSubject ? (given as string) : options.subject,
    strategy,
    version,
    registry,
    upcasts: upcasts.map(
      ({ from, to }): Upcast => ({
        from: parseSchema(from, { at: 'the schema of an upcaster' }).schema,
        to: to as unknown as Upcast['to'],
      }),
    ),
    // A schema with references can be parsed only after they are fetched.
    shape:
      text !== undefined && references.length === 0
        ? new ReaderShape(parseSchema(text, { at: 'the schema of an Avro serde' }).schema)
        : undefined,
  };
}

const unbound = (): Error =>
  new Error(
    'saw an Avro serde that belongs to no topic, expected one that is given where a topic or store is named (there it is bound to the schema registry)',
  );

const invalid = (saw: string, expected: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'cannot use the options of an Avro serde',
    saw,
    expected,
    action: 'Correct them.',
  });
