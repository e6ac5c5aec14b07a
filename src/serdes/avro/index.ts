/**
 * Avro values with a schema registry, and the types of registries and of serdes that use one.
 *
 * @module millrace/avro
 */

import { serdes as plain } from '../serdes.js';
import { avro } from './avro.js';

export { MemoryRegistry, type MemoryRegistryOptions } from '../registry/memory.js';
export type {
  SchemaReference,
  SchemaRegistry,
  SchemaSource,
  SchemaVersion,
  StoredSchema,
} from '../registry/port.js';
export type { Compatibility } from '../schema/compatibility.js';
export type { Binding, BoundSerde, SerdeServices, SerdeUsage } from '../serde.js';
export { type Avro, type AvroOptions, type AvroSerde, avro, type Upcaster, upcast } from './avro.js';
export type { AvroObject, AvroSchema, FromAvro, ToAvro } from './from-avro.js';
export type { SubjectStrategy } from './subject.js';

/**
 * The serdes of `millrace`, and `avro`.
 *
 * @deprecated Import `serdes` from `millrace`, and `avro` from here.
 */
export const serdes = { ...plain, avro } as const;
