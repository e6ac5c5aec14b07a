import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBroker, type Serde, send, serdes, start } from 'millrace';
import type { Broker } from '#src/broker/port.js';
import { changelogRow, DATA, type Data, tableRow } from './kafka-data.js';
import { LATENCY_RECORDS, type Latency, latencyOf } from './latency.js';
import { type Measured, measure } from './measure.js';
import { WORKLOADS } from './workloads/workloads.js';

interface Case {
  readonly title: string;
  readonly workload: keyof typeof WORKLOADS;
  readonly data: Data;
  readonly guarantee: 'at_least_once' | 'exactly_once';
  /** Records of the input. */
  readonly records: number;
  /** Rows in the changelog of the count store, which is restored first: they are what is counted. */
  readonly restored?: number;
  /** Records are sent one by one at a steady rate, and what is measured is how long the answers take. */
  readonly latency?: true;
}

const RECORDS = 500_000;
const PARTITIONS = 4;
const TABLE_ROWS = 100_000;
const CHUNK_RECORDS = 20_000;

const once = (title: string, workload: keyof typeof DATA): Case => ({
  title,
  workload,
  data: DATA[workload],
  guarantee: 'at_least_once',
  records: RECORDS,
});

export const KAFKA_CASES: Readonly<Record<string, Case>> = {
  stateless: once('stateless map/filter', 'stateless'),
  count: once('count, 100k keys', 'count'),
  'count-eos': { ...once('count, exactly once', 'count'), guarantee: 'exactly_once' },
  dedupe: once('dedupe, a fifth repeated', 'dedupe'),
  reorder: once('reorder, disorder 8', 'reorder'),
  join: once('join with 100k rows', 'join'),
  'latency-stateless': { ...once('latency of a map', 'stateless'), records: LATENCY_RECORDS, latency: true },
  'latency-count': { ...once('latency of a count', 'count'), records: LATENCY_RECORDS, latency: true },
  restore: { ...once('restore 500k rows', 'restore'), workload: 'count', records: 40, restored: RECORDS },
};

/** One workload on a real cluster: loads its topics, runs it to the end, and compares all that came out, before it says what it cost. */
export async function runKafka(name: string, brokers: string): Promise<Measured> {
  const { workload, data, guarantee, records, restored = 0, latency: isLatency } = KAFKA_CASES[name] as Case;
  const applicationId = `bench-${name}-${process.pid}-${Date.now().toString(36)}`;
  const topics = { input: `${applicationId}-in`, table: `${applicationId}-table`, output: `${applicationId}-out` };
  const changelog = `${applicationId}-count-store-changelog`;
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const broker = await openBroker(`kafka://${brokers}`);
  try {
    await broker.admin.createTopics(
      [...Object.values(topics), ...(restored > 0 ? [changelog] : [])].map((topic) => ({
        name: topic,
        partitions: PARTITIONS,
        config: topic === changelog ? { 'cleanup.policy': 'compact' } : { 'retention.ms': '-1' },
      })),
    );
    if (!isLatency) await load(broker, topics.input, serdes.string, records, data.event);
    if (workload === 'join') await load(broker, topics.table, serdes.string, TABLE_ROWS, tableRow);
    await load(broker, changelog, serdes.bytes, restored, changelogRow);

    let latency: Latency | undefined;
    const measured = await measure(restored || records, async () => {
      const streams = await start((WORKLOADS[workload] as (typeof WORKLOADS)[string])(topics), {
        broker,
        applicationId,
        guarantee,
        stateDirectory: directory,
      });
      if (isLatency) latency = await latencyOf(broker, topics, PARTITIONS);
      await streams.untilIdle();
      await streams.stop();
    });
    if (latency) return { ...measured, latency };
    await verify(broker, topics.output, data, records);
    return measured;
  } finally {
    const ours = (await broker.admin.describeTopics()).map((topic) => topic.name);
    await broker.admin.deleteTopics(ours.filter((topic) => topic.startsWith(applicationId)));
    await broker.admin.deleteGroup(applicationId);
    await broker.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function load<V>(
  broker: Broker,
  topic: string,
  value: Serde<V>,
  records: number,
  make: (at: number) => { readonly key: string; readonly value: V; readonly timestamp: number },
): Promise<void> {
  for (let from = 0; from < records; from += CHUNK_RECORDS) {
    const length = Math.min(CHUNK_RECORDS, records - from);
    const chunk = Array.from({ length }, (_, i) => make(from + i));
    await send(broker, topic, { key: serdes.string, value }, chunk);
  }
}

/** Throws if anything but the right values came out for any key, in any other order, or if something is missing. */
async function verify(broker: Broker, topic: string, { event, answers }: Data, records: number): Promise<void> {
  const got = new Map<string, string[]>();
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }));
  const reader = await broker.createReader();
  const ends = await broker.admin.latestOffsets(partitions);
  let open = ends.filter(({ offset }) => offset > 0);
  for (const { partition } of open) reader.seek({ topic, partition, offset: 0 });
  while (open.length > 0) {
    for (const batch of await reader.poll({ maxRecords: CHUNK_RECORDS, maxWaitMs: 1_000 })) {
      for (const { key, value } of batch.records) {
        const values = got.get(`${key}`);
        if (values) values.push(`${value}`);
        else got.set(`${key}`, [`${value}`]);
      }
      open = open.filter(({ partition, offset }) => partition !== batch.partition || batch.nextOffset < offset);
    }
  }
  await reader.close();
  const events = Array.from({ length: records }, (_, at) => event(at));
  const seen = new Map<string, number>();
  let expected = 0;
  for (const { key, value } of answers(events)) {
    const at = seen.get(key) ?? 0;
    seen.set(key, at + 1);
    expected++;
    if (got.get(key)?.[at] !== value)
      throw new Error(`wrong answer ${at} for ${key}: saw ${got.get(key)?.[at]}, expected ${value}`);
  }
  const came = [...got.values()].reduce((sum, values) => sum + values.length, 0);
  if (came !== expected) throw new Error(`saw ${came} records in the output, expected ${expected}`);
}
