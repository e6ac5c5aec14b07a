import assert from 'node:assert/strict';
import { filter, map, merge } from 'rxjs';
import { mapValues, peek, selectKey, topology, toStream, toTable } from '#src/index.js';
import { failure, feed, json, open, outputOf, read, rows, through } from '../support.js';

const number = json<number>().value;

describe('selectKey', () => {
  it('gives each record another key, null included, and keeps value and timestamp', async () => {
    const target = through<string>((input) =>
      input.pipe(
        selectKey((record) => (record.value === 'x' ? null : record.value)),
        map((record) => record as never),
      ),
    );
    assert.deepEqual(
      await outputOf(target, [
        ['a', 'x', 1],
        ['a', 'y', 2],
        [null, 'z', 3],
      ]),
      [
        [null, 'x', 1],
        ['y', 'y', 2],
        ['z', 'z', 3],
      ],
    );
  });

  it('creates no repartition topic while only stateless operators and sinks follow', () => {
    const target = through<string>((input) =>
      input.pipe(
        selectKey((record) => record.value),
        mapValues((value) => value),
      ),
    );
    assert.deepEqual(
      target.graph.nodes.map((node) => node.kind),
      ['source', 'sink'],
    );
  });

  it('lets a keyed operator behind it read under the new key, so that equal keys meet in one task', async () => {
    const target = through<string>((input) =>
      input.pipe(
        selectKey((record) => record.value, { key: json().key }),
        toTable({ store: 'rows', value: json<string>().value }),
      ),
    );
    const driver = await open(target, { partitions: 3 });
    await feed(driver, 'in', [
      ['a', 'x', 1, 0],
      ['b', 'x', 2, 1],
      ['c', 'y', 3, 2],
    ]);
    assert.deepEqual((await read(driver)).sort(), [
      ['x', 'x', 1],
      ['x', 'x', 2],
      ['y', 'y', 3],
    ]);
    assert.deepEqual(await rows(driver, 'rows'), { x: 'x', y: 'y' });
  });
});

describe('peek', () => {
  it('gives its function the record and nothing else, of a table, too', async () => {
    const seen: unknown[][] = [];
    const look = (...given: unknown[]): void => void seen.push(given);
    const target = topology('test', (t) => {
      t.table('rows', { ...json<number>(), store: 'rows' }).pipe(peek(look));
      t.stream('in', json<number>()).pipe(peek(look));
    });
    const driver = await open(target);
    await feed(driver, 'rows', [['a', 1]]);
    await feed(driver, 'in', [['a', 1]]);
    assert.deepEqual(
      seen.map((given) => given.length),
      [1, 1],
    );
  });

  it('shows each record in order and passes it on unchanged', async () => {
    const seen: unknown[] = [];
    const target = through<number>((input) => input.pipe(peek((record) => seen.push([record.key, record.value]))));
    assert.deepEqual(
      await outputOf(target, [
        ['a', 1, 1],
        ['b', null, 2],
      ]),
      [
        ['a', 1, 1],
        ['b', null, 2],
      ],
    );
    assert.deepEqual(seen, [
      ['a', 1],
      ['b', null],
    ]);
  });

  it('fails the record on which it throws', async () => {
    const target = through<number>((input) =>
      input.pipe(
        peek(() => {
          throw new Error('seen too much');
        }),
      ),
    );
    const driver = await open(target);
    await assert.rejects(feed(driver, 'in', [['a', 1]]), failure('PROCESS_FAILED', /seen too much/));
  });
});

describe('toStream', () => {
  it('makes a deletion a record with a null value', async () => {
    const target = through<number>((input) =>
      input.pipe(
        toTable({ store: 'rows', value: number }),
        toStream(),
        mapValues((value) => (value === null ? 'gone' : value)),
      ),
    );
    assert.deepEqual(
      await outputOf(target, [
        ['a', 1, 1],
        ['a', null, 2],
      ]),
      [
        ['a', 1, 1],
        ['a', 'gone', 2],
      ],
    );
  });
});

describe('plain RxJS operators', () => {
  it('serve several consumers of one stream in the order they were declared, each to its end', async () => {
    const target = through<number>((input) =>
      merge(input.pipe(mapValues((value) => `first ${value}`)), input.pipe(mapValues((value) => `second ${value}`))),
    );
    assert.deepEqual(
      (
        await outputOf(target, [
          ['a', 1],
          ['a', 2],
        ])
      ).map(([, value]) => value),
      ['first 1', 'second 1', 'first 2', 'second 2'],
    );
  });

  it('may copy a record and forget fields that nobody needs afterwards', async () => {
    const target = through<number>((input) =>
      input.pipe(
        filter((record) => record.value > 1),
        map((record) => ({ ...record, value: record.value + 1 })),
      ),
    );
    assert.deepEqual(
      await outputOf(target, [
        ['a', 1, 1],
        ['a', 2, 2],
      ]),
      [['a', 3, 2]],
    );
  });
});
