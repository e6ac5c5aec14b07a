import assert from 'node:assert/strict';
import { Client } from '#src/broker/kafkajs/connection/client.js';
import type { Connections } from '#src/broker/kafkajs/connection/connections.js';
import { BytesReader, BytesWriter } from '#src/broker/kafkajs/wire/bytes.js';
import { CODE, ProtocolError } from '#src/broker/kafkajs/wire/errors.js';
import type { Request } from '#src/broker/kafkajs/wire/request.js';
import { Transactions } from '#src/broker/kafkajs/writing/transaction.js';
import type { Membership } from '#src/broker/port.js';
import type { Clock } from '#src/model/ports.js';

const PRODUCER = 7;
const at = (topic: string, partition: number) => ({ topic, partition });
const transactionScope = { groupId: 'app', sources: [at('in', 0)], own: [at('log', 0)], topics: ['out'] };
const member = { groupId: 'app', memberId: '', generation: -1 } as Membership;

/** No time passes. */
const clock: Clock = {
  now: () => 0,
  monotonic: () => 0,
  after: (_, callback) => {
    queueMicrotask(callback);
    return () => undefined;
  },
};

/**
 * A cluster of one broker, as far as transactions go. Killed in the middle of an EndTxn it knows afterwards what was decided, and has lost the markers: partitions
 * and offsets (here by the name of their group) stay open.
 */
class KilledCluster {
  /** What was asked, that is not asked for each transaction. */
  readonly asked: string[] = [];
  readonly ended: string[] = [];
  readonly open = new Set<string>();
  readonly added = new Set<string>();
  state = 'Empty';
  id = PRODUCER;
  #epoch = -1;
  /** The next EndTxn kills it: with, or before its markers are written. */
  killed: 'with markers' | 'without markers' | undefined;

  /** Of a process that is killed together with the cluster, if wanted. */
  client(mortal = false): Client {
    const ask = async (request: Request<unknown>): Promise<unknown> => {
      if (mortal && this.ended.length > 0) throw new Error('this process is dead');
      const from = new BytesReader(request.write(new BytesWriter(undefined)).written);
      return this.#answers[request.apiName]?.(from);
    };
    return new Client(
      { ask: (_: number, request: Request<unknown>) => ask(request), askAny: ask } as unknown as Connections,
      clock,
    );
  }

  readonly #answers: Readonly<Record<string, (from: BytesReader) => unknown>> = {
    FindCoordinator: () => 1,
    Metadata: () => ({
      controller: 1,
      topics: ['in', 'log', 'out'].map((name) => ({
        name,
        error: 0,
        internal: false,
        allowed: 0,
        partitions: [0, 1].map((partition) => ({ partition, leader: 1 })),
      })),
    }),
    DescribeTransactions: () => {
      if (this.#epoch < 0) throw new ProtocolError(CODE.transactionalIdNotFound);
      return { state: this.state, producerId: PRODUCER };
    },
    InitProducerId: () => {
      this.state = 'Empty';
      return { id: this.id, epoch: ++this.#epoch };
    },
    AddPartitionsToTxn: (from) => {
      this.#head(from);
      from.array(() => {
        const topic = from.text();
        from.array(() => this.added.add(`${topic}[${from.int32()}]`));
      });
      for (const touched of this.added) this.open.add(touched);
    },
    AddOffsetsToTxn: (from) => {
      this.#head(from);
      this.added.add(from.text());
    },
    TxnOffsetCommit: () => void this.open.add('app'),
    EndTxn: (from) => {
      this.#head(from);
      // Asked the same again.
      if (this.added.size === 0) return;
      const committed = from.bool();
      this.state = committed ? 'CompleteCommit' : 'CompleteAbort';
      const { killed } = this;
      this.killed = undefined;
      if (killed !== 'without markers') for (const touched of this.added) this.open.delete(touched);
      this.ended.push(`${committed ? 'commit' : 'abort'} of ${[...this.added].sort().join(', ')}`);
      this.added.clear();
      if (killed) throw Object.assign(new Error('the connection was reset'), { code: 'ECONNRESET' });
    },
    DescribeProducers: () => {
      this.asked.push('DescribeProducers');
      return ['log', 'out'].flatMap((topic) =>
        [0, 1].map((partition) => ({
          ...at(topic, partition),
          error: 0,
          open: this.open.has(`${topic}[${partition}]`) ? [99, PRODUCER] : [99],
        })),
      );
    },
    OffsetFetch: () => {
      this.asked.push('OffsetFetch');
      if (this.open.has('app')) throw new ProtocolError(CODE.unstableOffsetCommit);
      return [];
    },
  };

  #head(from: BytesReader): void {
    from.text();
    from.int64();
    from.int16();
  }
}

describe('markers that a killed cluster has lost', () => {
  let cluster: KilledCluster;
  beforeEach(() => {
    cluster = new KilledCluster();
  });
  const everything = 'app, log[0], out[1]';

  /** The transaction of a task: its changelog, an output, its offsets. */
  async function begin(mortal = false): Promise<Transactions> {
    const transactions = new Transactions(cluster.client(mortal), 'app-0', 60_000, transactionScope);
    await transactions.init();
    cluster.asked.length = 0;
    await transactions.addPartitions([at('log', 0), at('out', 1)]);
    await transactions.addOffsets(member, [{ ...at('in', 0), offset: 5 }]);
    return transactions;
  }

  for (const commit of [true, false]) {
    const end = commit ? 'commit' : 'abort';
    it(`are written again by the writer that waits for the ${end}`, async () => {
      const transactions = await begin();
      cluster.killed = 'without markers';
      await transactions.end(commit);
      assert.deepEqual(cluster.ended, [`${end} of ${everything}`, `${end} of ${everything}`]);
      assert.deepEqual([...cluster.open], []);
    });

    it(`are written again by the next writer, if none waits: the ${end} stays one`, async () => {
      const transactions = await begin(true);
      cluster.killed = 'without markers';
      await assert.rejects(transactions.end(commit), /this process is dead/);
      await new Transactions(cluster.client(), 'app-0', 60_000, transactionScope).init();
      assert.deepEqual([...cluster.open], []);
      assert.deepEqual(cluster.ended, [`${end} of ${everything}`, `${end} of ${everything}`]);
    });
  }

  it('are not looked for when the coordinator stayed', async () => {
    const transactions = await begin();
    await transactions.end(true);
    assert.deepEqual(cluster.asked, []);
    assert.equal(cluster.ended.length, 1);
  });

  it('are looked for, and nothing else happens, when the coordinator went away after it had written them', async () => {
    const transactions = await begin();
    cluster.killed = 'with markers';
    await transactions.end(true);
    assert.deepEqual(cluster.asked, ['DescribeProducers', 'OffsetFetch']);
    assert.equal(cluster.ended.length, 1);
  });

  it('are left alone by a writer that cannot know how the transaction ended, or cannot end it', async () => {
    await begin();
    for (const [state, id] of [
      ['Empty', PRODUCER],
      ['CompleteCommit', PRODUCER + 1],
    ] as const) {
      cluster.state = state;
      cluster.id = id;
      await new Transactions(cluster.client(), 'app-0', 60_000, transactionScope).init();
    }
    assert.deepEqual(cluster.ended, []);
    assert.deepEqual(cluster.asked, []);
  });
});
