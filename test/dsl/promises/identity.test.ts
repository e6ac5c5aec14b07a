import assert from 'node:assert/strict';
import fc from 'fast-check';
import { map, type Observable } from 'rxjs';
import {
  count,
  dedupe,
  joinStream,
  joinTable,
  latestByTimestamp,
  process,
  reduce,
  reorderByVersion,
  type Serde,
  type Stream,
  type StreamRecord,
  serdes,
  suppress,
  to,
  topology,
  toStream,
  toTable,
  tumbling,
} from '#src/index.js';
import type { ErrorCode } from '#src/model/errors.js';
import { deadLetters, failure, feed, json, open, type Short, through, values } from '../support.js';

type Any = StreamRecord<any, any>;
const text = { key: serdes.string, value: serdes.string };

/** Each is given one record a key, and must pass as many. */
const operators: Record<string, (input: Stream<any, any>, key: Serde<any>) => Observable<Any>> = {
  dedupe: (input) => input.pipe(dedupe({ store: 's', id: () => 'e', within: '1d' })),
  reorderByVersion: (input) => input.pipe(reorderByVersion({ store: 's', version: () => 1, first: 1 })),
  'reorderByVersion that puts in order': (input) =>
    input.pipe(
      process<Any, Any>({
        name: 'both',
        process: ({ key }, { forward }) => [2, 1].map((version) => forward({ key, value: version })) as never,
      }),
      reorderByVersion({ store: 's', version: ({ value }) => value, first: 1, gap: { wait: '1h', then: 'skip' } }),
      process<Any, Any>({
        name: 'second',
        process: (record, { forward }) => void (record.value === 2 && forward(record)),
      }),
    ),
  latestByTimestamp: (input) =>
    input.pipe(
      // Each is older than the one before.
      latestByTimestamp({ store: 's', timestamp: ({ value }) => -Number(value) }),
    ),
  count: (input) => input.pipe(count({ store: 's' }), toStream()),
  'count in windows': (input) => input.pipe(count({ store: 's', window: tumbling('1d') }), toStream()) as never,
  reduce: (input) => input.pipe(reduce({ store: 's', value: serdes.string, add: (a) => `${a}+` }), toStream()),
  'joinTable of a table with itself': (input, key) => {
    const table = input.pipe(toTable({ store: 's', key, value: serdes.string }));
    return input.pipe(joinTable(table, (a: string, b: string) => `${a} ${b}`));
  },
  joinStream: (input) =>
    input.pipe(
      joinStream(input, {
        store: 's',
        before: '0ms',
        after: '0ms',
        grace: '1h',
        join: (a: string, b: string) => `${a} ${b}`,
      }),
    ),
  suppress: (input, key) =>
    input.pipe(
      toTable({ store: 't', key, value: serdes.string }),
      suppress({ store: 's', until: { timeLimit: '0ms' } }),
      toStream(),
    ),
  process: (input, key) =>
    input.pipe(
      process<Any, Any, any>({
        name: 'p',
        stores: { s: { key, value: serdes.string } },
        process(record, { stores, forward }: any) {
          if (stores.s.get(record.key) !== null) return;
          stores.s.put(record.key, 'there');
          forward(record);
        },
      }),
    ),
};

const jsonKey = fc.oneof(
  fc.integer({ min: -3, max: 12 }),
  fc.constantFrom<unknown>(true, false, 'true', '5', '', 'null', '{"a":1}', '[1]', 'é', '😀', '-:', '5:"', '1:1'),
  fc.string({ maxLength: 4 }),
  fc.record({ a: fc.oneof(fc.nat({ max: 2 }), fc.constantFrom('1', null)) }),
  fc.array(fc.oneof(fc.nat({ max: 2 }), fc.constantFrom('1', '[1]')), { maxLength: 2 }),
);
const bytes = fc.uint8Array({ maxLength: 4 }).map((some) => Buffer.from(some));
const kinds: Record<string, [Serde<any>, fc.Arbitrary<any>]> = {
  json: [serdes.json<unknown>(), jsonKey],
  string: [
    serdes.string,
    fc.oneof(fc.constantFrom('null', '', '4:', 'é', '😀', '\u0000'), fc.string({ maxLength: 4 })),
  ],
  bytes: [serdes.bytes, bytes],
  int64: [serdes.int64, fc.integer({ min: -3, max: 300 })],
  bigint64: [serdes.bigint64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  double: [serdes.double, fc.oneof(fc.constantFrom(0, -0), fc.double({ noNaN: true }))],
};

describe('keys with other bytes are other keys', () => {
  for (const [operator, build] of Object.entries(operators)) {
    it(`to ${operator}, whatever they read like`, async () => {
      for (const [kind, [key, keys]] of Object.entries(kinds)) {
        await fc.assert(
          fc.asyncProperty(
            fc.uniqueArray(keys, { maxLength: 12, selector: (one) => key.encode(one).toString('hex') }),
            fc.constantFrom(1, 3, 1_000),
            async (some, batchRecords) => {
              const target = topology('alike', (t) => {
                build(t.stream('in', { key, value: serdes.string }), key).pipe(
                  process<Any, Any>({
                    name: 'out',
                    rekey: { key: serdes.string },
                    process: ({ key: of }, { forward }) => {
                      const own = of?.start === undefined ? of : of.key;
                      forward({ key: 'k', value: key.encode(own).toString('hex') });
                    },
                  }),
                  to('out', text),
                );
              });
              const driver = await open(target, { batchRecords });
              await driver
                .input('in', { key, value: serdes.string })
                .sendAll(some.map((one, i) => ({ key: one, value: String(i), timestamp: 1 })));
              const found = await driver.output('out', text).values();
              await driver.close();
              assert.deepEqual(
                [...new Set(found)].sort(),
                some.map((one) => key.encode(one).toString('hex')).sort(),
                kind,
              );
              assert.equal(found.length, some.length, kind);
            },
          ),
          { numRuns: 8 },
        );
      }
    });
  }
});

describe('ids', () => {
  const once = (scope: 'key' | 'partition' = 'key') =>
    through<{ id: any }>((input) =>
      input.pipe(dedupe({ store: 's', id: ({ value }) => value.id, within: '1d', scope })),
    );
  const passed = async (ids: readonly unknown[], scope?: 'key' | 'partition'): Promise<unknown[]> => {
    const driver = await open(once(scope), { onError: { process: 'deadLetter' } });
    await feed(
      driver,
      'in',
      ids.map((id): Short => ['k', { id }, 1]),
    );
    return (await values(driver)).map((value) => (value as { id: unknown }).id);
  };

  it('are told apart by type and value, under both scopes', async () => {
    const ids = [5, '5', '#5', '##5', '#', -0.5, '-0.5', 'é', '😀', ' ', '5 '];
    for (const scope of ['key', 'partition'] as const) {
      assert.deepEqual(await passed(ids, scope), ids);
      assert.deepEqual(await passed([...ids, ...ids], scope), ids);
    }
  });

  it('that several events may have are refused, whatever they are of', async () => {
    const wrong = [2 ** 53, -(2 ** 53), 1e300, '\ud83d', 'a\udc00', '', null];
    assert.deepEqual(await passed([...wrong, 1, 'a']), [1, 'a']);
    const driver = await open(once(), { onError: { process: 'deadLetter' } });
    await feed(
      driver,
      'in',
      wrong.map((id): Short => ['k', { id }, 1]),
    );
    assert.equal((await deadLetters(driver)).length, wrong.length);
    const entities = through<{ id: any }>((input) =>
      input.pipe(reorderByVersion({ store: 's', version: () => 1, first: 1, entity: ({ value }) => value.id })),
    );
    const other = await open(entities, { onError: { process: 'skip' } });
    await feed(
      other,
      'in',
      [...wrong, 1, '1', 'a'].map((id): Short => ['k', { id }, 1]),
    );
    assert.deepEqual(
      (await values(other)).map((value) => (value as { id: unknown }).id),
      [1, '1', 'a'],
    );
  });

  it('may be bigints, of any size; those of numbers are the same', async () => {
    const target = through<string>((input) =>
      input.pipe(
        dedupe({
          store: 's',
          id: ({ value }) => (value.startsWith('n') ? Number(value.slice(1)) : BigInt(value)),
          within: '1d',
        }),
      ),
    );
    const driver = await open(target);
    const ids = ['15793596808644608', '15793596808644609', '5', 'n5', '15793596808644608', `${2n ** 80n}`];
    await feed(
      driver,
      'in',
      ids.map((id): Short => ['k', id, 1]),
    );
    assert.deepEqual(await values(driver), ['15793596808644608', '15793596808644609', '5', `${2n ** 80n}`]);
  });

  it('of records without a key are no ids of a key', async () => {
    const target = topology('t', (t) => {
      t.stream('in', text).pipe(dedupe({ store: 's', id: ({ value }) => value, within: '1d' }), to('out', text));
    });
    const driver = await open(target);
    await driver
      .input('in', text)
      .sendAll([null, 'null', '', null, '-', '-:'].map((key) => ({ key, value: 'e', timestamp: 1 })));
    assert.deepEqual(
      (await driver.output('out', text).read()).map(({ key }) => key),
      [null, 'null', '', '-', '-:'],
    );
  });
});

describe('what dedupe takes for a record that is processed again', () => {
  it('does not depend on the cache: behind a timer of the wall clock nothing is', async () => {
    for (const cacheBytes of [1, 1_000_000]) {
      const target = through<string>((input) =>
        input.pipe(
          process<Any, Any>({
            name: 'again',
            start: ({ schedule, forward }) =>
              void schedule('10ms', 'wall', () => forward({ key: 'k', value: 'same', timestamp: 1 })),
            process: () => undefined,
          }),
          dedupe({ store: 's', id: ({ value }) => value, within: '1d' }),
        ),
      );
      const driver = await open(target, { cacheBytes, commitRecords: 1, commitEvery: '1ms' });
      await feed(driver, 'in', [['k', 'x', 1]]);
      for (let i = 0; i < 5; i++) {
        await driver.advance('10ms');
        if (i === 2) await driver.restart();
      }
      assert.deepEqual(await values(driver), ['same'], `${cacheBytes} bytes`);
      await driver.close();
    }
  });
});

describe('a store in which what reads alike was one', () => {
  const old = (name: string) =>
    topology('t', (t) => {
      t.stream('in', json<string>()).pipe(
        process<Any, Any, any>({
          name: 'old',
          stores: { [name]: { key: serdes.string, value: serdes.string } },
          process: ({ key, value }, { stores }: any) => stores[name].put(key, value),
        }),
      );
    });
  const operators = {
    dedupe: dedupe<any, any>({ store: 's', id: ({ value }) => value, within: '1d' }),
    reorderByVersion: reorderByVersion<any, any>({ store: 's', version: () => 1 }),
    'reorderByVersion of entities': reorderByVersion<any, any>({ store: 's', version: () => 1, entity: () => 'e' }),
  };
  for (const [name, operator] of Object.entries(operators)) {
    it(`is refused by ${name}`, async () => {
      const driver = await open(old('s'));
      await feed(driver, 'in', [['a', 'x', 1]]);
      const target = topology('t', (t) => {
        t.stream('in', { key: serdes.json<unknown>(), value: serdes.string }).pipe(operator);
      });
      await assert.rejects(driver.restart(target), failure('STATE_MISMATCH', /store s .*key serde "string"/));
    });
  }
});

describe('a key that JSON cannot write', () => {
  const big = { key: serdes.bigint64, value: serdes.string };
  const other = { other: big };
  const targets: Record<string, [ErrorCode, (input: Stream<bigint, string>) => unknown]> = {
    'is changed by a plain operator': [
      'KEY_CHANGED',
      (input) =>
        input.pipe(
          map((record) => ({ ...record, key: record.key + 1n })),
          count({ store: 's' }),
        ),
    ],
    'is changed by process': [
      'KEY_CHANGED',
      (input) =>
        input.pipe(
          process<Any, Any>({
            name: 'p',
            process: (record, { forward }) => forward({ ...record, key: record.key + 1n }),
          }),
          to('out', big),
        ),
    ],
    'is not loaded': [
      'STORE_KEY_NOT_LOADED',
      (input) =>
        input.pipe(
          process<Any, Any, typeof other>({
            name: 'p',
            stores: other,
            reads: () => [],
            process: ({ key }, { stores }) => void stores.other.get(key + 1n),
          }),
        ),
    ],
  };
  for (const [what, [code, build]] of Object.entries(targets)) {
    it(`${what}: ${code}, which no policy skips`, async () => {
      const target = topology('t', (t) => void build(t.stream('in', big)));
      for (const policy of ['skip', 'deadLetter', { retry: 1, backoff: '1ms', then: 'skip' }] as const) {
        const driver = await open(target, { onError: { process: policy } });
        await assert.rejects(
          driver.input('in', big).send({ key: 1n, value: '', timestamp: 1 }),
          failure(code, code === 'KEY_CHANGED' ? /saw key 2n, expected key 1n/ : /saw key 2n/),
        );
      }
    });
  }

  it('is the same if a copy of it has the same bytes, and another if it has not', async () => {
    const objects = { key: serdes.json<any>(), value: serdes.string };
    const copying = (copy: (key: any) => unknown) =>
      topology('t', (t) => {
        t.stream('in', objects).pipe(
          map((record) => ({ ...record, key: copy(record.key) })),
          count({ store: 's' }),
        );
      });
    const input = { key: { a: 1, b: [2] }, value: '', timestamp: 1 };
    const driver = await open(copying((key) => structuredClone(key)));
    await driver.input('in', objects).send(input);
    assert.deepEqual(await driver.store('s').entries(), [[input.key, 1]]);
    const other = await open(copying(({ a, b }) => ({ b, a })));
    await assert.rejects(other.input('in', objects).send(input), failure('KEY_CHANGED', /saw key \{"b":\[2\],"a":1\}/));
  });

  it('in a record that throws when it is read: only that record fails', async () => {
    const target = topology('t', (t) => {
      t.stream('in', big).pipe(
        map((record) =>
          record.value === 'bad'
            ? Object.defineProperty({ ...record }, 'timestamp', { get: () => assert.fail('looked at') })
            : record,
        ),
        to('out', big),
      );
    });
    const driver = await open(target, { onError: { process: 'skip' } });
    await driver.input('in', big).sendAll(['a', 'bad', 'b'].map((value) => ({ key: 1n, value, timestamp: 1 })));
    assert.deepEqual(await driver.output('out', big).values(), ['a', 'b']);
  });
});

describe('JSON keys', () => {
  const key = serdes.json<any>();
  const raw = { key: serdes.bytes, value: serdes.string };

  it('that may stand for several are refused when they are read', async () => {
    const target = topology('t', (t) => {
      t.stream('in', { key, value: serdes.string }).pipe(to('out', { key, value: serdes.string }));
    });
    const driver = await open(target, { onError: { deserialize: 'deadLetter' } });
    const keys = [
      '9007199254740991',
      '9007199254740992',
      '9007199254740993',
      '{"id":[15793596808644609]}',
      '1e20',
      '0.5',
    ];
    await driver.input('in', raw).sendAll(keys.map((one) => ({ key: Buffer.from(one), value: '', timestamp: 1 })));
    assert.deepEqual(
      (await driver.output('out', raw).read()).map((record) => String(record.key)),
      ['9007199254740991', '0.5'],
    );
    assert.equal((await deadLettersOf(driver)).length, 4);
  });

  it('that may stand for several are refused when records are regrouped by them', async () => {
    const target = topology('t', (t) => {
      t.stream('in', json<{ id: number }>()).pipe(
        process<Any, Any>({
          name: 'by-id',
          rekey: { key, name: 'by-id' },
          process: ({ value }, { forward }) => forward({ key: value.id, value }),
        }),
        count({ store: 's' }),
      );
    });
    const driver = await open(target);
    await assert.rejects(
      feed(driver, 'in', [['k', { id: 2 ** 60 }, 1]]),
      failure('SERIALIZE_FAILED', /1152921504606847000.*lose digits/),
    );
  });
});

const deadLettersOf = async (driver: Awaited<ReturnType<typeof open>>) => driver.deadLetters().read();
