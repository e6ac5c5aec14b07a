import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { filter, merge } from 'rxjs';
import {
  count,
  dedupe,
  groupBy,
  mapValues,
  reduce,
  type Stream,
  serdes,
  type Topology,
  to,
  topology,
  toStream,
  tumbling,
} from '#src/index.js';
import { isStreamsError } from '#src/model/errors.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import { Application, type Machine, memoryMachine, readTopic } from '../../support/application.js';
import { projectFile } from '../../support/project.js';
import { ToldLogger } from '../../support/told.js';

type Words = Stream<string, string>;

const text = { key: serdes.string, value: serdes.string };
const NEW_STORE = /warn: store .* is new in an existing application: .* rebuild FILE --store .* --from sources/;
const MOVED = /info: store totals was made from .* which its sub-topology does not read: it is restored/;

interface Version {
  readonly topology: Topology;
  readonly options?: EngineOptions;
}

interface Change {
  readonly before: Version;
  readonly after: Version;
  /** Runs between the two. */
  readonly between?: Version;
  readonly store?: string;
  /** Where the record is written that comes after the change. */
  readonly laterIn?: string;
  /** What is done to the topics meanwhile. */
  readonly meanwhile?: (app: Application) => Promise<void>;
  readonly told?: RegExp;
  /** On a machine without a state directory, if it is another outcome there; undefined: the page says that it cannot be seen there. */
  readonly elsewhere?: string | undefined;
}

const shop = (declare: (words: Words, more: (topic: string) => Words) => void, options?: EngineOptions): Version => ({
  topology: topology('shop', (t) => declare(t.stream('words', text), (topic) => t.stream(topic, text))),
  ...(options && { options }),
});

const counted = (words: Words, store = 'totals', name = 'out'): void => {
  words.pipe(count({ store }), toStream(), to(name, { key: serdes.string, value: serdes.json() }));
};

const plain = shop((words) => counted(words));
const regrouped = (name: string) =>
  shop((words) => counted(words.pipe(groupBy(({ key }) => key, { key: serdes.string, name }))));
const windowed = (...window: Parameters<typeof tumbling>) =>
  shop((words) =>
    words.pipe(
      count({ store: 'totals', window: tumbling(...window) }),
      toStream(),
      to('out', { key: serdes.windowed(serdes.string), value: serdes.json() }),
    ),
  );
const reduced = (add: (a: string, b: string) => string): Version =>
  shop((words) => words.pipe(reduce({ store: 'totals', value: serdes.string, add }), to('out', text)));
const withDedupe = shop((words) => {
  words.pipe(dedupe({ store: 'seen', id: ({ timestamp }) => String(timestamp), within: '1h' }), to('out', text));
  counted(words, 'totals', 'others');
});
const keyed = (key: typeof serdes.string): Version => ({
  topology: topology('shop', (t) => counted(t.stream('words', { key, value: serdes.string }))),
});

/** By the first cell of the page's table. */
const CHANGES: Readonly<Record<string, Change>> = {
  'Nothing but the code of its functions': {
    before: reduced((a, b) => `${a}${b}`),
    after: reduced((a, b) => `${b}${a}`),
  },
  'A stateless operator is added, removed or moved': {
    before: plain,
    after: shop((words) =>
      counted(
        words.pipe(
          filter(() => true),
          mapValues((value) => value),
        ),
      ),
    ),
  },
  'An operator with a store is added': { before: plain, after: withDedupe, store: 'seen', told: NEW_STORE },
  'Another operator with a store is added': { before: plain, after: withDedupe, told: NEW_STORE },
  'Another operator with a store is removed': { before: withDedupe, after: plain },
  'An operator that was removed is put back': {
    before: plain,
    between: shop((words) => words.pipe(to('out', text))),
    after: plain,
  },
  'A store is renamed': {
    before: plain,
    after: shop((words) => counted(words, 'sums')),
    store: 'sums',
    told: NEW_STORE,
  },
  'A sink is renamed, or writes to another topic': {
    before: plain,
    after: shop((words) => counted(words, 'totals', 'others')),
  },
  'The order of operators is changed': {
    before: withDedupe,
    after: shop((words) => {
      counted(words, 'totals', 'others');
      words.pipe(dedupe({ store: 'seen', id: ({ timestamp }) => String(timestamp), within: '1h' }), to('out', text));
    }),
  },
  'groupBy is put before a fold': { before: plain, after: regrouped('by-word'), told: MOVED },
  'groupBy before a fold is removed': { before: regrouped('by-word'), after: plain, told: MOVED },
  'groupBy gets another name': { before: regrouped('by-word'), after: regrouped('by-key'), told: MOVED },
  'A source is added': {
    before: plain,
    after: shop((words, more) => counted(merge(words, more('more')))),
    laterIn: 'more',
  },
  'Sources are declared in another order': {
    before: shop((words, more) => counted(merge(words, more('more')))),
    after: {
      topology: topology('shop', (t) => {
        const [more, words] = [t.stream('more', text), t.stream('words', text)];
        counted(merge(words, more));
      }),
    },
  },
  'A source is removed': {
    before: shop((words, more) => counted(merge(more('more'), words))),
    after: plain,
  },
  'A source is renamed': {
    before: plain,
    after: { topology: topology('shop', (t) => counted(t.stream('more', text))) },
    laterIn: 'more',
    told: MOVED,
  },
  'A source has more partitions': {
    before: plain,
    after: plain,
    meanwhile: async ({ broker }) => {
      await broker.admin.deleteTopics(['words']);
      await broker.admin.createTopics([{ name: 'words', partitions: 2 }]);
    },
  },
  'The key or value serde of a store is changed': {
    before: plain,
    after: keyed(serdes.json<string>() as typeof serdes.string),
    elsewhere: undefined,
  },
  'A store becomes one of another kind': { before: plain, after: windowed('10s'), elsewhere: undefined },
  'The size of a window is changed': { before: windowed('10s'), after: windowed('20s') },
  'The grace of a window is made longer': { before: windowed('10s'), after: windowed('10s', { grace: '1m' }) },
  'A time to live (`within`, retention) is changed': {
    before: windowed('10s', { retention: '1h' }),
    after: windowed('10s', { retention: '2h' }),
  },
  'The guarantee is changed to at_least_once': {
    before: plain,
    after: { ...plain, options: { guarantee: 'at_least_once' } },
  },
  'The guarantee is changed to exactly_once': {
    before: { ...plain, options: { guarantee: 'at_least_once' } },
    after: plain,
  },
  'startFrom is changed': { before: plain, after: { ...plain, options: { startFrom: 'latest' } } },
  'The application id is changed': {
    before: plain,
    after: { ...plain, options: { applicationId: 'store', startFrom: 'latest' } },
  },
  'The topology is renamed, the application id is not': {
    before: plain,
    after: { topology: topology('store', (t) => counted(t.stream('words', text))), options: { applicationId: 'shop' } },
    elsewhere: 'kept',
  },
};

/** The table's rows: the change, and what becomes of the store. */
function tableOfChanges(): readonly (readonly [change: string, outcome: string])[] {
  const lines = readFileSync(projectFile('docs/changing-a-topology.md'), 'utf8').split('\n');
  const head = lines.findIndex((line) => line.startsWith('| Change |'));
  const rows = lines.slice(head + 2);
  return rows.slice(0, rows.indexOf('')).map((line) => {
    const [, change = '', outcome = ''] = line.split(/ *\| */);
    return [change, outcome];
  });
}

/** An application before and after a change, on one broker. */
class Changed {
  readonly logger = new ToldLogger();
  readonly #first: Application;
  readonly #change: Change;

  constructor(change: Change) {
    this.#change = change;
    this.#first = this.#application(change.before, memoryMachine());
  }

  #application({ topology: target, options = {} }: Version, machine: Machine): Application {
    const { broker, clock } = this.#first ?? {};
    return new Application({
      topology: target,
      options,
      machine,
      logger: this.logger,
      ...(broker && clock && { broker, clock }),
    });
  }

  async begin(): Promise<void> {
    await this.#first.createTopics({ words: 1, more: 1, out: 1, others: 1 });
    await this.#first.start();
    for (const timestamp of [1, 2]) await this.write('words', timestamp, this.#first);
    await this.#first.stop();
    const { between, meanwhile } = this.#change;
    if (between) {
      const app = this.#application(between, this.#first.machine);
      await app.start();
      await this.write('words', 3, app);
      await app.stop();
    }
    await meanwhile?.(this.#first);
  }

  async write(topic: string, timestamp: number, app: Application): Promise<void> {
    await app.write(topic, [{ key: 'a', value: 'x', timestamp }]);
    await app.run();
  }

  /** What becomes of the store: as the page says it. */
  async outcome(machine: Machine = this.#first.machine): Promise<string> {
    const { after, store = 'totals', laterIn = 'words' } = this.#change;
    const app = this.#application(after, machine);
    const keys = await this.#liveKeys();
    try {
      await app.start();
      await this.write(laterIn, 4, app);
      return (await this.#folded(app, store)) === 3 ? 'kept' : 'begins empty';
    } catch (error) {
      assert.ok(isStreamsError(error), String(error));
      return `refused (${error.code})`;
    } finally {
      await app.stop();
      for (const key of keys) assert.ok((await this.#liveKeys()).has(key), `${key} is gone from the changelog`);
    }
  }

  /** How many records are in the newest row. */
  async #folded(app: Application, name: string): Promise<number> {
    let last = 0;
    let rows = 0;
    for (const { state } of app.engine?.tasks ?? []) {
      for (const store of state?.stores ?? []) {
        if (store.name !== name) continue;
        for await (const [, value] of store.entries()) {
          rows++;
          last = typeof value === 'string' ? value.length : Number(value);
        }
      }
    }
    return name === 'seen' ? rows : last;
  }

  async #liveKeys(): Promise<ReadonlySet<string>> {
    const live = new Set<string>();
    for (const { key, value } of await readTopic(this.#first.broker, 'shop-totals-changelog')) {
      if (value === null) live.delete(String(key));
      else live.add(String(key));
    }
    return live;
  }

  close(): Promise<void> {
    return this.#first.close();
  }
}

describe('the page about changing a topology', () => {
  it('has a row for each change that is tried here', () => {
    assert.deepEqual(
      tableOfChanges().map(([change]) => change),
      Object.keys(CHANGES),
    );
  });

  for (const [name, outcome] of tableOfChanges()) {
    const change = CHANGES[name];
    if (!change) continue;
    it(`says what happens: ${name}: ${outcome}`, async () => {
      const changed = new Changed(change);
      try {
        await changed.begin();
        assert.equal(await changed.outcome(), outcome);
        if (change.told) assert.match(changed.logger.lines.join('\n'), change.told);
      } finally {
        await changed.close();
      }
    });

    const elsewhere = 'elsewhere' in change ? change.elsewhere : outcome;
    if (elsewhere === undefined) continue;
    it(`says what happens without local state: ${name}: ${elsewhere}`, async () => {
      const changed = new Changed(change);
      try {
        await changed.begin();
        assert.equal(await changed.outcome(memoryMachine()), elsewhere);
      } finally {
        await changed.close();
      }
    });
  }
});

/** They all count the words of each key in one store. */
const COUNTING: readonly Topology[] = [
  plain,
  regrouped('by-word'),
  regrouped('by-key'),
  withDedupe,
  shop((words, more) => counted(merge(words, more('more')))),
  shop((words, more) =>
    counted(merge(more('more'), words.pipe(groupBy(({ key }) => key, { key: serdes.string, name: 'more' })))),
  ),
].map((version) => version.topology);

describe('an application that is changed again and again', () => {
  const stages = fc.array(
    fc.record({
      version: fc.nat(COUNTING.length - 1),
      machine: fc.nat(2),
      guarantee: fc.constantFrom('at_least_once' as const, 'exactly_once' as const),
      crashes: fc.boolean(),
      words: fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 }),
    }),
    { minLength: 2, maxLength: 6 },
  );

  it('counts each record once, whatever came before, wherever it runs, and through crashes', async function () {
    this.timeout(0);
    await fc.assert(
      fc.asyncProperty(stages, async (given) => {
        const machines = [memoryMachine(), memoryMachine(), memoryMachine()];
        const first = new Application({ topology: plain.topology });
        await first.createTopics({ words: 1, more: 1, out: 1, others: 1 });
        const expected: Record<string, number> = {};
        let time = 0;
        try {
          for (const { version, machine, guarantee, crashes, words } of given) {
            const app = new Application({
              topology: COUNTING[version] as Topology,
              options: { guarantee },
              broker: first.broker,
              clock: first.clock,
              machine: machines[machine] as Machine,
            });
            await app.start();
            for (const key of words) {
              await app.write('words', [{ key, value: 'x', timestamp: ++time }]);
              expected[key] = (expected[key] ?? 0) + 1;
              // What goes through a repartition comes again after a crash under at_least_once: that is what it says.
              const exact = guarantee === 'exactly_once' || app.topology.graph.subTopologies.length === 1;
              let left = crashes && exact ? 1 : 0;
              app.crashHere = (step) => step === '2 log' && left-- > 0;
              await app.runThrough();
            }
            await app.runThrough();
            const rows = Object.entries(await app.rows()).filter(([row]) => row.startsWith('totals['));
            const found = rows.map(([row, value]) => [
              JSON.parse(row.split(' ')[1] as string),
              Number.parseInt(value, 10),
            ]);
            assert.deepEqual(Object.fromEntries(found), expected);
            await app.stop();
          }
        } finally {
          await first.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});
