import assert from 'node:assert/strict';
import type { Broker, BrokerRecord, PartitionOffset, Reader, TopicPartition } from '#src/broker/port.js';
import { LetterSet, listLetters } from '#src/letters/index.js';
import { owned } from '#src/runtime/topics/topic-owners.js';
import { LEDGER_CONFIG } from '#src/runtime/topics/topic-uses.js';
import { collectGarbage } from '../support/garbage.js';
import { APP, keyOf, LEDGER, ledgerRecordOf, letterRecord, TOPIC } from './support.js';

const LETTERS = 200_000;
/** Each with a reason of its own: more than one reading of the ledger keeps. */
const SETTLED = 10_000;
const MEGABYTE = 1024 * 1024;

const LETTER = letterRecord();

/** What the topics hold, made when it is read: it takes no memory of its own. */
const TOPICS: Readonly<Record<string, { readonly count: number; record(offset: number): BrokerRecord }>> = {
  [TOPIC]: {
    count: LETTERS,
    record: (offset) => ({ ...LETTER, offset, value: Buffer.from(`${offset}`.padEnd(1_000)) }),
  },
  [LEDGER]: {
    count: SETTLED,
    record: (offset) => {
      const entry = { format: 1, what: 'discard', reason: `${offset} `.padEnd(2_000, 'why ') };
      return { ...ledgerRecordOf(keyOf(0, offset * 2), JSON.stringify(entry)), offset };
    },
  },
};

function generatingBroker(): Broker {
  const endOf = (topic: string): number => TOPICS[topic]?.count ?? 0;
  const at = (partitions: readonly TopicPartition[], offset: (topic: string) => number): PartitionOffset[] =>
    partitions.map(({ topic, partition }) => ({ topic, partition, offset: offset(topic) }));
  const owner = { prefix: APP, kind: 'application' } as const;
  const admin = {
    describeTopics: async (names: readonly string[]) =>
      names.map((name) => ({ name, partitions: 1, config: owned(LEDGER_CONFIG, owner) })),
    earliestOffsets: async (partitions: readonly TopicPartition[]) => at(partitions, () => 0),
    latestOffsets: async (partitions: readonly TopicPartition[]) => at(partitions, endOf),
  };
  const createReader = async (): Promise<Pick<Reader, 'seek' | 'poll' | 'close' | 'wakeup'>> => {
    let next: PartitionOffset = { topic: '', partition: 0, offset: 0 };
    return {
      seek: (position) => {
        next = position;
      },
      poll: async ({ maxRecords }) => {
        const { topic, partition, offset } = next;
        const end = Math.min(endOf(topic), offset + maxRecords);
        const records = Array.from(
          { length: end - offset },
          (_, i) => TOPICS[topic]?.record(offset + i) as BrokerRecord,
        );
        next = { topic, partition, offset: end };
        return [{ topic, partition, records, nextOffset: end, latestOffset: endOf(topic) }];
      },
      wakeup: () => undefined,
      close: async () => undefined,
    };
  };
  return { admin, createReader } as unknown as Broker;
}

function usedMegabytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  return (heapUsed + Math.max(arrayBuffers, external)) / MEGABYTE;
}

describe('a list of 200,000 letters', () => {
  it('takes no more memory than a short one, also with a ledger of many reasons', async function () {
    // Nothing in it is measured by time, and a busy machine needs more than other tests have.
    this.timeout(180_000);
    const chosen = new LetterSet();
    const before = usedMegabytes();
    let [most, listed, settled] = [0, 0, 0];
    for await (const letter of listLetters({ broker: generatingBroker(), applicationId: APP, state: 'all' })) {
      chosen.add(letter);
      if (listed++ % 20_000 === 0) most = Math.max(most, usedMegabytes() - before);
      if (letter.state.name === 'discarded') settled++;
    }
    assert.deepEqual([chosen.size, settled], [LETTERS, SETTLED]);
    if (process.env.MEMORY_SHOWN) console.log(`${most.toFixed(1)} MB`);
    // All letters would be 200 MB.
    assert.ok(most < 60, `${most} MB`);
  });
});
