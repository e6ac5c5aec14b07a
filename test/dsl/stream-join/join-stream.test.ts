import assert from 'node:assert/strict';
import { filter } from 'rxjs';
import {
  type Duration,
  Headers,
  joinStream,
  mapValues,
  repartition,
  type Stream,
  selectKey,
  serdes,
  type Topology,
  to,
  topology,
  toStream,
  validate,
} from '#src/index.js';
import { failure, feed, json, open, read, rows, type Short } from '../support.js';

const pair = (a: unknown, b: unknown): any => [a, b];

type Window = {
  readonly before?: Duration;
  readonly after?: Duration;
  readonly within?: Duration;
  readonly grace?: Duration;
};

/** Topics `left` and `right`, joined into `out`. */
const joined = (window: Window, join: (a: any, b: any, key: string) => unknown = pair): Topology =>
  topology('test', (t) => {
    const right = t.stream('right', json<unknown>());
    t.stream('left', json<unknown>()).pipe(
      joinStream(right, { store: 'pairs', join, ...(window as { within: Duration }) }),
      to('out', json<any>()),
    );
  });

describe('joinStream', () => {
  it('joins records no further apart than within, in either order, with the later timestamp', async () => {
    const driver = await open(joined({ within: '10ms' }));
    await feed(driver, 'left', [['a', 'l', 100]]);
    await feed(driver, 'right', [
      ['a', 'too early', 89],
      ['a', 'just', 90],
      ['b', 'of another key', 100],
      ['a', 'just, too', 110],
      ['a', 'too late', 111],
    ]);
    await feed(driver, 'left', [['a', 'm', 115]]);
    assert.deepEqual(await read(driver), [
      ['a', ['l', 'just'], 100],
      ['a', ['l', 'just, too'], 110],
      ['a', ['m', 'just, too'], 115],
      ['a', ['m', 'too late'], 115],
    ]);
  });

  it('meets the other side in the order of its timestamps, equal ones in the order of their arrival', async () => {
    const driver = await open(joined({ within: '100ms' }));
    await feed(driver, 'right', [
      ['a', 'third', 60],
      ['a', 'first', 20],
      ['a', 'fourth', 60],
      ['a', 'second', 40],
      ['a', 'last', 130],
    ]);
    await feed(driver, 'left', [['a', 'l', 100]]);
    assert.deepEqual(
      (await read(driver)).map(([, value]) => (value as string[])[1]),
      ['first', 'second', 'third', 'fourth', 'last'],
    );
  });

  const times = async (window: Window): Promise<unknown[]> => {
    const driver = await open(joined({ grace: '1s', ...window }, (_, time) => time));
    await feed(driver, 'left', [['a', 'l', 100]]);
    await feed(
      driver,
      'right',
      [70, 80, 90, 100, 110, 120, 130].map((time): Short => ['a', time, time]),
    );
    return (await read(driver)).map(([, time]) => time);
  };

  it('takes before and after apart: the right record may be earlier by one, later by the other', async () => {
    assert.deepEqual(await times({ before: '20ms', after: '10ms' }), [80, 90, 100, 110]);
    assert.deepEqual(await times({ before: '20ms' }), [80, 90, 100]);
    assert.deepEqual(await times({ after: '20ms' }), [100, 110, 120]);
  });

  it('shifts the window where before or after is negative', async () => {
    assert.deepEqual(await times({ before: '-10ms', after: '20ms' }), [110, 120]);
    assert.deepEqual(await times({ before: '30ms', after: '-20ms' }), [70, 80]);
  });

  it('joins equal timestamps only, where the window is of no length and there is a grace', async () => {
    assert.deepEqual(await times({ within: '0ms' }), [100]);
  });

  // What is kept depends on the youngest record of the other side.
  it('joins a late record with what is kept, and counts one that nothing can meet any more', async () => {
    const driver = await open(joined({ within: '10ms', grace: '30ms' }));
    await feed(driver, 'left', [
      ['a', 'gone', 50],
      ['a', 'kept', 51],
      ['b', 'young', 100],
    ]);
    // The right side is young: what comes to it later than this is not kept there.
    await feed(driver, 'right', [
      ['b', 'younger', 111],
      ['a', 'late', 55],
    ]);
    assert.deepEqual(await read(driver), [['a', ['kept', 'late'], 55]]);
    assert.deepEqual(driver.metrics.nodes['joinStream pairs'], { late: 1 });
    await feed(driver, 'left', [['a', 'later', 60]]);
    assert.deepEqual(await read(driver), []);
  });

  it('drops null keys and null values, and counts them', async () => {
    const driver = await open(joined({ within: '10ms' }));
    await feed(driver, 'right', [
      ['a', 'r', 1],
      [null, 'r', 1],
      ['a', null, 1],
    ]);
    await feed(driver, 'left', [
      [null, 'l', 1],
      ['a', null, 1],
      ['a', 'l', 2],
    ]);
    assert.deepEqual(await read(driver), [['a', ['l', 'r'], 2]]);
    assert.deepEqual(driver.metrics.nodes['joinStream pairs'], { 'null-key': 2, 'null-value': 2 });
  });

  it('gives the joiner the key, and passes a null that it makes', async () => {
    const driver = await open(joined({ within: '10ms' }, (a, b, key) => (a === b ? null : key)));
    await feed(driver, 'right', [['a', 1, 1]]);
    await feed(driver, 'left', [
      ['a', 1, 1],
      ['a', 2, 2],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', null, 1],
      ['a', 'a', 2],
    ]);
  });

  it('passes the headers of the record that met the other', async () => {
    const driver = await open(joined({ within: '10ms' }));
    await driver.input('right', json()).send({ key: 'a', value: 1, timestamp: 1, headers: { from: 'right' } });
    await driver.input('left', json()).send({ key: 'a', value: 2, timestamp: 2, headers: { from: 'left' } });
    const [record] = await driver.output('out', json()).read();
    assert.deepEqual(record?.headers, Headers.of({ from: 'left' }));
  });

  it('lets a record of a stream that is joined with itself meet itself, the left part first', async () => {
    const target = topology('test', (t) => {
      const input = t.stream('in', json<number>());
      input.pipe(joinStream(input, { store: 'pairs', within: '10ms', join: pair }), to('out', json<any>()));
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1, 5],
      ['a', 2, 8],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', [1, 1], 5],
      ['a', [2, 1], 8],
      ['a', [1, 2], 8],
      ['a', [2, 2], 8],
    ]);
  });

  it('emits and keeps nothing of a record for which join throws', async () => {
    const join = (a: string, b: string): unknown => {
      if (a === 'bad' && b === 'two') throw new Error('no');
      return [a, b];
    };
    const driver = await open(joined({ within: '10ms' }, join), { onError: { process: 'skip' } });
    await feed(driver, 'right', [
      ['a', 'one', 1],
      ['a', 'two', 2],
    ]);
    await feed(driver, 'left', [
      ['a', 'bad', 3],
      ['a', 'good', 3],
    ]);
    await feed(driver, 'right', [['a', 'three', 4]]);
    assert.deepEqual(
      (await read(driver)).map(([, value]) => value),
      [
        ['good', 'one'],
        ['good', 'two'],
        ['good', 'three'],
      ],
    );
  });

  it('removes what is too old to be met from its stores', async () => {
    const driver = await open(joined({ within: '10ms', grace: '5ms' }));
    await feed(driver, 'left', [
      ['a', 1, 1],
      ['b', 2, 100],
    ]);
    await feed(driver, 'left', [['c', 3, 200]]);
    assert.deepEqual(
      (await driver.store<{ key: string }, unknown>('pairs-left').entries()).map(([{ key }]) => key),
      ['c'],
    );
    assert.deepEqual(await rows(driver, 'pairs-right'), {});
  });

  it('does not start on what another window has left behind', async () => {
    const driver = await open(joined({ within: '10ms' }));
    await feed(driver, 'left', [['a', 1, 1]]);
    await assert.rejects(driver.restart(joined({ within: '20ms' })), failure('STATE_MISMATCH', /pairs-left/));
  });

  it('shows people what its rows hold', async () => {
    const driver = await open(joined({ within: '10ms' }));
    await feed(driver, 'left', [['a', { n: 1 }, 30]]);
    assert.deepEqual(JSON.parse(JSON.stringify(await driver.store('pairs-left').entries())), [
      [
        { key: 'a', start: 0, chunk: 0 },
        { records: [{ timestamp: 30, value: { n: 1 }, waiting: false }], full: [] },
      ],
    ]);
  });
});

describe('joinStream behind changes of key', () => {
  const byFirst = (stream: Stream<string, string>, name?: string) =>
    stream.pipe(selectKey((record) => record.value.slice(0, 1), { key: serdes.string, ...(name && { name }) }));

  it('repartitions each side, under the names of its stores', async () => {
    const target = topology('test', (t) => {
      const right = byFirst(t.stream('right', json<string>()));
      byFirst(t.stream('left', json<string>())).pipe(
        joinStream(right, { store: 'pairs', within: '10ms', join: pair }),
        to('out', json<any>()),
      );
    });
    assert.deepEqual(
      target.graph.nodes.flatMap((node) => (node.kind === 'repartition' ? [node.name] : [])),
      ['pairs-left', 'pairs-right'],
    );
    const driver = await open(target, { partitions: 3 });
    await feed(driver, 'left', [
      ['1', 'x1', 1],
      ['2', 'y1', 2],
    ]);
    await feed(driver, 'right', [
      ['3', 'y2', 3],
      ['4', 'x2', 4],
    ]);
    assert.deepEqual((await read(driver)).sort(), [
      ['x', ['x1', 'x2'], 4],
      ['y', ['y1', 'y2'], 3],
    ]);
  });

  it('repartitions a stream that is joined with itself once', async () => {
    const target = topology('test', (t) => {
      const keyed = byFirst(t.stream('in', json<string>()), 'by-first');
      keyed.pipe(joinStream(keyed, { store: 'pairs', within: '1ms', join: pair }), to('out', json<any>()));
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['1', 'x1', 1],
      ['2', 'x2', 2],
    ]);
    assert.equal((await read(driver)).length, 4);
  });
});

describe('joinStream refuses', () => {
  const refused = (window: object, message: RegExp): void =>
    assert.throws(() => joined(window as Window).graph, failure('CONFIG_INVALID', message));

  it('a window that nothing could meet in, or that is given twice or not at all', () => {
    refused(
      { within: '1s', after: '1s' },
      /the window is given twice at joinStream pairs: saw within 1s.*expected within, or before and after/,
    );
    refused({}, /there is no window at joinStream pairs/);
    refused(
      { before: '-5ms', after: '4ms' },
      /the window ends before it begins at joinStream pairs: saw before -5ms, after 4ms/,
    );
    refused({ within: '0ms' }, /the window has no length/);
    refused({ before: '0ms', after: '0ms', grace: '0ms' }, /the window has no length/);
  });

  it('durations without a unit, and a negative grace', () => {
    refused({ within: 5 }, /cannot read within of joinStream pairs: saw "?5"?/);
    refused({ after: '1 hour' }, /cannot read after of joinStream pairs/);
    refused({ within: '1s', grace: '-1s' }, /cannot read grace of joinStream pairs/);
  });

  it('tables, and says what joins them', () => {
    const target = topology('test', (t) => {
      const rows = t.table('rows', { ...json<number>(), store: 'rows' });
      t.stream('in', json<number>()).pipe(joinStream(rows as never, { store: 'a', within: '1s', join: pair }));
      rows.pipe(joinStream(t.stream('in', json<number>()) as never, { store: 'b', within: '1s', join: pair }) as never);
      rows.pipe(toStream(), joinStream(rows.pipe(toStream()), { store: 'c', within: '1s', join: pair }));
    });
    assert.deepEqual(
      validate(target).map(({ where, what }) => `${where}: ${what}`),
      ['joinStream a: its right input is a table', 'joinStream b: its left input is a table'],
    );
  });

  it('keys that are written differently on both sides', () => {
    const target = topology('test', (t) => {
      const right = t.stream('right', { key: serdes.json<string>(), value: serdes.json<number>() });
      t.stream('left', json<number>()).pipe(joinStream(right, { store: 'a', within: '1s', join: pair }));
    });
    assert.match(validate(target)[0]?.what ?? '', /its left keys are written as string, its right ones as json/);
  });

  it('topics with different numbers of partitions, at start', async () => {
    await assert.rejects(
      open(joined({ within: '1s' }), { partitions: { left: 2, right: 3 } }),
      failure('TOPIC_MISMATCH', /left with 2.*repartition\(\{ name, partitions \}\)/s),
    );
  });

  it('repartitions with different numbers of partitions, when they are declared', () => {
    const target = topology('test', (t) => {
      const wide = (name: string, partitions: number) =>
        t.stream(name, json<number>()).pipe(
          filter((record) => record.value > 0),
          mapValues((value: number) => value),
          repartition({ name: `${name}-wide`, partitions, ...json<number>() }),
        );
      wide('left', 2).pipe(joinStream(wide('right', 3), { store: 'a', within: '1s', join: pair }));
    });
    assert.deepEqual(validate(target), [
      {
        where: 'repartition left-wide',
        what: 'records of repartition left-wide with 2 partitions, repartition right-wide with 3 partitions meet in one store',
        advice: 'Give them equal numbers of partitions, or leave partitions out.',
      },
    ]);
  });
});
