import assert from 'node:assert/strict';
import fc from 'fast-check';
import { merge } from 'rxjs';
import { partitionKey } from '#src/broker/port.js';
import { count, serdes, to, topology, toStream } from '#src/index.js';
import { isStreamsError } from '#src/model/errors.js';
import { applyReset, parseMoment, planReset } from '#src/replay/index.js';
import type { EngineOptions, Guarantee } from '#src/runtime/config/config.js';
import { Application, type Machine, memoryMachine, pumped, readTopic } from '../../support/application.js';
import { temporaryDirectory } from '../../support/project.js';

const text = { key: serdes.string, value: serdes.string };
const SOURCES = ['left', 'right'] as const;
type Source = (typeof SOURCES)[number];

const counts = topology('counts', (t) => {
  merge(t.stream('left', text), t.stream('right', text)).pipe(
    count({ store: 'totals' }),
    toStream(),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

const CHANGELOG = 'counts-totals-changelog';

/** A key that is written to a source. */
interface Word {
  readonly source: Source;
  readonly key: number;
}

/** What becomes of the committed offset of a source, and of its records. */
interface Loss {
  readonly offset: 'kept' | 'gone' | number;
  /** Records that retention takes before the application starts again: that part of those which it has committed. */
  readonly retained: number;
}

interface Life {
  readonly guarantee: Guarantee;
  /** What it is started with after the loss. */
  readonly afterwards: Guarantee;
  readonly startFrom: NonNullable<EngineOptions['startFrom']>;
  /** Each is committed before the next is written. */
  readonly rounds: readonly (readonly Word[])[];
  /** The last round is logged, and its offsets are not committed. */
  readonly crashes: boolean;
  readonly losses: Readonly<Record<Source, Loss>>;
  /** The tool that moves offsets keeps what is written beside them. */
  readonly keepsMetadata: boolean;
  /** `stale`: one that had the task in the first round only. */
  readonly machine: 'same' | 'new' | 'stale';
  readonly later: readonly Word[];
}

const words = fc.array(fc.record({ source: fc.constantFrom(...SOURCES), key: fc.nat(4) }), { maxLength: 6 });
const loss: fc.Arbitrary<Loss> = fc.record({
  offset: fc.oneof(
    fc.constant('kept' as const),
    fc.constant('gone' as const),
    fc.double({ min: 0, max: 1, noNaN: true }),
  ),
  retained: fc.constantFrom(1, 1, 0.5, 0),
});
const lives: fc.Arbitrary<Life> = fc.record({
  guarantee: fc.constantFrom<Guarantee>('at_least_once', 'exactly_once'),
  afterwards: fc.constantFrom<Guarantee>('at_least_once', 'exactly_once'),
  startFrom: fc.constantFrom('earliest' as const, 'latest' as const),
  rounds: fc.array(words, { minLength: 1, maxLength: 4 }),
  crashes: fc.boolean(),
  losses: fc.record({ left: loss, right: loss }),
  keepsMetadata: fc.boolean(),
  machine: fc.constantFrom('same', 'new', 'stale'),
  later: words,
});

function counted(all: readonly Word[]): Readonly<Record<string, number>> {
  const rows: Record<string, number> = {};
  for (const { key } of all) rows[`k${key}`] = (rows[`k${key}`] ?? 0) + 1;
  return rows;
}

/** Runs it; what it has at the end. */
class Lived {
  readonly #life: Life;
  readonly #first = memoryMachine();
  app: Application;
  readonly #written: Word[] = [];
  /** Sources of which rows tell: they have changed some key last in a commit. */
  readonly #evident = new Set<Source>();
  /** Records that were not committed before anything was lost. */
  #uncommitted: readonly Word[] = [];
  /** The rows that were committed before anything was lost. */
  committed: Readonly<Record<string, number>> = {};
  #time = 0;

  constructor(life: Life) {
    this.#life = life;
    const { guarantee, startFrom } = life;
    this.app = new Application({ topology: counts, options: { guarantee, startFrom }, machine: this.#first });
  }

  #moveTo(machine: Machine, guarantee: Guarantee): void {
    const { broker, clock } = this.app;
    const { startFrom } = this.#life;
    this.app = new Application({ topology: counts, options: { guarantee, startFrom }, broker, clock, machine });
  }

  async begin(): Promise<void> {
    const { rounds, crashes, machine, guarantee } = this.#life;
    await this.app.createTopics({ left: 1, right: 1, out: 1 });
    await this.app.start();
    for (const [i, round] of rounds.entries()) {
      if (i === 1 && machine === 'stale') {
        await this.app.stop();
        this.#moveTo(memoryMachine(), guarantee);
        await this.app.start();
      }
      const { app } = this;
      await this.write(round);
      app.crashHere = (step) => crashes && i === rounds.length - 1 && step === '2 log';
      if (!(await app.run())) this.#uncommitted = round;
      else {
        this.committed = this.right;
        for (const source of new Map(round.map((word) => [word.key, word.source])).values()) this.#evident.add(source);
      }
    }
    this.app.crashHere = () => false;
    await this.app.stop();
  }

  /** Does what the message of a start that was refused says. */
  async follow({ message }: Error): Promise<void> {
    const { broker, clock } = this.app;
    const stateDirectory = temporaryDirectory();
    const moment = parseMoment(/--to (offset:\S+) --stores keep/.exec(message)?.[1] ?? '');
    const plan = await planReset(counts, { broker, to: moment, stateDirectory, now: clock.now(), stores: 'keep' });
    await pumped(clock, applyReset(plan, { broker, stateDirectory, clock }));
  }

  async write(round: readonly Word[]): Promise<void> {
    for (const { source, key } of round)
      await this.app.write(source, [{ key: `k${key}`, value: 'x', timestamp: ++this.#time }]);
    this.#written.push(...round);
  }

  /** Takes offsets and records away. Returns whether the offsets are as they were, and of a task. */
  async lose(): Promise<boolean> {
    const { broker } = this.app;
    const { losses, keepsMetadata } = this.#life;
    const before = await broker.admin.groupOffsets('counts');
    const committed = new Map(before.map((at) => [at.topic, at]));
    const after = SOURCES.flatMap((topic) => {
      const { offset } = losses[topic];
      const at = committed.get(topic);
      if (!at || offset === 'gone') return [];
      if (offset === 'kept') return [at];
      return [{ ...(keepsMetadata ? at : { topic, partition: 0 }), offset: Math.floor(offset * at.offset) }];
    });
    await broker.admin.deleteGroup('counts');
    await broker.admin.setGroupOffsets('counts', after);
    for (const topic of SOURCES) {
      const end = committed.get(topic)?.offset ?? 0;
      const offset = end - Math.ceil(losses[topic].retained * end);
      await broker.admin.deleteRecords([{ topic, partition: 0, offset }]);
    }
    if (this.#life.machine === 'new') await this.app.machine.lose();
    this.#moveTo(this.#life.machine === 'stale' ? this.#first : this.app.machine, this.#life.afterwards);
    const texts = (list: readonly { readonly topic: string; readonly offset: number }[]): string[] =>
      list.map(({ topic, offset }) => partitionKey(topic, offset)).sort();
    // Offsets that are all set by hand tell of no source how far it was, unless that is nowhere.
    const told = after.every(({ offset }) => offset === 0) || after.some(({ metadata }) => metadata !== undefined);
    return told && String(texts(before)) === String(texts(after));
  }

  /** Each record counted once. */
  get right(): Readonly<Record<string, number>> {
    return counted(this.#written);
  }

  /**
   * Records that may be passed over under `startFrom: 'latest'`: nothing that is left tells that the application
   * has read their source before.
   */
  get maybeNew(): Readonly<Record<string, number>> {
    return counted(this.#uncommitted.filter(({ source }) => !this.#evident.has(source)));
  }

  async rows(): Promise<Readonly<Record<string, number>>> {
    const rows = Object.entries(await this.app.rows());
    return Object.fromEntries(rows.map(([name, row]) => [JSON.parse(name.split(' ')[1] as string), parseInt(row, 10)]));
  }

  /** The keys that whoever reads the changelog finds. */
  async liveKeys(): Promise<ReadonlySet<string>> {
    const live = new Set<string>();
    for (const { key, value } of await readTopic(this.app.broker, CHANGELOG)) {
      if (value === null) live.delete(String(key));
      else live.add(String(key));
    }
    return live;
  }
}

const followed = ({ losses }: Life): boolean => SOURCES.every((source) => losses[source].retained === 1);

const kept: Loss = { offset: 'kept', retained: 1 };
const toStart: Loss = { offset: 0, retained: 1 };
const fromLatest = {
  guarantee: 'at_least_once',
  afterwards: 'at_least_once',
  startFrom: 'latest',
  keepsMetadata: false,
  later: [],
} as const;
/** Met once, and rarely since. */
const known: readonly Life[] = [
  // Offsets of 0 that are set to 0: as they were.
  {
    ...fromLatest,
    rounds: [[{ source: 'left', key: 0 }]],
    crashes: true,
    losses: { left: toStart, right: kept },
    machine: 'same',
  },
  // Offsets as they were, and all set by hand: refused.
  {
    ...fromLatest,
    startFrom: 'earliest',
    rounds: [[{ source: 'left', key: 0 }], [{ source: 'left', key: 0 }]],
    crashes: true,
    losses: { left: { offset: 1, retained: 1 }, right: toStart },
    machine: 'same',
  },
  // The end that is committed of one tells nothing about the other.
  {
    ...fromLatest,
    rounds: [[{ source: 'left', key: 2 }], [{ source: 'right', key: 2 }]],
    crashes: false,
    losses: { left: toStart, right: { offset: 'gone', retained: 1 } },
    machine: 'new',
  },
];

describe('whatever becomes of the offsets of a group', () => {
  it('the rows are right or the application does not start, and its changelog loses no key', async function () {
    this.timeout(0);
    let refused = 0;
    let lost = 0;
    await fc.assert(
      fc.asyncProperty(lives, async (life) => {
        const lived = new Lived(life);
        try {
          await lived.begin();
          const keys = await lived.liveKeys();
          const whole = await lived.lose();
          const { app } = lived;
          let running = true;
          let refusal: Error | undefined;
          try {
            await app.start();
          } catch (error) {
            assert.ok(isStreamsError(error) && error.code === 'STATE_MISMATCH', String(error));
            assert.match(error.action ?? '', /millrace reset FILE --to offset:.*--stores keep/);
            running = false;
            refusal = error;
          }
          if (!whole) lost++;
          if (!running) refused++;
          assert.ok(running || !whole, 'offsets that are as they were are refused');
          if (!running) {
            assert.deepEqual(await lived.liveKeys(), keys);
            // What a crash has left, and what is gone, nobody can know.
            if (life.crashes || !followed(life)) return;
            await lived.follow(refusal as Error);
            await app.start();
            await lived.write(life.later);
            await app.run();
            return assert.deepEqual(await lived.rows(), lived.right);
          }
          try {
            await lived.write(life.later);
            await app.run();
          } catch (error) {
            // Committed is what retention has taken: the reader says so.
            assert.ok(isStreamsError(error) && error.code === 'OFFSET_OUT_OF_RANGE', String(error));
            running = false;
          }
          for (const key of keys) assert.ok((await lived.liveKeys()).has(key), `${key} is gone from the changelog`);
          if (!running) return;
          const rows = await lived.rows();
          if (life.startFrom === 'earliest') return assert.deepEqual(rows, lived.right);
          for (const [key, all] of Object.entries(lived.right)) {
            const row = rows[key] ?? 0;
            assert.ok(row <= all && row >= (lived.committed[key] ?? 0), `${key}: ${row} of ${all}`);
            assert.ok(row >= all - (lived.maybeNew[key] ?? 0), `${key}: ${row} of ${all}, others are passed over`);
          }
        } finally {
          await lived.app.close().catch(() => undefined);
        }
      }),
      { numRuns: 300, examples: known.map((life): [Life] => [life]) },
    );
    assert.ok(refused > 0 && refused < lost, `${refused} of ${lost} were refused`);
  });
});
