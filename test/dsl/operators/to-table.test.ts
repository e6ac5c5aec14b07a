import assert from 'node:assert/strict';
import { serdes, type Table, to, topology, toTable } from '#src/index.js';
import { feed, json, open, read, rows, through, values } from '../support.js';

const { value: text } = json<string>();

const asTable = topology('test', (t) => {
  t.table('in', { ...json<string>(), store: 'rows' }).pipe(to('out', json<string>()));
});
const asStream = through<string>((input) => input.pipe(toTable({ store: 'rows', value: text })));

for (const [name, target] of [
  ['t.table', asTable],
  ['toTable', asStream],
] as const) {
  describe(name, () => {
    it('replaces the row of each key, and deletes it for a null value', async () => {
      const driver = await open(target);
      await feed(driver, 'in', [
        ['a', 'x', 1],
        ['b', 'y', 2],
        ['a', 'z', 3],
        ['b', null, 4],
      ]);
      assert.deepEqual(await read(driver), [
        ['a', 'x', 1],
        ['b', 'y', 2],
        ['a', 'z', 3],
        ['b', null, 4],
      ]);
      assert.deepEqual(await rows(driver, 'rows'), { a: 'z' });
    });

    it('follows the order of arrival, whatever the timestamps', async () => {
      const driver = await open(target);
      await feed(driver, 'in', [
        ['a', 'newer', 9],
        ['a', 'older', 3],
      ]);
      assert.deepEqual(await read(driver), [
        ['a', 'newer', 9],
        ['a', 'older', 3],
      ]);
      assert.deepEqual(await rows(driver, 'rows'), { a: 'older' });
    });

    it('drops records with a null key, and counts them', async () => {
      const driver = await open(target);
      await feed(driver, 'in', [
        [null, 'x', 1],
        ['a', 'y', 2],
      ]);
      assert.deepEqual(await read(driver), [['a', 'y', 2]]);
      assert.equal(driver.metrics.nodes['table rows']?.['null-key'], 1);
    });

    it('passes on unchanged values and deletions of unknown and deleted keys', async () => {
      const driver = await open(target);
      await feed(driver, 'in', [
        ['a', null, 1],
        ['a', 'x', 2],
        ['a', 'x', 3],
        ['a', null, 4],
        ['a', null, 5],
      ]);
      assert.deepEqual(await values(driver), [null, 'x', 'x', null, null]);
    });

    it('keeps its rows over a crash', async () => {
      const driver = await open(target);
      await feed(driver, 'in', [
        ['a', 'x', 1],
        ['b', 'y', 2],
      ]);
      await driver.crash();
      await feed(driver, 'in', [['a', null, 3]]);
      await driver.restart();
      assert.deepEqual(await values(driver), ['x', 'y', null]);
      assert.deepEqual(await rows(driver, 'rows'), { b: 'y' });
    });

    it('keeps the rows of each partition in its own task', async () => {
      const driver = await open(target, { partitions: 3 });
      await feed(driver, 'in', [
        ['a', 'x', 1, 0],
        ['b', 'y', 2, 1],
        ['c', 'z', 3, 2],
        ['a', null, 4, 0],
      ]);
      assert.deepEqual(await rows(driver, 'rows'), { b: 'y', c: 'z' });
    });
  });
}

describe('the changes of a table', () => {
  it('tell what the row was before', async () => {
    const seen: unknown[] = [];
    const target = topology('test', (t) => {
      const table: Table<string, string> = t.table('in', { ...json<string>(), store: 'rows' });
      table.pipe(
        to(
          (change) => {
            seen.push([change.previous, change.value]);
            return 'out';
          },
          { name: 'out', ...json<string>() },
        ),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 'x', 1],
      ['a', 'y', 2],
      ['a', null, 3],
      ['a', 'z', 4],
    ]);
    assert.deepEqual(seen, [
      [null, 'x'],
      ['x', 'y'],
      ['y', null],
      [null, 'z'],
    ]);
  });
});

describe('the timestamp option of a source', () => {
  const target = topology('test', (t) => {
    t.stream('in', { ...json<{ at: number }>(), timestamp: (value) => value.at }).pipe(
      to('out', json<{ at: number }>()),
    );
  });

  it('takes event time from the value', async () => {
    const driver = await open(target);
    await feed(driver, 'in', [['a', { at: 7 }, 1]]);
    assert.deepEqual(await read(driver), [['a', { at: 7 }, 7]]);
  });

  it('sends a record without a usable time the way of onError.deserialize', async () => {
    const driver = await open(target, { onError: { deserialize: 'deadLetter' } });
    await feed(driver, 'in', [
      ['a', {}, 1],
      ['b', { at: -1 }, 2],
      ['c', { at: 3 }, 3],
    ]);
    assert.deepEqual(await read(driver), [['c', { at: 3 }, 3]]);
    const codes = (await driver.deadLetters().read()).map(({ headers }) => headers.text('millrace.error.code'));
    assert.deepEqual(codes, ['DESERIALIZE_FAILED', 'DESERIALIZE_FAILED']);
  });
});

describe('the rows of a table with keys that are no text', () => {
  it('are found again by equal keys', async () => {
    const key = serdes.json<{ id: number }>();
    const target = topology('test', (t) => {
      t.table('in', { key, value: serdes.string, store: 'rows' }).pipe(to('out', { key, value: serdes.string }));
    });
    const driver = await open(target);
    const input = driver.input('in', { key, value: serdes.string });
    await input.send({ key: { id: 1 }, value: 'x' });
    await input.send({ key: { id: 1 }, value: 'y' });
    assert.deepEqual(await driver.store('rows').entries(), [[{ id: 1 }, 'y']]);
  });
});
