import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker, ProducerRecord } from '#src/broker/port.js';
import type { Topology } from '#src/index.js';
import { Headers } from '#src/model/headers.js';
import type { ReplayedRecord } from '#src/replay/index.js';
import { partitionOf } from '#src/runtime/topics/partitioner.js';
import { declaredNodes } from '#src/runtime/topics/planned-tasks.js';
import { ManualClock } from '#src/testing/manual-clock.js';

/** A record of the past, with a JSON value. */
export interface Told {
  readonly topic: string;
  readonly key: string | null;
  readonly value: unknown;
  readonly timestamp: number;
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export function written(told: Told, partitions: number): ProducerRecord {
  const key = told.key === null ? null : Buffer.from(told.key);
  return {
    topic: told.topic,
    partition: told.partition ?? (key === null ? 0 : partitionOf(key, partitions)),
    key,
    value: told.value === null ? null : Buffer.from(JSON.stringify(told.value)),
    timestamp: told.timestamp,
    headers: Headers.of(told.headers ?? {}),
  };
}

/** A broker in memory whose topics hold the records, in that order. */
export async function brokerWith(
  records: readonly Told[],
  { topics, partitions = 1 }: { readonly topics: readonly string[]; readonly partitions?: number },
): Promise<Broker> {
  const broker = new MemoryBroker({ clock: new ManualClock() });
  await broker.admin.createTopics(topics.map((name) => ({ name, partitions, config: { 'retention.ms': '-1' } })));
  await append(broker, records, partitions);
  return broker;
}

export async function append(broker: Broker, records: readonly Told[], partitions = 1): Promise<void> {
  const writer = await broker.createWriter();
  await writer.write(records.map((told) => written(told, partitions)));
  await writer.flush();
  await writer.close();
}

/** The order of a merged slice, said as simply as can be: each time the partition whose next record is oldest. */
export function merged(records: readonly Told[], partitions: number): Told[] {
  const lanes = new Map<string, Told[]>();
  for (const told of records) {
    const { topic, partition } = written(told, partitions);
    const name = `${topic} ${String(partition).padStart(5, '0')}`;
    lanes.set(name, [...(lanes.get(name) ?? []), told]);
  }
  const order: Told[] = [];
  for (;;) {
    const next = [...lanes]
      .filter(([, lane]) => lane.length > 0)
      .sort(([a, [x]], [b, [y]]) => (x as Told).timestamp - (y as Told).timestamp || (a < b ? -1 : 1))[0];
    if (!next) return order;
    order.push(next[1].shift() as Told);
  }
}

/** Rows of stores as hexadecimal bytes of key and value, so that what a store holds is compared, not what it looks like. */
export type StoreBytes = Record<string, string[]>;

export function bytesOf(
  target: Topology,
  rows: ReadonlyMap<string, readonly (readonly [unknown, unknown])[]>,
): StoreBytes {
  const specs = declaredNodes(target).processors.flatMap(({ spec }) => spec.stores);
  return Object.fromEntries(
    specs.map(({ name, shown: as, ...spec }) => {
      const { key, value } = as ?? spec;
      const bytes = (rows.get(name) ?? []).map(
        ([k, v]) => `${key.encode(k).toString('hex')} ${value.encode(v).toString('hex')}`,
      );
      return [name, bytes.sort()];
    }),
  );
}

export const shown = ({ topic, partition, key, value, timestamp }: ReplayedRecord): string =>
  `${topic}[${partition}] ${key} = ${value} @${timestamp}`;
