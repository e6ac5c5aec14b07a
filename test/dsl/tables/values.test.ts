import assert from 'node:assert/strict';
import { filterValues, flatMapValues, Headers, mapValues, toTable } from '#src/index.js';
import { deadLetters, failure, feed, json, open, outputOf, read, through } from '../support.js';

const number = json<number>().value;

describe('mapValues', () => {
  it('replaces each value and keeps key, timestamp, headers and order', async () => {
    const driver = await open(through<number>((input) => input.pipe(mapValues((value, key) => `${key}${value}`))));
    await driver.input('in', json<number>()).sendAll([
      { key: 'a', value: 1, timestamp: 9, headers: { trace: 'x' } },
      { key: null, value: 2, timestamp: 4 },
    ]);
    const records = await driver.output('out', json<string>()).read();
    assert.deepEqual(
      records.map(({ key, value, timestamp, headers }) => [key, value, timestamp, headers]),
      [
        ['a', 'a1', 9, Headers.of({ trace: 'x' })],
        [null, 'null2', 4, Headers.none],
      ],
    );
  });

  it('calls the function for the null values of a stream', async () => {
    const target = through<number | null>((input) => input.pipe(mapValues((value) => value === null)));
    assert.deepEqual(await outputOf(target, [['a', null, 1]]), [['a', true, 1]]);
  });

  it('writes a tombstone when a stream value becomes null', async () => {
    const target = through<number>((input) => input.pipe(mapValues(() => null)));
    assert.deepEqual(await outputOf(target, [['a', 1, 1]]), [['a', null, 1]]);
  });

  it('is not called for the deletions of a table, and forwards them', async () => {
    const seen: unknown[] = [];
    const target = through<number>((input) =>
      input.pipe(
        toTable({ store: 'rows', value: number }),
        mapValues((value) => {
          seen.push(value);
          return value * 10;
        }),
      ),
    );
    const out = await outputOf(target, [
      ['a', 1, 1],
      ['a', null, 2],
      ['a', null, 3],
    ]);
    assert.deepEqual(out, [
      ['a', 10, 1],
      ['a', null, 2],
      ['a', null, 3],
    ]);
    assert.deepEqual(seen, [1, 1], 'called for the row as it is, and as it was before the deletion');
  });

  it('fails with the position of a record on which the function throws', async () => {
    const driver = await open(through<{ n: number }>((input) => input.pipe(mapValues((value) => value.n.toFixed()))));
    await assert.rejects(
      feed(driver, 'in', [
        ['a', { n: 1 }],
        ['a', {}],
      ]),
      failure('PROCESS_FAILED', /in\[0\]@1/),
    );
  });

  it('never takes the neighbours of a bad record along', async () => {
    const target = through<number>((input) =>
      input.pipe(
        mapValues((value) => {
          if (value === 2) throw new Error('two');
          return value;
        }),
      ),
    );
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'in', [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', 1, 0],
      ['c', 3, 0],
    ]);
    assert.deepEqual(
      (await deadLetters(driver)).map(({ key, value, from }) => [key, value, from]),
      [['b', 2, 'in[0]@1']],
    );
  });
});

describe('flatMapValues', () => {
  it('emits every value in order, none for an empty list', async () => {
    const target = through<string>((input) => input.pipe(flatMapValues((line) => line.split(' ').filter(Boolean))));
    const out = await outputOf(target, [
      ['a', 'x y', 3],
      ['a', '', 4],
      ['b', 'z', 5],
    ]);
    assert.deepEqual(out, [
      ['a', 'x', 3],
      ['a', 'y', 3],
      ['b', 'z', 5],
    ]);
  });

  it('takes any iterable, nulls included', async () => {
    const target = through<number>((input) =>
      input.pipe(
        flatMapValues(function* (n): Generator<number | null> {
          yield null;
          yield n;
        }),
      ),
    );
    assert.deepEqual(await outputOf(target, [['a', 1, 1]]), [
      ['a', null, 1],
      ['a', 1, 1],
    ]);
  });

  it('takes back what it had emitted for a record on which it then throws', async () => {
    const target = through<number>((input) =>
      input.pipe(
        flatMapValues(function* (n) {
          yield n;
          if (n === 2) throw new Error('two');
        }),
      ),
    );
    assert.deepEqual(
      await outputOf(
        target,
        [
          ['a', 1],
          ['a', 2],
          ['a', 3],
        ],
        { onError: { process: 'skip' } },
      ),
      [
        ['a', 1, 0],
        ['a', 3, 0],
      ],
    );
  });
});

describe('filterValues', () => {
  it('keeps the records of a stream that pass, null values asked like others', async () => {
    const target = through<number | null>((input) =>
      input.pipe(filterValues((value, key) => value === null || key === 'b')),
    );
    const out = await outputOf(target, [
      ['a', 1, 1],
      ['b', 2, 2],
      ['a', null, 3],
    ]);
    assert.deepEqual(out, [
      ['b', 2, 2],
      ['a', null, 3],
    ]);
  });

  it('turns a row that no longer passes into a deletion, and swallows a change from nothing to nothing', async () => {
    const target = through<number>((input) =>
      input.pipe(
        toTable({ store: 'rows', value: number }),
        filterValues((value) => value > 1),
      ),
    );
    const out = await outputOf(target, [
      ['a', 1, 1],
      ['a', 2, 2],
      ['a', 1, 3],
      ['a', 0, 4],
      ['a', null, 5],
      ['a', 3, 6],
      ['a', null, 7],
    ]);
    assert.deepEqual(out, [
      ['a', 2, 2],
      ['a', null, 3],
      ['a', 3, 6],
      ['a', null, 7],
    ]);
  });

  it('is not called for the deletions of a table', async () => {
    const seen: unknown[] = [];
    const target = through<number>((input) =>
      input.pipe(
        toTable({ store: 'rows', value: number }),
        filterValues((value) => {
          seen.push(value);
          return true;
        }),
      ),
    );
    assert.deepEqual(await outputOf(target, [['a', null, 1]]), []);
    assert.deepEqual(seen, []);
  });
});
