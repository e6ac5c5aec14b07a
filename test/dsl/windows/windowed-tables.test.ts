import assert from 'node:assert/strict';
import {
  count,
  everyN,
  filterValues,
  groupBy,
  hopping,
  joinTable,
  mapValues,
  selectKey,
  serdes,
  session,
  sliding,
  to,
  topology,
  toStream,
  tumbling,
  type Windowed,
  type Windows,
} from '#src/index.js';
import { failure, feed, json, open, rows, through } from '../support.js';
import { readWindows, shortKey, windowedThrough } from './windows.support.js';

const windowedKey = serdes.windowed(serdes.string);
const number = serdes.json<number>();

describe('a windowed table', () => {
  it('is mapped, filtered and written under its windowed keys', async () => {
    const driver = await open(
      windowedThrough((input) =>
        input.pipe(
          count({ store: 'counts', window: tumbling('10ms') }),
          mapValues((n, { start }) => n * 100 + start),
          filterValues((n) => n % 200 < 100),
        ),
      ),
    );
    await feed(driver, 'in', [
      ['a', 1, 0],
      ['a', 1, 1],
      ['a', 1, 12],
      ['a', 1, 13],
    ]);
    // A row that no longer passes is deleted; one that never passed is not.
    assert.deepEqual(await readWindows(driver), [
      ['a 0..10', 200, 1],
      ['a 10..20', 210, 13],
    ]);
  });

  it('is a stream of windowed keys behind toStream, and grouped by what is in them', async () => {
    const driver = await open(
      through((input) =>
        input.pipe(
          count({ store: 'counts', window: tumbling('10ms', { grace: '1s' }) }),
          groupBy((record) => `from ${record.key.start}`, {
            key: serdes.string,
            value: serdes.int64,
            name: 'by-start',
          }),
          count({ store: 'keys-per-window' }),
        ),
      ),
    );
    await feed(driver, 'in', [
      ['a', 1, 0],
      ['b', 1, 1],
      ['a', 1, 2],
      ['b', 1, 12],
    ]);
    assert.deepEqual(await rows(driver, 'keys-per-window'), { 'from 0': 2, 'from 10': 1 });
  });

  it('is written to the partition of its key, whatever the window', async () => {
    const topic = (name: string) =>
      topology('test', (t) => {
        const input = t.stream('in', json<number>());
        input.pipe(to('plain', json<number>()));
        input.pipe(
          count({ store: 'counts', window: tumbling('10ms', { grace: '1s' }) }),
          to(name, { key: windowedKey, value: serdes.int64 }),
        );
      });
    const driver = await open(topic('windows'), { partitions: 5 });
    await feed(
      driver,
      'in',
      ['a', 'b', 'c', 'd'].flatMap(
        (key) =>
          [
            [key, 1, 0],
            [key, 1, 50],
          ] as const,
      ),
    );
    const places = new Map((await driver.output('plain', json()).read()).map(({ key, partition }) => [key, partition]));
    const windows = await driver.output('windows', { key: windowedKey, value: serdes.int64 }).read();
    assert.equal(windows.length, 8);
    for (const { key, partition } of windows) assert.equal(partition, places.get(key?.key as string));
  });

  it('is joined by windowed key: a stream of its windows meets its rows, also behind a repartition', async () => {
    const driver = await open(
      windowedThrough((input) => {
        const counts = input.pipe(count({ store: 'counts', window: tumbling('10ms', { retention: '1s' }) }));
        const targets = input.pipe(
          selectKey(
            ({ key, timestamp }): Windowed<string> => ({
              key,
              start: timestamp - (timestamp % 10),
              end: timestamp - (timestamp % 10) + 10,
            }),
            { key: windowedKey, value: number, name: 'by-window' },
          ),
        );
        return targets.pipe(joinTable(counts, (value, n) => `${value} of ${n}`));
      }),
      { partitions: 3 },
    );
    for (const record of [
      ['a', 7, 1],
      ['b', 8, 2],
      ['a', 9, 3],
      ['a', 1, 15],
    ] as const)
      await feed(driver, 'in', [record]);
    const found = (await readWindows(driver)).map(([key, value]) => `${key}: ${value}`).sort();
    assert.deepEqual(found, ['a 0..10: 7 of 1', 'a 0..10: 9 of 2', 'a 10..20: 1 of 1', 'b 0..10: 8 of 1']);
  });

  it('is joined with another table of the same windows', async () => {
    const driver = await open(
      windowedThrough((input) => {
        const window = tumbling('10ms');
        const all = input.pipe(count({ store: 'all', window }));
        const large = input.pipe(
          filterValues((n: number) => n > 5),
          count({ store: 'large', window }),
        );
        return all.pipe(
          joinTable(large, (n, m) => `${m} of ${n}`),
          toStream(),
        );
      }),
    );
    await feed(driver, 'in', [
      ['a', 1, 1],
      ['a', 9, 2],
      ['a', 2, 3],
    ]);
    assert.deepEqual((await readWindows(driver)).at(-1), ['a 0..10', '1 of 3', 3]);
  });
});

describe('the view of a store of windows', () => {
  const records = [
    ['a', 1, 0],
    ['ab', 1, 5],
    ['a', 1, 25],
    ['a\u0000', 1, 25],
    ['b', 1, 30],
    ['a', 1, 31],
    ['a', 1, 47],
  ] as const;
  const seen = async (window: Windows, range = {}) => {
    const driver = await open(windowedThrough((input) => input.pipe(count({ store: 'counts', window }))));
    for (const record of records) await feed(driver, 'in', [record]);
    const view = driver.store<Windowed<string>, number>('counts');
    return (await view.windows('a', range)).map(([key, value]) => `${shortKey(key)}: ${value}`);
  };

  it('lists the windows of one key in the order of their starts', async () => {
    assert.deepEqual(await seen(tumbling('10ms', { retention: '1s' })), [
      'a 0..10: 1',
      'a 20..30: 1',
      'a 30..40: 1',
      'a 40..50: 1',
    ]);
    assert.deepEqual(await seen(hopping('20ms', { every: '10ms', retention: '1s' }), { from: 20, to: 20 }), [
      'a 20..40: 2',
    ]);
    assert.deepEqual(await seen(session('8ms', { retention: '1s' })), ['a 0..0: 1', 'a 25..31: 2', 'a 47..47: 1']);
    assert.deepEqual(await seen(sliding('10ms', { retention: '1s' }), { from: 20, to: 30 }), [
      'a 21..31: 2',
      'a 26..36: 1',
    ]);
    assert.deepEqual(await seen(everyN(3)), ['a 3..6: 1']);
  });

  it('lists those that start between two moments, both included', async () => {
    const window = tumbling('10ms', { retention: '1s' });
    assert.deepEqual(await seen(window, { from: 20 }), ['a 20..30: 1', 'a 30..40: 1', 'a 40..50: 1']);
    assert.deepEqual(await seen(window, { to: 20 }), ['a 0..10: 1', 'a 20..30: 1']);
    assert.deepEqual(await seen(window, { from: 1, to: 19 }), []);
    assert.deepEqual(await seen(session('8ms', { retention: '1s' }), { from: 1, to: 25 }), ['a 25..31: 2']);
  });

  it('gets one window, also of what is not committed', async () => {
    const driver = await open(
      windowedThrough((input) => input.pipe(count({ store: 'counts', window: tumbling('10ms') }))),
    );
    await feed(driver, 'in', [['a', 1, 0]]);
    const view = driver.store<Windowed<string>, number>('counts');
    assert.equal(await view.get({ key: 'a', start: 0, end: 10 }), 1);
    assert.equal(await view.get({ key: 'a', start: 10, end: 20 }), null);
  });

  it('is refused where there are no windows', async () => {
    const driver = await open(through((input) => input.pipe(count({ store: 'counts' }), toStream())));
    await assert.rejects(
      driver.store<never, number>('counts').windows('a' as never),
      failure('STORE_UNKNOWN', /no store of windows/),
    );
  });
});
