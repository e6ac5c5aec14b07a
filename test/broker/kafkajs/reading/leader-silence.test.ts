import assert from 'node:assert/strict';
import type { Client, Routes } from '#src/broker/kafkajs/connection/client.js';
import type { Cursor } from '#src/broker/kafkajs/reading/cursor.js';
import { KafkaReader } from '#src/broker/kafkajs/reading/reader.js';
import { CODE, ProtocolError, unknownPartition } from '#src/broker/kafkajs/wire/errors.js';
import type { Logger } from '#src/model/ports.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { fails } from '../../contract.support.js';

const gone = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const NOTHING = { error: 0, highWatermark: 0, lastStableOffset: 0, logStart: 0, aborted: [], records: Buffer.alloc(0) };

/** What the leader of the partition that is looked at does when it is asked. */
type Leader = 'answers' | 'refuses' | 'moves' | 'is nobody' | 'does not know it' | 'is that of others, and busy';

/**
 * A reader of two partitions: broker 1 leads `here` and answers, broker 2 leads `away`. Time passes only by
 * polls that wait.
 */
function bench() {
  const clock = new ManualClock();
  const said: string[] = [];
  const log = (fields: object, message: string): void => void said.push(`${JSON.stringify(fields)} ${message}`);
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  const bench = { leader: 'answers' as Leader };
  let asks = 0;
  const client = {
    clock,
    forgetTopics() {},
    async route(cursors: readonly Cursor[]): Promise<Routes<Cursor>> {
      const away = cursors.filter(({ topic }) => topic === 'away');
      const here = cursors.filter(({ topic }) => topic === 'here' || topic === 'other');
      const errors = new Map<Leader, unknown>([
        ['is nobody', new ProtocolError(CODE.leaderNotAvailable)],
        ['does not know it', unknownPartition('away[0]')],
      ]);
      const error = errors.get(bench.leader);
      const failed = error === undefined ? [] : away.map((partition) => ({ partition, error }));
      const busy = bench.leader === 'is that of others, and busy';
      const groups = [
        [1, busy ? [...here, ...away] : here] as const,
        [2, error === undefined && !busy ? away : []] as const,
      ];
      return { leaders: new Map(groups.filter(([, group]) => group.length > 0)), failed } as Routes<Cursor>;
    },
    connections: {
      async close() {},
      async ask(node: number) {
        if (node === 2 && bench.leader === 'refuses') throw gone;
        const busy = bench.leader === 'is that of others, and busy';
        // The one that is held, and the one beside it.
        const asked = busy ? ++asks : 1;
        await new Promise<void>((resolve) => clock.after(busy ? 30_000 : 200, resolve));
        const error = node === 2 && bench.leader === 'moves' ? CODE.notLeaderOrFollower : 0;
        const topic = node === 2 ? 'away' : asked % 2 === 1 ? 'here' : 'other';
        return [{ topic, partition: 0, ...NOTHING, error }];
      },
    },
  };
  const reader = new KafkaReader(client as unknown as Client, true, () => undefined, logger);
  for (const topic of ['here', 'away']) reader.seek({ topic, partition: 0, offset: 0 });
  /** Polls for so many seconds; the error that ended it, and after how many. */
  const poll = async (seconds: number): Promise<{ readonly error?: unknown; readonly seconds: number }> => {
    const began = clock.monotonic();
    const passed = (): number => (clock.monotonic() - began) / 1_000;
    while (passed() < seconds) {
      let polling = true;
      const polled = reader.poll({ maxRecords: 10, maxWaitMs: 1_000 }).finally(() => {
        polling = false;
      });
      const outcome = polled.then(
        () => undefined,
        (error: unknown) => ({ error, seconds: passed() }),
      );
      while (polling) {
        await nextTurn();
        if (polling && clock.waiting) clock.fireNext();
      }
      const failed = await outcome;
      if (failed) return failed;
    }
    return { seconds: passed() };
  };
  return Object.assign(bench, { poll, said, reader });
}

describe('the leader of a partition', () => {
  let run: ReturnType<typeof bench>;
  beforeEach(() => {
    run = bench();
  });
  afterEach(() => run.reader.close());

  for (const leader of ['refuses', 'moves', 'is nobody'] as const) {
    // The log line and the error name the partition, the log line the broker as well.
    it(`that ${leader} is logged once, and fails after a minute of its own, whatever others answer`, async () => {
      run.leader = leader;
      const { error, seconds } = await run.poll(600);
      fails('BROKER_UNAVAILABLE', 'away[0]')(error);
      assert.ok(seconds >= 59 && seconds <= 62, `after ${seconds} s`);
      assert.equal(run.said.length, 1, run.said.join('\n'));
      assert.match(run.said[0] ?? '', /"topic":"away","partition":0.*away\[0\].*has not answered for 5 s/);
      if (leader !== 'is nobody') assert.match(run.said[0] ?? '', /"broker":2/);
    });

    it(`that ${leader} for a time is no error; its return is logged, and a new minute begins`, async () => {
      for (let n = 1; n <= 3; n++) {
        run.leader = leader;
        assert.equal((await run.poll(40)).error, undefined);
        run.leader = 'answers';
        assert.equal((await run.poll(5)).error, undefined);
        assert.equal(run.said.length, 2 * n, run.said.join('\n'));
        assert.match(run.said.at(-1) ?? '', /answers again, after 4\d s/);
      }
    });
  }

  it('that is away for a moment is not logged', async () => {
    for (let n = 1; n <= 10; n++) {
      run.leader = 'refuses';
      assert.equal((await run.poll(3)).error, undefined);
      run.leader = 'answers';
      assert.equal((await run.poll(1)).error, undefined);
    }
    assert.deepEqual(run.said, []);
  });

  it('of a topic that does not exist is not waited for: TOPIC_UNKNOWN after a second', async () => {
    run.leader = 'does not know it';
    const { error, seconds } = await run.poll(600);
    fails('TOPIC_UNKNOWN', 'away[0]')(error);
    assert.ok(seconds <= 2, `after ${seconds} s`);
  });

  for (const leader of ['refuses', 'moves', 'is nobody'] as const) {
    it(`that ${leader} is not missed while the partition is paused, and has a new minute when it resumes`, async () => {
      const away = [{ topic: 'away', partition: 0 }];
      run.leader = leader;
      assert.equal((await run.poll(3)).error, undefined);
      run.reader.pause(away);
      assert.equal((await run.poll(600)).error, undefined);
      assert.deepEqual(run.said, []);
      run.reader.resume(away);
      const { error, seconds } = await run.poll(600);
      fails('BROKER_UNAVAILABLE', 'away[0]')(error);
      assert.ok(seconds >= 59 && seconds <= 62, `after ${seconds} s`);
    });
  }

  it('that is busy with other partitions is not silent about one that it was not asked for', async () => {
    run.reader.remove([{ topic: 'away', partition: 0 }]);
    run.leader = 'is that of others, and busy';
    await run.poll(1);
    run.reader.seek({ topic: 'other', partition: 0, offset: 0 });
    await run.poll(1);
    run.reader.seek({ topic: 'away', partition: 0, offset: 0 });
    await run.poll(20);
    assert.deepEqual(
      run.said.filter((line) => line.includes('away')),
      [],
    );
  });
});
