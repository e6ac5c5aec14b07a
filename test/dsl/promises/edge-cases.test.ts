/** Where operators, repartition topics and timers meet: cases that once went wrong. */
import assert from 'node:assert/strict';
import { map } from 'rxjs';
import {
  type Change,
  groupBy,
  leftJoinTable,
  process,
  type StreamRecord,
  selectKey,
  serdes,
  to,
  topology,
  toTable,
} from '#src/index.js';
import { feed, json, open, outputOf, read, through, values } from '../support.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

describe('stream time of a topology without stores', () => {
  it('is kept over a crash, so that now() is equal whenever a record is processed again', async () => {
    const target = through<number>((input) =>
      input.pipe(process({ name: 'p', process: ({ key }: In, { now, forward }) => forward({ key, value: now() }) })),
    );
    const driver = await open(target);
    await feed(driver, 'in', [['a', 0, 100]]);
    await driver.crash();
    await feed(driver, 'in', [['a', 0, 50]]);
    await driver.restart();
    assert.deepEqual(await values(driver), [100, 100]);
  });

  it('is kept over a crash, so that a timer does not fire again for the same multiple', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'p',
          start: ({ schedule, forward }) =>
            void schedule('10ms', 'stream', (now) => forward({ key: 'tick', value: now })),
          process: (_: In) => undefined,
        }),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', [['a', 0, 11]]);
    await driver.crash();
    await feed(driver, 'in', [['a', 0, 12]]);
    await driver.restart();
    assert.deepEqual(await values(driver), [11]);
  });
});

describe('a wall-clock timer before the first record', () => {
  it('forwards and writes at a time that exists', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'p',
          stores: { rows: numbers },
          start: ({ schedule, forward, stores }) =>
            void schedule('1s', 'wall', (now) => {
              stores.rows.put('tick', now);
              forward({ key: 'tick', value: now });
            }),
          process: (_: In) => undefined,
        }),
      ),
    );
    const driver = await open(target);
    await driver.advance('1s');
    const [tick] = await read(driver);
    assert.deepEqual(tick?.slice(0, 2), ['tick', 1_000]);
    assert.ok(Number.isSafeInteger(tick?.[2]) && (tick?.[2] as number) >= 0, `timestamp ${tick?.[2]}`);
    await driver.crash();
    await driver.restart();
    assert.deepEqual(await driver.store('rows').entries(), [['tick', 1_000]]);
  });
});

describe('groupBy on a table of which a plain operator made records', () => {
  it('takes them for what the rows are', async () => {
    const target = through<string>((input) =>
      input.pipe(
        toTable({ store: 'rows', value: serdes.string }),
        map(({ key, value, timestamp, headers }: Change<string, string>) => ({
          key,
          value: value as string,
          timestamp,
          headers,
        })),
        groupBy((record: StreamRecord<string, string>) => record.value, {
          key: serdes.string,
          value: serdes.string,
          name: 'by-value',
        }),
      ),
    );
    assert.deepEqual(
      await outputOf(target, [
        ['a', 'x', 1],
        ['b', 'y', 2],
      ]),
      [
        ['x', 'x', 1],
        ['y', 'y', 2],
      ],
    );
  });
});

describe('a null key behind a change of key', () => {
  it('reaches a left join, as in Kafka Streams', async () => {
    const target = topology('test', (t) => {
      const rows = t.table('rows', { ...json<string>(), store: 'rows' });
      t.stream('in', json<string>()).pipe(
        selectKey((record) => (record.value === 'none' ? null : record.value) as string, {
          name: 'by-value',
          key: serdes.string,
        }),
        leftJoinTable(rows, (value, row) => `${value} ${row}`),
        to('out', json<string>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 'none', 1],
      ['a', 'x', 2],
    ]);
    assert.deepEqual(await read(driver), [
      [null, 'none null', 1],
      ['x', 'x null', 2],
    ]);
  });
});
