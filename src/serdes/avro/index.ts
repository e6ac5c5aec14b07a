/**
 * Avro values under a schema registry, and nothing else.
 *
 * @module millrace/avro
 */

import { serdes as plain } from '../serdes.js';
import { avro } from './avro.js';

export { MemoryRegistry, type MemoryRegistryOptions } from '../registry/memory.js';
export { type Avro, type AvroOptions, type AvroSerde, avro, type Upcaster, upcast } from './avro.js';
export type { AvroObject, AvroSchema, FromAvro, ToAvro } from './from-avro.js';
export type { SubjectStrategy } from './subject.js';

/** The serdes of millrace, and `avro`. */
export const serdes = { ...plain, avro } as const;
