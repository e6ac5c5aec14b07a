import assert from 'node:assert/strict';
import {
  type Duration,
  Headers,
  leftJoinStream,
  outerJoinStream,
  selectKey,
  serdes,
  type Topology,
  to,
  topology,
} from '#src/index.js';
import { deadLetters, failure, feed, json, open, read } from '../support.js';

const pair = (a: unknown, b: unknown): any => [a, b];

type Window = {
  readonly before?: Duration;
  readonly after?: Duration;
  readonly within?: Duration;
  readonly grace?: Duration;
};

const joined = (kind: 'left' | 'outer', window: Window, join: (a: any, b: any, key: any) => any = pair): Topology =>
  topology('test', (t) => {
    const right = t.stream('right', json<unknown>());
    const options = { store: 'pairs', join, ...(window as { within: Duration }) };
    t.stream('left', json<unknown>()).pipe(
      kind === 'left' ? leftJoinStream<any, any, any>(right, options) : outerJoinStream<any, any, any>(right, options),
      to('out', json<any>()),
    );
  });

describe('leftJoinStream', () => {
  it('joins an unmatched record with null once window and grace are over, with its own time and headers', async () => {
    const driver = await open(joined('left', { within: '10ms', grace: '5ms' }));
    await driver.input('left', json()).send({ key: 'a', value: 'alone', timestamp: 100, headers: { trace: 't-1' } });
    await feed(driver, 'left', [['b', 'met', 101]]);
    await feed(driver, 'right', [
      ['b', 'r', 105],
      ['c', 'nothing is due yet', 115],
    ]);
    assert.deepEqual(await read(driver), [['b', ['met', 'r'], 105]]);
    await feed(driver, 'right', [['c', 'now it is', 116]]);
    const [record, ...others] = await driver.output('out', json()).read();
    assert.deepEqual(others, []);
    assert.deepEqual([record?.key, record?.value, record?.timestamp], ['a', ['alone', null], 100]);
    assert.deepEqual(record?.headers, Headers.of({ trace: 't-1' }));
    await feed(driver, 'left', [['z', 'time goes on', 500]]);
    assert.deepEqual(await read(driver), []);
  });

  it('answers what is due before what the record that made it due meets', async () => {
    const driver = await open(joined('left', { within: '10ms' }));
    await feed(driver, 'left', [
      ['a', 'alone', 100],
      ['b', 'met', 102],
    ]);
    await feed(driver, 'right', [['b', 'r', 111]]);
    assert.deepEqual(await read(driver), [
      ['a', ['alone', null], 100],
      ['b', ['met', 'r'], 111],
    ]);
  });

  it('joins a late record with null at once if its window is over, grace or not; a match may follow', async () => {
    const driver = await open(joined('left', { within: '10ms', grace: '1s' }));
    await feed(driver, 'right', [['z', 'time', 200]]);
    await feed(driver, 'left', [
      ['a', 'late', 189],
      ['a', 'in time', 190],
    ]);
    assert.deepEqual(await read(driver), [['a', ['late', null], 189]]);
    await feed(driver, 'right', [['a', 'r', 188]]);
    assert.deepEqual(await read(driver), [
      ['a', ['late', 'r'], 189],
      ['a', ['in time', 'r'], 190],
    ]);
  });

  it('joins a left null key with null at once, and drops null values and right null keys', async () => {
    const driver = await open(joined('left', { within: '10ms' }));
    await feed(driver, 'left', [
      [null, 'l', 1],
      ['a', null, 2],
    ]);
    await feed(driver, 'right', [
      [null, 'r', 3],
      ['a', null, 4],
    ]);
    assert.deepEqual(await read(driver), [[null, ['l', null], 1]]);
    assert.deepEqual(driver.metrics.nodes['leftJoinStream pairs'], { 'null-key': 1, 'null-value': 2 });
  });

  it('lets null keys through its repartitions', async () => {
    const target = topology('test', (t) => {
      const byKey = { key: serdes.string, value: serdes.json<string>() };
      const right = t.stream('right', json<string>()).pipe(selectKey((r) => r.key, byKey));
      t.stream('left', json<string>()).pipe(
        selectKey((record) => (record.value === 'none' ? (null as unknown as string) : record.key), byKey),
        leftJoinStream(right, { store: 'pairs', within: '10ms', join: pair }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target, { partitions: 2 });
    await feed(driver, 'left', [['a', 'none', 7]]);
    assert.deepEqual(await read(driver), [[null, ['none', null], 7]]);
  });

  it('moves its time with records that it drops, and remembers it and what waits over a crash', async () => {
    const driver = await open(joined('left', { within: '10ms' }));
    await feed(driver, 'left', [['a', 'waits', 100]]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'right', [['z', null, 110]]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'left', [['b', 'late', 99]]);
    assert.deepEqual(await read(driver), [['b', ['late', null], 99]]);
    await feed(driver, 'left', [['b', 'time', 111]]);
    assert.deepEqual(await read(driver), [['a', ['waits', null], 100]]);
  });

  it('keeps no row of a record that was met', async () => {
    const driver = await open(joined('left', { within: '10ms' }));
    await feed(driver, 'left', [
      ['a', 1, 1],
      ['b', 2, 1],
    ]);
    await feed(driver, 'right', [['a', 1, 1]]);
    const waiting = await driver.store<{ key: { key: string } }, unknown>('pairs-left-waiting').entries();
    assert.deepEqual(
      waiting.map(([{ key }]) => key),
      [{ key: 'b', ordinal: 0 }],
    );
  });

  it('answers more than it has in memory, in order', async () => {
    const driver = await open(joined('left', { within: '1ms' }, (a) => a));
    const many = Array.from({ length: 12_000 }, (_, n) => n);
    await feed(
      driver,
      'left',
      many.map((n) => [`k${String(n % 5_000).padStart(5, '0')}`, n, 10 + Math.floor(n / 5_000)]),
    );
    await driver.crash();
    await driver.restart();
    await feed(driver, 'right', [['z', 0, 1_000]]);
    assert.deepEqual(
      (await read(driver)).map(([, value]) => value),
      many,
    );
  });
});

describe('outerJoinStream', () => {
  it('answers both sides: by timestamp, at equal ones right before left, then by key', async () => {
    const driver = await open(joined('outer', { within: '10ms' }));
    await feed(driver, 'left', [
      ['c', 'l', 100],
      ['a', 'l', 100],
      ['a', 'l2', 100],
      ['d', 'l', 103],
    ]);
    await feed(driver, 'right', [
      ['e', 'r', 102],
      ['f', 'r', 100],
      ['b', 'r', 100],
    ]);
    await feed(driver, 'right', [['z', 'time', 500]]);
    assert.deepEqual(await read(driver), [
      ['b', [null, 'r'], 100],
      ['f', [null, 'r'], 100],
      ['a', ['l', null], 100],
      ['a', ['l2', null], 100],
      ['c', ['l', null], 100],
      ['e', [null, 'r'], 102],
      ['d', ['l', null], 103],
    ]);
  });

  it('answers by timestamp also where one side waits longer than the other', async () => {
    const driver = await open(joined('outer', { before: '5ms', after: '50ms' }));
    await feed(driver, 'left', [['a', 'l', 100]]);
    await feed(driver, 'right', [['b', 'r', 120]]);
    await feed(driver, 'right', [['z', 'time', 130]]);
    assert.deepEqual(await read(driver), [['b', [null, 'r'], 120]]);
    await feed(driver, 'right', [['c', 'r', 135]]);
    await feed(driver, 'right', [['z', 'time', 500]]);
    assert.deepEqual(await read(driver), [
      ['a', ['l', null], 100],
      ['z', [null, 'time'], 130],
      ['c', [null, 'r'], 135],
    ]);
  });

  it('sorts keys by their bytes, also where one begins with another', async () => {
    const driver = await open(joined('outer', { within: '10ms' }));
    const keys = ['b', 'a\u0000\u0000', 'a', 'ab', 'a\u0000', 'a\u0001', '\uffff', '\ud83d\ude00'];
    await feed(
      driver,
      'left',
      keys.map((key) => [key, 1, 100]),
    );
    await driver.crash();
    await driver.restart();
    await feed(driver, 'right', [['z', 'time', 500]]);
    assert.deepEqual(
      (await read(driver)).map(([key]) => key),
      ['a', 'a\u0000', 'a\u0000\u0000', 'a\u0001', 'ab', 'b', '\uffff', '\ud83d\ude00'],
    );
  });
});

describe('a join that throws for a record that waited', () => {
  const join = (a: string, b: string | null): unknown => {
    if (b === null && a === 'bad') throw new Error('nobody came');
    return [a, b];
  };

  it('fails with the place of both, and nothing of it is committed', async () => {
    const driver = await open(joined('left', { within: '10ms' }, join));
    await feed(driver, 'left', [['a', 'bad', 100]]);
    await assert.rejects(
      feed(driver, 'right', [['z', 'time', 200]]),
      failure(
        'PROCESS_FAILED',
        /join threw for a record that had waited for a partner: nobody came at leftJoinStream pairs: saw key "a", timestamp 100.*right\[0\]@0/,
      ),
    );
  });

  it('fails the record that made it due, and is given up with it', async () => {
    const driver = await open(joined('left', { within: '10ms' }, join), { onError: { process: 'deadLetter' } });
    await feed(driver, 'left', [
      ['a', 'bad', 100],
      ['b', 'good', 100],
    ]);
    await feed(driver, 'right', [
      ['z', 'time', 200],
      ['z', 'more time', 201],
    ]);
    assert.deepEqual(await read(driver), [['b', ['good', null], 100]]);
    const [letter, ...others] = await deadLetters(driver);
    assert.deepEqual(others, []);
    assert.equal(letter?.from, 'right[0]@0');
    assert.match(String(letter?.message), /nobody came/);
  });

  it('is tried again with it', async () => {
    let times = 0;
    const moody = (a: string, b: string | null): unknown => {
      if (b === null && times++ < 2) throw new Error('not now');
      return [a, b];
    };
    const driver = await open(joined('left', { within: '10ms' }, moody), {
      onError: { process: { retry: 3, backoff: '1s', then: 'fail' } },
    });
    await feed(driver, 'left', [
      ['a', 'first', 100],
      ['b', 'second', 100],
    ]);
    await feed(driver, 'right', [['z', 'time', 200]]);
    assert.deepEqual(await read(driver), [
      ['a', ['first', null], 100],
      ['b', ['second', null], 100],
    ]);
  });
});
