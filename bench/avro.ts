/**
 * Avro: a record of 6 fields and 50 bytes, through the serde as the engine uses it, through bare avsc, and through the serializer of Confluent. One pass warms up; of five more the one with the least CPU time counts, and the rate is that of
 * one CPU: what else the machine does is left out.
 */
import avsc from 'avsc';
import { type SchemaRegistry, serdes } from 'millrace';
import { avro, MemoryRegistry } from 'millrace/avro';
import { openedFor } from '#src/runtime/send.js';
import { official } from '../test/serdes/avro/official.js';
import { RegistryServer } from '../test/support/registry-server.js';
import type { Measured } from './measure.js';

const TOPIC = 'orders';
const PASSES = 5;
/** The registry that Confluent's client asks, ended when its case is done. */
let server: RegistryServer | undefined;

const fields = [
  { name: 'id', type: 'string' },
  { name: 'customer', type: 'string' },
  { name: 'cents', type: 'long' },
  { name: 'items', type: 'int' },
  { name: 'weight', type: 'double' },
  { name: 'at', type: 'long' },
] as const;
const schema = { type: 'record', name: 'Order', namespace: 'shop', fields } as const;
/** As those of a service that knows a field more, and one less. */
const later = {
  ...schema,
  fields: [...fields.slice(0, 5), { name: 'note', type: ['null', 'string'], default: null }],
} as const;
const value = {
  id: 'order-000123456',
  customer: 'customer-017',
  cents: 123_450,
  items: 3,
  weight: 12.5,
  at: 1_700_000_000_000,
};

interface Case {
  readonly title: string;
  readonly records: number;
  /** What is done to each record; a promise is waited for. */
  prepare(): Promise<() => unknown>;
}

const bare = avsc.Type.forSchema(schema as never);
const bareLater = avsc.Type.forSchema(later as never);
const bytes = bare.toBuffer(value);

async function opened(json: unknown, registry: SchemaRegistry) {
  const serde = avro<typeof value>(JSON.stringify(json));
  const services = { schemaRegistry: async () => registry, registerSchemas: true };
  return (await openedFor(TOPIC, 'both', { key: serdes.string, value: serde }, services)).value;
}

async function resolving(): Promise<() => unknown> {
  const registry = new MemoryRegistry();
  const written = (await opened(schema, registry)).encode(value);
  const serde = await opened(later, registry);
  // Known from the first record on.
  try {
    serde.decode(written);
  } catch (error) {
    await (error as { ready(): Promise<void> }).ready();
  }
  return () => serde.decode(written);
}

/** The official serializer and deserializer, on a registry that answers at once and is asked once. */
async function confluent(use: 'serialize' | 'deserialize'): Promise<() => unknown> {
  server = await RegistryServer.start();
  const { AvroDeserializer, AvroSerializer, SchemaRegistryClient } = official();
  const client = new SchemaRegistryClient({ baseURLs: [server.url] });
  await client.register(`${TOPIC}-value`, { schemaType: 'AVRO', schema: JSON.stringify(schema) });
  const config = { subjectNameStrategyType: 'TOPIC' };
  const serializer = new AvroSerializer(client, 'VALUE', { ...config, useLatestVersion: true });
  const written = await serializer.serialize(TOPIC, value);
  const deserializer = new AvroDeserializer(client, 'VALUE', config);
  return use === 'serialize'
    ? () => serializer.serialize(TOPIC, value)
    : () => deserializer.deserialize(TOPIC, written);
}

export const AVRO_CASES: Readonly<Record<string, Case>> = {
  'encode-avsc': { title: 'encode: bare avsc', records: 2_000_000, prepare: async () => () => bare.toBuffer(value) },
  encode: {
    title: 'encode: serde',
    records: 2_000_000,
    prepare: async () => {
      const serde = await opened(schema, new MemoryRegistry());
      return () => serde.encode(value);
    },
  },
  'encode-confluent': { title: 'encode: Confluent', records: 50_000, prepare: () => confluent('serialize') },
  'decode-avsc': { title: 'decode: bare avsc', records: 2_000_000, prepare: async () => () => bare.fromBuffer(bytes) },
  decode: {
    title: 'decode: serde',
    records: 2_000_000,
    prepare: async () => {
      const serde = await opened(schema, new MemoryRegistry());
      const written = serde.encode(value);
      return () => serde.decode(written);
    },
  },
  'decode-confluent': { title: 'decode: Confluent', records: 50_000, prepare: () => confluent('deserialize') },
  'resolve-avsc': {
    title: 'other schema: bare avsc',
    records: 2_000_000,
    prepare: async () => {
      const resolver = bareLater.createResolver(bare);
      return () => bareLater.fromBuffer(bytes, resolver);
    },
  },
  resolve: { title: 'other schema: serde', records: 2_000_000, prepare: resolving },
};

export async function runAvro(name: string): Promise<Measured> {
  const { records, prepare } = AVRO_CASES[name] as Case;
  const work = await prepare();
  const waits = work() instanceof Promise;
  const pass = async (): Promise<number> => {
    const cpu = process.cpuUsage();
    if (waits) for (let i = 0; i < records; i++) await work();
    else for (let i = 0; i < records; i++) work();
    const { user, system } = process.cpuUsage(cpu);
    return user + system;
  };
  await pass();
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < PASSES; i++) best = Math.min(best, await pass());
  await server?.stop();
  return {
    recordsPerSecond: (records * 1_000_000) / best,
    cpuMicrosPerRecord: best / records,
    maxRssMb: process.resourceUsage().maxRSS / 1_024,
  };
}
