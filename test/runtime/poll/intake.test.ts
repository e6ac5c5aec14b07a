import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { BrokerRecord, PartitionOffset, Reader, RecordBatch, TopicPartition } from '#src/broker/port.js';
import { StreamsError } from '#src/model/errors.js';
import { Headers } from '#src/model/headers.js';
import { NotReady } from '#src/model/not-ready.js';
import { silentLogger } from '#src/model/ports.js';
import type { Alignment } from '#src/runtime/align/alignment.js';
import { textOf } from '#src/runtime/config/offset-texts.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { Intake } from '#src/runtime/poll/intake.js';
import { KnownEnds } from '#src/runtime/poll/known-ends.js';
import type { Dates } from '#src/runtime/poll/lane.js';
import { type Paced, PacedIntake } from '#src/runtime/poll/paced-intake.js';
import { ManualClock } from '#src/testing/manual-clock.js';

const record = (topic: string, offset: number, timestamp: number): BrokerRecord => ({
  topic,
  partition: 0,
  offset,
  timestamp,
  key: null,
  value: null,
  headers: Headers.none,
});

/** Logs by topic: pairs of offset and timestamp. */
type Logs = Readonly<Record<string, readonly (readonly [offset: number, timestamp: number])[]>>;

/** What one poll answers: for these topics what they have next, and nothing else. */
type Turn = readonly string[];

/**
 * A reader over logs whose polls answer for the topics whose turn it is: as a network does. Without a turn
 * left it answers for all.
 */
class SlowReader implements Reader {
  readonly #logs: Logs;
  readonly #ends: Map<string, number>;
  readonly #positions = new Map<string, number>();
  readonly #turns: Turn[];
  readonly paused = new Set<string>();
  readonly silent = new Set<string>();
  polls = 0;
  wakeups = 0;

  constructor(logs: Logs, turns: readonly Turn[] = [], holes = 0) {
    this.#logs = logs;
    this.#turns = [...turns];
    this.#ends = new Map(Object.entries(logs).map(([topic, log]) => [topic, (log.at(-1)?.[0] ?? -1) + 1 + holes]));
  }

  get latest(): PartitionOffset[] {
    return [...this.#ends].map(([topic, offset]) => ({ topic, partition: 0, offset }));
  }

  /** Part of the log is lost. */
  cut(topic: string, end: number): void {
    this.#ends.set(topic, end);
  }

  seek({ topic, offset }: PartitionOffset): void {
    this.#positions.set(topic, offset);
  }
  remove(): void {}
  pause(partitions: readonly { topic: string }[]): void {
    for (const { topic } of partitions) this.paused.add(topic);
  }
  resume(partitions: readonly { topic: string }[]): void {
    for (const { topic } of partitions) this.paused.delete(topic);
  }
  wakeup(): void {
    this.wakeups++;
  }
  async close(): Promise<void> {}

  async poll({ maxRecords }: { maxRecords: number }): Promise<readonly RecordBatch[]> {
    this.polls++;
    return this.#answer(this.#turns.shift() ?? [...this.#positions.keys()], maxRecords);
  }

  #answer(topics: readonly string[], maxRecords: number): RecordBatch[] {
    let left = maxRecords;
    return topics.flatMap((topic, i) => {
      const position = this.#positions.get(topic) as number;
      const latestOffset = this.#ends.get(topic) as number;
      if (this.silent.has(topic) || this.paused.has(topic) || position >= latestOffset) return [];
      const rest = (this.#logs[topic] ?? []).filter(([offset]) => offset >= position && offset < latestOffset);
      const found = rest.slice(0, Math.ceil(left / (topics.length - i)));
      left -= found.length;
      const nextOffset = found.length === rest.length ? latestOffset : (found.at(-1)?.[0] as number) + 1;
      this.#positions.set(topic, nextOffset);
      const records = found.map(([offset, timestamp]) => record(topic, offset, timestamp));
      return [{ topic, partition: 0, records, nextOffset, latestOffset }];
    });
  }
}

const start = (logs: Logs): PartitionOffset[] => Object.keys(logs).map((topic) => ({ topic, partition: 0, offset: 0 }));

/** Takes until nothing is left. */
async function all(intake: Intake, max: number): Promise<string[]> {
  const taken: string[] = [];
  while (intake.lag > 0) {
    const records = await intake.take(max, 0);
    assert.ok(records.length <= max);
    taken.push(...records.map(({ topic, offset }) => `${topic}@${offset}`));
  }
  return taken;
}

/** The merge by its definition: always the head with the lowest time, at a tie the first by topic. */
function merged(logs: Logs, timeOf: (topic: string, offset: number, timestamp: number) => number = (_t, _o, at) => at) {
  const rest = Object.entries(logs).map(([topic, log]) => ({ topic, log: [...log] }));
  const order: string[] = [];
  for (;;) {
    const heads = rest
      .filter(({ log }) => log.length > 0)
      .map(({ topic, log }) => ({ topic, log, time: timeOf(topic, ...(log[0] as readonly [number, number])) }))
      .sort((a, b) => a.time - b.time || (a.topic < b.topic ? -1 : 1));
    const [first] = heads;
    if (first === undefined) return order;
    order.push(`${first.topic}@${first.log.shift()?.[0]}`);
  }
}

const log = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 40 })), { maxLength: 12 })
  .map((steps) => {
    let offset = -1;
    return steps.map(([step, timestamp]) => {
      offset += step;
      return [offset, timestamp] as const;
    });
  });
/** Declared in another order than that of their names. */
const logs = fc.tuple(log, log, log).map(([b, a, c]) => ({ b, a, c }));
const sizes = fc.constantFrom(1, 2, 7, 1_000);
/** Polls that answer for some topics, or for none. */
const turns = fc.array(fc.subarray(['a', 'b', 'c']), { maxLength: 30 });

/** Admin and clock of a wait whose end may go back. */
function ends(latestOffsets: (of: readonly TopicPartition[]) => Promise<readonly PartitionOffset[]>) {
  const clock = new ManualClock();
  const asked: string[][] = [];
  const warnings: string[] = [];
  const admin = {
    latestOffsets: (of: readonly TopicPartition[]) => {
      asked.push(of.map(({ topic }) => topic));
      return latestOffsets(of);
    },
  };
  const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) };
  return { clock, asked, warnings, ends: new KnownEnds({ admin, clock, logger }) };
}

describe('the intake', () => {
  it('merges partitions by timestamp, whatever the batch size', async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.constantFrom(1, 2, 7, 1_000), async (given, max) => {
        const reader = new SlowReader(given);
        assert.deepEqual(await all(new Intake(reader, start(given), reader.latest), max), merged(given));
      }),
      { numRuns: 300 },
    );
  });

  it('waits for a partition that lags: no order of answers and no empty poll changes the result', async () => {
    await fc.assert(
      fc.asyncProperty(logs, turns, sizes, fc.integer({ min: 0, max: 2 }), async (given, answers, max, holes) => {
        const reader = new SlowReader(given, answers, holes);
        assert.deepEqual(await all(new Intake(reader, start(given), reader.latest), max), merged(given));
      }),
      { numRuns: 500 },
    );
  });

  it('compares times that sources tell: asks for each once, at most a batch and a record a partition ahead', async () => {
    await fc.assert(
      fc.asyncProperty(
        logs,
        turns,
        sizes,
        fc.infiniteStream(fc.integer({ min: 0, max: 40 })),
        async (given, answers, max, random) => {
          const times = new Map<string, number>();
          const timeOf = (topic: string, offset: number): number => {
            const place = `${topic}@${offset}`;
            const time = times.get(place) ?? random.next().value;
            times.set(place, time);
            return time;
          };
          const order = merged(given, (topic, offset, at) => (topic === 'c' ? at : timeOf(topic, offset)));
          let unused = 0;
          const asked: string[] = [];
          const dates: Dates = {
            timeOf: ({ topic, offset }) => {
              asked.push(`${topic}@${offset}`);
              assert.ok(++unused <= max + 2);
              // The first time it has to be fetched.
              if (offset % 3 === 0) throw new NotReady(async () => undefined);
              return timeOf(topic, offset);
            },
            timeWhenReady: async ({ topic, offset }) => timeOf(topic, offset),
          };
          const reader = new SlowReader(given, answers);
          const datesOf = (topic: string) => (topic === 'c' ? undefined : dates);
          const intake = new Intake(reader, start(given), reader.latest, { datesOf });
          const taken: string[] = [];
          while (intake.lag > 0) {
            const records = await intake.take(max, 0);
            unused -= records.filter(({ topic }) => topic !== 'c').length;
            taken.push(...records.map(({ topic, offset }) => `${topic}@${offset}`));
          }
          assert.deepEqual(taken, order);
          assert.equal(new Set(asked).size, asked.length);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('of one partition asks for no time: what is alone comes next whenever it happened', async () => {
    const given = {
      a: [
        [0, 3],
        [1, 2],
      ],
    } as const;
    const reader = new SlowReader(given);
    const datesOf = () => ({ timeOf: () => assert.fail('asked'), timeWhenReady: () => assert.fail('asked') });
    assert.deepEqual(await all(new Intake(reader, start(given), reader.latest, { datesOf }), 10), ['a@0', 'a@1']);
  });

  it('waits at the first batch already, for records that were there when it began', async () => {
    const given = { a: [[0, 20]], b: [[0, 10]] } as const;
    const reader = new SlowReader(given, [['a']]);
    assert.deepEqual(await all(new Intake(reader, start(given), reader.latest), 10), ['b@0', 'a@0']);
  });

  it('does not wait for a partition that is read to its end', async () => {
    const given = {
      a: [
        [0, 20],
        [1, 30],
      ],
      b: [],
    } as const;
    const reader = new SlowReader(given);
    const intake = new Intake(reader, start(given), reader.latest);
    assert.equal((await intake.take(10, 0)).length, 2);
    assert.equal(reader.polls, 1);
  });

  it('takes nothing and is not idle while a partition with records is silent, for any polls and wakeups', async () => {
    const given = { a: [[0, 20]], b: [[0, 10]] } as const;
    const reader = new SlowReader(given);
    reader.silent.add('b');
    const intake = new Intake(reader, start(given), reader.latest);
    for (let n = 1; n <= 100; n++) {
      intake.wakeup();
      assert.deepEqual(await intake.take(10, 0), []);
      assert.deepEqual([intake.isWaiting, intake.lag, reader.polls], [true, 2, n]);
    }
    reader.silent.delete('b');
    assert.deepEqual(await all(intake, 10), ['b@0', 'a@0']);
    assert.equal(intake.isWaiting, false);
  });

  it('goes on when a reader says that it has moved without records', async () => {
    const given = { a: [[0, 20]], b: [] } as const;
    const reader = new SlowReader(given, [['a'], ['b']], 3);
    const intake = new Intake(reader, start(given), reader.latest);
    assert.deepEqual(await intake.take(10, 0), []);
    assert.equal((await intake.take(10, 0)).length, 1);
    assert.deepEqual(intake.positions, [
      { topic: 'a', partition: 0, offset: 4 },
      { topic: 'b', partition: 0, offset: 3 },
    ]);
  });

  it('asks after a second where a silent partition ends, and does not wait for what its log has lost', async () => {
    const given = {
      a: [[0, 20]],
      b: [
        [0, 10],
        [1, 11],
      ],
    } as const;
    const reader = new SlowReader(given);
    const watch = ends(async () => reader.latest);
    const intake = new Intake(reader, start(given), reader.latest, { ends: watch.ends });
    reader.cut('b', 1);
    assert.deepEqual(
      (await intake.take(10, 0)).map(({ topic }) => topic),
      ['b'],
    );
    for (const ms of [0, 999]) {
      watch.clock.advance(ms);
      assert.deepEqual(await intake.take(10, 0), []);
      assert.deepEqual(watch.asked, []);
    }
    watch.clock.advance(1);
    assert.deepEqual(await intake.take(10, 0), []);
    await nextTurn();
    assert.deepEqual(watch.asked, [['b']]);
    assert.equal(reader.wakeups, 1);
    assert.deepEqual(
      (await intake.take(10, 0)).map(({ topic }) => topic),
      ['a'],
    );
    assert.match(watch.warnings.join(), /^b\[0\] ended at offset 2, and ends at 1 now/);
  });

  it('waits on for a partition whose end is still there, and a cluster that is away, asking each second', async () => {
    const given = { a: [[0, 20]], b: [[0, 10]] } as const;
    const reader = new SlowReader(given);
    reader.silent.add('b');
    const answers = [
      async () => reader.latest,
      () => Promise.reject(new StreamsError('BROKER_UNAVAILABLE', { what: 'no answer', action: 'Wait.' })),
    ];
    const watch = ends(() => (answers.shift() ?? (async () => reader.latest))());
    const intake = new Intake(reader, start(given), reader.latest, { ends: watch.ends });
    for (let n = 0; n < 100; n++) {
      assert.deepEqual(await intake.take(10, 0), []);
      await nextTurn();
      watch.clock.advance(100);
    }
    assert.ok(watch.asked.length >= 4 && watch.asked.length <= 10, `${watch.asked.length} times`);
    assert.deepEqual(watch.warnings, []);
    reader.silent.delete('b');
    assert.deepEqual(await all(intake, 10), ['b@0', 'a@0']);
  });

  it('ends the wait for a topic that is gone by its error', async () => {
    const given = { a: [[0, 20]], b: [[0, 10]] } as const;
    const reader = new SlowReader(given);
    reader.silent.add('b');
    const watch = ends(() =>
      Promise.reject(new StreamsError('TOPIC_UNKNOWN', { what: 'there is no topic b', action: 'Create it.' })),
    );
    const intake = new Intake(reader, start(given), reader.latest, { ends: watch.ends });
    await intake.take(10, 0);
    watch.clock.advance(1_000);
    await intake.take(10, 0);
    await nextTurn();
    await assert.rejects(intake.take(10, 0), /there is no topic b/);
  });

  it('has its positions behind all that it took and before all that it did not, holes and markers included', async () => {
    await fc.assert(
      fc.asyncProperty(
        logs,
        fc.constantFrom(1, 3, 1_000),
        fc.integer({ min: 0, max: 2 }),
        async (given, max, holes) => {
          const reader = new SlowReader(given, [], holes);
          const intake = new Intake(reader, start(given), reader.latest);
          const taken = new Set<string>();
          while (intake.lag > 0) {
            const records = await intake.take(max, 0);
            for (const { topic, offset } of records) taken.add(`${topic}@${offset}`);
            for (const { topic, offset: position } of intake.positions) {
              for (const [offset] of given[topic as 'a'])
                assert.equal(
                  offset < position,
                  taken.has(`${topic}@${offset}`),
                  `${topic}@${offset} and position ${position}`,
                );
            }
          }
          assert.deepEqual(
            intake.positions,
            reader.latest.toSorted((a, b) => (a.topic < b.topic ? -1 : 1)),
          );
          assert.equal(intake.lag, 0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('knows from the beginning how much there is to do', async () => {
    const given = {
      a: [
        [0, 20],
        [1, 21],
      ],
      b: [[4, 10]],
    } as const;
    const reader = new SlowReader(given);
    const intake = new Intake(reader, start(given), reader.latest);
    assert.equal(intake.lag, 2 + 5);
    await intake.take(2, 0);
    assert.equal(intake.lag, 1);
  });

  it('pauses a partition that is far ahead in time, and lets it go on when it is used up', async () => {
    const far = Array.from({ length: 60 }, (_, i) => [i, 1_000] as const);
    const near = Array.from({ length: 200 }, (_, i) => [i, i] as const);
    const given = { far, near };
    const reader = new SlowReader(given);
    const intake = new Intake(reader, start(given), reader.latest);
    const taken: string[] = [];
    let paused = false;
    for (let records = await intake.take(4, 0); records.length > 0; records = await intake.take(4, 0)) {
      taken.push(...records.map(({ topic }) => topic));
      paused ||= reader.paused.has('far');
    }
    assert.ok(paused);
    assert.deepEqual(taken, [...near.map(() => 'near'), ...far.map(() => 'far')]);
  });

  it('keeps an end that has risen while it was asked where the log ends', async () => {
    let answer = (_: readonly PartitionOffset[]): void => undefined;
    const asked = ends(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    const silent = { topic: 'a', partition: 0, end: 5 };
    const wait = (): void =>
      asked.ends.askFor(
        () => [silent],
        () => undefined,
      );
    wait();
    asked.clock.advance(1_000);
    wait();
    silent.end = 8;
    answer([{ topic: 'a', partition: 0, offset: 4 }]);
    await nextTurn();
    assert.equal(silent.end, 8);
    assert.deepEqual(asked.warnings, []);
  });

  it('of a task that others wait for reports what its commit wrote, and not where it has come since', async () => {
    const given: Logs = {
      a: [
        [0, 5],
        [1, 10],
        [2, 20],
      ],
    };
    const commits: (number | undefined)[] = [];
    const alignment = {
      now: 0,
      isAwaited: false,
      othersOf: () => ['other'],
      nextClosing: (_: unknown, time: number) => time + 1,
      view: async () => ({ standings: new Map([['other', { isBehind: true, time: 0 }]]), ends: new Map() }),
      waits: () => undefined,
      wait: async () => undefined,
      wake: () => undefined,
    };
    const task = {
      id: 'own',
      subTopology: { id: 'sub' },
      uncommitted: 0,
      streamTime: 0,
      touch: () => undefined,
      commit: async (): Promise<void> => {
        const { positions } = intake;
        commits.push(textOf(positions[0]?.metadata).next as number | undefined);
        intake.committed(positions);
      },
    };
    const reader = new SlowReader(given);
    const intake: PacedIntake = new PacedIntake(reader, start(given), reader.latest, {
      alignment: alignment as unknown as Alignment,
      task: task as unknown as Paced,
      committed: [],
    });
    await intake.take(10, 0);
    assert.deepEqual(commits, [5]);
    // A commit begins here, and ends when more was taken.
    const { positions } = intake;
    alignment.nextClosing = () => 8;
    await intake.take(1, 0);
    intake.committed(positions);
    await intake.take(10, 0);
    assert.deepEqual(commits, [5, 10]);
  });
});
