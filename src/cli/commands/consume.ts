import { Option } from '@commander-js/extra-typings';
import { type Broker, type PartitionOffset, partitionKey } from '../../broker/port.js';
import { show } from '../../model/text/show.js';
import { anyAvro } from '../../serdes/avro/any.js';
import { loadTopology } from '../load/load-topology.js';
import {
  type BrokerOptions,
  brokerUrl,
  DEFAULT_BROKER,
  KAFKA_CONFIG,
  openExistingBroker,
} from '../options/broker-url.js';
import { wholeNumber } from '../options/options.js';
import { namesRegistry, type RegistrySelection, registryOf, SCHEMA_REGISTRY } from '../options/schema-registry.js';
import { openTopicSerdes } from '../records/topic-serdes.js';
import { unknownTopic } from '../records/topics.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { recordLines, type ShownSerdes, valueLine } from '../terminal/show.js';
import { Stop } from '../terminal/stop.js';
import { usage } from '../terminal/usage.js';

const MAX_RECORDS = 1_000;
const MAX_WAIT_MS = 60_000;
const FORMATS = ['json', 'value'] as const;

type From = 'earliest' | 'latest' | number;

interface Options extends BrokerOptions, RegistrySelection {
  readonly topology?: string | undefined;
  readonly from: From;
  readonly partition?: number | undefined;
  readonly max?: number | undefined;
  readonly untilEnd?: true | undefined;
  readonly format: (typeof FORMATS)[number];
}

const EXAMPLES = `
Each record is one line of JSON: topic, partition, offset, timestamp, key, value, headers. Bytes that are not text are
shown as {"base64": …}. With --topology, keys and values are decoded as that topology reads or writes the topic. With
--schema-registry alone, Avro values are decoded with the schemas that wrote them. Without --max and --until-end, the
command waits for more records until it is stopped.

Examples:
  $ millrace consume balances --until-end
  $ millrace consume balances --from 100 --max 10 --format value | jq .total`;

/** `millrace consume TOPIC`: prints the records of a topic on standard output. */
export function addConsume(program: Program): void {
  program.parent
    .command('consume')
    .description('print the records of a topic')
    .argument('<topic>', 'the topic')
    .option('--broker <url>', 'the broker of the topic', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option('--topology <file>', 'a topology that reads or writes the topic, and so defines how to decode it')
    .option(...SCHEMA_REGISTRY)
    .option('--from <where>', 'earliest, latest, or an offset', parseFrom, 'earliest' as From)
    .option('--partition <number>', 'this partition only (default: all)', wholeNumber('--partition', 0))
    .option('--max <records>', 'stop after this many records', wholeNumber('--max', 1))
    .option('--until-end', 'stop at the current end of the topic')
    .addOption(
      new Option('--format <format>', 'one line of JSON per record, or only its value')
        .choices(FORMATS)
        .default('json' as const),
    )
    .addHelpText('after', EXAMPLES)
    .action((topic, options) => program.act((io) => consume(topic, options, io)));
}

function parseFrom(text: string): From {
  if (text === 'earliest' || text === 'latest') return text;
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw usage('cannot read --from', show(text), 'earliest, latest or an offset');
}

async function consume(topic: string, options: Options, io: Io): Promise<number> {
  const stop = new Stop(io);
  const { broker } = await openExistingBroker(options, io);
  try {
    const serdes = await serdesFor(topic, options, io);
    await print(broker, await starts(broker, topic, options), { ...options, serdes }, io, stop);
    return 0;
  } finally {
    await broker.close();
    stop.release();
  }
}

/**
 * How to decode keys and values: as the topology does, or as Avro if a registry is named; undefined: not at
 * all.
 */
async function serdesFor(topic: string, options: Options, io: Io): Promise<ShownSerdes | undefined> {
  const schemaRegistry = registryOf(options, io, options.topology);
  if (options.topology === undefined) {
    // Keys are rarely Avro; a key that is not Avro is shown as it is.
    return namesRegistry(options, io)
      ? { key: anyAvro('key', schemaRegistry), value: anyAvro('value', schemaRegistry) }
      : undefined;
  }
  const topology = await loadTopology(options.topology, io.cwd);
  const serdes = await openTopicSerdes(topology, topic, 'read', { schemaRegistry, registerSchemas: false });
  if (serdes) return serdes;
  throw usage(
    'cannot use --topology',
    `${topology.name}, which neither reads nor writes ${topic}`,
    'a topology that does',
  );
}

/**
 * Start offset of each partition. Partitions that end before the offset begin at their end. If no partition
 * reaches the offset, it stays, so that the reader reports the available range.
 */
async function starts(
  broker: Broker,
  topic: string,
  { from, partition }: Options,
): Promise<readonly PartitionOffset[]> {
  const topics = await broker.admin.describeTopics();
  const found = topics.find(({ name }) => name === topic);
  if (!found) throw unknownTopic(topic, topics.map(({ name }) => name).sort());
  if (partition !== undefined && partition >= found.partitions)
    throw usage('cannot read --partition', String(partition), `a partition from 0 to ${found.partitions - 1}`);
  const numbers =
    partition === undefined ? Array.from({ length: found.partitions }, (_, number) => number) : [partition];
  const partitions = numbers.map((number) => ({ topic, partition: number }));
  if (from === 'earliest') return broker.admin.earliestOffsets(partitions);
  const latest = await broker.admin.latestOffsets(partitions);
  if (from === 'latest') return latest;
  const reached = latest.some(({ offset }) => offset >= from);
  return latest.map((end) => ({ ...end, offset: reached ? Math.min(from, end.offset) : from }));
}

async function print(
  broker: Broker,
  positions: readonly PartitionOffset[],
  options: Options & { readonly serdes: ShownSerdes | undefined },
  io: Io,
  stop: Stop,
): Promise<void> {
  const reader = await broker.createReader();
  const wakeup = (): void => reader.wakeup();
  stop.signal.addEventListener('abort', wakeup, { once: true });
  const open = new Map<string, number>();
  for (const position of positions) {
    reader.seek(position);
    if (options.untilEnd) open.set(partitionKey(position.topic, position.partition), Number.POSITIVE_INFINITY);
  }
  if (options.untilEnd) {
    for (const end of await broker.admin.latestOffsets(positions)) {
      const start = positions.find(({ partition }) => partition === end.partition);
      if (start && start.offset === end.offset) open.delete(partitionKey(end.topic, end.partition));
      else open.set(partitionKey(end.topic, end.partition), end.offset);
    }
  }
  let left = options.max ?? Number.POSITIVE_INFINITY;
  while (!stop.requested && left > 0 && !(options.untilEnd && open.size === 0)) {
    for (const batch of await reader.poll({ maxRecords: Math.min(MAX_RECORDS, left), maxWaitMs: MAX_WAIT_MS })) {
      const key = partitionKey(batch.topic, batch.partition);
      const end = options.untilEnd ? (open.get(key) ?? 0) : Number.POSITIVE_INFINITY;
      const records = batch.records.filter(({ offset }) => offset < end);
      left -= records.length;
      if (batch.nextOffset >= end) open.delete(key);
      const lines =
        options.format === 'value' ? Buffer.concat(records.map(valueLine)) : await recordLines(records, options.serdes);
      await write(io.stdout, lines);
      if (stop.requested) return;
    }
  }
}
