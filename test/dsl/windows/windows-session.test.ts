import assert from 'node:assert/strict';
import {
  aggregate,
  count,
  filterValues,
  groupBy,
  joinTable,
  process,
  reduce,
  type StreamRecord,
  serdes,
  session,
  to,
  topology,
  toStream,
  type Windowed,
  type Windowing,
} from '#src/index.js';
import { deadLetters, failure, feed, json, open, read, rows, type Short } from '../support.js';
import { readWindows, windowedThrough, windowRows } from './windows.support.js';

const counting = (windowing: Windowing) =>
  windowedThrough((input) => input.pipe(count({ store: 'sessions', ...windowing })));

/** Aggregates that show what was added and merged in which order. */
const texts = (windowing: Windowing) =>
  windowedThrough<string>((input) =>
    input.pipe(
      aggregate({
        store: 'sessions',
        value: serdes.string,
        initial: () => '',
        add: (all, { value }) => `${all}+${value}`,
        merge: (first, second) => `${first}|${second}`,
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

describe('sessions', () => {
  it('take in what is no further away than the gap, and delete their old bounds when they grow', async () => {
    assert.deepEqual(
      await outputs(counting({ window: session('10ms', { grace: '1s' }) }), [
        ['a', 1, 100],
        ['a', 1, 110],
        ['a', 1, 121],
        ['a', 1, 90],
        ['b', 1, 95],
      ]),
      [
        ['a 100..100', 1, 100],
        ['a 100..100', null, 100],
        ['a 100..110', 2, 110],
        ['a 121..121', 1, 121],
        ['a 100..110', null, 110],
        ['a 90..110', 3, 110],
        ['b 95..95', 1, 95],
      ],
    );
  });

  it('become one in the order of their ends: what they hold is merged, then the record is added', async () => {
    assert.deepEqual(
      await outputs(texts({ window: session('10ms', { grace: '1s' }) }), [
        ['a', '1', 120],
        ['a', '2', 100],
        ['a', '3', 110],
      ]),
      [
        ['a 120..120', '+1', 120],
        ['a 100..100', '+2', 100],
        ['a 100..100', null, 100],
        ['a 120..120', null, 120],
        ['a 100..120', '|+2|+1+3', 120],
      ],
    );
  });

  it('are deleted and emitted again under the same bounds, but not those of a single moment', async () => {
    const target = windowedThrough<string>((input) =>
      input.pipe(
        reduce<StreamRecord<string, string>>({
          store: 'sessions',
          value: serdes.string,
          add: (all, value) => all + value,
          window: session('10ms', { grace: '1s' }),
        }),
      ),
    );
    const shorts: Short[] = [
      ['a', 'x', 5],
      ['a', 'y', 5],
      ['a', 'z', 9],
      ['a', '!', 7],
    ];
    assert.deepEqual(await outputs(target, shorts), [
      ['a 5..5', 'x', 5],
      ['a 5..5', 'xy', 5],
      ['a 5..5', null, 5],
      ['a 5..9', 'xyz', 9],
      ['a 5..9', null, 9],
      ['a 5..9', 'xyz!', 9],
    ]);
  });

  it('know what they held before: a group behind them takes out what was put in', async () => {
    const target = topology('test', (t) => {
      t.stream('in', json<number>())
        .pipe(
          count({ store: 'sessions', window: session('10ms', { grace: '1s' }) }),
          groupBy(() => 'all', { key: serdes.string, value: serdes.int64, name: 'all' }),
          aggregate({
            store: 'total',
            value: serdes.int64,
            initial: () => 0,
            add: (total, { value }) => total + value,
            subtract: (total, { value }) => total - value,
          }),
        )
        .pipe(to('out', json<number>()));
    });
    const driver = await open(target);
    for (const timestamp of [5, 5, 30, 12, 21]) await feed(driver, 'in', [['a', 1, timestamp]]);
    assert.deepEqual(await rows(driver, 'total'), { all: 5 });
  });

  it('are deleted behind a filter only if they had passed it', async () => {
    const target = windowedThrough((input) =>
      input.pipe(
        count({ store: 'sessions', window: session('10ms', { grace: '1s' }) }),
        filterValues((n) => n % 2 === 0),
      ),
    );
    const shorts: Short[] = [5, 5, 5, 8].map((timestamp) => ['a', 1, timestamp]);
    assert.deepEqual(await outputs(target, shorts), [
      ['a 5..5', 2, 5],
      ['a 5..5', null, 5],
      ['a 5..8', 4, 8],
    ]);
  });

  it('are open until stream time has passed their end, gap and grace, and kept as long by default', async () => {
    const driver = await open(texts({ window: session('10ms', { grace: '5ms' }) }));
    await feed(driver, 'in', [
      ['a', '1', 100],
      ['b', '2', 115],
      // 100 + 10 + 5 is not behind stream time: the session is open, and so would one at 100 be.
      ['c', '3', 100],
      ['a', '4', 99],
      ['b', '5', 116],
      ['c', '6', 100],
      ['d', '7', 100],
    ]);
    assert.deepEqual((await readWindows(driver)).slice(2), [
      ['c 100..100', '+3', 100],
      ['a 100..100', null, 100],
      ['a 99..100', '|+1+4', 100],
      ['b 115..115', null, 115],
      ['b 115..116', '|+2+5', 116],
    ]);
    assert.equal(driver.metrics.nodes['aggregate sessions']?.late, 2);
    assert.deepEqual(await windowRows(driver, 'sessions'), { 'b 115..116': '|+2+5' });
  });

  it('are final once they are closed: what comes next to one begins another, which may grow over it', async () => {
    const driver = await open(texts({ window: session('10ms', { retention: '1h' }) }));
    await feed(driver, 'in', [
      ['a', '1', 0],
      ['a', '2', 10],
      ['b', '-', 21],
      ['a', '3', 11],
      ['a', '4', 5],
    ]);
    assert.deepEqual((await readWindows(driver)).slice(3), [
      ['b 21..21', '+-', 21],
      ['a 11..11', '+3', 11],
      ['a 11..11', null, 11],
      ['a 5..11', '|+3+4', 11],
    ]);
    assert.deepEqual(await windowRows(driver, 'sessions'), {
      'a 0..10': '|+1+2',
      'a 5..11': '|+3+4',
      'b 21..21': '+-',
    });
  });

  it('stay to be looked up for their retention, from their end, and cost a row a key', async () => {
    const driver = await open(counting({ window: session('10ms', { retention: '100ms' }) }));
    await feed(
      driver,
      'in',
      [0, 20, 40, 60, 80, 100].map((timestamp): Short => ['a', 1, timestamp]),
    );
    assert.equal(Object.keys(await windowRows(driver, 'sessions')).length, 6);
    await feed(driver, 'in', [['b', 1, 121]]);
    assert.deepEqual(Object.keys(await windowRows(driver, 'sessions')), [
      'a 40..40',
      'a 60..60',
      'a 80..80',
      'a 100..100',
      'b 121..121',
    ]);
    assert.equal(await driver.store('sessions').get({ key: 'a', start: 40, end: 40 }), 1);
    assert.equal(await driver.store('sessions').get({ key: 'a', start: 20, end: 20 }), null);
    const log = await driver.output('test-sessions-changelog', { key: serdes.string, value: serdes.bytes }).read();
    assert.deepEqual([...new Set(log.map(({ key }) => key))], ['a', 'b']);
  });

  it('count records without a value, and drop those without a key, which do not move stream time', async () => {
    const driver = await open(counting({ window: session('10ms') }));
    await feed(driver, 'in', [
      ['a', null, 5],
      [null, 1, 1_000],
      ['a', 1, 6],
    ]);
    assert.deepEqual((await readWindows(driver)).at(-1), ['a 5..6', 2, 6]);
    assert.equal(driver.metrics.nodes['count sessions']?.['null-key'], 1);
  });

  it('close all when one record is a year ahead, and what comes behind it is late until its time has come', async () => {
    const driver = await open(counting({ window: session('10ms', { grace: '1d' }), late: 'deadLetter' }));
    await feed(driver, 'in', [
      ['a', 1, 5],
      ['a', 1, YEAR],
      ['a', 1, 6],
      ['a', 1, YEAR + 5],
    ]);
    assert.deepEqual((await readWindows(driver)).at(-1), [`a ${YEAR}..${YEAR + 5}`, 2, YEAR + 5]);
    const [letter] = await deadLetters(driver);
    assert.equal(letter?.code, 'RECORD_LATE');
    assert.equal(letter?.from, 'in[0]@2');
  });

  it('stay as they were when a function throws half-way', async () => {
    const target = windowedThrough<number>((input) =>
      input.pipe(
        aggregate({
          store: 'sessions',
          value: serdes.int64,
          initial: () => 0,
          add: (all, { value }) => {
            if (value < 0) throw new Error('negative');
            return all + value;
          },
          merge: (first, second) => first + second,
          window: session('10ms', { grace: '1s' }),
        }),
      ),
    );
    const driver = await open(target, { onError: { process: 'skip' } });
    await feed(driver, 'in', [
      ['a', 1, 0],
      ['a', 2, 20],
      ['a', -1, 10],
    ]);
    assert.deepEqual(await windowRows(driver, 'sessions'), { 'a 0..0': 1, 'a 20..20': 2 });
    assert.equal((await readWindows(driver)).length, 2);
  });

  it('are emitted once where that is asked for: when they close, in the order of their ends', async () => {
    const driver = await open(texts({ window: session('10ms', { grace: '5ms' }), emit: 'onClose' }));
    await feed(driver, 'in', [
      ['b', '1', 0],
      ['a', '2', 1],
      ['b', '3', 4],
      ['b', '4', 17],
    ]);
    assert.deepEqual(await readWindows(driver), [['a 1..1', '+2', 1]]);
    await feed(driver, 'in', [['c', '5', 40]]);
    assert.deepEqual(await readWindows(driver), [
      ['b 0..4', '|+1+3', 4],
      ['b 17..17', '+4', 17],
    ]);
  });

  it('that close together are emitted once each and in order, however many and however they grew', async () => {
    const driver = await open(counting({ window: session('10ms', { grace: '100ms' }), emit: 'onClose' }));
    const keys = Array.from({ length: 2_500 }, (_, i) => `k${String((i * 7) % 2_500).padStart(4, '0')}`);
    const expected: string[] = [];
    const shorts: Short[] = keys.map((key, i) => [key, 1, 20 + (i % 30)]);
    keys.forEach((key, i) => {
      const start = 20 + (i % 30);
      // A third grows, a third is two that are brought together.
      if (i % 3 === 1) shorts.push([key, 1, start + 7]);
      if (i % 3 === 2) shorts.push([key, 1, start + 20], [key, 1, start + 10]);
      expected.push(`${key} ${start}..${start + [0, 7, 20][i % 3]!}`);
    });
    await feed(driver, 'in', [...shorts, ['last', 1, 1_000]]);
    const end = (window: string): number => Number(window.split('..')[1]);
    expected.sort((a, b) => end(a) - end(b) || (a < b ? -1 : 1));
    assert.deepEqual(
      (await readWindows(driver)).map(([window]) => window),
      expected,
    );
  });

  it('close without another record where that is asked for', async () => {
    const driver = await open(counting({ window: session('10s'), emit: 'onClose', closeAfter: { idle: '30s' } }));
    await feed(driver, 'in', [['a', 1, 5]]);
    await driver.advance('10m');
    assert.deepEqual(await readWindows(driver), [['a 5..5', 1, 5]]);
  });

  it('can be looked up by other operators, under their windows', async () => {
    const windowed = { key: serdes.windowed(serdes.string), value: serdes.json<any>() };
    const target = topology('test', (t) => {
      const sessions = t
        .stream('in', json<number>())
        .pipe(count({ store: 'sessions', window: session('10ms', { grace: '1s' }) }));
      t.stream('asked', windowed).pipe(
        joinTable(sessions, (question: string, n: number) => `${question} ${n}`),
        to('answers', windowed),
      );
      sessions.pipe(
        toStream(),
        process({
          name: 'list',
          uses: ['sessions'],
          async process(record: StreamRecord<Windowed<string>, number | null>, { store, forward }) {
            const all = store<Windowed<string>, number>('sessions');
            const listed: string[] = [];
            const from = { key: 'a', start: 10, end: 0 };
            for await (const [{ key, start }, n] of all.entries({ from, reverse: true }))
              listed.push(`${key}${start}=${n}`);
            forward({ key: record.key, value: `${await all.load(record.key)}: ${listed.join(' ')}` as never });
          },
        }),
        to('out', windowed),
      );
    });
    const driver = await open(target);
    for (const timestamp of [0, 20, 40]) await feed(driver, 'in', [['a', timestamp, timestamp]]);
    await driver.input('asked', windowed).sendAll([
      { key: { key: 'a', start: 20, end: 20 }, value: 'how many?' },
      { key: { key: 'a', start: 20, end: 21 }, value: 'and here?' },
    ]);
    assert.deepEqual(
      (await read(driver, 'answers')).map(([, value]) => value),
      ['how many? 1'],
    );
    assert.deepEqual(
      (await readWindows(driver)).map(([, value]) => value),
      ['1: ', '1: a20=1', '1: a40=1 a20=1'],
    );
  });

  it('cannot be written by another operator', async () => {
    const target = topology('test', (t) => {
      t.stream('in', json<number>())
        .pipe(count({ store: 'sessions', window: session('10ms') }), toStream())
        .pipe(
          process({
            name: 'write',
            uses: ['sessions'],
            process: ({ key }, { store }) => store('sessions').delete(key),
          }),
        );
    });
    const driver = await open(target);
    await assert.rejects(feed(driver, 'in', [['a', 1, 0]]), failure('STORE_READ_ONLY', /store sessions/));
  });

  it('are refused without a merge function or a gap, and with a retention that ends while they are open', async () => {
    const without = windowedThrough((input) =>
      input.pipe(
        aggregate({
          store: 's',
          value: serdes.int64,
          initial: () => 0,
          add: (n: number) => n,
          window: session('1s'),
        } as never),
      ),
    );
    assert.throws(() => without.graph, failure('TOPOLOGY_INVALID', /aggregate s.*Give it merge/s));
    assert.throws(() => session('0s'), failure('CONFIG_INVALID', /the gap of a session is zero/));
    assert.throws(
      () => session('10s', { grace: '5s', retention: '14s' }),
      failure('CONFIG_INVALID', /retention 14s, expected at least .* 15000ms/),
    );
  });
});
