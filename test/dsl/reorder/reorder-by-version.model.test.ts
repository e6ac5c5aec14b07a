import assert from 'node:assert/strict';
import fc from 'fast-check';
import { reorderByVersion } from '#src/index.js';
import { deadLetters, feed, json, open, read, type Short, through } from '../support.js';

interface Options {
  readonly first: number | undefined;
  readonly stale: 'drop' | 'deadLetter' | 'pass';
  readonly then: 'skip' | 'fail' | 'deadLetter' | undefined;
  readonly maxBuffered: number;
  readonly big: boolean;
}

interface Given {
  readonly key: string;
  readonly version: number;
  readonly timestamp: number;
}

const WAIT = 10;

const operator = ({ first, stale, then, maxBuffered, big }: Options) =>
  through<number>((input) =>
    input.pipe(
      reorderByVersion({
        store: 'order',
        version: (record) => (big ? BigInt(Math.floor(record.value)) : Math.floor(record.value)),
        stale,
        maxBuffered,
        ...(first === undefined ? {} : { first: big ? BigInt(first) : first }),
        ...(then === undefined ? {} : { gap: { wait: `${WAIT}ms`, then } }),
      }),
    ),
  );

/** The same in a few plain lines: what passes, what becomes a dead letter. Values are made unique: version + place / 1000. */
class Model {
  readonly passed: Short[] = [];
  readonly dead: number[] = [];
  readonly #options: Options;
  readonly #queues = new Map<string, { next: number; held: Map<number, Short>; since: number }>();
  #streamTime = Number.NEGATIVE_INFINITY;

  constructor(options: Options) {
    this.#options = options;
  }

  take(record: Short<number>): void {
    const [key, value, timestamp] = record as readonly [string, number, number];
    const version = Math.floor(value);
    this.#streamTime = Math.max(this.#streamTime, timestamp);
    const queue = this.#queues.get(key) ?? { next: this.#options.first ?? version, held: new Map(), since: 0 };
    if (version < queue.next || queue.held.has(version)) this.#stale(record, value);
    else if (version !== queue.next && queue.held.size >= this.#options.maxBuffered) return void this.dead.push(value);
    else {
      this.#queues.set(key, queue);
      if (queue.held.size === 0) queue.since = this.#streamTime;
      queue.held.set(version, record);
      this.#release(queue);
    }
    this.#expire(value);
  }

  #release(queue: { next: number; held: Map<number, Short>; since: number }): void {
    for (let record = queue.held.get(queue.next); record; record = queue.held.get(queue.next)) {
      queue.held.delete(queue.next++);
      this.passed.push(record);
      queue.since = this.#streamTime;
    }
  }

  #stale(record: Short, value: number): void {
    if (this.#options.stale === 'pass') this.passed.push(record);
    if (this.#options.stale === 'deadLetter') this.dead.push(value);
  }

  #expire(atHand: number): void {
    const due = [...this.#queues]
      .filter(([, { held, since }]) => held.size > 0 && since + WAIT <= this.#streamTime)
      .sort(([a, { since: x }], [b, { since: y }]) => x - y || (a < b ? -1 : 1));
    for (const [, queue] of due) {
      const waiting = [...queue.held.keys()].sort((a, b) => a - b);
      if (this.#options.then === undefined) return;
      if (this.#options.then === 'fail') {
        queue.since = this.#streamTime;
        return void this.dead.push(atHand);
      }
      if (this.#options.then === 'skip') {
        queue.next = waiting[0]!;
        this.#release(queue);
      } else {
        for (const version of waiting) this.dead.push(queue.held.get(version)![1] as number);
        queue.held.clear();
      }
    }
  }
}

const options = fc.record({
  first: fc.constantFrom(1, 0, undefined),
  stale: fc.constantFrom('drop', 'deadLetter', 'pass'),
  then: fc.constantFrom('skip', 'fail', 'deadLetter', undefined),
  maxBuffered: fc.constantFrom(1, 2, 3, 100),
  big: fc.boolean(),
}) as fc.Arbitrary<Options>;

const given: fc.Arbitrary<Given[]> = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    version: fc.integer({ min: 0, max: 8 }),
    timestamp: fc.nat({ max: 60 }),
  }),
  { maxLength: 40 },
);

const shorts = (records: readonly Given[]): Short<number>[] =>
  records.map(({ key, version, timestamp }, i) => [key, version + i / 1_000, timestamp]);

describe('reorderByVersion against a simple model', () => {
  it('passes and dead-letters the same, with any options, batches and crash', async () => {
    await fc.assert(
      fc.asyncProperty(
        options,
        given,
        fc.constantFrom(1, 2, 7, 1_000),
        fc.nat({ max: 40 }),
        async (chosen, generated, batchRecords, crashAt) => {
          const records = shorts(generated);
          const model = new Model(chosen);
          for (const record of records) model.take(record);
          const driver = await open(operator(chosen), { batchRecords, onError: { process: 'deadLetter' } });
          await feed(driver, 'in', records.slice(0, crashAt));
          await driver.crash();
          await feed(driver, 'in', records.slice(crashAt));
          await driver.restart();
          assert.deepEqual(await read(driver), model.passed);
          assert.deepEqual(
            (await deadLetters(driver)).map(({ value }) => value),
            model.dead,
          );
          await driver.close();
        },
      ),
      { numRuns: 200 },
    );
  });

  it('passes the versions of each entity in order, each once, however they are delivered', async () => {
    const counts = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        counts,
        fc.boolean(),
        fc.nat(),
        fc.constantFrom(1, 3),
        fc.constantFrom(1, 2, 7, 1_000),
        async (sizes, big, seed, partitions, batchRecords) => {
          const target = operator({ first: 1, stale: 'drop', then: undefined, maxBuffered: 10_000, big });
          const driver = await open(target, { partitions, batchRecords });
          const all = sizes.flatMap((size, entity) =>
            Array.from({ length: size }, (_, i) => ({ key: `e${entity}`, value: i + 1 })),
          );
          await driver.input('in', json<number>()).sendAll(all, { duplicate: 0.3, shuffle: 10, seed });
          const found = (await read(driver)).reduce(
            (map, [entity, version]) => map.set(entity, [...(map.get(entity) ?? []), version]),
            new Map<unknown, unknown[]>(),
          );
          for (const [entity, size] of sizes.entries())
            assert.deepEqual(
              found.get(`e${entity}`),
              Array.from({ length: size }, (_, i) => i + 1),
            );
          await driver.close();
        },
      ),
      { numRuns: 60 },
    );
  });
});
