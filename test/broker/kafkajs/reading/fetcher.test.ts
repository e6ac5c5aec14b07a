import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Client } from '#src/broker/kafkajs/connection/client.js';
import type { Cursor } from '#src/broker/kafkajs/reading/cursor.js';
import { Fetcher } from '#src/broker/kafkajs/reading/fetcher.js';
import { KafkaReader } from '#src/broker/kafkajs/reading/reader.js';
import { BytesReader, BytesWriter } from '#src/broker/kafkajs/wire/bytes.js';
import type { Request } from '#src/broker/kafkajs/wire/request.js';
import type { FetchedPartition } from '#src/broker/kafkajs/wire/requests-records.js';
import { RecordBatchEncoder, setBaseOffset } from '#src/broker/record-batch/encoder.js';
import { Headers } from '#src/model/headers.js';
import { ManualClock } from '#src/testing/manual-clock.js';

const MIB = 1024 * 1024;
const NOTHING = Buffer.alloc(0);
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Asked {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly positions: readonly { readonly partition: number; readonly offset: number; readonly maxBytes: number }[];
}

/** What a request says. */
function asked(request: Request<unknown>): Asked {
  const from = new BytesReader(request.write(new BytesWriter()).written);
  from.int32();
  const maxWaitMs = from.int32();
  from.int32();
  const maxBytes = from.int32();
  from.int8();
  from.int32();
  from.int32();
  const positions = from.array(() => {
    from.string();
    return from.array(() => {
      const partition = from.int32();
      from.int32();
      const offset = from.int64();
      from.int64();
      return { partition, offset, maxBytes: from.int32() };
    });
  });
  return { maxWaitMs, maxBytes, positions: positions.flat() };
}

/** A batch of one record of so many bytes. */
function batchOf(bytes: number, offset: number): Buffer {
  const encoder = new RecordBatchEncoder();
  encoder.add(null, Buffer.alloc(bytes), 0, Headers.none);
  const batch = encoder.finish();
  setBaseOffset(batch, offset);
  return batch;
}

/** Brokers that answer fetches as Kafka's do. Partition n is led by broker n % leaders. */
class Cluster {
  readonly clock = new ManualClock();
  readonly logs: Buffer[][] = [];
  readonly underWay = new Map<number, { held: number; atOnce: number }>();
  served = 0;
  #held: (() => void)[] = [];

  constructor(readonly leaders: number) {}

  fetcher(): Fetcher {
    const client = {
      clock: this.clock,
      forgetTopics() {},
      route: async (cursors: readonly Cursor[]) => {
        const leaders = new Map<number, Cursor[]>();
        for (const cursor of cursors) {
          const node = cursor.partition % this.leaders;
          leaders.set(node, [...(leaders.get(node) ?? []), cursor]);
        }
        return { leaders, failed: [] };
      },
      connections: {
        close: async () => undefined,
        ask: (node: number, request: Request<unknown>) => this.ask(node, request),
      },
    };
    return new Fetcher(client as unknown as Client, true);
  }

  append(partition: number, bytes: number): void {
    const log = this.logs[partition] ?? [];
    this.logs[partition] = log;
    log.push(batchOf(bytes, log.length));
    for (const wake of this.#held.splice(0)) wake();
  }

  async ask(node: number, request: Request<unknown>): Promise<readonly FetchedPartition[]> {
    const fetch = asked(request);
    const lane = fetch.maxWaitMs === 0 ? 'atOnce' : 'held';
    assert.equal(request.atOnce, lane === 'atOnce');
    const named = fetch.positions.map(({ partition }) => partition);
    assert.equal(new Set(named).size, named.length, `a partition twice in ${named}`);
    const underWay = this.underWay.get(node) ?? { held: 0, atOnce: 0 };
    this.underWay.set(node, underWay);
    assert.equal(underWay[lane]++, 0);
    await nextTurn();
    let answer = this.#answer(fetch);
    if (lane === 'held' && answer.every(({ records }) => records.length === 0)) {
      await new Promise<void>((resolve) => {
        const cancel = this.clock.after(fetch.maxWaitMs, resolve);
        this.#held.push(() => {
          cancel();
          resolve();
        });
      });
      answer = this.#answer(fetch);
    }
    underWay[lane]--;
    for (const { records } of answer) this.served += records.length;
    return answer;
  }

  #answer({ positions, maxBytes }: Asked): readonly FetchedPartition[] {
    let left = maxBytes;
    let first = true;
    return positions.map(({ partition, offset, maxBytes: most }) => {
      const log = this.logs[partition] ?? [];
      const batches: Buffer[] = [];
      let room = Math.min(left, most);
      for (const batch of log.slice(offset)) {
        if (batch.length > room && !(first && batches.length === 0)) break;
        batches.push(batch);
        room -= batch.length;
      }
      const records = batches.length === 0 ? NOTHING : Buffer.concat(batches);
      if (records.length > 0) first = false;
      left -= records.length;
      const [highWatermark, lastStableOffset] = [log.length, log.length];
      return { topic: 't', partition, error: 0, highWatermark, lastStableOffset, logStart: 0, aborted: [], records };
    });
  }
}

describe('readers that share a fetcher', () => {
  // It makes no difference who else reads them.
  it('get their partitions in order, each record once, in one held fetch a leader and one beside it', async () => {
    const sizes = fc.array(fc.oneof(fc.nat(100), fc.integer({ min: 200_000, max: 2_000_000 })), { maxLength: 6 });
    const logs = fc.array(sizes, { minLength: 1, maxLength: 12 });
    const readers = fc.array(fc.uniqueArray(fc.nat(11), { minLength: 1 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        logs,
        readers,
        fc.integer({ min: 1, max: 3 }),
        fc.nat(20),
        async (all, reading, leaders, late) => {
          const cluster = new Cluster(leaders);
          const fetcher = cluster.fetcher();
          let appended = 0;
          const append = (): void => {
            for (const [partition, log] of all.entries())
              if (log[appended] !== undefined) cluster.append(partition, log[appended] as number);
            appended++;
          };
          while (appended < 3) append();
          const each = reading.map((partitions) => {
            const reader = new KafkaReader(fetcher, true, () => undefined);
            const own = [...new Set(partitions.map((partition) => partition % all.length))];
            for (const partition of own) reader.seek({ topic: 't', partition, offset: 0 });
            return { reader, own, seen: new Map(own.map((partition) => [partition, [] as number[]])) };
          });
          const left = (): boolean =>
            each.some(({ own, seen }) =>
              own.some((partition) => seen.get(partition)?.length !== all[partition]?.length),
            );
          for (let round = 0; left(); round++) {
            if (round >= late % 5 && appended < 6) append();
            for (const { reader, seen } of each)
              for (const batch of await reader.poll({ maxRecords: 1 + (late % 7), maxWaitMs: 0 }))
                for (const { partition, offset } of batch.records) seen.get(partition)?.push(offset);
            await nextTurn();
            if (round % 10 === 9) cluster.clock.advance(200);
            assert.ok(round < 2_000, 'records that do not come');
          }
          for (const { seen } of each)
            for (const [partition, offsets] of seen)
              assert.deepEqual(
                offsets,
                all[partition]?.map((_, i) => i),
              );
          for (const { reader } of each) await reader.close();
          await fetcher.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('do not wait for each other: what is sought while a fetch is held comes at once', async () => {
    const cluster = new Cluster(1);
    const fetcher = cluster.fetcher();
    const idle = new KafkaReader(fetcher, true, () => undefined);
    idle.seek({ topic: 't', partition: 0, offset: 0 });
    await idle.poll({ maxRecords: 1, maxWaitMs: 0 });
    while (cluster.underWay.get(0)?.held !== 1) await nextTurn();
    cluster.logs[1] = [batchOf(10, 0)];
    const other = new KafkaReader(fetcher, true, () => undefined);
    other.seek({ topic: 't', partition: 1, offset: 0 });
    const [batch] = await other.poll({ maxRecords: 1, maxWaitMs: 60_000 });
    assert.deepEqual([batch?.partition, batch?.records.length], [1, 1]);
    assert.equal(cluster.clock.monotonic(), 0);
    await fetcher.close();
    cluster.clock.advance(200);
  });

  it('have 64 MiB ahead, an answer a leader, and a batch of each partition, however many they read', async () => {
    const [partitions, leaders] = [300, 2];
    const cluster = new Cluster(leaders);
    const batch = batchOf(255_000, 0);
    for (let partition = 0; partition < partitions; partition++)
      cluster.logs[partition] = Array.from({ length: 8 }, (_, offset) => {
        const copy = Buffer.from(batch);
        setBaseOffset(copy, offset);
        return copy;
      });
    const fetcher = cluster.fetcher();
    const readers = Array.from({ length: partitions }, (_, partition) => {
      const reader = new KafkaReader(fetcher, true, () => undefined);
      reader.seek({ topic: 't', partition, offset: 0 });
      return reader;
    });
    const settled = async (): Promise<void> => {
      for (let before = -1; before !== cluster.served; ) {
        before = cluster.served;
        for (let turn = 0; turn < 20; turn++) await nextTurn();
      }
    };
    await readers[0]?.poll({ maxRecords: 1, maxWaitMs: 0 });
    await settled();
    const most = 64 * MIB + leaders * 2 * 16 * MIB + partitions * batch.length;
    assert.ok(cluster.served <= most, `${cluster.served / MIB} MiB`);
    for (const reader of readers) {
      const [got] = await reader.poll({ maxRecords: 1, maxWaitMs: 60_000 });
      assert.equal(got?.records.length, 1);
    }
    await fetcher.close();
    cluster.clock.advance(200);
  });
});
