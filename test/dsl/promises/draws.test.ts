import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  count,
  dedupe,
  effect,
  filterValues,
  flatMapValues,
  groupBy,
  Headers,
  joinStream,
  process,
  reorderByVersion,
  type Stream,
  type StreamRecord,
  serdes,
  to,
  topology,
  toStream,
  tumbling,
} from '#src/index.js';
import type { Item } from '../steps/item.js';
import { isModest, steps } from '../steps/steps.js';
import { feed, json, open, read, type Short, values } from '../support.js';

type Any = StreamRecord<any, any>;

/**
 * Ends a pipeline with a process that draws for each record and each turn of two timers: what comes out are
 * the ids.
 */
const drawing = (clock: 'stream' | 'wall' = 'stream') =>
  process<Any, Any>({
    name: 'new-events',
    rekey: { key: serdes.string },
    start({ schedule, forward, uuid }) {
      for (const every of ['5ms', '5ms', '8ms'] as const)
        schedule(every, clock, () => forward({ key: 'k', value: uuid(), timestamp: 0 }));
    },
    process(_record, { forward, uuid, random }) {
      for (const value of [uuid(), uuid(), `${random()}`]) forward({ key: 'k', value });
    },
  });

const ids = async (
  build: (input: Stream<string, any>) => Stream<any, any>,
  given: readonly Short[],
  options: Parameters<typeof open>[1] = {},
): Promise<unknown[]> => {
  const target = topology('ids', (t) => {
    build(t.stream('in', json<any>())).pipe(drawing()).pipe(to('out', json<any>()));
  });
  const driver = await open(target, options);
  await feed(driver, 'in', given);
  const drawn = await values(driver);
  await driver.close();
  return drawn;
};

const allDiffer = (drawn: readonly unknown[]): void => assert.equal(new Set(drawn).size, drawn.length);

const items = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    value: fc.record({
      n: fc.nat({ max: 6 }),
      id: fc.constantFrom('i', 'j', 'k'),
      version: fc.integer({ min: 1, max: 4 }),
      group: fc.constantFrom('a', 'b', 'x'),
    }),
    timestamp: fc.nat({ max: 60 }),
  }),
  { minLength: 5, maxLength: 30 },
);

describe('what is drawn', () => {
  it('is never drawn twice, behind any operators, by two operators or in another application', async () => {
    const names = fc.array(fc.constantFrom(...Object.keys(steps)), { minLength: 1, maxLength: 3 }).filter(isModest);
    await fc.assert(
      fc.asyncProperty(
        names,
        items,
        fc.constantFrom(1, 2),
        fc.constantFrom(1, 4, 1_000),
        async (list, given, partitions, batchRecords) => {
          const target = topology('ids', (t) => {
            const rows = t.table('rows', { ...json<Item>(), store: 'rows' });
            const built = list.reduce(
              (stream, name, i) =>
                steps[name]!(
                  /joinStream/i.test(name)
                    ? stream.pipe(groupBy(({ key }: Any) => key, { ...json<any>(), name: `s${i}-once` }))
                    : stream,
                  `s${i}`,
                  rows,
                ),
              t.stream('in', json<any>()) as any,
            );
            // Both draw for the same records; the second one stands behind the first.
            const first = built.pipe(drawing());
            first.pipe(to('out', json<any>()));
            first.pipe(
              process<Any, Any>({ name: 'again', process: ({ key }, c) => c.forward({ key, value: c.uuid() }) }),
              to('other', json<any>()),
            );
          });
          const drawn: unknown[] = [];
          for (const applicationId of ['ids', 'ids-too']) {
            const driver = await open(target, {
              applicationId,
              partitions,
              batchRecords,
              onError: { process: 'deadLetter' },
            });
            await feed(
              driver,
              'in',
              given.map(({ key, value, timestamp }) => [key, value, timestamp]),
            );
            drawn.push(...(await values(driver)), ...(await values(driver, 'other')));
            await driver.close();
          }
          allDiffer(drawn);
        },
      ),
      { numRuns: 40 },
    );
  });

  const cases: Record<string, [(input: Stream<string, any>) => Stream<any, any>, readonly Short[]]> = {
    'lines of an order': [
      (input) => input.pipe(flatMapValues((value: string) => value.split(','))),
      [['k', 'a,b,c', 1]],
    ],
    'versions that go on together': [
      (input) => input.pipe(reorderByVersion({ store: 's', version: ({ value }: any) => value, first: 1 })),
      [
        ['k', 2, 1],
        ['k', 3, 2],
        ['k', 1, 3],
      ],
    ],
    'windows that close together': [
      (input) =>
        input.pipe(count({ store: 's', window: tumbling('10ms'), emit: 'onClose' }), toStream()) as unknown as Stream<
          any,
          any
        >,
      [
        ['a', 1, 1],
        ['b', 1, 2],
        ['c', 1, 3],
        ['a', 1, 100],
      ],
    ],
    'matches of a join': [
      (input) =>
        input.pipe(
          joinStream(input, {
            store: 's',
            before: '5ms',
            after: '5ms',
            grace: '5ms',
            join: (a: any, b: any) => [a, b],
          }),
        ) as unknown as Stream<any, any>,
      [
        ['k', 1, 1],
        ['k', 2, 2],
        ['k', 3, 3],
      ],
    ],
  };
  for (const [name, [build, given]] of Object.entries(cases)) {
    it(`differs for ${name}, and is equal for any batches, caches and crashes`, async () => {
      const expected = await ids(build, given);
      assert.ok(expected.length > 6);
      allDiffer(expected);
      for (const batchRecords of [1, 2]) assert.deepEqual(await ids(build, given, { batchRecords }), expected);
      assert.deepEqual(await ids(build, given, { cacheBytes: 1, batchRecords: 1, commitRecords: 1 }), expected);
    });
  }

  it('differs from turn to turn of wall-clock timers, also after restarts, so that a dedupe passes all', async () => {
    const target = topology('ids', (t) => {
      t.stream('in', json<string>())
        .pipe(drawing('wall'))
        .pipe(dedupe({ store: 'seen', id: ({ value }: Any) => value, within: '7d' }), to('out', json<any>()));
    });
    const driver = await open(target, { cacheBytes: 1 });
    const drawn: unknown[] = [];
    for (let round = 0; round < 4; round++) {
      await driver.advance('10ms');
      if (round === 1) await feed(driver, 'in', [['k', 'x', 1]]);
      await driver.advance('10ms');
      drawn.push(...(await values(driver)));
      if (round === 2) await driver.crash();
      await driver.restart();
    }
    // Three timers each 10 ms, and three draws for the record.
    assert.equal(drawn.length, 3 * 8 + 3);
    allDiffer(drawn);
  });

  it('belongs to another emission if the one before was taken back', async () => {
    let failures = 1;
    const build = (input: Stream<string, any>): Stream<any, any> =>
      input.pipe(
        process<Any, Any>({
          name: 'two',
          process: ({ key }, { forward }) => [1, 2].map((value) => forward({ key, value })) as never,
        }),
        flatMapValues(function* (value: number) {
          yield `${value}a`;
          if (value === 1 && failures-- > 0) throw new Error('once');
          yield `${value}b`;
        }),
      );
    const retried = await ids(build, [['k', 0, 1]], {
      onError: { process: { retry: 1, backoff: '1ms', then: 'fail' } },
    });
    assert.deepEqual(new Set(retried), new Set(await ids(build, [['k', 0, 1]])));
    allDiffer(retried);
  });
});

describe('the idempotency key of an effect', () => {
  it('follows the way from the source through a repartition, so that a copy after a crash has the same', async () => {
    const calls: string[] = [];
    const target = topology('shop', (t) => {
      t.stream('in', json<string>()).pipe(
        groupBy(({ value }) => value, { ...json<string>(), name: 'by-value' }),
        effect('mails', {
          inline: true,
          run: ({ key }, { idempotencyKey }) => void calls.push(`${key} ${idempotencyKey}`),
        }),
        to('out', json<string>()),
      );
    });
    const driver = await open(target, { guarantee: 'at_least_once' });
    await driver.crash('2 log');
    await feed(driver, 'in', [
      ['a', 'x', 1],
      ['b', 'y', 2],
    ]);
    await driver.restart();
    await driver.run();
    assert.ok(calls.length > 2, 'the repartition topic has copies');
    assert.deepEqual([...new Set(calls)].sort(), [
      'x shop/mails/in-0@0>repartition by-value|',
      'y shop/mails/in-0@1>repartition by-value|',
    ]);
    // What the engine tells itself is no part of the record.
    for (const { headers } of await driver.output('out', json<string>()).read())
      assert.deepEqual(headers, Headers.none);
  });

  it('is the same of a timer of stream time that is due again after a crash', async () => {
    const calls: string[] = [];
    const target = topology('shop', (t) => {
      t.stream('in', json<string>()).pipe(
        process<Any, Any>({
          name: 'hourly',
          start: ({ schedule, forward }) =>
            void schedule('10ms', 'stream', (now) => forward({ key: 'k', value: now, timestamp: now })),
          process: () => undefined,
        }),
        filterValues(() => true),
        effect('mails', {
          inline: true,
          run: ({ value }, { idempotencyKey }) => void calls.push(`${value} ${idempotencyKey}`),
        }),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [['k', '', 5]]);
    await driver.crash('1 settle');
    await feed(driver, 'in', [['k', '', 25]]);
    await driver.restart();
    assert.deepEqual(calls, [
      '5 shop/mails/process hourly[0] stream/10@0>',
      '25 shop/mails/process hourly[0] stream/10@20>',
      '25 shop/mails/process hourly[0] stream/10@20>',
    ]);
  });

  it('refuses an id that several events may have', async () => {
    const target = topology('shop', (t) => {
      t.stream('in', json<{ id: any }>()).pipe(
        effect('mails', { inline: true, id: ({ value }) => value.id, run: () => undefined }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target, { onError: { process: 'skip' } });
    await feed(
      driver,
      'in',
      [2 ** 53, '\ud83d', '', null, 7, 'e'].map((id): Short => ['k', { id }, 1]),
    );
    assert.deepEqual(
      (await read(driver)).map(([, value]) => (value as { id: unknown }).id),
      [7, 'e'],
    );
  });
});
