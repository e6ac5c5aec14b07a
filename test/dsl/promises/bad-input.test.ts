import assert from 'node:assert/strict';
import { map } from 'rxjs';
import {
  count,
  type Duration,
  hopping,
  process,
  type StreamRecord,
  selectKey,
  session,
  sliding,
  suppress,
  to,
  topology,
  toStream,
  tumbling,
  validate,
  type Windowing,
} from '#src/index.js';
import { deadLetters, failure, feed, json, open, read, type Short, through } from '../support.js';

const keep = { onError: { deserialize: 'deadLetter', process: 'deadLetter' } } as const;

describe('an invalid timestamp', () => {
  const given: Short[] = [
    ['a', 1, 5],
    ['a', 2, -1],
    ['a', 3, 7],
  ];

  it('of a broker (−1, where the producer gave none) fails by default, and names the record', async () => {
    const driver = await open(through((input) => input));
    await assert.rejects(
      feed(driver, 'in', given),
      failure('DESERIALIZE_FAILED', /no usable timestamp at in\[0\]@1: saw -1, expected milliseconds since the epoch/),
    );
  });

  it('of a broker goes the way of onError.deserialize, and moves no window', async () => {
    const target = through((input) =>
      input.pipe(
        count({ store: 'counts', window: tumbling('10ms') }),
        toStream(),
        selectKey(({ key }) => key.key),
      ),
    );
    const driver = await open(target, keep);
    await feed(driver, 'in', given);
    assert.deepEqual(await read(driver), [
      ['a', 1, 5],
      ['a', 2, 7],
    ]);
    const letters = await deadLetters(driver);
    assert.deepEqual(
      letters.map(({ value, code, from }) => [value, code, from]),
      [[2, 'DESERIALIZE_FAILED', 'in[0]@1']],
    );
  });

  it('of a table does not replace the row', async () => {
    const target = topology('test', (t) => {
      t.table('in', { ...json<number>(), store: 'rows' }).pipe(toStream(), to('out', json<number>()));
    });
    const driver = await open(target, keep);
    await feed(driver, 'in', given);
    assert.deepEqual(await read(driver), [
      ['a', 1, 5],
      ['a', 3, 7],
    ]);
    assert.equal((await deadLetters(driver)).length, 1);
  });

  it('is also what a timestamp function may give: NaN, a fraction, nothing, a negative number, a text', async () => {
    const timestamp = ({ at }: { at: any }): number => (at === 'NaN' ? Number.NaN : at);
    const target = topology('test', (t) => {
      t.stream('in', { ...json<{ at: any }>(), timestamp }).pipe(to('out', json<any>()));
    });
    const driver = await open(target, keep);
    const wrong = ['NaN', 1.5, undefined, null, -3, '2026-01-01'];
    await feed(driver, 'in', [...wrong.map((at): Short => ['a', { at }, 9]), ['a', { at: 4 }, 9]]);
    assert.deepEqual(await read(driver), [['a', { at: 4 }, 4]]);
    assert.deepEqual(
      (await deadLetters(driver)).map(({ code }) => code),
      wrong.map(() => 'DESERIALIZE_FAILED'),
    );
  });

  it('that an operator gives a record is an error of that record', async () => {
    const target = through<{ at: any }>((input) =>
      input.pipe(
        map((record) => ({ ...record, timestamp: record.value.at })),
        count({ store: 'counts' }),
        toStream(),
      ),
    );
    const driver = await open(target, keep);
    await feed(driver, 'in', [
      ['a', { at: 3 }],
      ['a', { at: -3 }],
      ['a', { at: 0.5 }],
      ['a', {}],
      ['a', { at: 4 }],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', 1, 3],
      ['a', 2, 4],
    ]);
    const letters = await deadLetters(driver);
    assert.deepEqual(
      letters.map(({ code, from }) => [code, from]),
      [1, 2, 3].map((offset) => ['PROCESS_FAILED', `in[0]@${offset}`]),
    );
    assert.match(
      String(letters[0]?.message),
      /without a usable timestamp at node count counts: saw the timestamp -3, expected milliseconds/,
    );
  });

  it('that a processor forwards is an error of its record', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'shift',
          process: ({ key, value }: StreamRecord<string, number>, { forward }) =>
            forward({ key, value, timestamp: value }),
        }),
      ),
    );
    const driver = await open(target, keep);
    await feed(driver, 'in', [
      ['a', 1],
      ['a', -1],
    ]);
    assert.deepEqual(await read(driver), [['a', 1, 1]]);
    const [letter] = await deadLetters(driver);
    assert.match(String(letter?.message), /at process shift: saw -1/);
  });

  it('is no reason to end the process: neither is what is no record at all', async () => {
    const target = through<number>((input) =>
      input.pipe(map((record) => (record.value === 1 ? (undefined as never) : record))),
    );
    const driver = await open(target, keep);
    await feed(driver, 'in', [
      ['a', 1, 5],
      ['a', 2, 6],
    ]);
    assert.deepEqual(await read(driver), [['a', 2, 6]]);
    assert.match(
      String((await deadLetters(driver))[0]?.message),
      /emitted something that is not a record at node to out: saw undefined/,
    );
  });
});

describe('null keys', () => {
  const windows: Record<string, Windowing> = {
    tumbling: { window: tumbling('10ms') },
    hopping: { window: hopping('10ms', { every: '5ms' }) },
    sliding: { window: sliding('10ms') },
    session: { window: session('10ms') },
    'emitted on close': { window: tumbling('10ms'), emit: 'onClose' },
  };
  for (const [name, windowing] of Object.entries(windows)) {
    it(`are dropped and counted by windows (${name}), and move no time`, async () => {
      const target = through((input) =>
        input.pipe(
          count({ store: 'counts', ...windowing }),
          suppress({ store: 'final', until: { timeLimit: '1d' } }),
          toStream(),
          selectKey(({ key }) => key.key),
        ),
      );
      const driver = await open(target);
      await feed(driver, 'in', [
        [null, 1, 1_000],
        ['a', 1, 5],
      ]);
      assert.deepEqual(driver.metrics.nodes['count counts'], { 'null-key': 1 });
    });
  }
});

describe('windows that cannot be', () => {
  const problem = (make: () => Windowing['window']): string => {
    const [found, ...others] = validate(
      through((input) =>
        input.pipe(
          count({ store: 'counts', window: make() }),
          toStream(),
          selectKey(({ key }) => key.key),
        ),
      ),
    );
    assert.deepEqual(others, []);
    return `${found?.what}. ${found?.advice}`;
  };

  it('have a length of zero', () => {
    assert.match(
      problem(() => tumbling('0s')),
      /the size of a tumbling window is zero: saw "0s", expected at least "1ms"/,
    );
    assert.match(
      problem(() => hopping('0ms', { every: '1ms' })),
      /the size of a hopping window is zero/,
    );
    assert.match(
      problem(() => hopping('1s', { every: '0ms' })),
      /every of a hopping window is zero/,
    );
    assert.match(
      problem(() => sliding('0ms')),
      /the difference of a sliding window is zero/,
    );
    assert.match(
      problem(() => session('0ms')),
      /the gap of a session is zero/,
    );
  });

  it('would be forgotten while they are open: a grace longer than the retention', () => {
    const options = { grace: '2h', retention: '1h' } as const;
    const forgotten = /would be removed while they are open: saw retention 1h, expected at least/;
    assert.match(
      problem(() => tumbling('1m', options)),
      forgotten,
    );
    assert.match(
      problem(() => hopping('1m', { every: '10s', ...options })),
      forgotten,
    );
    assert.match(
      problem(() => sliding('1m', options)),
      forgotten,
    );
    assert.match(
      problem(() => session('1m', options)),
      forgotten,
    );
  });

  it('leave gaps, or have invalid durations', () => {
    assert.match(
      problem(() => hopping('1s', { every: '2s' })),
      /leaves gaps/,
    );
    assert.match(
      problem(() => tumbling('-1s' as Duration)),
      /cannot read the size of a tumbling window: saw "-1s"/,
    );
    assert.match(
      problem(() => tumbling('1m', { grace: '5' as Duration })),
      /cannot read grace of tumbling/,
    );
  });

  it('CONFIG_INVALID is what they throw', () => {
    assert.throws(() => tumbling('0s'), failure('CONFIG_INVALID'));
    assert.throws(() => session('1s', { grace: '1h', retention: '1m' }), failure('CONFIG_INVALID'));
  });
});
