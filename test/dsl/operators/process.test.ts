import assert from 'node:assert/strict';
import {
  count,
  Headers,
  mapValues,
  process,
  type StreamRecord,
  selectKey,
  serdes,
  to,
  topology,
  toTable,
} from '#src/index.js';
import { deadLetters, failure, feed, json, open, outputOf, read, rows, through, values } from '../support.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

describe('process', () => {
  it('forwards any number of records, with the timestamp and headers at hand unless others are given', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'twice',
          process({ key, value }: In, { forward }) {
            if (value === 0) return;
            forward({ key, value });
            forward({ key, value: value * 10, timestamp: 77, headers: Headers.of({ made: 'up' }) });
          },
        }),
      ),
    );
    const driver = await open(target);
    await driver.input('in', numbers).sendAll([
      { key: 'a', value: 0, timestamp: 1 },
      { key: 'a', value: 3, timestamp: 2, headers: { own: 'h' } },
    ]);
    const records = await driver.output('out', numbers).read();
    assert.deepEqual(
      records.map(({ value, timestamp, headers }) => [value, timestamp, headers]),
      [
        [3, 2, Headers.of({ own: 'h' })],
        [30, 77, Headers.of({ made: 'up' })],
      ],
    );
  });

  it('is given null keys and null values like others', async () => {
    const target = through<number | null>((input) =>
      input.pipe(
        process({
          name: 'p',
          process: (record: StreamRecord<string, number | null>, { forward }) =>
            forward({ key: record.key, value: record.value === null ? -1 : record.value }),
        }),
      ),
    );
    assert.deepEqual(
      await outputOf(target, [
        [null, 1, 1],
        ['a', null, 2],
      ]),
      [
        [null, 1, 1],
        ['a', -1, 2],
      ],
    );
  });

  it('KEY_CHANGED: it forwarded another key without saying so', async () => {
    const target = through<number>((input) =>
      input.pipe(process({ name: 'p', process: ({ value }: In, { forward }) => forward({ key: 'other', value }) })),
    );
    await assert.rejects(outputOf(target, [['a', 1]]), failure('KEY_CHANGED', /Set rekey/));
  });

  it('may forward under other keys with rekey, and a keyed operator behind it gathers them again', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'p',
          rekey: { name: 'by-parity', key: serdes.string },
          process: ({ value }: In, { forward }) => forward({ key: value % 2 === 0 ? 'even' : 'odd', value }),
        }),
        count({ store: 'counts' }),
      ),
    );
    const driver = await open(target, { partitions: 3 });
    await feed(
      driver,
      'in',
      [0, 1, 2, 0, 1, 2].map((partition, i) => [`k${i}`, i, i, partition] as const),
    );
    assert.deepEqual(await rows(driver, 'counts'), { even: 3, odd: 3 });
  });

  it("keeps its stores by partition under scope 'partition', without a repartition behind a change of key", async () => {
    const target = through<number>((input) =>
      input.pipe(
        selectKey(() => 'all', { key: serdes.string }),
        process({
          name: 'numbered',
          scope: 'partition',
          stores: { seen: { key: serdes.string, value: serdes.int64 } },
          process({ key }: In, { stores, forward }) {
            stores.seen.put(key, (stores.seen.get(key) ?? 0) + 1);
            forward({ key, value: stores.seen.get(key) as number });
          },
        }),
      ),
    );
    assert.equal(target.graph.subTopologies.length, 1);
    const driver = await open(target, { partitions: 2 });
    await feed(
      driver,
      'in',
      [0, 1, 0].map((partition, i) => ['k', i, i, partition] as const),
    );
    assert.deepEqual((await driver.store<string, number>('seen').entries()).map(([, value]) => value).sort(), [1, 2]);
  });

  it('lets all results of one forwarded record come out before those of the next, through any stage', async () => {
    const target = topology('test', (t) => {
      const twice = t.stream('in', numbers).pipe(
        process({
          name: 'twice',
          stores: { first: { key: serdes.string, value: serdes.int64 } },
          process({ key, value }: In, { forward }) {
            forward({ key, value });
            forward({ key, value: value + 1 });
          },
        }),
      );
      twice.pipe(to('out', { ...numbers, name: 'before' }));
      twice.pipe(
        count({ store: 'counts' }),
        mapValues((n) => n * 100),
        to('out', { ...numbers, name: 'behind' }),
      );
    });
    assert.deepEqual(
      (
        await outputOf(target, [
          ['a', 1],
          ['a', 5],
        ])
      ).map(([, value]) => value),
      [1, 100, 2, 200, 5, 300, 6, 400],
    );
  });

  it('sees the changes of a table, and what the row was before', async () => {
    const target = through<number>((input) =>
      input.pipe(
        toTable({ store: 'rows', value: numbers.value }),
        process({
          name: 'p',
          process: (change, { forward }) =>
            forward({ key: change.key, value: (change.value ?? 0) - (change.previous ?? 0) }),
        }),
      ),
    );
    assert.deepEqual(
      (
        await outputOf(target, [
          ['a', 5],
          ['a', 7],
          ['a', null],
        ])
      ).map(([, value]) => value),
      [5, 2, -7],
    );
  });

  it('sends a record to the dead letter topic, and lets its neighbours pass', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'strict',
          process(record: In, { forward, deadLetter }) {
            if (record.value < 0) return deadLetter(record, 'less than nothing');
            forward(record);
          },
        }),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1, 1],
      ['b', -1, 2],
      ['c', 3, 3],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', 1, 1],
      ['c', 3, 3],
    ]);
    assert.deepEqual(await deadLetters(driver), [
      {
        key: 'b',
        value: -1,
        code: 'PROCESS_FAILED',
        message: 'less than nothing',
        operator: 'process strict',
        from: 'in[0]@1',
      },
    ]);
    assert.equal(driver.metrics.deadLetters, 1);
  });

  it('tries again as the policy says, and gives up as it says', async () => {
    let calls = 0;
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'flaky',
          async process(record: In, { forward }) {
            calls++;
            await Promise.resolve();
            if (record.value === 2 && calls < 4) throw new Error('not yet');
            if (record.value === 3) throw new Error('never');
            forward(record);
          },
        }),
      ),
    );
    const driver = await open(target, { onError: { process: { retry: 2, backoff: '1s', then: 'deadLetter' } } });
    await feed(driver, 'in', [
      ['a', 1, 1],
      ['a', 2, 2],
      ['a', 3, 3],
      ['a', 4, 4],
    ]);
    assert.deepEqual(await values(driver), [1, 2, 4]);
    assert.deepEqual(
      (await deadLetters(driver)).map(({ value, message }) => [value, /never/.test(String(message))]),
      [[3, true]],
    );
  });
});

describe('deadLetter inside a timer', () => {
  for (const clock of ['stream', 'wall'] as const) {
    it(`sends the record that it is given, on the ${clock} clock`, async () => {
      const target = through<number>((input) =>
        input.pipe(
          process({
            name: 'p',
            stores: { waiting: numbers },
            start: ({ schedule, stores: { waiting }, deadLetter }) =>
              void schedule('1s', clock, async () => {
                for await (const [key, value] of waiting.entries()) {
                  deadLetter({ key, value, timestamp: 0, headers: Headers.none }, 'waited too long');
                  waiting.delete(key);
                }
              }),
            process: ({ key, value }: In, { stores }) => stores.waiting.put(key, value),
          }),
        ),
      );
      const driver = await open(target);
      await feed(driver, 'in', [['a', 1, 5]]);
      await deadLetters(driver);
      await feed(driver, 'in', [['b', 2, 6]]);
      if (clock === 'stream') await feed(driver, 'in', [['c', 3, 1_500]]);
      else await driver.advance('1s');
      const found = (await deadLetters(driver)).map(({ key, value }) => `${key} ${value}`);
      assert.deepEqual(found, clock === 'stream' ? ['b 2', 'c 3'] : ['a 1', 'b 2']);
    });
  }
});
