import assert from 'node:assert/strict';
import {
  aggregate,
  count,
  hopping,
  reduce,
  serdes,
  toStream,
  tumbling,
  unlimited,
  type Windowed,
  type Windowing,
} from '#src/index.js';
import { failure, feed, open, type Short } from '../support.js';
import { readWindows, windowedThrough, windowRows } from './windows.support.js';

const counting = (windowing: Windowing) =>
  windowedThrough((input) => input.pipe(count({ store: 'counts', ...windowing })));

async function outputs(windowing: Windowing, records: readonly Short[]) {
  const driver = await open(counting(windowing));
  await feed(driver, 'in', records);
  return readWindows(driver);
}

describe('tumbling windows', () => {
  it('hold the start, and not the end', async () => {
    assert.deepEqual(
      await outputs({ window: tumbling('10ms', { grace: '1s' }) }, [
        ['a', 1, 0],
        ['a', 1, 9],
        ['a', 1, 10],
        ['b', 1, 19],
      ]),
      [
        ['a 0..10', 1, 0],
        ['a 0..10', 2, 9],
        ['a 10..20', 1, 10],
        ['b 10..20', 1, 19],
      ],
    );
  });

  it('take a late record in until stream time reaches end and grace, and not then', async () => {
    const driver = await open(counting({ window: tumbling('10ms', { grace: '5ms' }) }));
    for (const record of [
      ['a', 1, 14],
      ['a', 1, 9],
      ['b', 1, 15],
      ['a', 1, 9],
    ] as const)
      await feed(driver, 'in', [record]);
    assert.deepEqual(await readWindows(driver), [
      ['a 10..20', 1, 14],
      ['a 0..10', 1, 9],
      ['b 10..20', 1, 15],
    ]);
    assert.equal(driver.metrics.nodes['count counts']?.late, 1);
  });

  it('count records without a value, and drop those without a key, which do not move stream time', async () => {
    const driver = await open(counting({ window: tumbling('10ms') }));
    for (const record of [
      ['a', 1, 0],
      [null, 1, 50],
      ['a', null, 3],
    ] as const)
      await feed(driver, 'in', [record]);
    assert.deepEqual(await readWindows(driver), [
      ['a 0..10', 1, 0],
      ['a 0..10', 2, 3],
    ]);
    assert.equal(driver.metrics.nodes['count counts']?.['null-key'], 1);
  });

  it('let their stream time be moved by late records of any key, and keep it over a restart', async () => {
    const driver = await open(counting({ window: tumbling('10ms') }));
    await feed(driver, 'in', [['a', 1, 100]]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'in', [['b', 1, 50]]);
    assert.deepEqual(await readWindows(driver), [['a 100..110', 1, 100]]);
  });

  it('empty a window where the aggregate is null, and begin it afresh', async () => {
    const driver = await open(
      windowedThrough((input) =>
        input.pipe(
          reduce({
            store: 'sums',
            value: serdes.json<number>(),
            window: tumbling('10ms'),
            add: (a, b: number) => (a + b === 0 ? null : a + b),
          }),
        ),
      ),
    );
    await feed(driver, 'in', [
      ['a', 3, 1],
      ['a', -3, 2],
      ['a', 5, 1],
    ]);
    assert.deepEqual(await readWindows(driver), [
      ['a 0..10', 3, 1],
      ['a 0..10', null, 2],
      ['a 0..10', 5, 1],
    ]);
  });

  it('forget a window when its retention is over, counted from its start, and not before', async () => {
    const driver = await open(counting({ window: tumbling('10ms', { retention: '100ms' }) }));
    await feed(driver, 'in', [
      ['a', 1, 5],
      ['b', 1, 100],
    ]);
    assert.deepEqual(await windowRows(driver, 'counts'), { 'a 0..10': 1, 'b 100..110': 1 });
    await feed(driver, 'in', [['b', 1, 101]]);
    assert.deepEqual(await windowRows(driver, 'counts'), { 'b 100..110': 2 });
  });

  it('hold no record that is older than the epoch, and count it', async () => {
    assert.deepEqual(tumbling('10ms').of(-1, 'a'), []);
    assert.deepEqual(hopping('10ms', { every: '5ms' }).of(-1, 'a'), []);
  });

  it('are refused with a size of zero, and with a retention that ends before they close', () => {
    assert.throws(() => tumbling('0ms'), failure('CONFIG_INVALID', /size of a tumbling window is zero/));
    assert.throws(() => tumbling('1m', { grace: '30s', retention: '89s' }), failure('CONFIG_INVALID', /90000ms/));
    assert.equal(tumbling('1m', { grace: '1h' }).retentionMs, 3_660_000);
    assert.throws(() => tumbling('1m', { grace: '1h', retention: '1h' }), failure('CONFIG_INVALID'));
  });

  it('are refused on a table', async () => {
    const regrouped = windowedThrough((input) =>
      input.pipe(count({ store: 'all' }), count({ store: 'counts', window: tumbling('1m') }), toStream()),
    );
    await assert.rejects(open(regrouped), failure('TOPOLOGY_INVALID', /its input is a table/));
  });
});

describe('hopping windows', () => {
  const window = hopping('10ms', { every: '4ms', grace: '2ms' });

  it('hold a record in each that its timestamp lies in, in the order of starts, none before the epoch', async () => {
    assert.deepEqual(
      await outputs({ window }, [
        ['a', 1, 3],
        ['a', 1, 9],
      ]),
      [
        ['a 0..10', 1, 3],
        ['a 0..10', 2, 9],
        ['a 4..14', 1, 9],
        ['a 8..18', 1, 9],
      ],
    );
  });

  it('take a late record into those that are open, and count it as partly late', async () => {
    const late: unknown[] = [];
    const driver = await open(counting({ window, late: ({ timestamp }) => void late.push(timestamp) }));
    for (const record of [
      ['b', 1, 12],
      ['a', 1, 9],
      ['a', 1, 3],
    ] as const)
      await feed(driver, 'in', [record]);
    assert.deepEqual((await readWindows(driver)).slice(3), [
      ['a 4..14', 1, 9],
      ['a 8..18', 1, 9],
    ]);
    assert.deepEqual(driver.metrics.nodes['count counts'], { 'partly-late': 1, late: 1 });
    assert.deepEqual(late, [3]);
  });

  it('are refused if they leave gaps', () => {
    assert.throws(() => hopping('1s', { every: '2s' }), failure('CONFIG_INVALID', /leaves gaps/));
    assert.throws(() => hopping('1s', { every: '0s' }), failure('CONFIG_INVALID', /every of a hopping window is zero/));
  });
});

describe('an unlimited window', () => {
  it('never ends, and counts what comes before it as in no window', async () => {
    const driver = await open(counting({ window: unlimited({ from: 100 }) }));
    await feed(driver, 'in', [
      ['a', 1, 99],
      ['a', 1, 100],
      ['a', 1, 1e12],
    ]);
    assert.deepEqual(await readWindows(driver), [
      ['a 100..Infinity', 1, 100],
      ['a 100..Infinity', 2, 1e12],
    ]);
    assert.equal(driver.metrics.nodes['count counts']?.['no-window'], 1);
  });

  it('is refused where windows are emitted when they close', async () => {
    await assert.rejects(
      open(counting({ window: unlimited(), emit: 'onClose' })),
      failure('TOPOLOGY_INVALID', /unlimited ones never do/),
    );
  });
});

describe('the state of windows', () => {
  it('survives a restart in the middle of a window', async () => {
    const driver = await open(
      windowedThrough((input) =>
        input.pipe(
          aggregate({
            store: 'lists',
            value: serdes.json<number[]>(),
            window: hopping('10ms', { every: '5ms' }),
            initial: () => [],
            add: (list, { value }) => [...list, value],
          }),
        ),
      ),
    );
    await feed(driver, 'in', [
      ['a', 1, 5],
      ['a', 2, 6],
    ]);
    await driver.crash('3 offsets');
    await feed(driver, 'in', [['a', 3, 7]]);
    await driver.restart();
    await readWindows(driver);
    await feed(driver, 'in', [['a', 4, 8]]);
    assert.deepEqual(await readWindows(driver), [
      ['a 0..10', [1, 2, 3, 4], 8],
      ['a 5..15', [1, 2, 3, 4], 8],
    ]);
  });

  it('is written without a second store where updates are emitted', () => {
    const stores = ({ graph }: ReturnType<typeof counting>) => graph.stores.map(({ name, kind }) => [name, kind]);
    assert.deepEqual(stores(counting({ window: tumbling('1m') })), [['counts', 'window']]);
    assert.deepEqual(stores(counting({ window: tumbling('1m'), emit: 'onClose' })), [
      ['counts', 'window'],
      ['counts-closing', 'buffer'],
    ]);
  });

  it('has keys that serdes.windowed reads', () => {
    const serde = serdes.windowed(serdes.string);
    const key: Windowed<string> = { key: 'a', start: 5, end: Number.POSITIVE_INFINITY };
    const { key: inner, start, end } = serde.decode(serde.encode(key));
    assert.deepEqual({ key: inner, start, end }, key);
  });
});
