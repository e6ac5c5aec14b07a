import assert from 'node:assert/strict';
import fc from 'fast-check';
import { filter, merge } from 'rxjs';
import { partitionKey } from '#src/broker/port.js';
import { count, groupBy, serdes, type Topology, topology, toStream, toTable } from '#src/index.js';
import { isStreamsError } from '#src/model/errors.js';
import { applyReset, parseMoment, planReset } from '#src/replay/index.js';
import type { EngineOptions, Guarantee } from '#src/runtime/config/config.js';
import { Application, memoryMachine, pumped } from '../../support/application.js';
import { temporaryDirectory } from '../../support/project.js';

const text = { key: serdes.string, value: serdes.string };
const SOURCES = ['left', 'right'] as const;
type Source = (typeof SOURCES)[number];

const byValue = { key: serdes.string, name: 'by-value' } as const;

const DROPPED = 'w3';

/** Records that leave no row: only offsets, and directories of the machine, know of them. */
const DROPPING = topology('feed', (t) => {
  merge(t.stream('left', text), t.stream('right', text)).pipe(
    filter(({ value }) => value !== DROPPED),
    toTable({ store: 'latest', value: serdes.string }),
    toStream(),
    groupBy(({ value }) => value ?? '', byValue),
    count({ store: 'totals' }),
  );
});

const UNEVEN = topology('feed', (t) => {
  const moved = t.stream('left', text).pipe(groupBy(({ value }) => value, byValue));
  merge(moved, t.stream('right', text)).pipe(count({ store: 'totals' }));
});

/** They all count the words that come, but those they drop, by their values, behind a repartition. */
const TOPOLOGIES: Readonly<Record<string, Topology>> = {
  'no store before the repartition': topology('feed', (t) => {
    merge(t.stream('left', text), t.stream('right', text)).pipe(
      groupBy(({ value }) => value, byValue),
      count({ store: 'totals' }),
    );
  }),
  'a table before the repartition': topology('feed', (t) => {
    merge(t.stream('left', text), t.stream('right', text)).pipe(
      toTable({ store: 'latest', value: serdes.string }),
      toStream(),
      groupBy(({ value }) => value ?? '', byValue),
      count({ store: 'totals' }),
    );
  }),
  'two repartitions in a row': topology('feed', (t) => {
    merge(t.stream('left', text), t.stream('right', text)).pipe(
      groupBy(({ key }) => `${key}!`, { key: serdes.string, name: 'by-key' }),
      groupBy(({ value }) => value, byValue),
      count({ store: 'totals' }),
    );
  }),
  'records before the repartition that leave no row': DROPPING,
  'a source that goes through none': UNEVEN,
};
const REPARTITIONS = ['feed-by-key-repartition', 'feed-by-value-repartition'];

interface Word {
  readonly source: Source;
  readonly word: number;
}

interface Life {
  readonly name: string;
  readonly guarantee: Guarantee;
  readonly startFrom: NonNullable<EngineOptions['startFrom']>;
  readonly partitions: number;
  /** Each is committed before the next is written. */
  readonly rounds: readonly (readonly Word[])[];
  /** Topics whose offsets are gone. */
  readonly gone: readonly string[];
  /** What was processed of repartition topics is gone. */
  readonly purged: boolean;
  readonly newMachine: boolean;
  /** Written before it is started again. */
  readonly since: readonly Word[];
  readonly later: readonly Word[];
}

const words = fc.array(fc.record({ source: fc.constantFrom(...SOURCES), word: fc.nat(3) }), { maxLength: 6 });
const all = [...SOURCES, ...REPARTITIONS];
const lives: fc.Arbitrary<Life> = fc.record({
  name: fc.constantFrom(...Object.keys(TOPOLOGIES)),
  guarantee: fc.constantFrom<Guarantee>('at_least_once', 'exactly_once'),
  startFrom: fc.constantFrom('earliest' as const, 'latest' as const),
  partitions: fc.integer({ min: 1, max: 2 }),
  rounds: fc.array(words, { minLength: 1, maxLength: 3 }),
  gone: fc.oneof(fc.constant(all), fc.subarray(all)),
  purged: fc.boolean(),
  newMachine: fc.boolean(),
  since: fc.oneof(fc.constant([]), words),
  later: words,
});

class Lived {
  readonly #life: Life;
  readonly topology: Topology;
  app: Application;
  readonly written: Word[] = [];
  #time = 0;

  constructor(life: Life) {
    this.#life = life;
    const { name, guarantee, startFrom } = life;
    this.topology = TOPOLOGIES[name] as Topology;
    this.app = new Application({
      topology: this.topology,
      options: { guarantee, startFrom },
      machine: memoryMachine(),
    });
  }

  async begin(): Promise<void> {
    const { rounds, partitions } = this.#life;
    await this.app.createTopics({ left: partitions, right: partitions });
    await this.app.start();
    for (const round of rounds) {
      await this.write(round);
      await this.app.run();
    }
    await this.app.stop();
  }

  async write(round: readonly Word[]): Promise<void> {
    for (const { source, word } of round) {
      const value = `w${word}`;
      // Where it is counted as it comes, it has its key already.
      const isKeyed = this.topology === UNEVEN && source === 'right';
      await this.app.write(source, [{ key: isKeyed ? value : `k${++this.#time}`, value, timestamp: this.#time }]);
    }
    this.written.push(...round);
  }

  async lose(): Promise<void> {
    const { broker, machine } = this.app;
    const { gone, purged, newMachine } = this.#life;
    const committed = await broker.admin.groupOffsets('feed');
    await broker.admin.deleteGroup('feed');
    await broker.admin.setGroupOffsets(
      'feed',
      committed.filter(({ topic }) => !gone.includes(topic)),
    );
    if (purged) await broker.admin.deleteRecords(committed.filter(({ topic }) => REPARTITIONS.includes(topic)));
    // On another machine nothing is left of records without rows.
    if (newMachine && this.topology !== DROPPING) await machine.lose();
  }

  /** Where the repartition topics end. */
  async ends(): Promise<string> {
    const { admin } = this.app.broker;
    const partitions = (await admin.describeTopics(REPARTITIONS)).flatMap(({ name, partitions: count }) =>
      Array.from({ length: count }, (_, partition) => ({ topic: name, partition })),
    );
    const ends = await admin.latestOffsets(partitions);
    return ends.map(({ topic, partition, offset }) => `${partitionKey(topic, partition)}=${offset}`).join(' ');
  }

  async follow(advice: string): Promise<void> {
    const { broker, clock } = this.app;
    const stateDirectory = temporaryDirectory();
    const to = parseMoment(advice);
    const plan = await planReset(this.topology, { broker, to, stateDirectory, now: clock.now(), stores: 'keep' });
    await pumped(clock, applyReset(plan, { broker, stateDirectory, clock }));
  }

  get right(): Readonly<Record<string, number>> {
    const rows: Record<string, number> = {};
    for (const { word } of this.written) rows[`w${word}`] = (rows[`w${word}`] ?? 0) + 1;
    if (this.topology === DROPPING) delete rows[DROPPED];
    return rows;
  }

  async rows(): Promise<Readonly<Record<string, number>>> {
    const rows = Object.entries(await this.app.rows()).filter(([name]) => name.startsWith('totals['));
    const sums: Record<string, number> = {};
    for (const [name, row] of rows) {
      const key = JSON.parse(name.slice(name.indexOf(' ') + 1));
      sums[key] = (sums[key] ?? 0) + Number.parseInt(row, 10);
    }
    return sums;
  }
}

describe('whatever becomes of the offsets of an application with repartitions', () => {
  it('rows are right, or it writes nothing and says once how to go on: one reset is then enough', async function () {
    this.timeout(0);
    let refused = 0;
    let ran = 0;
    await fc.assert(
      fc.asyncProperty(lives, async (life) => {
        const lived = new Lived(life);
        try {
          await lived.begin();
          const before = lived.right;
          await lived.lose();
          const { app } = lived;
          await lived.write(life.since);
          const ends = await lived.ends();
          try {
            await app.start();
            ran++;
          } catch (error) {
            assert.ok(isStreamsError(error) && error.code === 'STATE_MISMATCH', String(error));
            refused++;
            await assert.rejects(app.start(), { code: 'STATE_MISMATCH' });
            assert.equal(await lived.ends(), ends, 'a start that is refused writes something');
            // Where the application was, nobody can know if records came since.
            if (life.since.length > 0) return;
            await lived.follow(/--to (offset:\S+) --stores keep/.exec(error.message)?.[1] ?? '');
            await app.start();
          }
          await app.run();
          await lived.write(life.later);
          await app.run();
          const rows = await lived.rows();
          const known = new Set(life.rounds.flat().map(({ source }) => source));
          // From the ends on: of what is new to the application.
          if (life.startFrom === 'latest' && life.since.some(({ source }) => !known.has(source))) {
            for (const [word, n] of Object.entries(before))
              assert.ok((rows[word] ?? 0) >= n, `${word} is counted less`);
            for (const [word, n] of Object.entries(lived.right))
              assert.ok((rows[word] ?? 0) <= n, `${word} counts twice`);
          } else assert.deepEqual(rows, lived.right);
        } finally {
          await lived.app.close().catch(() => undefined);
        }
      }),
      { numRuns: 120 },
    );
    assert.ok(refused > 0 && ran > 0, `${refused} refused, ${ran} ran`);
  });
});
