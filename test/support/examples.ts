import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSchemaRegistry, type SchemaRegistry, type Serde, send, serdes, start, type Topology } from 'millrace';
import { avro } from 'millrace/avro';
import { TestDriver } from 'millrace/testing';
import type { Broker } from '#src/broker/port.js';
import type { Headers } from '#src/index.js';
import { partitionOf } from '#src/runtime/topics/partitioner.js';
import wordCount from '../../topology-examples/01-word-count/topology.js';
import dedupePayments from '../../topology-examples/02-dedupe-payments/topology.js';
import reorderOrders from '../../topology-examples/03-reorder-orders/topology.js';
import enrichWithTable from '../../topology-examples/04-enrich-with-table/topology.js';
import sourceHistory from '../../topology-examples/05-source-history/topology.js';
import windowedTraffic from '../../topology-examples/06-windowed-traffic/topology.js';
import clicksToOrders from '../../topology-examples/07-join-clicks-to-orders/topology.js';
import avroOrders from '../../topology-examples/11-avro-orders/topology.js';
import { projectFile } from './project.js';

/** The examples, their inputs, and what they write wherever they run. */

export interface Example {
  readonly folder: string;
  readonly topology: Topology;
  readonly inputs: readonly Input[];
  /** How many records it writes with one partition; where it is easily known. */
  readonly writes?: number;
}

interface Input {
  readonly topic: string;
  readonly file: string;
  /** How the lines are written; default: as they are. */
  readonly value?: Serde<any>;
  /** Makes a value of a line. */
  readonly parse?: (json: any) => unknown;
  readonly key?: string;
  readonly timestamp?: string;
}

const at = (topic: string, key: string): Input => ({ topic, file: `${topic}.jsonl`, key, timestamp: 'at' });

export const EXAMPLES: readonly Example[] = [
  { folder: '01-word-count', topology: wordCount, inputs: [{ topic: 'lines', file: 'lines.jsonl' }], writes: 42 },
  { folder: '02-dedupe-payments', topology: dedupePayments, inputs: [at('payments', 'account')], writes: 4 },
  { folder: '03-reorder-orders', topology: reorderOrders, inputs: [at('order-events', 'order')], writes: 5 },
  {
    folder: '04-enrich-with-table',
    topology: enrichWithTable,
    inputs: [at('accounts', 'account'), at('payments', 'account')],
    writes: 2,
  },
  {
    folder: '05-source-history',
    topology: sourceHistory,
    inputs: [{ topic: 'source-changes', file: 'data/rxjs-src-changes.jsonl', key: 'file', timestamp: 'authoredAt' }],
  },
  { folder: '06-windowed-traffic', topology: windowedTraffic, inputs: [at('requests', 'site')] },
  {
    folder: '07-join-clicks-to-orders',
    topology: clicksToOrders,
    inputs: [at('orders', 'visitor'), at('clicks', 'visitor')],
    writes: 191,
  },
  {
    folder: '11-avro-orders',
    topology: avroOrders,
    inputs: [1, 2].map((version) => ({
      topic: 'orders',
      file: `orders-v${version}.jsonl`,
      key: 'customer',
      timestamp: 'at',
      value: avro<any>('orders-value', { version }),
      parse: (json) => ({ currency: 'EUR', ...json, at: new Date(json.at) }),
    })),
    writes: 6,
  },
];

const openRegistry = () => openSchemaRegistry(projectFile('schemas'));

interface Sent {
  readonly key: string | null;
  readonly value: unknown;
  readonly timestamp: number;
  readonly partition: number;
}

/** A record that was written, with key and value as bytes in text form. */
export interface Written {
  readonly topic: string;
  readonly partition: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
  readonly headers: Readonly<Record<string, string>>;
}

const textsOf = (headers: Headers): Readonly<Record<string, string>> =>
  Object.fromEntries(headers.entries.map(([name]) => [name, headers.text(name) ?? '']));

const rawText: Serde<string> = {
  name: 'latin1',
  encode: (text) => Buffer.from(text, 'latin1'),
  decode: (bytes) => bytes.toString('latin1'),
};

const partitionsOf = (topic: string, partitions: number) =>
  Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));

const outputsOf = ({ topology }: Example): string[] =>
  topology.graph.nodes.flatMap((node) => (node.kind === 'sink' && node.topic !== null ? [node.topic] : []));

function recordsOf({ folder }: Example, { file, key, timestamp, parse }: Input, partitions: number): Sent[] {
  const lines = readFileSync(projectFile(join('topology-examples', folder, file)), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line, index) => {
    const value = JSON.parse(line);
    const text: string | null = key === undefined ? null : value[key];
    return {
      key: text,
      value: parse ? parse(value) : value,
      timestamp: timestamp === undefined ? index : new Date(value[timestamp]).getTime(),
      partition: text === null ? index % partitions : partitionOf(Buffer.from(text), partitions),
    };
  });
}

export async function inDriver(example: Example, partitions: number): Promise<Written[]> {
  const driver = await TestDriver.create(example.topology, {
    partitions,
    schemaRegistry: await openRegistry(),
    registerSchemas: false,
  });
  // While it is down all inputs come together, so that the driver cannot finish one topic before the other is there.
  await driver.crash();
  for (const input of example.inputs) {
    const records = recordsOf(example, input, partitions);
    await driver.input(input.topic, { key: serdes.string, value: input.value ?? serdes.json() }).sendAll(records);
  }
  await driver.restart();
  const written: Written[] = [];
  for (const topic of outputsOf(example)) {
    const records = await driver.output(topic, { key: rawText, value: rawText }).read();
    written.push(...records.map(({ headers, ...record }) => ({ topic, ...record, headers: textsOf(headers) })));
  }
  await driver.close();
  return written;
}

/** Feeds a broker with the inputs, runs the example on it to the end, and reads what it wrote. */
export async function onBroker(
  broker: Broker,
  example: Example,
  partitions: number,
  stateDirectory: string,
): Promise<Written[]> {
  const schemaRegistry = await openRegistry();
  for (const input of example.inputs)
    await produce(broker, input, recordsOf(example, input, partitions), partitions, schemaRegistry);
  const streams = await start(example.topology, { broker, stateDirectory, createTopics: partitions, schemaRegistry });
  await streams.untilIdle();
  await streams.stop();
  const written: Written[] = [];
  for (const topic of outputsOf(example)) written.push(...(await consume(broker, topic, partitions)));
  return written;
}

async function produce(
  broker: Broker,
  { topic, value = serdes.json() }: Input,
  records: readonly Sent[],
  partitions: number,
  schemaRegistry: SchemaRegistry,
): Promise<void> {
  const [known] = await broker.admin.describeTopics([topic]);
  if (!known) await broker.admin.createTopics([{ name: topic, partitions, config: { 'retention.ms': '-1' } }]);
  await send(broker, topic, { key: serdes.string, value, schemaRegistry }, records);
}

async function consume(broker: Broker, topic: string, partitions: number): Promise<Written[]> {
  const written: Written[] = [];
  for (const end of await broker.admin.latestOffsets(partitionsOf(topic, partitions))) {
    const reader = await broker.createReader();
    let offset = 0;
    reader.seek({ ...end, offset });
    while (offset < end.offset) {
      for (const batch of await reader.poll({ maxRecords: 10_000, maxWaitMs: 500 })) {
        offset = batch.nextOffset;
        for (const { partition, key, value, timestamp, headers } of batch.records) {
          written.push({
            topic,
            partition,
            key: key && rawText.decode(key),
            value: value && rawText.decode(value),
            timestamp,
            headers: textsOf(headers),
          });
        }
      }
    }
    await reader.close();
  }
  return written;
}

/**
 * What each key of a topic ends at, and in which partition. Not when: a row's timestamp is the highest since it was added, so it
 * depends on whether the row was deleted in between.
 */
export const lastOfEachKey = (written: readonly Written[]): Map<string, unknown> =>
  new Map(written.map(({ topic, key, partition, value }) => [`${topic} ${key}`, { partition, value }]));
