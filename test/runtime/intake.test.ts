import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { BrokerRecord, PartitionOffset, Reader, RecordBatch } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { Intake } from '#src/runtime/intake.js';

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

/** A reader over logs that answers only for the topics whose turn it is: as a network does. */
class SlowReader implements Reader {
  readonly #logs: Logs;
  readonly #ends: ReadonlyMap<string, number>;
  readonly #positions = new Map<string, number>();
  /** Topics that each poll answers for; all when it is used up. */
  readonly turns: (readonly string[])[];
  readonly paused = new Set<string>();
  readonly silent = new Set<string>();
  polls = 0;

  constructor(logs: Logs, turns: (readonly string[])[] = [], holes = 0) {
    this.#logs = logs;
    this.turns = turns;
    this.#ends = new Map(Object.entries(logs).map(([topic, log]) => [topic, (log.at(-1)?.[0] ?? -1) + 1 + holes]));
  }

  get latest(): PartitionOffset[] {
    return [...this.#ends].map(([topic, offset]) => ({ topic, partition: 0, offset }));
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
  wakeup(): void {}
  async close(): Promise<void> {}

  async poll({ maxRecords }: { maxRecords: number }): Promise<readonly RecordBatch[]> {
    this.polls++;
    for (let turn = this.turns.shift(); turn !== undefined; turn = this.turns.shift()) {
      const batches = this.#answer(turn, maxRecords);
      if (batches.length > 0) return batches;
    }
    return this.#answer(
      [...this.#positions.keys()].filter((topic) => !this.silent.has(topic)),
      maxRecords,
    );
  }

  #answer(topics: readonly string[], maxRecords: number): RecordBatch[] {
    let left = maxRecords;
    return topics.flatMap((topic, i) => {
      const position = this.#positions.get(topic) as number;
      const latestOffset = this.#ends.get(topic) as number;
      if (this.paused.has(topic) || position >= latestOffset) return [];
      const rest = (this.#logs[topic] ?? []).filter(([offset]) => offset >= position);
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

async function all(intake: Intake, max: number): Promise<string[]> {
  const taken: string[] = [];
  for (let empty = 0; empty < 3; ) {
    const records = await intake.take(max, 0);
    assert.ok(records.length <= max);
    empty = records.length === 0 ? empty + 1 : 0;
    taken.push(...records.map(({ topic, offset }) => `${topic}@${offset}`));
  }
  return taken;
}

/** The merge by its definition: always the head with the lowest timestamp, the first partition at a tie. */
function merged(logs: Logs): string[] {
  const rest = Object.entries(logs).map(([topic, log]) => ({ topic, log: [...log] }));
  const order: string[] = [];
  for (;;) {
    const heads = rest.filter(({ log }) => log.length > 0);
    if (heads.length === 0) return order;
    const oldest = heads.reduce((a, b) => ((b.log[0]?.[1] as number) < (a.log[0]?.[1] as number) ? b : a));
    order.push(`${oldest.topic}@${oldest.log.shift()?.[0]}`);
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
const logs = fc.tuple(log, log, log).map(([a, b, c]) => ({ a, b, c }));

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

  it('waits for a partition that lags: the order does not depend on which answers first', async () => {
    const turns = fc.array(fc.subarray(['a', 'b', 'c'], { minLength: 1 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(logs, turns, fc.constantFrom(2, 7, 1_000), async (given, answers, max) => {
        const reader = new SlowReader(given, answers);
        assert.deepEqual(await all(new Intake(reader, start(given), reader.latest), max), merged(given));
      }),
      { numRuns: 300 },
    );
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

  it('does not wait for ever for a partition that keeps silent', async () => {
    const given = { a: [[0, 20]], b: [[0, 10]] } as const;
    const reader = new SlowReader(given);
    reader.silent.add('b');
    const intake = new Intake(reader, start(given), reader.latest);
    assert.deepEqual(
      (await intake.take(10, 0)).map(({ topic }) => topic),
      ['a'],
    );
  });

  it('has its positions behind everything taken, and before everything that is not, holes and markers included', async () => {
    await fc.assert(
      fc.asyncProperty(
        logs,
        fc.constantFrom(1, 3, 1_000),
        fc.integer({ min: 0, max: 2 }),
        async (given, max, holes) => {
          const reader = new SlowReader(given, [], holes);
          const intake = new Intake(reader, start(given), reader.latest);
          const taken = new Set<string>();
          for (let empty = 0; empty < 3; ) {
            const records = await intake.take(max, 0);
            empty = records.length === 0 ? empty + 1 : 0;
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
          assert.deepEqual(intake.positions, reader.latest);
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
});
