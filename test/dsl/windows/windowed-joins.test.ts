import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  aggregate,
  type Change,
  count,
  filterValues,
  groupBy,
  hopping,
  joinTable,
  leftJoinTable,
  mapValues,
  outerJoinTable,
  process,
  type Stream,
  serdes,
  session,
  sliding,
  type Table,
  to,
  topology,
  toStream,
  toTable,
  tumbling,
  validate,
  type Windowed,
  type WindowOptions,
  type Windows,
} from '#src/index.js';
import { feed, json, open, rows, type Short, values } from '../support.js';
import { shortKey, windowRows } from './windows.support.js';

type Counts = Table<Windowed<string>, number>;
type Joiner = (left: number | null, right: number | null) => number;

const joiner: Joiner = (left, right) => (left ?? 0) * 100 + (right ?? 0);
const JOINS: Record<string, (left: Counts, right: Counts) => Counts> = {
  inner: (left, right) => left.pipe(joinTable(right, joiner)),
  left: (left, right) => left.pipe(leftJoinTable(right, joiner)),
  outer: (left, right) => left.pipe(outerJoinTable<Windowed<string>, number, number, number>(right, joiner)),
};
const WINDOWS: Record<string, (options: WindowOptions) => Windows> = {
  tumbling: (options) => tumbling('10ms', options),
  hopping: (options) => hopping('10ms', { every: '5ms', ...options }),
  sliding: (options) => sliding('6ms', options),
  session: (options) => session('4ms', options),
};

/** The changes that came, and what they are summed up to behind the table. */
const watched = (table: Counts, seen: Change<Windowed<string>, number>[]): void => {
  table.pipe(process<any, any>({ name: 'watch', process: (change) => void seen.push(change) }));
  table.pipe(
    groupBy(() => 'all', { key: serdes.string, value: serdes.double, name: 'all' }),
    aggregate({
      store: 'sum',
      value: serdes.double,
      initial: () => 0,
      add: (sum, { value }) => sum + value,
      subtract: (sum, { value }) => sum - value,
    }),
  );
};

/** The row of each key as its last change has it; fails if two changes of a row do not link up. */
function lastOf(changes: readonly Change<Windowed<string>, number>[]): Map<string, number> {
  const last = new Map<string, number>();
  for (const { key, value, previous } of changes) {
    const window = shortKey(key);
    assert.equal(previous, last.get(window) ?? null, `what ${window} was`);
    if (value === null) last.delete(window);
    else last.set(window, value);
  }
  return last;
}

describe('a join of windowed tables', () => {
  const lives = fc.constantFrom<WindowOptions>(
    {},
    { grace: '20ms' },
    { retention: '60ms' },
    { grace: '20ms', retention: '60ms' },
    { grace: '20ms', retention: '1s' },
  );
  const step = fc.tuple(
    fc.constantFrom('in', 'other'),
    fc.constantFrom('a', 'a', 'b'),
    // Now and then a stream goes ahead, while the other one still changes the windows of before.
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(100, 101, 104, 108) },
      { weight: 1, arbitrary: fc.constantFrom(112, 131, 180) },
    ),
  );
  type Pair = (input: Stream<string, number>, other: Stream<string, number>, counted: Counted) => readonly Counts[];
  type Counted = (stream: Stream<string, number>, store: string) => Counts;
  const PAIRS: Record<string, Pair> = {
    'of two streams': (input, other, counted) => [counted(input, 'left'), counted(other, 'right')],
    'of one stream': (input, _, counted) => [
      counted(input, 'left'),
      counted(input.pipe(filterValues((n) => n % 2 === 0)), 'right'),
    ],
    'with what is made of it': (input, _, counted) => {
      const counts = counted(input, 'left');
      return [counts, counts.pipe(filterValues((n) => n % 2 === 1))];
    },
    'that is joined again': (input, other, counted) => [
      counted(input, 'left'),
      counted(other, 'right'),
      counted(other.pipe(filterValues((n) => n % 2 === 0)), 'third'),
    ],
  };
  for (const [what, pair] of Object.entries(PAIRS)) {
    it(`has changes that link up and sums of its rows, however long rows live: ${what} (property)`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...Object.keys(JOINS)),
          fc.constantFrom(...Object.keys(WINDOWS)),
          fc.tuple(lives, lives, lives),
          fc.array(step, { maxLength: 25, size: 'max' }),
          fc.constantFrom(1, 4, 1_000),
          async (kind, windows, [first, second, third], steps, batchRecords) => {
            const seen: Change<Windowed<string>, number>[] = [];
            const life: Record<string, WindowOptions> = { left: first, right: second, third };
            const join = JOINS[kind] as (left: Counts, right: Counts) => Counts;
            const target = topology('test', (t) => {
              const counted: Counted = (stream, store) =>
                stream.pipe(count({ store, window: WINDOWS[windows]?.(life[store] as WindowOptions) as Windows }));
              const tables = pair(t.stream('in', json<number>()), t.stream('other', json<number>()), counted);
              watched(tables.reduce(join), seen);
            });
            const driver = await open(target, { batchRecords });
            // Some of them together: then batches are cut otherwise.
            for (let at = 0; at < steps.length; at += 3)
              for (const topic of ['in', 'other'])
                await feed(
                  driver,
                  topic,
                  steps.flatMap(([to, key, timestamp], i): Short[] =>
                    to === topic && i >= at && i < at + 3 ? [[key, i, timestamp]] : [],
                  ),
                );
            const last = lastOf(seen);
            const sum = [...last.values()].reduce((all, value) => all + value, 0);
            assert.equal((await rows(driver, 'sum')).all ?? 0, sum);
            if (what === 'of two streams') {
              const [left, right] = [await windowRows(driver, 'left'), await windowRows(driver, 'right')];
              for (const [window, row] of Object.entries(left))
                if (window in right) assert.equal(last.get(window), joiner(row as number, right[window] as number));
            }
            await driver.close();
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it('counts what it drops, and is looked up without the rows that are past their life', async () => {
    const driver = await open(
      topology('test', (t) => {
        const [short, long] = [tumbling('10ms'), tumbling('10ms', { retention: '1h' })];
        const left = t.stream('in', json<number>()).pipe(count({ store: 'left', window: long }));
        const right = t.stream('other', json<number>()).pipe(count({ store: 'right', window: short }));
        const both = left.pipe(leftJoinTable(right, joiner));
        both.pipe(toStream(), to('out', { key: serdes.json(), value: serdes.json<any>() }));
        t.stream('asks', { key: serdes.windowed(serdes.string), value: serdes.string }).pipe(
          leftJoinTable(both, (_, n) => n),
          to('answers', { key: serdes.json(), value: serdes.json<any>() }),
        );
      }),
    );
    const ask = async () => {
      const key = { key: 'a', start: 0, end: 10 };
      await driver
        .input('asks', { key: serdes.windowed(serdes.string), value: serdes.string })
        .send({ key, value: '?', timestamp: 5 });
      return values(driver, 'answers');
    };
    await feed(driver, 'other', [['a', 1, 1]]);
    await feed(driver, 'in', [['a', 1, 2]]);
    assert.deepEqual(await values(driver), [101]);
    assert.deepEqual(await ask(), [101]);
    await feed(driver, 'other', [['z', 1, 100]]);
    await feed(driver, 'in', [['a', 1, 3]]);
    assert.deepEqual(await values(driver), []);
    assert.deepEqual(await ask(), [null]);
    assert.deepEqual(driver.metrics.nodes['leftJoinTable right'], { expired: 1 });
  });
});

describe('a table of windows that are emitted when they close', () => {
  const finals = (input: Stream<string, number>) =>
    input.pipe(count({ store: 'final', window: tumbling('10ms', { retention: '1h' }), emit: 'onClose' }));
  const counts = (input: Stream<string, number>) =>
    input.pipe(count({ store: 'counts', window: tumbling('10ms', { grace: '1h' }) }));

  it('has no rows that could be joined, on either side, of streams, or by a foreign key, and says so', () => {
    const whyNot = (build: (input: Stream<string, number>, other: Stream<string, number>) => unknown) =>
      validate(
        topology('test', (t) => void build(t.stream('in', json<number>()), t.stream('other', json<number>()))),
      ).map(({ what }) => what);
    const none = (side: string) => [`the table on the ${side} has no store that holds its rows`];
    assert.deepEqual(
      whyNot((a, b) => finals(a).pipe(outerJoinTable(counts(b), joiner))),
      none('left'),
    );
    assert.deepEqual(
      whyNot((a, b) => counts(a).pipe(outerJoinTable(finals(b), joiner))),
      none('right'),
    );
    assert.deepEqual(
      whyNot((a, b) => {
        const doubled = finals(b).pipe(mapValues((n) => 2 * n));
        return counts(a).pipe(toStream()).pipe(joinTable(doubled, joiner));
      }),
      none('right'),
    );
    assert.deepEqual(
      whyNot((a, b) =>
        finals(a).pipe(
          joinTable(counts(b), {
            foreignKey: (_, key) => key,
            join: joiner as never,
            store: 'joined',
            value: serdes.json<number>(),
          }),
        ),
      ),
      none('left'),
    );
  });

  it('is joined once it is kept in a table: closed windows only, each once', async () => {
    const seen: Change<Windowed<string>, number>[] = [];
    const driver = await open(
      topology('test', (t) => {
        const closed = finals(t.stream('in', json<number>())).pipe(
          toStream(),
          toTable({ store: 'closed', value: serdes.int64 }),
        );
        watched(closed.pipe(joinTable(counts(t.stream('other', json<number>())), joiner)), seen);
      }),
    );
    for (const [topic, record] of [
      ['in', ['a', 1, 1]],
      ['other', ['a', 1, 2]],
      ['in', ['a', 1, 3]],
      ['other', ['a', 1, 4]],
      ['in', ['b', 1, 50]],
    ] as const)
      await feed(driver, topic, [record]);
    assert.deepEqual(
      seen.map(({ value, previous }) => [previous, value]),
      [[null, 202]],
    );
    assert.deepEqual(await rows(driver, 'sum'), { all: 202 });
  });
});
