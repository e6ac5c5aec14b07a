import type { BrokerRecord } from '../../broker/port.js';
import type { AnySerde, Topology } from '../../dsl/contract/processor.js';
import type { SmallestSlice } from '../../replay/index.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import { MemoryRegistry } from '../../serdes/registry/memory.js';
import type { SchemaRegistry, SchemaSource } from '../../serdes/registry/port.js';
import { usage } from '../terminal/usage.js';

/** A schema that a test registers before it begins. */
export interface ExportedSchema {
  readonly subject: string;
  readonly schema: string;
}

const ID_BYTES = 5;

/**
 * Makes Avro records of a slice readable without their registry: returns the schemas to register in memory,
 * and replaces the ids in the records with the new ones. Includes all versions of the subjects of the
 * topology's topics. Errors: USAGE if a schema refers to others, or bytes do not begin with an id.
 */
export async function exportSchemas(
  topology: Topology,
  slice: SmallestSlice,
  open: () => Promise<SchemaRegistry>,
): Promise<{ readonly slice: SmallestSlice; readonly schemas: readonly ExportedSchema[] }> {
  const { sources, globalTables, sinks } = declaredNodes(topology);
  const read = new Map([...globalTables, ...sources].map((source) => [source.topic, source]));
  const avro = [...sources, ...globalTables, ...sinks].flatMap(({ topic, key, value }) => [
    ...(topic !== undefined && isAvro(key) ? [`${topic}-key`] : []),
    ...(topic !== undefined && isAvro(value) ? [`${topic}-value`] : []),
  ]);
  if (avro.length === 0) return { slice, schemas: [] };
  const registry = await open();
  const memory = new MemoryRegistry({ compatibility: 'NONE' });
  const schemas: ExportedSchema[] = [];
  const add = async (subject: string, { schema, references }: SchemaSource): Promise<number> => {
    if (references.length > 0) throw unportable(`the schema of ${subject} refers to other subjects`);
    const before = (await memory.versions(subject)).length;
    const id = await memory.register(subject, { schema, references });
    if ((await memory.versions(subject)).length > before) schemas.push({ subject, schema });
    return id;
  };
  for (const subject of new Set(avro))
    for (const version of await registry.versions(subject))
      await add(subject, await registry.version(subject, version));
  const portable = async (
    bytes: Buffer | null,
    serde: AnySerde | undefined,
    subject: string,
  ): Promise<Buffer | null> => {
    if (bytes === null || !serde || !isAvro(serde)) return bytes;
    if (bytes[0] !== 0 || bytes.length < ID_BYTES) throw unportable(`a record of ${subject} without a schema id`);
    const moved = Buffer.from(bytes);
    moved.writeUInt32BE(await add(subject, await registry.byId(bytes.readUInt32BE(1))), 1);
    return moved;
  };
  const records: BrokerRecord[] = [];
  for (const record of slice.records) {
    const { topic } = record;
    const serdes = read.get(topic);
    records.push({
      ...record,
      key: await portable(record.key, serdes?.key, `${topic}-key`),
      value: await portable(record.value, serdes?.value, `${topic}-value`),
    });
  }
  return { slice: { ...slice, records }, schemas };
}

const isAvro = ({ name, binding }: AnySerde): boolean => name === 'avro' && binding !== undefined;

const unportable = (saw: string) =>
  usage(
    'cannot write a test that needs no schema registry',
    saw,
    'schemas without references, and records that begin with their schema id',
  );
