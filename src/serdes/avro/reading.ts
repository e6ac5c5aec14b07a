import { messageOf, StreamsError } from '../../model/errors.js';
import { incompatibilities } from '../schema/compatibility.js';
import type { Schema } from '../schema/model.js';
import { schemaText } from '../schema/text.js';
import { AvroCodec } from './codec/codec.js';

/** Converts a value of an older schema. */
export interface Upcast {
  readonly from: Schema;
  readonly to: (old: unknown) => unknown;
}

/** A schema with its codec. */
export class ReaderShape {
  readonly schema: Schema;
  readonly codec: AvroCodec;
  /** The canonical text: the same however the schema was written. */
  readonly text: string;

  constructor(schema: Schema) {
    this.schema = schema;
    this.codec = codecOf(schema);
    this.text = schemaText(schema);
  }
}

/** SCHEMA_INVALID for a valid schema that avsc cannot build a codec for. */
function codecOf(schema: Schema): AvroCodec {
  try {
    return new AvroCodec(schema);
  } catch (error) {
    throw new StreamsError('SCHEMA_INVALID', {
      what: 'cannot read or write values of a schema',
      saw: messageOf(error),
      expected: 'a schema that avsc understands',
      action: 'Write the schema in another way, or use another serde.',
      cause: error,
    });
  }
}

/** Reads the value that begins at a byte. */
export type ReadValue = (bytes: Buffer, start: number) => unknown;

/**
 * How to read values of a writer's schema. Prefers an upcaster for exactly that schema, then Avro's
 * resolution, then an upcaster that can read it. A text explains why it cannot be read.
 */
export function readingOf(reader: ReaderShape, writer: Schema, upcasts: readonly Upcast[]): ReadValue | string {
  const text = schemaText(writer);
  const exact = upcasts.find(({ from }) => schemaText(from) === text);
  if (exact) return upcasting(exact, writer);
  const wrong = incompatibilities(reader.schema, writer);
  if (wrong.length > 0) {
    const able = upcasts.find(({ from }) => incompatibilities(from, writer).length === 0);
    return able ? upcasting(able, writer) : wrong.map(({ path, reason }) => `${path}: ${reason}`).join('; ');
  }
  return resolving(reader, writer, text);
}

function resolving(reader: ReaderShape, writer: Schema, text: string): ReadValue {
  const { codec } = reader;
  const resolver = text === reader.text ? undefined : codec.resolver(codecOf(writer));
  return (bytes, start) => codec.decode(bytes, start, resolver);
}

function upcasting({ from, to }: Upcast, writer: Schema): ReadValue {
  const read = resolving(new ReaderShape(from), writer, schemaText(writer));
  return (bytes, start) => to(read(bytes, start));
}
