import assert from 'node:assert/strict';
import fc from 'fast-check';
import { map } from 'rxjs';
import { sameKey } from '#src/dsl/common/ids.js';
import {
  aggregate,
  count,
  effect,
  groupBy,
  joinStream,
  type Serde,
  serdes,
  to,
  topology,
  toStream,
} from '#src/index.js';
import { failure, feed, json, open, read, rows } from '../support.js';

const UUID = '0f8fad5b-d9cb-469f-a165-70867728950e';

/** Serdes, and keys that they may be given, some of which they write alike. */
const KEYS: readonly (readonly [serde: Serde<any>, key: fc.Arbitrary<unknown>])[] = [
  [serdes.string, fc.constantFrom('a', 'A', 'b', '')],
  [serdes.uuid, fc.constantFrom(UUID, UUID.toUpperCase(), UUID.replace('0f', '1f'))],
  [serdes.double, fc.constantFrom(0, -0, 1, 0.5, Number.NaN)],
  [serdes.int64, fc.constantFrom(0, -0, 1, 2)],
  [serdes.json<unknown>(), fc.constantFrom(0, -0, 5, '5', true, 'true', { a: 1 }, { a: 1.0 }, [1], [-0], [0], '[0]')],
];

const tries = fc.constantFrom(...KEYS).chain(([serde, key]) => fc.tuple(fc.constant(serde), key, key));

/** The bytes of a key; undefined: it cannot be written. */
function bytesOf(serde: Serde<any>, key: unknown): string | undefined {
  try {
    return serde.encode(key).toString('hex');
  } catch {
    return undefined;
  }
}

describe('two keys', () => {
  it('are the same if and only if their bytes are (property)', () => {
    fc.assert(
      fc.property(tries, ([serde, a, b]) => {
        const [first, second] = [bytesOf(serde, a), bytesOf(serde, b)];
        if (first === undefined || second === undefined) return;
        assert.equal(sameKey(serde, a, b), first === second);
      }),
      { numRuns: 500 },
    );
  });

  it('that are written alike are one group of a table, whatever they look like', async () => {
    const target = topology('test', (t) => {
      t.table('in', { ...json<string>(), store: 'in' }).pipe(
        groupBy(({ value }) => value, { key: serdes.uuid, value: serdes.json<string>(), name: 'by-uuid' }),
        aggregate({
          store: 'counts',
          value: serdes.double,
          initial: () => 0,
          add: (sum) => sum + 1,
          subtract: (sum) => sum - 1,
        }),
        toStream(),
        to('out', { key: serdes.uuid, value: serdes.json<number>() }),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [['k', UUID]]);
    await feed(driver, 'in', [['k', UUID.toUpperCase()]]);
    const out = await driver.output('out', { key: serdes.uuid, value: serdes.json<number>() }).read();
    // One change of the group, and not one out of it and one into it.
    assert.deepEqual(
      out.map(({ value }) => value),
      [1, 1],
    );
    await driver.close();
  });

  it('that are written alike may replace each other behind a plain operator, but 0 and -0 may not', async () => {
    const counting = <K>(key: Serde<K>, other: (key: K) => K) =>
      topology('test', (t) => {
        t.stream('in', { key, value: serdes.string }).pipe(
          map((record) => ({ ...record, key: other(record.key) })),
          count({ store: 'counts' }),
        );
      });
    const driver = await open(counting(serdes.uuid, (key: string) => key.toUpperCase()));
    await driver.input('in', { key: serdes.uuid, value: serdes.string }).send({ key: UUID, value: 'v' });
    assert.deepEqual(await rows(driver, 'counts'), { [UUID]: 1 });
    await driver.close();

    const signed = await open(counting(serdes.double, () => -0));
    await assert.rejects(
      signed.input('in', { key: serdes.double, value: serdes.string }).send({ key: 0, value: 'v' }),
      failure('KEY_CHANGED'),
    );
  });

  it('that are 0 and -0 meet in no join of streams, though one comes right behind the other', async () => {
    const io = { key: serdes.double, value: serdes.string };
    const driver = await open(
      topology('test', (t) => {
        const options = { store: 'pairs', within: '1s', join: (a: string, b: string) => a + b } as const;
        t.stream('left', io).pipe(joinStream(t.stream('right', io), options), to('out', io));
      }),
    );
    await driver.input('right', io).send({ key: 0, value: 'zero', timestamp: 1 });
    await driver.input('left', io).send({ key: -0, value: 'minus zero', timestamp: 2 });
    assert.deepEqual(await driver.output('out', io).values(), []);
    await driver.input('left', io).send({ key: 0, value: 'zero and ', timestamp: 2 });
    assert.deepEqual(await driver.output('out', io).values(), ['zero and zero']);
  });
});

describe('the id of a call', () => {
  it('is another for a number than for the same digits as text', async () => {
    const keys: string[] = [];
    const target = topology('test', (t) => {
      t.stream('in', json<string | number>()).pipe(
        effect('tell', {
          inline: true,
          id: ({ value }) => value,
          run: (_, { idempotencyKey }) => void keys.push(idempotencyKey),
        }),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['k', 5],
      ['k', '5'],
      ['k', '#5'],
    ]);
    await read(driver).catch(() => undefined);
    assert.deepEqual(keys, ['test/tell/#5', 'test/tell/5', 'test/tell/##5']);
    await driver.close();
  });
});
