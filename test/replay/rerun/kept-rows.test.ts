import assert from 'node:assert/strict';
import type { Broker } from '#src/broker/port.js';
import {
  aggregate,
  dedupe,
  joinStream,
  leftJoinTable,
  process,
  reorderByVersion,
  serdes,
  type Topology,
  to,
  topology,
  toStream,
} from '#src/index.js';
import { bisect, history, type PastOptions, parseMoment, stateAsOf, trace, verify } from '#src/replay/index.js';
import { json } from '../../dsl/support.js';
import { brokerWith, type Told } from '../support.js';

/** A row as people see it. */
const text = (value: unknown): string => JSON.stringify(value);

const record = (topic: string, key: string, value: unknown, timestamp: number): Told => ({
  topic,
  key,
  value,
  timestamp,
});

describe('the history of rows that are kept as objects, and changed in place', () => {
  let broker: Broker;

  afterEach(() => broker.close());

  const open = async (records: readonly Told[]): Promise<PastOptions> => {
    broker = await brokerWith(records, { topics: ['left', 'right', 'out'] });
    return { broker, inMemory: true };
  };

  interface Seen {
    readonly at: string;
    readonly before: string;
    readonly value: string;
  }

  /** What each event has made of a row. Each change begins with what the one before has left. */
  const changesOf = async (target: Topology, options: PastOptions, store: string, key: unknown): Promise<Seen[]> => {
    const found: Seen[] = [];
    for await (const { event, before, value } of history(target, { ...options, store, key })) {
      assert.equal(text(before), found.at(-1)?.value ?? 'null');
      found.push({ at: `${event.topic}@${event.offset}`, before: text(before), value: text(value) });
    }
    return found;
  };

  const eventsOf = async (target: Topology, options: PastOptions, store: string, key: unknown): Promise<string[]> =>
    (await changesOf(target, options, store, key)).map(({ at }) => at);

  /** Every row of the state is what its history has come to. */
  const checkAll = async (target: Topology, options: PastOptions): Promise<void> => {
    const past = await stateAsOf(target, { ...options, asOf: parseMoment('latest') });
    let rows = 0;
    for (const store of past.stores) {
      for await (const [key, value] of store.entries()) {
        const changes = await changesOf(target, options, store.spec.name, key);
        assert.equal(changes.at(-1)?.value, text(value), `${store.spec.name} ${text(key)}`);
        rows++;
      }
    }
    assert.ok(rows > 0);
    await past.close();
  };

  it('has each subscriber of a foreign-key join', async () => {
    const target = topology('test', (t) => {
      const right = t.table('right', { ...json<number>(), store: 'right-rows' });
      t.table('left', { ...json<number>(), store: 'left-rows' }).pipe(
        leftJoinTable(right, {
          foreignKey: (value: number) => `f${value % 2}`,
          join: (a, b) => `${a} ${b}`,
          store: 'joined',
          value: serdes.string,
        }),
      );
    });
    const options = await open([0, 1, 2, 3, 5].map((i) => record('left', `k${i}`, i, 1_000 + i)));
    const ofOdd = { key: 'f1', id: 0 };
    assert.deepEqual(await eventsOf(target, options, 'joined-subscribers', ofOdd), ['left@1', 'left@3', 'left@4']);
    await checkAll(target, options);
    const found = await bisect(target, {
      ...options,
      store: 'joined-subscribers',
      when: ({ value }) => value?.subscribers.length === 2,
    });
    assert.equal(found?.change.event.offset, 2);
  });

  it('has each record that a join of streams holds, as the state shows it', async () => {
    const target = topology('test', (t) => {
      t.stream('left', json<number>()).pipe(
        joinStream(t.stream('right', json<number>()), { store: 'met', within: '20ms', join: (a, b) => [a, b] }),
        to('out', json<any>()),
      );
    });
    const told = [record('left', 'k', 1, 1_000), record('left', 'k', 2, 1_001), record('right', 'k', 3, 1_002)];
    const options = await open(told);
    const past = await stateAsOf(target, { ...options, asOf: parseMoment('latest') });
    const rows = past.stores.find(({ spec }) => spec.name === 'met-left');
    const keys: unknown[] = [];
    for await (const [key] of rows?.entries() ?? []) keys.push(key);
    await past.close();
    const changes = await changesOf(target, options, 'met-left', keys[0]);
    assert.deepEqual(
      changes.map(({ at, value }) => [at, JSON.parse(value).records.map((each: { value: unknown }) => each.value)]),
      [
        ['left@0', [1]],
        ['left@1', [1, 2]],
      ],
    );
    await checkAll(target, options);
  });

  it('has the first record of each id of a dedupe, again when the id has expired', async () => {
    const target = topology('test', (t) => {
      t.stream('left', json<{ id: string }>()).pipe(
        dedupe({ store: 'seen', id: ({ value }) => value.id, within: '10ms', scope: 'partition' }),
        to('out', json<any>()),
      );
    });
    const of = (id: string, at: number): Told => record('left', 'k', { id }, at);
    const options = await open([of('a', 0), of('a', 5), of('b', 11), of('a', 12), of('a', 13)]);
    const past = await stateAsOf(target, { ...options, asOf: parseMoment('latest') });
    const [store] = past.stores;
    for await (const [key, value] of store?.entries() ?? []) {
      const found: string[] = [];
      for await (const change of history(target, { ...options, store: 'seen', key }))
        found.push(`${change.event.offset} ${text(change.before)} ${text(change.value)}`);
      const { offset } = value as { readonly offset: number };
      const last = `${offset} null ${text({ topic: 'left', offset })}`;
      assert.deepEqual(found, offset === 2 ? [last] : [`0 null ${text({ topic: 'left', offset: 0 })}`, last]);
    }
    await past.close();
  });

  for (const [name, more] of [
    ['one after the other', { batchRecords: 1 }],
    ['together', {}],
    ['with an empty cache', { batchRecords: 2, cacheBytes: 1 }],
  ] as const) {
    it(`puts a gap of reorderByVersion down to the records that open and close it, taken ${name}`, async () => {
      const target = topology('test', (t) => {
        t.stream('left', json<number>()).pipe(
          reorderByVersion({
            store: 'order',
            version: ({ value }) => value,
            first: 1,
            gap: { wait: '1s', then: 'skip' },
          }),
          to('out', json<any>()),
        );
      });
      const versions = [1, 3, 2, 3, 5, 4, 6, 9];
      const told = versions.map((version, i) => record('left', 'k', version, 100 + i));
      const options = { ...(await open([...told, record('left', 'other', 1, 5_000)])), ...more };
      assert.deepEqual(await changesOf(target, options, 'order-gaps', 'k'), [
        { at: 'left@1', before: 'null', value: '101' },
        { at: 'left@2', before: '101', value: 'null' },
        { at: 'left@4', before: 'null', value: '104' },
        { at: 'left@5', before: '104', value: 'null' },
        { at: 'left@7', before: 'null', value: '107' },
        { at: 'left@8', before: '107', value: 'null' },
      ]);
      const { change } =
        (await bisect(target, { ...options, store: 'order-gaps', when: ({ value }) => value === 104 })) ?? {};
      assert.equal(change?.event.offset, 4);
    });
  }

  it('has what functions of users change in place: the accumulator of an aggregate, a row of a processor', async () => {
    interface Total {
      total: number;
      readonly parts: number[];
    }
    const target = topology('test', (t) => {
      const left = t.stream('left', json<number>());
      left.pipe(
        aggregate({
          store: 'totals',
          value: serdes.json<Total>(),
          initial: () => ({ total: 0, parts: [] }),
          add: (all, { value }) => {
            all.total += value;
            all.parts.push(value);
            return all;
          },
        }),
        toStream(),
        to('out', json<any>()),
      );
      left.pipe(
        process({
          name: 'changes',
          stores: { kept: { key: serdes.string, value: serdes.json<Total>() } },
          async process({ key, value }, { stores }) {
            const row = (await stores.kept.load(key)) ?? { total: 0, parts: [] };
            row.total -= value;
            stores.kept.put(key, row);
            row.parts.push(value);
            stores.kept.put(key, row);
          },
        }),
      );
    });
    const told = [1, 2, 3].map((value, i) => record('left', 'k', value, i));
    for (const more of [{}, { batchRecords: 1 }, { batchRecords: 2, cacheBytes: 1 }]) {
      const options = { ...(await open(told)), ...more };
      assert.deepEqual(
        (await changesOf(target, options, 'totals', 'k')).map(({ value }) => value),
        ['{"total":1,"parts":[1]}', '{"total":3,"parts":[1,2]}', '{"total":6,"parts":[1,2,3]}'],
      );
      assert.deepEqual(await eventsOf(target, options, 'kept', 'k'), [
        'left@0',
        'left@0',
        'left@1',
        'left@1',
        'left@2',
        'left@2',
      ]);
      const ways: unknown[] = [];
      for await (const { steps } of trace(target, { ...options, key: 'k' }))
        for (const step of steps)
          if ((step.what === 'read' || step.what === 'write') && step.store === 'totals')
            ways.push([step.what, text(step.value)]);
      assert.deepEqual(ways, [
        ['read', 'null'],
        ['write', '{"total":1,"parts":[1]}'],
        ['read', '{"total":1,"parts":[1]}'],
        ['write', '{"total":3,"parts":[1,2]}'],
        ['read', '{"total":3,"parts":[1,2]}'],
        ['write', '{"total":6,"parts":[1,2,3]}'],
      ]);
      // Which is what whoever writes it should not do.
      const { differences } = await verify(target, { broker });
      assert.ok(differences.some(({ kind }) => kind === 'mutated'));
    }
  });

  it('has the versions that a table keeps of the past of its rows', async () => {
    const target = topology('test', (t) => {
      t.table('left', { ...json<number>(), store: 'prices', history: '1h' });
    });
    const options = await open([10, 30, 20, 40].map((at) => record('left', 'k', at, at)));
    const versions = { key: 'k', id: 0 };
    assert.deepEqual(await eventsOf(target, options, 'prices-versions', versions), ['left@1', 'left@2', 'left@3']);
    await checkAll(target, options);
  });

  it('begins with what a processor has written before the first record, which no event has caused', async () => {
    const target = topology('test', (t) => {
      t.stream('left', json<number>()).pipe(
        process({
          name: 'counts',
          stores: { counts: { key: serdes.string, value: serdes.double } },
          async start({ stores }) {
            if ((await stores.counts.load('k')) === null) stores.counts.put('k', 100);
          },
          async process({ key }, { stores }) {
            stores.counts.put(key, ((await stores.counts.load(key)) ?? 0) + 1);
          },
        }),
      );
    });
    const options = await open([record('left', 'k', 1, 1), record('left', 'k', 2, 2)]);
    const found: unknown[] = [];
    for await (const { before, value } of history(target, { ...options, store: 'counts', key: 'k' }))
      found.push([before, value]);
    assert.deepEqual(found, [
      [100, 101],
      [101, 102],
    ]);
    const ways: unknown[] = [];
    for await (const { steps } of trace(target, { ...options, key: 'k' })) ways.push(steps.map(({ what }) => what));
    assert.deepEqual(ways, [
      ['in', 'process', 'read', 'write', 'kept'],
      ['in', 'process', 'read', 'write', 'kept'],
    ]);
  });

  it('shows keys of bytes as bytes, wherever a record has come', async () => {
    const target = topology('test', (t) => {
      t.stream('left', { key: serdes.bytes, value: serdes.json<number>() }).pipe(
        aggregate({ store: 'totals', value: serdes.double, initial: () => 0, add: (sum, { value }) => sum + value }),
      );
    });
    const options = await open([record('left', 'k', 1, 1)]);
    const key = Buffer.from('k');
    for await (const { steps } of trace(target, { ...options, key }))
      for (const step of steps) if ('key' in step) assert.deepEqual(step.key, key);
    for await (const change of history(target, { ...options, store: 'totals', key })) assert.deepEqual(change.key, key);
  });
});
