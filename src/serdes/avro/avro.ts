import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/show.js';
import type { SchemaReference, SchemaRegistry } from '../registry/port.js';
import { jsonText } from '../schema/json-text.js';
import { parseSchema } from '../schema/parse.js';
import type { Serde } from '../serde.js';
import { type AvroSpec, BoundAvro } from './bound.js';
import type { AvroSchema, FromAvro, ToAvro } from './from-avro.js';
import { ReaderShape, type Upcast } from './reading.js';
import { STRATEGIES, type SubjectStrategy } from './subject.js';

/** Serde of Avro values: reads `R`, and writes `W`, in which fields with a default may be left out. */
export interface AvroSerde<R, W = R> extends Omit<Serde<R>, 'encode'> {
  encode(value: W): Buffer;
  // Last, because types are inferred from the last one: what a topic holds is what is read from it.
  encode(value: R): Buffer;
}

/** A schema in the code; what is wrong with it is said when it is used. */
type Inline = { readonly type: unknown } | readonly unknown[];

export interface AvroOptions<R = unknown> {
  /**
   * Under which subject the schema is found, or registered. Default `topicName`: `<topic>-value`,
   * `<topic>-key`.
   */
  readonly strategy?: SubjectStrategy;
  /** The subject itself, whatever the topic. */
  readonly subject?: string;
  /**
   * Write with this version of the subject, as it is registered, instead of with the schema given: `latest`
   * as it is when a task starts.
   */
  readonly version?: number | 'latest';
  /** Where the types are registered that the schema refers to and does not define. */
  readonly references?: readonly SchemaReference[];
  /** How to read what was written with schemas that this one cannot read; see {@link upcast}. */
  readonly upcasts?: readonly Upcaster<R>[];
  /** The registry of this serde. Default: that of the application. */
  readonly registry?: SchemaRegistry;
}

/** Made by {@link upcast}. */
export interface Upcaster<R> {
  readonly from: AvroSchema;
  readonly to: (old: never) => R;
}

/**
 * Says how a value of an older schema becomes one of today, where Avro's own rules are not enough: a field
 * that was split, a unit that changed. It is used for bytes that were written with exactly that schema, and
 * for those that only it can read.
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
 * Avro under a schema registry, in the wire format of Confluent's serializers: `00 | id | value`; bytes whose
 * schema stands in a header (`__value_schema_id`) are read as well. What the values are in TypeScript is said
 * at {@link FromAvro}.
 *
 * - Given a schema (an object, or its JSON as text), values are read as that schema says, whatever schema
 *   wrote them: fields are found by name or alias, missing ones get their default, numbers are widened. Given
 *   the name of a subject, values are read and written with its version `latest`, as it is when a task
 *   starts, or a fixed one; their type is then yours to claim.
 * - Where it is used it needs a schema registry: `--schema-registry` or SCHEMA_REGISTRY_URL on the command
 *   line, `schemaRegistry` in a service, and nothing in the test driver, which has one of its own. It is
 *   asked before the first record, and once for each schema that is met in the data; encoding and decoding
 *   are synchronous and ask nobody. While it is away everything that is known goes on working; bytes of a
 *   schema that is not known wait for half a minute, and then the application ends with REGISTRY_UNAVAILABLE,
 *   without having skipped them.
 * - What is written must be registered before (SCHEMA_UNKNOWN names the subject), unless `registerSchemas` is
 *   on. That goes for stores and repartition topics as well, whose subjects are those of their topics:
 *   `<application>-<store>-changelog-value`.
 * - In stores, those of windows, joins and whatever waits included: rows keep the schema that they were
 *   written with, and are read through the one of now when they are needed. A change that cannot read them is
 *   refused at the start (STATE_MISMATCH).
 * - As keys: two values are the same key if their bytes are, so the schema of a key must not change; what is
 *   only said in other words (a doc) is written with the id of the first version that is alike.
 *
 * Bytes that are no Avro, of an unknown schema, or of one that cannot be read as this one go the way of
 * `onError.deserialize`. Values that do not fit the schema: SERIALIZE_FAILED, with the path of the field. A
 * schema with a `ruleSet` is refused (SCHEMA_INVALID): its rules would not be applied. So is one that is not
 * valid, or a reference to what is not there.
 *
 * Cost: that of avsc, which compiles each schema once; a value that was written with another schema is read
 * by a resolver, compiled once for each pair. Memory: per task one reader for each schema met.
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
  // A subject's name may hold nearly anything, but no brace or bracket opens it.
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
    // With references it can be understood only once they are fetched.
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
