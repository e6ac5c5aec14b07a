import assert from 'node:assert/strict';
import {
  aggregate,
  count,
  type Duration,
  Headers,
  hopping,
  reduce,
  serdes,
  toStream,
  tumbling,
  type Windowing,
} from '#src/index.js';
import { deadLetters, failure, feed, open, type Short } from '../support.js';
import { readWindows, windowedThrough, windowRows } from './windows.support.js';

const counting = (windowing: Windowing) =>
  windowedThrough((input) => input.pipe(count({ store: 'counts', ...windowing })));
const closing = (grace: Duration = '0ms') => counting({ window: tumbling('10ms', { grace }), emit: 'onClose' });

describe('windows that are emitted when they close', () => {
  it('come out once, after the record that closes them, with the highest timestamp in them', async () => {
    const driver = await open(closing('5ms'));
    await feed(driver, 'in', [
      ['a', 1, 8],
      ['a', 1, 3],
      ['a', 1, 14],
    ]);
    assert.deepEqual(await readWindows(driver), []);
    await feed(driver, 'in', [['b', 1, 15]]);
    assert.deepEqual(await readWindows(driver), [['a 0..10', 2, 8]]);
    await feed(driver, 'in', [
      ['a', 1, 9],
      ['a', 1, 16],
    ]);
    assert.deepEqual(await readWindows(driver), []);
  });

  it('come out by their start, then by the bytes of their keys', async () => {
    const driver = await open(counting({ window: hopping('10ms', { every: '5ms', grace: '50ms' }), emit: 'onClose' }));
    await feed(driver, 'in', [
      ['b', 1, 7],
      ['ä', 1, 7],
      ['a', 1, 12],
      ['', 1, 12],
      ['ab', 1, 7],
    ]);
    await feed(driver, 'in', [['z', 1, 200]]);
    assert.deepEqual(
      (await readWindows(driver)).map(([key]) => key),
      ['ab 0..10', 'b 0..10', 'ä 0..10', ' 5..15', 'a 5..15', 'ab 5..15', 'b 5..15', 'ä 5..15', ' 10..20', 'a 10..20'],
    );
  });

  it('come out when a clock jumps far past their retention', async () => {
    const driver = await open(closing());
    await feed(driver, 'in', [
      ['a', 1, 5],
      ['b', 1, 6],
      ['a', 1, 1e13],
    ]);
    assert.deepEqual(await readWindows(driver), [
      ['a 0..10', 1, 5],
      ['b 0..10', 1, 6],
    ]);
    assert.deepEqual(Object.keys(await windowRows(driver, 'counts')), ['a 10000000000000..10000000000010']);
  });

  it('are not emitted if they are empty then, and are if they were filled again', async () => {
    const driver = await open(
      windowedThrough((input) =>
        input.pipe(
          reduce({
            store: 'sums',
            value: serdes.json<number>(),
            window: tumbling('10ms'),
            emit: 'onClose',
            add: (a, b: number) => (a + b === 0 ? null : a + b),
          }),
        ),
      ),
    );
    await feed(driver, 'in', [
      ['a', 3, 1],
      ['b', 2, 1],
      ['a', -3, 2],
      ['b', -2, 2],
      ['b', 7, 3],
      ['c', 1, 30],
    ]);
    assert.deepEqual(await readWindows(driver), [['b 0..10', 7, 3]]);
  });

  it('are changes from nothing, without the headers of whichever record closed them', async () => {
    const driver = await open(
      windowedThrough((input) =>
        input.pipe(
          aggregate({
            store: 'lists',
            value: serdes.json<number[]>(),
            window: tumbling('10ms'),
            emit: 'onClose',
            initial: () => [],
            add: (list, { value }) => [...list, value],
          }),
          toStream(),
        ),
      ),
    );
    await driver.input('in', { key: serdes.string, value: serdes.json() }).sendAll([
      { key: 'a', value: 1, timestamp: 1, headers: { trace: 'x' } },
      { key: 'a', value: 2, timestamp: 11, headers: { trace: 'y' } },
    ]);
    const [record] = await driver.output('out', { key: serdes.windowed(serdes.string), value: serdes.json() }).read();
    assert.deepEqual([record?.value, record?.headers], [[1], Headers.none]);
  });

  it('come out once, whatever step a crash follows', async () => {
    for (const step of ['1 settle', '2 log', '3 offsets', '4 apply'] as const) {
      const driver = await open(closing());
      await feed(driver, 'in', [
        ['a', 1, 5],
        ['b', 1, 6],
      ]);
      await driver.crash(step);
      await feed(driver, 'in', [['a', 1, 12]]);
      await driver.restart();
      await feed(driver, 'in', [['a', 1, 25]]);
      assert.deepEqual(
        await readWindows(driver),
        [
          ['a 0..10', 1, 5],
          ['b 0..10', 1, 6],
          ['a 10..20', 1, 12],
        ],
        step,
      );
    }
  });

  it('are found again by a task that restores, more than it keeps in memory', async () => {
    const driver = await open(closing(), { partitions: 1 });
    const many: Short[] = Array.from({ length: 20_000 }, (_, i) => [`k${i}`, 1, 5]);
    await feed(driver, 'in', many);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'in', [['a', 1, 15]]);
    const closed = await readWindows(driver);
    assert.equal(closed.length, 20_000);
    assert.deepEqual(
      closed.map(([key]) => key),
      many.map(([key]) => `${key} 0..10`).sort(),
    );
  });
});

describe('late records', () => {
  const records: readonly Short[] = [
    ['a', 1, 20],
    ['a', 2, 9],
    ['b', 3, 4],
  ];
  const window = tumbling('10ms', { grace: '5ms' });

  it('are counted', async () => {
    const driver = await open(counting({ window }));
    for (const record of records) await feed(driver, 'in', [record]);
    assert.equal(driver.metrics.nodes['count counts']?.late, 2);
  });

  it('are shown to a function, each once, in order', async () => {
    const late: unknown[] = [];
    const driver = await open(
      counting({ window, late: ({ key, value, timestamp }) => void late.push([key, value, timestamp]) }),
    );
    for (const record of records) await feed(driver, 'in', [record]);
    assert.deepEqual(late, [
      ['a', 2, 9],
      ['b', 3, 4],
    ]);
    assert.equal(driver.metrics.nodes['count counts']?.late, 2);
  });

  it('go to the dead letters as they came, with the reason', async () => {
    const driver = await open(counting({ window, late: 'deadLetter' }));
    for (const record of records) await feed(driver, 'in', [record]);
    assert.deepEqual(await deadLetters(driver), [
      {
        key: 'a',
        value: 2,
        code: 'RECORD_LATE',
        message:
          'a record arrived after its windows had closed at count counts: saw the timestamp 9 at stream time 20, expected windows that end after 15. Give the windows a longer grace if such records should count.',
        operator: 'count counts',
        from: 'in[0]@1',
      },
      {
        key: 'b',
        value: 3,
        code: 'RECORD_LATE',
        message:
          'a record arrived after its windows had closed at count counts: saw the timestamp 4 at stream time 20, expected windows that end after 15. Give the windows a longer grace if such records should count.',
        operator: 'count counts',
        from: 'in[0]@2',
      },
    ]);
    assert.deepEqual((await readWindows(driver)).length, 1);
  });

  it('fail as any record does if the function throws', async () => {
    const throwing = counting({
      window,
      late: () => {
        throw new Error('too late');
      },
    });
    const driver = await open(throwing, { onError: { process: 'deadLetter' } });
    for (const record of records) await feed(driver, 'in', [record]);
    const letters = await deadLetters(driver);
    assert.deepEqual(
      letters.map(({ code, value }) => [code, value]),
      [
        ['PROCESS_FAILED', 2],
        ['PROCESS_FAILED', 3],
      ],
    );
    assert.match(String(letters[0]?.message), /too late at in\[0\]@1, node count counts/);
  });
});

describe('closeAfter.idle', () => {
  const idle = (emit: 'updates' | 'onClose' = 'onClose') =>
    counting({ window: tumbling('10s', { grace: '1s' }), emit, closeAfter: { idle: '30s' } });

  it('closes windows when nothing has come for so long, by the time that has gone by since', async () => {
    const driver = await open(idle());
    await feed(driver, 'in', [
      ['a', 1, 5_000],
      ['b', 1, 33_000],
    ]);
    assert.deepEqual(await readWindows(driver), [['a 0..10000', 1, 5_000]]);
    await driver.advance('29s');
    assert.deepEqual(await readWindows(driver), []);
    await driver.advance('1s');
    assert.deepEqual(await readWindows(driver), [['b 30000..40000', 1, 33_000]]);
    await driver.advance('1h');
    assert.deepEqual(await readWindows(driver), []);
  });

  it('waits again after each record', async () => {
    const driver = await open(idle());
    await feed(driver, 'in', [['a', 1, 5_000]]);
    await driver.advance('29s');
    await feed(driver, 'in', [['a', 1, 6_000]]);
    await driver.advance('29s');
    assert.deepEqual(await readWindows(driver), []);
    await driver.advance('1s');
    assert.deepEqual(await readWindows(driver), [['a 0..10000', 2, 6_000]]);
  });

  it('makes records late that come afterwards for a closed window, also after a crash and among updates', async () => {
    for (const emit of ['onClose', 'updates'] as const) {
      const driver = await open(idle(emit));
      await feed(driver, 'in', [['a', 1, 5_000]]);
      await driver.advance('30s');
      assert.equal((await readWindows(driver)).length, 1);
      await driver.crash();
      await driver.restart();
      await feed(driver, 'in', [['a', 1, 6_000]]);
      assert.deepEqual(await readWindows(driver), [], emit);
      assert.equal(driver.metrics.nodes['count counts']?.late, 1);
    }
  });

  it('begins to wait again after a restart', async () => {
    const driver = await open(idle());
    await feed(driver, 'in', [['a', 1, 5_000]]);
    await driver.advance('29s');
    await driver.crash();
    await driver.restart();
    await driver.advance('29s');
    assert.deepEqual(await readWindows(driver), []);
    await driver.advance('1s');
    assert.deepEqual(await readWindows(driver), [['a 0..10000', 1, 5_000]]);
  });

  it('does nothing before the first record', async () => {
    const driver = await open(idle());
    await driver.advance('1h');
    await feed(driver, 'in', [['a', 1, 5_000]]);
    assert.deepEqual(driver.metrics.nodes['count counts'] ?? {}, {});
  });

  it('must be a duration', async () => {
    const wrong = counting({ window: tumbling('10s'), closeAfter: { idle: '30 sec' as '30s' } });
    await assert.rejects(open(wrong), failure('CONFIG_INVALID', /closeAfter.idle of counts/));
  });
});
