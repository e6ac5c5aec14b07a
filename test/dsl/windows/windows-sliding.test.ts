import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  aggregate,
  count,
  filterValues,
  process,
  reduce,
  type StreamRecord,
  serdes,
  sliding,
  to,
  topology,
  toStream,
  type Windowed,
  type Windowing,
} from '#src/index.js';
import { deadLetters, failure, feed, json, open, type Short } from '../support.js';
import { readWindows, windowedThrough, windowRows } from './windows.support.js';

const counting = (windowing: Windowing) =>
  windowedThrough((input) => input.pipe(count({ store: 'windows', ...windowing })));

/** Aggregates that show what was added in which order. */
const texts = (windowing: Windowing) =>
  windowedThrough<string>((input) =>
    input.pipe(
      reduce<StreamRecord<string, string>>({
        store: 'windows',
        value: serdes.string,
        add: (all, value) => all + value,
        ...windowing,
      }),
    ),
  );

async function outputs(target: ReturnType<typeof counting>, records: readonly Short[]) {
  const driver = await open(target);
  await feed(driver, 'in', records);
  return readWindows(driver);
}

const YEAR = 365 * 24 * 3_600_000;

describe('sliding windows', () => {
  it('end with a record or begin right behind one, and hold both ends', async () => {
    assert.deepEqual(
      await outputs(texts({ window: sliding('10ms', { grace: '1s' }) }), [
        ['a', 'x', 100],
        ['a', 'y', 110],
        ['a', 'z', 121],
      ]),
      [
        ['a 90..100', 'x', 100],
        ['a 101..111', 'y', 110],
        ['a 100..110', 'xy', 110],
        // It begins right behind y and ends with z: one window, for two reasons.
        ['a 111..121', 'z', 121],
        ['a 111..121', 'z', 121],
      ],
    );
  });

  it('take a record that comes late into all that hold it, and begin those that were missing around it', async () => {
    assert.deepEqual(
      await outputs(texts({ window: sliding('10ms', { grace: '1s' }) }), [
        ['a', 'x', 100],
        ['a', 'z', 106],
        ['a', 'y', 103],
      ]),
      [
        ['a 90..100', 'x', 100],
        ['a 101..111', 'z', 106],
        ['a 96..106', 'xz', 106],
        ['a 101..111', 'zy', 106],
        ['a 96..106', 'xzy', 106],
        ['a 93..103', 'xy', 103],
        ['a 104..114', 'z', 106],
      ],
    );
  });

  it('do not begin before 0: earlier records share the first one', async () => {
    assert.deepEqual(
      await outputs(texts({ window: sliding('10ms', { grace: '1s' }) }), [
        ['a', 'x', 0],
        ['a', 'y', 4],
        ['a', 'z', 2],
      ]),
      [
        ['a 0..10', 'x', 0],
        ['a 1..11', 'y', 4],
        ['a 0..10', 'xy', 4],
        ['a 1..11', 'yz', 4],
        ['a 3..13', 'y', 4],
        ['a 0..10', 'xyz', 4],
      ],
    );
  });

  it('hold what lies within the difference, whatever the order of arrival', async () => {
    const times = fc.uniqueArray(fc.integer({ min: 20, max: 80 }), { minLength: 1, maxLength: 15 });
    await fc.assert(
      fc.asyncProperty(times, fc.integer({ min: 1, max: 20 }), async (given, difference) => {
        const driver = await open(counting({ window: sliding(`${difference}ms`, { grace: '1s' }) }));
        await feed(
          driver,
          'in',
          given.map((timestamp): Short => ['a', 1, timestamp]),
        );
        const expected: Record<string, number> = {};
        const starts = new Set(given.flatMap((t) => [t - difference, t + 1]));
        for (const start of [...starts].sort((a, b) => a - b)) {
          const held = given.filter((t) => t >= start && t <= start + difference).length;
          // A window behind a record is only there if something is in it.
          if (held > 0) expected[`a ${start}..${start + difference}`] = held;
        }
        const found = await windowRows(driver, 'windows');
        for (const [window, n] of Object.entries(found)) assert.equal(n, expected[window], window);
        for (const t of given) assert.ok(`a ${t - difference}..${t}` in found);
        await driver.close();
      }),
      { numRuns: 60 },
    );
  });

  it('are open until stream time passes end and grace; a record is late if the window it begins is closed', async () => {
    const driver = await open(texts({ window: sliding('10ms', { grace: '5ms' }) }));
    await feed(driver, 'in', [
      ['a', 'w', 100],
      ['b', '-', 115],
      // [100, 110] is open at 115: taken, although the window that ends with it is closed.
      ['a', 'x', 100],
      ['a', 'y', 99],
    ]);
    assert.deepEqual(await readWindows(driver), [
      ['a 90..100', 'w', 100],
      ['b 105..115', '-', 115],
    ]);
    assert.equal(driver.metrics.nodes['reduce windows']?.late, 2);
  });

  it('that are open take in a record that is too late for others, which is counted', async () => {
    const driver = await open(texts({ window: sliding('10ms') }));
    await feed(driver, 'in', [
      ['a', 'x', 100],
      ['a', 'z', 106],
      ['a', 'y', 103],
    ]);
    assert.deepEqual((await readWindows(driver)).slice(3), [
      ['a 101..111', 'zy', 106],
      ['a 96..106', 'xzy', 106],
      ['a 104..114', 'z', 106],
    ]);
    assert.equal(driver.metrics.nodes['reduce windows']?.['partly-late'], 1);
    assert.equal(driver.metrics.nodes['reduce windows']?.late, undefined);
  });

  it('drop records without a key or value, which do not move stream time', async () => {
    const driver = await open(texts({ window: sliding('10ms') }));
    await feed(driver, 'in', [
      ['a', 'x', 100],
      [null, 'y', 1_000],
      ['a', null, 1_000],
      ['a', 'z', 95],
    ]);
    assert.deepEqual((await readWindows(driver)).at(-1), ['a 96..106', 'x', 100]);
    const counts = driver.metrics.nodes['reduce windows'];
    assert.deepEqual([counts?.['null-key'], counts?.['null-value']], [1, 1]);
  });

  it('that begin as a copy of another had no value before: nothing is deleted behind a filter', async () => {
    const target = windowedThrough<number>((input) =>
      input.pipe(
        reduce<StreamRecord<string, number>>({
          store: 'windows',
          value: serdes.int64,
          add: (all, value) => Math.max(all, value),
          window: sliding('10ms', { grace: '1s' }),
        }),
        filterValues((n) => n < 5),
      ),
    );
    assert.deepEqual(
      await outputs(target, [
        ['a', 1, 100],
        ['a', 9, 105],
      ]),
      [['a 90..100', 1, 100]],
    );
  });

  it('stay to be looked up for their retention, from their start', async () => {
    const driver = await open(counting({ window: sliding('10ms', { retention: '50ms' }) }));
    await feed(
      driver,
      'in',
      [0, 20, 40, 60].map((timestamp): Short => ['a', 1, timestamp]),
    );
    assert.deepEqual(Object.keys(await windowRows(driver, 'windows')), ['a 10..20', 'a 30..40', 'a 50..60']);
    await feed(driver, 'in', [['b', 1, 61]]);
    assert.deepEqual(Object.keys(await windowRows(driver, 'windows')), ['a 30..40', 'a 50..60', 'b 51..61']);
    assert.equal(await driver.store('windows').get({ key: 'a', start: 30, end: 40 }), 1);
    assert.equal(await driver.store('windows').get({ key: 'a', start: 10, end: 20 }), null);
  });

  it('of a key lie in few rows: so many as there are stretches of twice their length', async () => {
    const driver = await open(counting({ window: sliding('100ms', { retention: '1h' }) }));
    await feed(
      driver,
      'in',
      Array.from({ length: 100 }, (_, i): Short => ['a', 1, 1_000 + 4 * i]),
    );
    assert.equal(Object.keys(await windowRows(driver, 'windows')).length, 199);
    const log = await driver.output('test-windows-changelog', { key: serdes.bytes, value: serdes.bytes }).read();
    assert.equal(new Set(log.map(({ key }) => key?.toString('hex'))).size, 3);
  });

  it('close all when one record is a year ahead, and what comes behind it is late until its time has come', async () => {
    const driver = await open(counting({ window: sliding('10ms', { grace: '1d' }), late: 'deadLetter' }));
    await feed(driver, 'in', [
      ['a', 1, 50],
      ['a', 1, YEAR],
      ['a', 1, 51],
      ['a', 1, YEAR + 5],
    ]);
    assert.deepEqual((await readWindows(driver)).at(-1), [`a ${YEAR - 5}..${YEAR + 5}`, 2, YEAR + 5]);
    const [letter] = await deadLetters(driver);
    assert.equal(letter?.code, 'RECORD_LATE');
    assert.equal(letter?.from, 'in[0]@2');
  });

  it('stay as they were when a function throws half-way', async () => {
    const target = windowedThrough<number>((input) =>
      input.pipe(
        aggregate({
          store: 'windows',
          value: serdes.int64,
          initial: () => 0,
          add: (all, { value }) => {
            if (value < 0 && all > 2) throw new Error('negative');
            return all + value;
          },
          window: sliding('10ms', { grace: '1s' }),
        }),
      ),
    );
    const driver = await open(target, { onError: { process: 'skip' } });
    await feed(driver, 'in', [
      ['a', 1, 100],
      ['a', 2, 106],
    ]);
    const before = await windowRows(driver, 'windows');
    await feed(driver, 'in', [['a', -1, 103]]);
    assert.deepEqual(await windowRows(driver, 'windows'), before);
    assert.equal((await readWindows(driver)).length, 3);
  });

  it('that are emptied are deleted', async () => {
    const target = windowedThrough<number>((input) =>
      input.pipe(
        aggregate({
          store: 'windows',
          value: serdes.int64,
          initial: () => 0,
          add: (all, { value }) => all + value || null,
          window: sliding('10ms', { grace: '1s' }),
        }),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1, 100],
      ['a', -1, 100],
    ]);
    assert.deepEqual(await readWindows(driver), [
      ['a 90..100', 1, 100],
      ['a 90..100', null, 100],
    ]);
    assert.deepEqual(await windowRows(driver, 'windows'), {});
  });

  it('are emitted once where that is asked for: when they close, in the order of their starts', async () => {
    const driver = await open(texts({ window: sliding('10ms', { grace: '5ms' }), emit: 'onClose' }));
    await feed(driver, 'in', [
      ['b', 'x', 100],
      ['a', 'y', 100],
      ['a', 'z', 104],
      ['b', '-', 105],
    ]);
    assert.deepEqual(await readWindows(driver), []);
    await feed(driver, 'in', [['b', '-', 106]]);
    assert.deepEqual(await readWindows(driver), [
      ['a 90..100', 'y', 100],
      ['b 90..100', 'x', 100],
    ]);
    await feed(driver, 'in', [['b', '-', 1_000]]);
    assert.deepEqual(
      (await readWindows(driver)).filter(([window]) => window.startsWith('a')),
      [
        ['a 94..104', 'yz', 104],
        ['a 101..111', 'z', 104],
      ],
    );
  });

  it('can be looked up and listed by other operators, under their windows', async () => {
    const windowed = { key: serdes.windowed(serdes.string), value: serdes.json<any>() };
    const target = topology('test', (t) => {
      t.stream('in', json<number>())
        .pipe(count({ store: 'windows', window: sliding('10ms', { grace: '1s' }) }), toStream())
        .pipe(
          process({
            name: 'list',
            uses: ['windows'],
            async process(record: StreamRecord<Windowed<string>, number | null>, { store, forward }) {
              const all = store<Windowed<string>, number>('windows');
              const listed: string[] = [];
              const range = { from: { key: 'a', start: 15, end: 0 }, to: { key: 'a', start: 60, end: 70 } };
              for await (const [{ start }, n] of all.entries(range)) listed.push(`${start}=${n}`);
              const alone = await all.load({ key: 'a', start: 90, end: 100 });
              forward({ key: record.key, value: `${listed.join(' ')}, ${alone}` as never });
            },
          }),
          to('out', windowed),
        );
    });
    const driver = await open(target);
    // Stretches of 22 ms: windows that start at 10, 20, 60, 61 and 90 lie in four rows.
    await feed(driver, 'in', [
      ['a', 1, 20],
      ['a', 1, 30],
      ['a', 1, 70],
      ['b', 1, 70],
      ['a', 1, 71],
      ['a', 1, 100],
    ]);
    assert.equal((await readWindows(driver)).at(-1)?.[1], '20=2 21=1 60=1, 1');
  });

  it('are refused without a difference, and where they would be forgotten while they matter', () => {
    assert.throws(() => sliding('0ms'), failure('CONFIG_INVALID', /the difference of a sliding window is zero/));
    assert.throws(
      () => sliding('10s', { grace: '5s', retention: '24s' }),
      failure('CONFIG_INVALID', /retention 24s, expected at least .* 25000ms/),
    );
  });
});
