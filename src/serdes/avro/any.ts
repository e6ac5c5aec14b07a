import { BoundedMap } from '../../model/bounded-map.js';
import { isStreamsError } from '../../model/errors.js';
import type { Headers } from '../../model/headers.js';
import { NotReady } from '../../model/not-ready.js';
import type { SchemaRegistry } from '../registry/port.js';
import { resolveSchema } from '../registry/resolve.js';
import type { Serde } from '../serde.js';
import { ReaderShape, type ReadValue, readingOf } from './reading.js';
import { headerOf, writerOf } from './wire.js';

/** Limits the number of schemas: bytes that are not Avro contain arbitrary ids. */
const MAX_SCHEMAS = 1_000;

/**
 * Reads every value with the schema that wrote it: for inspecting topics with unknown content. Refuses bytes
 * that are not Avro, or that were written with an unknown schema.
 */
export function anyAvro(side: 'key' | 'value', registry: () => Promise<SchemaRegistry>): Serde<unknown> {
  const header = headerOf(side);
  const reads = new BoundedMap<number | string, ReadValue | Error>(MAX_SCHEMAS);
  const load = async (writer: number | string): Promise<void> => {
    try {
      const found = await registry();
      const stored = typeof writer === 'number' ? await found.byId(writer) : await found.byGuid(writer);
      const { schema } = await resolveSchema(found, stored, `the schema with the id ${writer}`, {
        isWriters: true,
      });
      reads.set(writer, readingOf(new ReaderShape(schema), schema, []) as ReadValue);
    } catch (error) {
      if (!isStreamsError(error) || !['SCHEMA_UNKNOWN', 'SCHEMA_INVALID'].includes(error.code)) throw error;
      reads.set(writer, error);
    }
  };
  return {
    name: 'avro',
    header,
    encode: () => {
      throw new Error('cannot encode Avro: saw no schema to write with');
    },
    decode(bytes: Buffer, headers?: Headers) {
      const said = headers?.get(header);
      const { writer, length } = writerOf(said ?? bytes);
      const read = reads.get(writer);
      if (read === undefined) throw new NotReady(() => load(writer));
      if (read instanceof Error) throw read;
      return read(bytes, said ? 0 : length);
    },
  };
}
