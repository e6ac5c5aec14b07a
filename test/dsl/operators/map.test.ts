import assert from 'node:assert/strict';
import { count, flatMap, map, process, type StreamRecord, to } from '#src/index.js';
import { failure, feed, json, open, outputOf, read, rows, through } from '../support.js';

const text = json<string>();

describe('map', () => {
  it('replaces key and value, both seen as they were, nulls included, and keeps the timestamp', async () => {
    const target = through<string>((input) => input.pipe(map(({ key, value }) => [value, key])));
    assert.deepEqual(
      await outputOf(target, [
        ['a', 'x', 7],
        [null, 'y', 3],
        ['b', null, 5],
      ]),
      [
        ['x', 'a', 7],
        ['y', null, 3],
        [null, 'b', 5],
      ],
    );
  });

  it('lets a keyed operator behind it read under the new key, from a repartition topic of the name given', async () => {
    const target = through<string>((input) =>
      input.pipe(
        map(({ key, value }) => [value, key], { ...text, name: 'by-value' }),
        count({ store: 'counts' }),
      ),
    );
    const driver = await open(target, { partitions: 3 });
    await feed(driver, 'in', [
      ['a', 'x', 1, 0],
      ['b', 'x', 2, 1],
      ['c', 'y', 3, 2],
    ]);
    assert.deepEqual(await rows(driver, 'counts'), { x: 2, y: 1 });
    assert.ok(target.graph.nodes.some((node) => node.id === 'repartition by-value'));
  });

  it('is not forgotten behind a process that has no store: the keyed operator behind that repartitions', async () => {
    const target = through<string>((input) =>
      input.pipe(
        map(({ key, value }) => [value, key], { ...text, name: 'by-value' }),
        process<StreamRecord<string, string>>({ name: 'pass', process: (record, { forward }) => forward(record) }),
        count({ store: 'counts' }),
      ),
    );
    const driver = await open(target, { partitions: 3 });
    await feed(driver, 'in', [
      ['a', 'x', 1, 0],
      ['b', 'x', 2, 1],
    ]);
    assert.deepEqual(await rows(driver, 'counts'), { x: 2 });
  });

  it('that throws names the sink behind it: PROCESS_FAILED', async () => {
    const target = through<string>((input) =>
      input.pipe(
        map((): [string, string] => {
          throw new Error('no pair');
        }),
      ),
    );
    await assert.rejects(outputOf(target, [['a', 'x', 1]]), failure('PROCESS_FAILED', /no pair/));
  });
});

describe('flatMap', () => {
  const mirrored = flatMap<string, string, string, string>(
    ({ key, value }) => [
      [key, value],
      [value, key],
    ],
    { name: 'mirrored' },
  );

  it('replaces a record by any number of others, in order, all with its timestamp', async () => {
    const target = through<string>((input) =>
      input.pipe(flatMap(({ key, value }) => [...value].map((letter) => [letter, key] as const))),
    );
    assert.deepEqual(
      await outputOf(target, [
        ['a', 'xy', 7],
        ['b', '', 8],
        [null, 'z', 3],
      ]),
      [
        ['x', 'a', 7],
        ['y', 'a', 7],
        ['z', null, 3],
      ],
    );
  });

  it('lets a keyed operator behind it read under the new keys; null keys are dropped on the way', async () => {
    const target = through<string>((input) => input.pipe(mirrored, count({ store: 'counts', key: text.key })));
    const driver = await open(target, { partitions: 2 });
    await feed(driver, 'in', [
      ['a', 'b', 1, 0],
      ['b', 'c', 2, 1],
      [null, 'c', 3, 0],
    ]);
    // The null key's mirror image has a null value, which count drops.
    assert.deepEqual(await rows(driver, 'counts'), { a: 1, b: 2, c: 1 });
  });

  it('that throws half-way takes back what it had made for that record', async () => {
    const target = through<string>((input) =>
      input.pipe(
        flatMap(function* ({ key, value }): Generator<[string, string]> {
          yield [key, value];
          if (value === 'bad') throw new Error('half-way');
          yield [value, key];
        }),
        to('copy', json<any>()),
      ),
    );
    const driver = await open(target, { onError: { process: 'skip' } });
    await feed(driver, 'in', [
      ['a', 'bad', 1],
      ['b', 'good', 2],
    ]);
    assert.deepEqual(await read(driver), [
      ['b', 'good', 2],
      ['good', 'b', 2],
    ]);
  });
});
