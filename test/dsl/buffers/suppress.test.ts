import assert from 'node:assert/strict';
import { merge } from 'rxjs';
import {
  aggregate,
  count,
  type Duration,
  everyN,
  filterValues,
  groupBy,
  hopping,
  mapValues,
  process,
  reduce,
  selectKey,
  serdes,
  suppress,
  type Table,
  toStream,
  toTable,
  tumbling,
  unlimited,
  validate,
  type Windowing,
} from '#src/index.js';
import { feed, json, open, outputOf, read, rows, type Short, through } from '../support.js';

const value = serdes.json<any>();
const minute = tumbling('60ms', { grace: '10ms' });
const finals = (options: { maxRecords?: number } = {}) =>
  through((input) =>
    input.pipe(
      count({ store: 'counts', window: minute }),
      suppress({ store: 'final', until: 'windowCloses', ...options }),
      toStream(),
      windowText(),
    ),
  );
const windowText = () => selectKey(({ key }: any) => `${key.key}@${key.start}`);

/** A table, held back; what comes out with what it was before. */
const calmed = (options: { maxRecords?: number; maxBytes?: number; whenFull?: 'emitEarly' | 'fail' }) =>
  through((_, t) =>
    withPrevious(
      t
        .table('rows', { ...json<any>(), store: 'table' })
        .pipe(suppress({ store: 'calm', until: { timeLimit: '100ms' }, ...options })),
    ),
  );
const withPrevious = (table: Table<any, any>) =>
  table.pipe(
    process<any, any>({
      name: 'with-previous',
      process: ({ key, value, previous }, { forward }) => forward({ key, value: [previous, value] }),
    }),
  );

describe('suppress until windows close', () => {
  it('gives one result for each window, when stream time has reached its end and grace', async () => {
    const driver = await open(finals());
    await feed(driver, 'in', [
      ['a', 1, 5],
      ['a', 2, 50],
      ['b', 3, 59],
      ['a', 4, 69],
    ]);
    assert.deepEqual(await read(driver), []);
    await feed(driver, 'in', [['c', 5, 70]]);
    assert.deepEqual(await read(driver), [
      ['a@0', 2, 50],
      ['b@0', 1, 59],
    ]);
  });

  it('keeps its own time: what never reaches it closes nothing', async () => {
    const target = through<number>((input) =>
      input.pipe(
        reduce({ store: 'sums', value: serdes.json<number>(), window: tumbling('60ms'), add: (a, b) => a + (b ?? 0) }),
        filterValues((sum: number) => sum % 2 === 0),
        suppress({ store: 'final', until: 'windowCloses' }),
        toStream(),
        windowText(),
      ),
    );
    assert.deepEqual(
      await outputOf(target, [
        ['a', 2, 0],
        ['a', 1, 70],
        [null, 2, 500],
      ]),
      [],
    );
    assert.deepEqual(
      await outputOf(target, [
        ['a', 2, 0],
        ['a', 1, 70],
        ['a', 1, 80],
      ]),
      [['a@0', 2, 0]],
    );
  });

  it('leaves out a window that was emptied before it closed', async () => {
    const target = through<number>((input) =>
      input.pipe(
        reduce({
          store: 'sums',
          value: serdes.json<number>(),
          window: tumbling('60ms'),
          add: (a, b) => a + (b ?? 0) || null,
        }),
        suppress({ store: 'final', until: 'windowCloses' }),
        toStream(),
        windowText(),
      ),
    );
    const given: Short[] = [
      ['a', 2, 0],
      ['b', 1, 1],
      ['a', -2, 2],
      ['b', 1, 70],
      ['c', 1, 200],
    ];
    assert.deepEqual(await outputOf(target, given), [
      ['b@0', 1, 1],
      ['b@60', 1, 70],
    ]);
  });

  it('leaves out a window whose last value its store does not write', async () => {
    const target = through((input) =>
      input.pipe(
        reduce({ store: 'last', value, add: (_, last) => last, window: tumbling('10ms') }),
        suppress({ store: 'final', value: serdes.int64, until: 'windowCloses' }),
        toStream(),
        windowText(),
      ),
    );
    const driver = await open(target, { onError: { process: 'skip' } });
    await feed(driver, 'in', [
      ['a', 8, 0],
      ['b', 8, 1],
      ['a', 0.5, 2],
      ['b', 0.5, 3],
      ['b', 9, 4],
      ['c', 1, 20],
    ]);
    assert.deepEqual(await read(driver), [['b@0', 9, 4]]);
  });

  it('knows the windows through operators that keep keys, and through a table of a windowed stream', async () => {
    const target = through((input) =>
      input.pipe(
        count({ store: 'counts', window: minute }),
        mapValues((n: number) => n * 10),
        toStream(),
        toTable({ store: 'tens', value }),
        suppress({ store: 'final', until: 'windowCloses' }),
        toStream(),
        windowText(),
      ),
    );
    assert.deepEqual(
      await outputOf(target, [
        ['a', 1, 5],
        ['a', 1, 6],
        ['b', 1, 70],
      ]),
      [['a@0', 20, 6]],
    );
  });

  it('forgets nothing over a restart: neither what waits nor its time', async () => {
    const driver = await open(finals());
    await feed(driver, 'in', [
      ['a', 1, 5],
      ['a', 1, 6],
      ['b', 1, 40],
      ['a', 1, 65],
    ]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'in', [['c', 1, 30]]);
    assert.deepEqual(await read(driver), []);
    await feed(driver, 'in', [['a', 1, 75]]);
    assert.deepEqual(await read(driver), [
      ['a@0', 2, 6],
      ['b@0', 1, 40],
      ['c@0', 1, 30],
    ]);
  });

  it('SUPPRESS_BUFFER_FULL: stops the application when more windows wait than may, whatever onError says', async () => {
    const driver = await open(finals({ maxRecords: 2 }), { onError: { process: 'skip' } });
    await feed(driver, 'in', [
      ['a', 1, 5],
      ['b', 1, 5],
      ['a', 1, 9],
    ]);
    await assert.rejects(
      feed(driver, 'in', [['c', 1, 6]]),
      /SUPPRESS_BUFFER_FULL|more rows wait than the buffer may hold at suppress final: saw 3 rows, expected at most maxRecords = 2/,
    );
  });

  it('gives out what is due before it looks whether there is too much', async () => {
    const driver = await open(finals({ maxRecords: 2 }));
    await feed(driver, 'in', [
      ['a', 1, 5],
      ['b', 1, 5],
      ['c', 1, 90],
      ['d', 1, 95],
    ]);
    assert.deepEqual(await read(driver), [
      ['a@0', 1, 5],
      ['b@0', 1, 5],
    ]);
  });

  it('counts no window twice among its bounds, and none that was emptied', async () => {
    const target = through<number>((input) =>
      input.pipe(
        reduce({ store: 'sums', value: serdes.json<number>(), window: minute, add: (a, b) => a + (b ?? 0) || null }),
        suppress({ store: 'final', until: 'windowCloses', maxRecords: 2, maxBytes: 200 }),
        toStream(),
        windowText(),
      ),
    );
    const given: Short[] = [
      ['a', 1, 0],
      ['a', 1, 1],
      ['b', 1, 2],
      ['b', -1, 3],
      ['c', 1, 4],
      ['c', -1, 5],
      ['d', 4, 6],
      ['a', 1, 70],
    ];
    assert.deepEqual(await outputOf(target, given), [
      ['a@0', 2, 1],
      ['d@0', 4, 6],
    ]);
  });
});

describe('suppress until a time limit', () => {
  it('gives the last change of a row when its first one is that old, with what came out before', async () => {
    const driver = await open(calmed({}));
    await feed(driver, 'rows', [
      ['a', 1, 0],
      ['a', 2, 60],
      ['b', 3, 99],
    ]);
    assert.deepEqual(await read(driver), []);
    await feed(driver, 'rows', [['b', 4, 100]]);
    assert.deepEqual(await read(driver), [['a', [null, 2], 60]]);
    await feed(driver, 'rows', [
      ['a', 5, 110],
      ['a', null, 120],
      ['c', 6, 300],
    ]);
    assert.deepEqual(await read(driver), [
      ['b', [null, 4], 100],
      ['a', [2, null], 120],
    ]);
    await feed(driver, 'rows', [
      ['a', 7, 310],
      ['c', 8, 500],
    ]);
    assert.deepEqual(await read(driver), [
      ['c', [null, 8], 500],
      ['a', [null, 7], 310],
    ]);
  });

  it('sees no null keys: the table before it drops them, and they do not move its time', async () => {
    const driver = await open(calmed({}));
    await feed(driver, 'rows', [
      ['a', 1, 0],
      [null, 1, 500],
    ]);
    assert.deepEqual(await read(driver), []);
    assert.equal(driver.metrics.nodes['table table']?.['null-key'], 1);
  });

  it('keeps sums behind it right', async () => {
    const target = through((_, t) =>
      t.table('rows', { ...json<number>(), store: 'table' }).pipe(
        suppress({ store: 'calm', until: { timeLimit: '10ms' } }),
        groupBy(() => 'all', { key: serdes.string, name: 'all' }),
        aggregate({
          store: 'sum',
          value: serdes.json<number>(),
          initial: () => 0,
          add: (sum, record) => sum + record.value,
          subtract: (sum, record) => sum - record.value,
        }),
        toStream(),
      ),
    );
    const driver = await open(target);
    for (let n = 1; n <= 30; n++) await feed(driver, 'rows', [[`k${n % 3}`, n, n * 4]]);
    await feed(driver, 'rows', [
      ['k0', null, 200],
      ['x', 0, 400],
    ]);
    assert.deepEqual(await rows(driver, 'sum'), { all: 28 + 29 });
  });

  it('emits what is due next when there is too much', async () => {
    const driver = await open(calmed({ maxRecords: 2 }));
    await feed(driver, 'rows', [
      ['b', 1, 5],
      ['a', 2, 5],
      ['c', 3, 4],
    ]);
    assert.deepEqual(await read(driver), [['c', [null, 3], 4]]);
    await feed(driver, 'rows', [['d', 4, 6]]);
    assert.deepEqual(await read(driver), [['a', [null, 2], 5]]);
  });

  it('counts bytes, and lets nothing wait that is longer than the bound', async () => {
    const driver = await open(calmed({ maxBytes: 200 }));
    await feed(driver, 'rows', [
      ['a', 'x'.repeat(50), 1],
      ['a', 'y'.repeat(60), 2],
      ['b', 'z'.repeat(500), 3],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', [null, 'y'.repeat(60)], 2],
      ['b', [null, 'z'.repeat(500)], 3],
    ]);
    await feed(driver, 'rows', [
      ['c', 'x', 4],
      ['d', 'x', 5],
    ]);
    assert.deepEqual(await read(driver), []);
  });

  it('SUPPRESS_BUFFER_FULL: stops the application if whenFull is fail', async () => {
    const driver = await open(calmed({ maxBytes: 100, whenFull: 'fail' }));
    await feed(driver, 'rows', [['a', 'x', 1]]);
    await assert.rejects(
      feed(driver, 'rows', [['b', 'z'.repeat(500), 3]]),
      /saw \d+ bytes, expected at most maxBytes = 100/,
    );
  });

  it('counts again after a restart what waits', async () => {
    const driver = await open(calmed({ maxRecords: 2, maxBytes: 10_000 }));
    await feed(driver, 'rows', [
      ['a', 1, 1],
      ['b', 2, 2],
    ]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'rows', [['c', 3, 3]]);
    assert.deepEqual(await read(driver), [['a', [null, 1], 1]]);
  });

  it('holds more than fits into memory, in order, over a restart', async () => {
    const driver = await open(calmed({}));
    const many = 10_000;
    const key = (n: number) => `k${String(n).padStart(4, '0')}`;
    await feed(
      driver,
      'rows',
      Array.from({ length: many }, (_, n) => [key(n), n, n % 100] as const),
    );
    await driver.crash();
    await driver.restart();
    await feed(
      driver,
      'rows',
      Array.from({ length: many / 2 }, (_, n) => [key(2 * n), 0 - n, 99] as const),
    );
    assert.deepEqual(await read(driver), []);
    await feed(driver, 'rows', [['end', 0, 1_000]]);
    const expected = Array.from({ length: many }, (_, n) => n)
      .sort((a, b) => (a % 100) - (b % 100) || a - b)
      .map((n) => (n % 2 === 0 ? [key(n), [null, 0 - n / 2], 99] : [key(n), [null, n], n % 100]));
    const out = await read(driver);
    assert.deepEqual(out.slice(0, many), expected);
    assert.deepEqual(JSON.parse(JSON.stringify(await rows(driver, 'calm-places'))), {
      end: { due: 1_000, previous: null },
    });
  });

  it('shows in its store what waits: when it is due, and what it is', async () => {
    const driver = await open(calmed({ maxBytes: 1_000 }));
    await feed(driver, 'rows', [
      ['b', 1, 5],
      ['a', 2, 5],
      ['b', 3, 60],
    ]);
    assert.deepEqual(JSON.parse(JSON.stringify(await driver.store('calm').entries())), [
      [
        { due: 5, key: 'a' },
        { value: 2, previous: null, timestamp: 5 },
      ],
      [
        { due: 5, key: 'b' },
        { value: 3, previous: null, timestamp: 60 },
      ],
    ]);
  });

  it('emits rows with the headers of their last change', async () => {
    const target = through((_, t) =>
      t
        .table('rows', { ...json<any>(), store: 'table' })
        .pipe(suppress({ store: 'calm', until: { timeLimit: '10ms' } }), toStream()),
    );
    const driver = await open(target);
    const input = driver.input('rows', json<any>());
    await input.send({ key: 'a', value: 1, timestamp: 0, headers: { by: 'first' } });
    await input.send({ key: 'a', value: 2, timestamp: 1, headers: { by: 'second' } });
    await driver.crash();
    await driver.restart();
    await input.send({ key: 'b', value: 2, timestamp: 100, headers: { by: 'third' } });
    const [record] = await driver.output('out', json<any>()).read();
    assert.equal(record?.headers.text('by'), 'second');
  });
});

describe('suppress says what is wrong with', () => {
  const problems = (build: Parameters<typeof through>[0]) => validate(through(build)).map(({ what }) => what);

  it('a stream', () => {
    assert.deepEqual(
      problems((input) => (input as any).pipe(suppress({ store: 's', until: { timeLimit: '1s' } }))),
      ['its input is a stream, and its records do not replace each other'],
    );
  });

  it('a grouped table, whose rows would replace each other', () => {
    const found = problems((_, t) =>
      t.table('rows', { ...json<any>(), store: 'table' }).pipe(
        groupBy(() => 'all', { key: serdes.string, name: 'all' }),
        suppress({ store: 's', until: { timeLimit: '1s' } }),
        toStream(),
      ),
    );
    assert.deepEqual(found, [
      'its input is a grouped table, where many rows have one key and would replace each other',
    ]);
  });

  it('windows that are not known, not the same on all ways, or never close', () => {
    const until = 'windowCloses';
    const unknown = 'it is unknown when the windows of its input close';
    assert.deepEqual(
      problems((_, t) =>
        t
          .table('rows', { ...json<any>(), store: 'table' })
          .pipe(suppress({ store: 's', until }) as any, toStream() as any, windowText()),
      ),
      [unknown],
    );
    const both = (graceA: Duration, graceB: Duration) =>
      problems((input) =>
        merge(
          input.pipe(count({ store: 'a', window: tumbling('60ms', { grace: graceA }) })),
          input.pipe(count({ store: 'b', window: hopping('60ms', { every: '20ms', grace: graceB }) })),
        ).pipe(suppress({ store: 's', until }), toStream(), windowText()),
      );
    const merged = 'a table is merged with something else, and both may have rows of one key';
    assert.deepEqual(both('10ms', '20ms'), [unknown, merged]);
    assert.deepEqual(both('10ms', '10ms'), [merged]);
    const endless = (window: Windowing['window']) =>
      problems((input) =>
        input.pipe(count({ store: 'c', window }), suppress({ store: 's', until }), toStream(), windowText()),
      );
    const never = 'the windows of its input never close';
    assert.deepEqual(endless(unlimited()), [never]);
    assert.deepEqual(endless(everyN(3)), [never]);
  });

  it('bounds that are none, and results that would not be final', () => {
    const bad = (options: object) =>
      problems((input) =>
        input.pipe(
          count({ store: 'c', window: minute }),
          suppress({ store: 's', until: 'windowCloses', ...options }),
          toStream(),
          windowText(),
        ),
      );
    assert.deepEqual(bad({ maxRecords: 0 }), ['maxRecords is 0']);
    assert.deepEqual(bad({ maxBytes: 1.5 }), ['maxBytes is 1.5']);
    assert.deepEqual(bad({ whenFull: 'emitEarly' }), [
      'whenFull is "emitEarly", and a result that comes out early would not be final',
    ]);
    assert.deepEqual(bad({ until: { timeLimit: '1s' }, whenFull: 'later' }), ['whenFull is "later"']);
  });
});
