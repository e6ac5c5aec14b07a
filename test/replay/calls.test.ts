import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  count,
  effect,
  groupBy,
  mapAsync,
  retryable,
  type Stream,
  type StreamRecord,
  serdes,
  type Topology,
  terminal,
  to,
  topology,
  toStream,
} from '#src/index.js';
import { applyReset, planReset, type ReplayedRecord, replay, verify } from '#src/replay/index.js';
import type { CommitStep, EngineOptions } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { json } from '../dsl/support.js';
import { Application, diskBroker, diskMachine, memoryBroker, type TextRecord } from '../support/application.js';
import { cut, rowsAt, type Seen, seenOf } from './live-and-past.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

/** What a service has seen, and how it answers: by chance, from a seed. */
class Service {
  /** Idempotency keys, by the record that was called: `key value timestamp`. */
  readonly seen = new Map<string, Set<string>>();
  calls = 0;
  readonly #next: () => number;

  constructor(numbers: readonly number[]) {
    let at = 0;
    this.#next = () => numbers[at++ % numbers.length] ?? 0;
  }

  readonly call = async (record: In, { idempotencyKey }: { idempotencyKey: string }): Promise<number> => {
    this.calls++;
    const what = `${record.key} ${record.value} ${record.timestamp}`;
    const keys = this.seen.get(idempotencyKey) ?? new Set();
    keys.add(what);
    this.seen.set(idempotencyKey, keys);
    const n = this.#next();
    for (let turns = n % 4; turns > 0; turns--) await nextTurn();
    if (n % 7 === 5) throw new Error('away');
    if (n % 7 === 6) throw retryable(new Error('busy'), { after: n });
    if (record.value === 9) throw terminal(new Error('nine'));
    return record.value * 10 + (n % 3);
  };
}

const options = {
  retry: { attempts: Number.POSITIVE_INFINITY, backoff: '3ms' },
  breaker: false,
  concurrency: 3,
} as const;

const operators: Readonly<
  Record<string, (service: Service) => (input: Stream<string, number>) => Stream<string, unknown>>
> = {
  effect: (service) => (input) =>
    input.pipe(
      effect('call', {
        run: async (record, context) => void (await service.call(record, context)),
        ...options,
        onFailure: 'deadLetter',
      }),
    ),
  'mapAsync with failures as values': (service) => (input) =>
    input.pipe(mapAsync('call', service.call, { value: numbers.value, ...options, onFailure: 'value' })),
  'mapAsync with a small maxPending': (service) => (input) =>
    input.pipe(
      mapAsync('call', service.call, { value: numbers.value, ...options, onFailure: 'deadLetter', maxPending: 2 }),
    ),
  'mapAsync without an order': (service) => (input) =>
    input.pipe(
      mapAsync('call', service.call, { value: numbers.value, ...options, orderBy: 'none', onFailure: 'value' }),
    ),
};

const wired: Readonly<Record<string, (build: (input: Stream<string, number>) => Stream<string, unknown>) => Topology>> =
  {
    'from a source, before a fold': (build) =>
      topology('app', (t) => {
        const out = build(t.stream('in', numbers));
        out.pipe(to('out', { key: serdes.string, value: serdes.json() }));
        out.pipe(count({ store: 'counts' }), toStream(), to('counts', { key: serdes.string, value: serdes.json() }));
      }),
    'behind a repartition': (build) =>
      topology('app', (t) => {
        build(
          t.stream('in', numbers).pipe(groupBy(({ key, value }) => `${key}${value % 2}`, { name: 'half', ...numbers })),
        ).pipe(to('out', { key: serdes.string, value: serdes.json() }));
      }),
  };

type Step =
  | { readonly what: 'write'; readonly records: readonly TextRecord[] }
  | { readonly what: 'wait'; readonly ms: number }
  | { readonly what: 'crash'; readonly after: number }
  | { readonly what: 'restart' };

const stories: fc.Arbitrary<readonly Step[]> = fc
  .array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), value: fc.nat({ max: 9 }) }), {
          minLength: 1,
          maxLength: 6,
        }),
      },
      { weight: 2, arbitrary: fc.integer({ min: 1, max: 9 }) },
      { weight: 3, arbitrary: fc.record({ after: fc.nat({ max: 12 }) }) },
      { weight: 1, arbitrary: fc.constant('restart' as const) },
    ),
    { minLength: 3, maxLength: 10 },
  )
  .map((parts) => {
    let n = 0;
    return parts.map((part): Step => {
      if (part === 'restart') return { what: 'restart' };
      if (typeof part === 'number') return { what: 'wait', ms: part };
      if (!Array.isArray(part)) return { what: 'crash', after: (part as { after: number }).after };
      return {
        what: 'write',
        records: (part as { key: string; value: number }[]).map(({ key, value }) => ({
          key,
          value: `${value}`,
          timestamp: ++n,
        })),
      };
    });
  });

/** Runs until there is nothing to do, or until everything that was written is done. */
async function runs(app: Application, isEnd: boolean): Promise<void> {
  for (let turns = 0; ; ) {
    await app.runThrough();
    const works = app.engine?.tasks.map(({ outside }) => outside?.works) ?? [];
    const pending = works.reduce((sum, work) => sum + (work?.pending ?? 0), 0);
    if (pending === 0 || (!isEnd && ++turns > 6)) return;
    if (works.every((work) => (work?.running ?? 0) === 0)) {
      if (!isEnd) return;
      app.clock.advance(5);
    }
    await nextTurn();
  }
}

async function lived(app: Application, story: readonly Step[]): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  await app.start();
  for (const step of story) {
    let left = Number.POSITIVE_INFINITY;
    app.crashHere = (_step: CommitStep) => left-- === 0;
    if (step.what === 'write') await app.write('in', step.records);
    else if (step.what === 'wait') app.clock.advance(step.ms);
    else if (step.what === 'crash') {
      left = step.after;
      await app.write('in', [{ key: 'a', value: '1', timestamp: 1_000 + seen.length }]);
    } else {
      await app.stop();
      await app.start();
    }
    await runs(app, false);
    seen.push(await seenOf(app));
  }
  app.crashHere = () => false;
  await runs(app, true);
  seen.push(await seenOf(app));
  return seen;
}

describe('calls have one outcome each, which a replay takes', () => {
  for (const [how, wire] of Object.entries(wired)) {
    for (const [what, build] of Object.entries(operators)) {
      const guarantees = how.includes('repartition')
        ? (['exactly_once'] as const)
        : (['exactly_once', 'at_least_once'] as const);
      for (const guarantee of guarantees) {
        it(`${what}, ${how}, ${guarantee}`, async () => {
          await fc.assert(
            fc.asyncProperty(
              stories,
              fc.constantFrom(1, 2, 7, 1_000),
              fc.array(fc.nat({ max: 100 }), { minLength: 5, maxLength: 20 }).map((some) => [...some, 1, 2]),
              fc.boolean(),
              async (story, batchRecords, answers, onDisk) => {
                const engine: EngineOptions = { guarantee, batchRecords };
                const service = new Service(answers);
                const broker = onDisk ? await diskBroker() : memoryBroker();
                const app = new Application({ topology: wire(build(service)), options: engine, broker });
                await app.createTopics({ in: 2, out: 1, counts: 1, 'app-dead-letter': 1 });
                const all = await lived(app, story);
                const written = await app.read('in');
                const out = await app.read('out');
                const letters = await app.read('app-dead-letter');

                // To the outside: each record under one key, and at least once.
                assert.equal(service.seen.size, written.length);
                for (const whats of service.seen.values()) assert.equal(whats.size, 1);

                if (guarantee === 'exactly_once') {
                  // Inside: one outcome for each record, in the order of its key.
                  assert.equal(out.length + letters.length, written.length);
                  if (!what.includes('without an order') && letters.length === 0)
                    for (const key of new Set(out.map((record) => record.key))) {
                      const times = out.filter((record) => record.key === key).map(({ timestamp }) => timestamp);
                      const own = written
                        .filter((record) => record.key === key || (key?.length === 2 && record.key === key[0]))
                        .map(({ timestamp }) => timestamp)
                        .filter((timestamp) => times.includes(timestamp));
                      assert.deepEqual(times, own);
                    }
                }
                // The past is as it was. (A task behind a repartition that takes no input is behind its sources, which
                // a past that ends at them does not know.)
                const isHeld = what.includes('maxPending') && how.includes('repartition');
                for (const seen of isHeld ? all.slice(-1) : all) assert.deepEqual(await rowsAt(app, seen), seen.rows);
                assert.deepEqual(
                  Object.keys(all.at(-1)?.rows ?? {}).filter((row) => row.startsWith('call-pending')),
                  [],
                );
                if (guarantee === 'exactly_once') {
                  const outputs: ReplayedRecord[] = [];
                  const until = { kind: 'offset', offsets: await cut(app, all.at(-1) as Seen) } as const;
                  const called = service.seen.size;
                  await replay(app.topology, {
                    broker: app.broker,
                    inMemory: true,
                    until,
                    onOutput: (some) => void outputs.push(...some),
                  });
                  const shown = outputs
                    .filter(({ topic }) => topic === 'out')
                    .map(({ key, value, timestamp }) => `${key} = ${value} @${timestamp}`);
                  const live = out.map(({ key, value, timestamp }) => `${key} = ${value} @${timestamp}`);
                  assert.deepEqual(shown.toSorted(), live.toSorted());
                  const report = await verify(app.topology, { broker: app.broker, inMemory: true });
                  assert.deepEqual(report.differences, []);
                  assert.equal(service.seen.size, called);
                }
                await app.close();
              },
            ),
            { numRuns: 10 },
          );
        });
      }
    }
  }
});

describe('a reset to the beginning', () => {
  for (const [what, build] of Object.entries(operators)) {
    it(`takes the outcomes again, and calls nothing: ${what}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          stories.map((steps) => steps.filter(({ what }) => what === 'write' || what === 'wait')),
          fc.array(fc.nat({ max: 100 }), { minLength: 5, maxLength: 20 }).map((some) => [...some, 1, 2]),
          async (story, answers) => {
            const service = new Service(answers);
            const target = wired['from a source, before a fold']?.(build(service)) as Topology;
            const machine = diskMachine();
            const app = new Application({ topology: target, broker: memoryBroker(), machine });
            await app.createTopics({ in: 2, out: 1, counts: 1, 'app-dead-letter': 1 });
            const before = (await lived(app, story)).at(-1) as Seen;
            const out = await app.read('out');
            const calls = service.calls;
            await app.stop();
            const { broker, clock } = app;
            const { stateDirectory } = machine;
            const to = { kind: 'earliest' } as const;
            const plan = await planReset(target, { broker, stateDirectory, to, now: clock.now() });
            await applyReset(plan, { broker, stateDirectory, clock });
            const [after] = await lived(app, []);
            assert.deepEqual(after?.rows, before.rows);
            assert.deepEqual(await app.read('out'), out);
            assert.equal(service.calls, calls);
            await app.close();
            await machine.lose();
          },
        ),
        { numRuns: 4 },
      );
    });
  }
});
