import assert from 'node:assert/strict';
import type {
  Broker,
  BrokerRecord,
  Membership,
  MembershipOptions,
  ProducerRecord,
  Reader,
  RecordBatch,
  TopicSpec,
  Writer,
} from '#src/broker/port.js';
import { type ErrorCode, StreamsError } from '#src/model/errors.js';
import { Headers } from '#src/model/headers.js';

/** One cluster, for one test. */
export interface Cluster {
  /** A connection, as one process has it. All connections of a cluster see the same log. */
  open(): Promise<Broker>;
  /** Lets time pass: a virtual clock's, or real time where there is none. */
  pass(ms: number): Promise<void>;
  /** Stops the whole cluster in order and starts it again with what it had stored. Only where the adapter owns its cluster and it is durable. */
  restart?(): Promise<void>;
  /** Closes what the test left open. */
  stop(): Promise<void>;
}

/** What an adapter does that others may not. */
export interface Capabilities {
  /** Longest wait a poll is given when records must be there already; 0 where they are there at once. */
  readonly pollMs: number;
  /** The latest time that it takes a record of. */
  readonly maxTimestamp: number;
  /** Whether its clusters have `restart`. */
  readonly durable: boolean;
}

export interface BrokerFactory extends Capabilities {
  start(): Promise<Cluster>;
}

/** Real time until something has to be there. Nothing waits that long: it is for a failing test. */
const DEADLINE_MS = 20_000;

let names = 0;
/** A name that no other test uses. */
export const unique = (prefix: string): string => `${prefix}-${process.pid}-${++names}`;

/** The contract's view of the cluster under test: short words for what tests do all the time. */
export class Bench {
  cluster!: Cluster;
  broker!: Broker;

  constructor(readonly factory: BrokerFactory) {}

  async start(): Promise<void> {
    this.cluster = await this.factory.start();
    this.broker = await this.cluster.open();
  }

  async topic(partitions = 1, config?: TopicSpec['config']): Promise<string> {
    const name = unique('topic');
    await this.broker.admin.createTopics([{ name, partitions, ...(config && { config }) }]);
    return name;
  }

  async write(records: readonly ProducerRecord[]): Promise<void> {
    const writer = await this.broker.createWriter();
    await writer.write(records);
    await writer.flush();
    await writer.close();
  }

  async reader(topic: string, ...offsets: number[]): Promise<Reader> {
    const reader = await this.broker.createReader();
    offsets.forEach((offset, partition) => {
      reader.seek({ topic, partition, offset });
    });
    return reader;
  }

  /** The next poll that has anything: records, or the news that a position has moved past what nobody sees. */
  async next(reader: Reader, maxRecords = 1_000): Promise<readonly RecordBatch[]> {
    return this.eventually(async () => {
      const batches = await reader.poll({ maxRecords, maxWaitMs: this.factory.pollMs });
      assert.notEqual(batches.length, 0, 'the poll has no records');
      return batches;
    });
  }

  /** A poll when nothing is expected. */
  async nothing(reader: Reader): Promise<void> {
    const polled = reader.poll({ maxRecords: 1_000, maxWaitMs: 50 });
    await this.cluster.pass(50);
    assert.deepEqual(
      (await polled).flatMap(({ records }) => records),
      [],
    );
  }

  /** Everything that can be read of a topic's partition now. */
  async contents(topic: string, partition = 0): Promise<readonly BrokerRecord[]> {
    const at = [{ topic, partition }];
    const [earliest] = await this.broker.admin.earliestOffsets(at);
    const [latest] = await this.broker.admin.latestOffsets(at);
    assert.ok(earliest && latest);
    const reader = await this.broker.createReader();
    reader.seek(earliest);
    const records: BrokerRecord[] = [];
    for (let position = earliest.offset; position < latest.offset; ) {
      for (const batch of await this.next(reader)) {
        records.push(...batch.records);
        position = batch.nextOffset;
      }
    }
    await reader.close();
    return records;
  }

  async values(topic: string, partition = 0): Promise<readonly string[]> {
    return (await this.contents(topic, partition)).map(valueText);
  }

  /** Until the check does not throw, at most until the deadline. */
  async eventually<T>(check: () => T | Promise<T>): Promise<T> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      try {
        return await check();
      } catch (error) {
        if (!(error instanceof assert.AssertionError) || performance.now() > deadline) throw error;
      }
      await this.cluster.pass(1);
    }
  }
}

export const valueText = (record: BrokerRecord): string => record.value?.toString() ?? 'null';

export function record(
  topic: string,
  value: string,
  more: Partial<Omit<ProducerRecord, 'topic'>> = {},
): ProducerRecord {
  return {
    topic,
    partition: 0,
    timestamp: 1_700_000_000_000,
    key: Buffer.from(value),
    value: Buffer.from(value),
    headers: Headers.none,
    ...more,
  };
}

/** Records with the values 0, 1, 2, … */
export const numbered = (
  topic: string,
  count: number,
  from = 0,
  more: Partial<Omit<ProducerRecord, 'topic'>> = {},
): readonly ProducerRecord[] => Array.from({ length: count }, (_, i) => record(topic, `${from + i}`, more));

/** For `assert.rejects`: a StreamsError of that code whose message has all the words. */
export function fails(code: ErrorCode, ...words: readonly string[]): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof StreamsError, String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words)
      assert.ok(error.message.includes(word), `${JSON.stringify(error.message)} does not name ${word}`);
    assert.doesNotMatch(error.message, /undefined|\[object/);
    return true;
  };
}

/** A member that writes down what happens to it. */
export interface RecordedMember {
  readonly events: string[];
  readonly errors: Error[];
  /** What the leader got each time it led: member ids and metadata. */
  readonly led: { readonly ids: readonly string[]; readonly metadata: readonly string[] }[];
  readonly membership: Membership;
}

/** Joins; unless told otherwise the leader gives each member its place in the order. */
export async function join(
  broker: Broker,
  groupId: string,
  topics: readonly string[],
  options: Partial<MembershipOptions> = {},
): Promise<RecordedMember> {
  const events: string[] = [];
  const errors: Error[] = [];
  const led: RecordedMember['led'] = [];
  const membership = await broker.join({
    groupId,
    topics,
    metadata: () => Buffer.from('member'),
    assign: async (members) => {
      led.push({
        ids: members.map((member) => member.memberId),
        metadata: members.map((member) => member.metadata.toString()),
      });
      return new Map(members.map((member, i) => [member.memberId, Buffer.from(`part ${i} of ${members.length}`)]));
    },
    onAssigned: async (assignment) => {
      events.push(`assigned ${assignment}`);
    },
    onRevoked: async () => {
      events.push('revoked');
    },
    onLost: (error) => {
      events.push('lost');
      errors.push(error);
    },
    ...options,
  });
  return { events, errors, led, membership };
}

/** Begins a transaction, writes, and leaves it open. */
export async function openTransaction(writer: Writer, records: readonly ProducerRecord[]): Promise<void> {
  await writer.begin();
  await writer.write(records);
  await writer.flush();
}
