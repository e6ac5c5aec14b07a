import assert from 'node:assert/strict';
import type { Admin, Broker, PartitionOffset, Reader } from '#src/broker/port.js';
import { count } from '#src/dsl/operators/aggregate.js';
import { topology } from '#src/dsl/topology.js';
import { type Clock, silentLogger, sleep } from '#src/model/ports.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { serdes } from '#src/serdes/serdes.js';
import { createTopics, memoryMachine, writeTopic } from '../../support/application.js';
import { Cluster } from '../../support/cluster.js';

const CHANGELOG = 'counts-totals-changelog';

const counts = topology('counts', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(count({ store: 'totals' }));
});

/**
 * A transaction that a dead process has left open in a changelog: readers of what is committed come no further than its
 * beginning, until the broker ends it.
 */
class OpenTransaction {
  /** Where it begins; undefined: there is none. */
  begin: number | undefined;

  around(broker: Broker, clock: Clock): Broker {
    const { admin } = broker;
    const latestOffsets: Admin['latestOffsets'] = async (partitions, isolation) => {
      const ends = await admin.latestOffsets(partitions, isolation);
      return isolation === 'read_uncommitted' ? ends : ends.map((at) => this.#stable(at));
    };
    // Its methods are called on itself: what they need is private to it.
    const bound: Admin = {
      createTopics: admin.createTopics.bind(admin),
      describeTopics: admin.describeTopics.bind(admin),
      configureTopics: admin.configureTopics.bind(admin),
      deleteTopics: admin.deleteTopics.bind(admin),
      earliestOffsets: admin.earliestOffsets.bind(admin),
      latestOffsets,
      offsetsAt: admin.offsetsAt.bind(admin),
      deleteRecords: admin.deleteRecords.bind(admin),
      groupOffsets: admin.groupOffsets.bind(admin),
      setGroupOffsets: admin.setGroupOffsets.bind(admin),
      groupMembers: admin.groupMembers.bind(admin),
      deleteGroup: admin.deleteGroup.bind(admin),
    };
    return {
      admin: bound,
      createReader: async () => this.#reader(await broker.createReader(), clock),
      createWriter: broker.createWriter.bind(broker),
      join: broker.join.bind(broker),
      close: broker.close.bind(broker),
    };
  }

  #stable(at: PartitionOffset): PartitionOffset {
    return at.topic === CHANGELOG ? { ...at, offset: Math.min(at.offset, this.begin ?? at.offset) } : at;
  }

  #reader(reader: Reader, clock: Clock): Reader {
    const poll: Reader['poll'] = async (options) => {
      const batches = await reader.poll(options);
      const seen = batches.flatMap((batch) => {
        const { topic, partition, records } = batch;
        const nextOffset = this.#stable({ topic, partition, offset: batch.nextOffset }).offset;
        if (nextOffset === batch.nextOffset) return [batch];
        reader.seek({ topic, partition, offset: nextOffset });
        const before = records.filter(({ offset }) => offset < nextOffset);
        return before.length === 0 ? [] : [{ ...batch, records: before, nextOffset }];
      });
      if (seen.length === 0 && batches.length > 0) await sleep(clock, options.maxWaitMs);
      return seen;
    };
    return {
      poll,
      seek: (at) => reader.seek(at),
      remove: (partitions) => reader.remove(partitions),
      pause: (partitions) => reader.pause(partitions),
      resume: (partitions) => reader.resume(partitions),
      wakeup: () => reader.wakeup(),
      close: () => reader.close(),
    };
  }
}

describe('a task under at_least_once, whose changelog has a transaction that a dead process left open', () => {
  it('waits for what stands behind it, and takes no row of its own for one of another writer', async () => {
    const transaction = new OpenTransaction();
    const cluster = new Cluster(counts, { guarantee: 'at_least_once' }, (broker, clock) =>
      transaction.around(broker, clock),
    );
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
    let told = 0;
    const words = async (): Promise<void> =>
      writeTopic(
        cluster.broker,
        'words',
        ['a', 'b', 'a'].map((key) => ({ key, value: 'x', timestamp: told++ })),
      );
    try {
      await createTopics(cluster.broker, { words: 1 });
      await words();
      const first = await cluster.join();
      await cluster.idle();
      const [end] = await cluster.broker.admin.latestOffsets([{ topic: CHANGELOG, partition: 0 }]);
      transaction.begin = end?.offset;
      await words();
      await cluster.idle();
      await cluster.kill(first);

      const opening = cluster.join(memoryMachine(), logger);
      for (let turns = 0; turns < 200; turns++) {
        await nextTurn();
        if (cluster.clock.waiting) cluster.clock.fireNext();
      }
      // The broker has timed it out.
      transaction.begin = undefined;
      const { streams } = await opening;
      await words();
      await cluster.idle();
      assert.deepEqual(warnings, []);
      const rows: unknown[] = [];
      for await (const row of streams.tasks[0]?.state?.store('totals').entries() ?? []) rows.push(row);
      assert.deepEqual(rows, [
        ['a', 6],
        ['b', 3],
      ]);
    } finally {
      await cluster.close();
    }
  });
});
