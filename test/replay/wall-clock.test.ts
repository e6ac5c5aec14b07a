import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Topology } from '#src/index.js';
import { applyReset, planReset, type ReplayedRecord, replay, verify } from '#src/replay/index.js';
import type { CommitStep, EngineOptions } from '#src/runtime/config/config.js';
import { SkewedClock } from '../dsl/clock/clock.support.js';
import { Application, diskMachine, memoryBroker, type TextRecord } from '../support/application.js';
import { cut, rowsAt, type Seen, seenOf } from './live-and-past.js';
import { balanced, operators, wired } from './wall-clock.support.js';

const ONCE = ['exactly_once'] as const;
const BOTH = ['exactly_once', 'at_least_once'] as const;

type Step =
  | { readonly what: 'write'; readonly topic: 'in' | 'more'; readonly records: readonly TextRecord[] }
  | { readonly what: 'wait'; readonly ms: number }
  | { readonly what: 'crash'; readonly after: number }
  | { readonly what: 'restart' }
  /** The clock is set back, or the application moves to a machine with a clock that is behind. */
  | { readonly what: 'back'; readonly ms: number; readonly restarts: boolean };

const records = fc.array(
  fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.nat({ max: 9 }), late: fc.nat({ max: 3 }) }),
  { minLength: 1, maxLength: 5 },
);

/** Late enough that the clock can be set back. */
const START = 1_000;

/**
 * Steps, with event times that follow the wall clock. What is written later is later, also in the other
 * topic: a replay merges by event time, and a running application cannot wait for what was not written yet.
 */
const stories: fc.Arbitrary<readonly Step[]> = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.tuple(fc.constantFrom('in' as const, 'more' as const), records) },
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 30 }) },
      { weight: 1, arbitrary: fc.record({ after: fc.nat({ max: 9 }) }) },
      { weight: 1, arbitrary: fc.constant('restart' as const) },
      { weight: 1, arbitrary: fc.record({ back: fc.integer({ min: 1, max: 40 }), restarts: fc.boolean() }) },
    ),
    { minLength: 4, maxLength: 14 },
  )
  .map((parts) => {
    let now = START;
    return parts.map((part, n): Step => {
      if (part === 'restart') return { what: 'restart' };
      if (typeof part === 'object' && 'back' in part) return { what: 'back', ms: part.back, restarts: part.restarts };
      if (typeof part === 'number') {
        now += part;
        return { what: 'wait', ms: part };
      }
      if (!Array.isArray(part)) return { what: 'crash', after: (part as { after: number }).after };
      const [topic, some] = part as [
        Step extends infer S ? (S extends { topic: infer T } ? T : never) : never,
        { key: string; value: number; late: number }[],
      ];
      return {
        what: 'write',
        topic,
        records: some.map(({ key, value, late }) => ({ key, value: `${value}`, timestamp: now + 4 * n + 3 - late })),
      };
    });
  });

async function lived(app: Application, story: readonly Step[]): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  await app.start();
  for (const step of story) {
    let left = Number.POSITIVE_INFINITY;
    app.crashHere = (_step: CommitStep) => left-- === 0;
    if (step.what === 'write') await app.write(step.topic, step.records);
    else if (step.what === 'wait') app.clock.advance(step.ms);
    else if (step.what === 'crash') left = step.after;
    else {
      const restarts = step.what === 'restart' || step.restarts;
      if (restarts) await app.stop();
      if (step.what === 'back') (app.clock as SkewedClock).skew -= step.ms;
      if (restarts) await app.start();
    }
    // A crash hits what comes next: here, what the clock brings.
    if (step.what === 'crash') app.clock.advance(5);
    await app.runThrough(async () => {
      left = Number.POSITIVE_INFINITY;
    });
    // A session's row looks otherwise in a store that is shown: what it emits is compared.
    seen.push(await seenOf(app, (name) => !name.startsWith('sessions[')));
  }
  return seen;
}

describe('what the wall clock has done is done again by a replay', () => {
  for (const [how, wire] of Object.entries(wired)) {
    for (const [what, build] of Object.entries(operators)) {
      // Under at_least_once, a fold behind a repartition may count a record twice, and a replay does not.
      const guarantees = how.includes('repartition') ? ONCE : BOTH;
      for (const guarantee of guarantees) {
        it(`${what}, ${how}, ${guarantee}`, async () => {
          await fc.assert(
            fc.asyncProperty(stories, fc.constantFrom(1, 2, 7, 1_000), async (story, batchRecords) => {
              const options: EngineOptions = { guarantee, batchRecords };
              const app = new Application({
                topology: wire(build),
                options,
                broker: memoryBroker(),
                clock: new SkewedClock(START),
              });
              // The order of what two tasks write to one partition of a repartition topic is that of their
              // commits.
              const partitions = how === 'before a repartition' ? 1 : 2;
              await app.createTopics({ in: partitions, more: partitions, out: 1 });
              const all = await lived(app, story);
              for (const seen of all) assert.deepEqual(await rowsAt(app, seen), seen.rows);
              if (guarantee === 'exactly_once') {
                const outputs: ReplayedRecord[] = [];
                const last = all.at(-1) as Seen;
                const until = { kind: 'offset', offsets: await cut(app, last) } as const;
                await replay(app.topology, {
                  broker: app.broker,
                  inMemory: true,
                  until,
                  onOutput: (some) => void outputs.push(...some),
                });
                const shown = outputs
                  .filter(({ topic }) => topic === 'out')
                  .map(({ key, value, timestamp }) => `${key} = ${value} @${timestamp}`);
                const live = (await app.read('out')).map(
                  ({ key, value, timestamp }) => `${key} = ${value} @${timestamp}`,
                );
                assert.deepEqual(shown.toSorted(), live.toSorted());
                const report = await verify(app.topology, { broker: app.broker, inMemory: true });
                assert.deepEqual(report.differences, []);
                if (balanced.has(what) && how !== 'before a repartition') {
                  app.clock.advance(1_000);
                  await app.runThrough();
                  const values = (await app.read('out')).map(({ value }) => Number(value));
                  assert.equal(
                    values.reduce((sum, value) => sum + value, 0),
                    0,
                  );
                }
              }
              await app.close();
            }),
            { numRuns: 8 },
          );
        });
      }
    }
  }
});

describe('a reset to the beginning', () => {
  for (const [what, build] of Object.entries(operators)) {
    it(`takes again what the wall clock had brought: ${what}`, async () => {
      await fc.assert(
        fc.asyncProperty(stories, async (story) => {
          const topology = wired['from a source']?.(build) as Topology;
          const machine = diskMachine();
          const app = new Application({ topology, broker: memoryBroker(), machine, clock: new SkewedClock(START) });
          await app.createTopics({ in: 2, more: 2, out: 1 });
          const before = (await lived(app, story)).at(-1) as Seen;
          const out = await app.read('out');
          await app.stop();
          const { broker, clock } = app;
          const { stateDirectory } = machine;
          const plan = await planReset(topology, {
            broker,
            stateDirectory,
            to: { kind: 'earliest' },
            now: clock.now(),
          });
          await applyReset(plan, { broker, stateDirectory, clock });
          const [after] = await lived(app, [{ what: 'wait', ms: 0 }]);
          assert.deepEqual(after?.rows, before.rows);
          assert.deepEqual(await app.read('out'), out);
          await app.close();
          await machine.lose();
        }),
        { numRuns: 4 },
      );
    });
  }
});
