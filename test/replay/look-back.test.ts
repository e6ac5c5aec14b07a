import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Broker } from '#src/broker/port.js';
import { count, effect, joinGlobalTable, serdes, to, topology } from '#src/index.js';
import {
  bisect,
  compare,
  history,
  parseMoment,
  replay,
  type StateChange,
  smallestSlice,
  stateAsOf,
  type Trace,
  trace,
  verify,
} from '#src/replay/index.js';
import { failure, json, open } from '../dsl/support.js';
import { at, type Balance, bank, type Payment, pay } from './bank.js';
import { brokerWith } from './support.js';

const PAYMENTS = [
  pay(0, 'ada', 10),
  pay(1, 'bob', 5),
  pay(2, 'ada', 0),
  pay(3, 'ada', -30),
  pay(3, 'ada', -30),
  pay(4, 'bob', 7),
  pay(5, 'ada', 40),
  pay(6, 'ada', -25),
];

describe('looking back', () => {
  let broker: Broker;
  const target = bank();
  const options = () => ({ broker, inMemory: true });

  beforeEach(async () => {
    broker = await brokerWith(PAYMENTS, { topics: ['payments', 'balances'], partitions: 2 });
  });

  afterEach(() => broker.close());

  const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
    const all: T[] = [];
    for await (const item of items) all.push(item);
    return all;
  };

  const balanceAt = async (account: string, asOf: string): Promise<unknown> => {
    const past = await stateAsOf(target, { ...options(), asOf: parseMoment(asOf) });
    try {
      for (const store of past.stores) {
        const row = store.spec.name === 'balances' ? await store.row(account) : null;
        if (row) return (row.value as Balance).total;
      }
      return null;
    } finally {
      await past.close();
    }
  };

  describe('stateAsOf', () => {
    it('has the records up to that time, its own included', async () => {
      assert.equal(await balanceAt('ada', '2026-01-01T00:02:59.999Z'), 10);
      assert.equal(await balanceAt('ada', '2026-01-01T00:03:00.000Z'), -20);
      assert.equal(await balanceAt('ada', 'latest'), -5);
      assert.equal(await balanceAt('bob', '2026-01-01'), null);
    });

    it('has the records before the offset of each named partition, others as far as the order has come', async () => {
      const records = await collect(history(target, { ...options(), store: 'balances', key: 'ada' }));
      const { topic, partition, offset } = (records[1] as StateChange).event;
      assert.equal(await balanceAt('ada', `offset:${topic}:${partition}=${offset}`), 10);
      assert.equal(await balanceAt('ada', `offset:${topic}:${partition}=${offset + 1}`), -20);
      const other = 1 - partition;
      const bobs = await balanceAt('bob', `offset:${topic}:${partition}=${offset + 1}`);
      assert.equal(bobs, 5, 'bob has paid once until then');
      assert.equal(await balanceAt('bob', `offset:${topic}:${partition}=0,${topic}:${other}=2`), 12);
    });

    it('OFFSET_OUT_OF_RANGE for a time before the first record, and an offset that is not there', async () => {
      await assert.rejects(
        balanceAt('ada', '2025-12-31'),
        failure('OFFSET_OUT_OF_RANGE', /no record up to that time.*2025-12-31/),
      );
      await assert.rejects(
        balanceAt('ada', 'offset:payments:0=99'),
        failure('OFFSET_OUT_OF_RANGE', /payments\[0\]@99/),
      );
    });

    it('USAGE for a partition that no source has', async () => {
      await assert.rejects(
        balanceAt('ada', 'offset:other:0=1'),
        failure('USAGE', /other\[0\].*payments\[0\], payments\[1\]/),
      );
    });

    it('TOPIC_UNKNOWN if a source topic is missing; nothing is created', async () => {
      const empty = await brokerWith([], { topics: [] });
      const asOf = parseMoment('latest');
      await assert.rejects(stateAsOf(target, { broker: empty, asOf }), failure('TOPIC_UNKNOWN', /payments/));
      assert.deepEqual(await empty.admin.describeTopics(), []);
      await empty.close();
    });
  });

  describe('replay', () => {
    it('gives what would have been written with the event that caused it, and creates nothing on the broker', async () => {
      const seen: string[] = [];
      const report = await replay(target, {
        ...options(),
        until: parseMoment('2026-01-01T00:04Z'),
        onOutput: (records) => {
          for (const { topic, offset, key, value, source } of records)
            seen.push(`${topic}@${offset} ${key} ${value} by ${source.topic}@${source.offset}`);
        },
      });
      assert.equal(report.records, 6);
      assert.deepEqual(report.outputs, { balances: 4 });
      assert.equal(report.nodes['dedupe seen']?.duplicate, 1);
      assert.match(seen[0] ?? '', /^balances@0 ada \{"total":10\} by payments@0$/);
      assert.equal(seen.length, 4);
      const topics = (await broker.admin.describeTopics()).map(({ name }) => name).sort();
      assert.deepEqual(topics, ['balances', 'payments']);
      const [end] = await broker.admin.latestOffsets([{ topic: 'balances', partition: 0 }]);
      assert.equal(end?.offset, 0);
    });

    it('gives only the records with a key, if one is given', async () => {
      const report = await replay(target, { ...options(), key: 'card-bob' });
      assert.equal(report.records, 2);
    });

    it('begins without state at a time, if one is given', async () => {
      const values: string[] = [];
      const from = parseMoment('2026-01-01T00:05Z');
      await replay(target, {
        ...options(),
        from,
        onOutput: (some) => void values.push(...some.map(({ value }) => `${value}`)),
      });
      assert.deepEqual(values, ['{"total":40}', '{"total":15}']);
    });

    it('says from where the history is whole', async () => {
      await broker.admin.deleteRecords([{ topic: 'payments', partition: 0, offset: 1 }]);
      const { gaps } = await replay(target, options());
      assert.deepEqual(gaps, [{ topic: 'payments', partition: 0, earliest: 1, compacted: false }]);
    });
  });

  it('shows a global table to each record as it was at the time of the record', async () => {
    const rated = topology('rated', (t) => {
      const rates = t.globalTable('rates', { ...json<number>(), store: 'all-rates' });
      t.stream('payments', json<Payment>())
        .pipe(joinGlobalTable(rates, { key: () => 'EUR', join: ({ eventId }, rate) => `${eventId} at ${rate}` }))
        .pipe(to('balances', json<string>()));
    });
    const rate = (minute: number, value: number) => ({ topic: 'rates', key: 'EUR', value, timestamp: at(minute) });
    const both = await brokerWith([...PAYMENTS, rate(0.5, 10), rate(5.5, 20)], {
      topics: ['payments', 'rates', 'balances'],
      partitions: 2,
    });
    for (const batchRecords of [1, 1_000]) {
      const seen: string[] = [];
      await replay(rated, {
        broker: both,
        inMemory: true,
        batchRecords,
        onOutput: (some) => void seen.push(...some.map(({ value }) => `${value}`)),
      });
      assert.deepEqual(
        seen,
        ['e1 at 10', 'e2 at 10', 'e3 at 10', 'e3 at 10', 'e4 at 10', 'e5 at 10', 'e6 at 20'].map((text) =>
          JSON.stringify(text),
        ),
      );
    }
    const past = await stateAsOf(rated, { broker: both, inMemory: true, asOf: parseMoment('2026-01-01T00:04Z') });
    assert.deepEqual((await past.stores[0]?.row('EUR'))?.value, 10);
    await past.close();
    await both.close();
  });

  it('leaves calls of effect out, whatever is asked, and lists them', async () => {
    let calls = 0;
    const server = createServer((_request, response) => {
      calls++;
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const mailing = topology('mailing', (t) => {
      t.stream('payments', { key: serdes.string, value: serdes.json<Payment>() }).pipe(
        effect('receipts', {
          inline: true,
          run: async () => {
            await fetch(`http://127.0.0.1:${port}/`);
          },
        }),
        count({ store: 'sent' }),
      );
    });
    const listed: string[] = [];
    const report = await replay(mailing, {
      ...options(),
      onEffect: (effects) => {
        for (const { node, idempotencyKey, source } of effects)
          listed.push(`${node} ${idempotencyKey} ${source.offset}`);
      },
    });
    assert.deepEqual(report.effects, { 'effect receipts': 8 });
    assert.match(listed[0] ?? '', /^effect receipts mailing\/receipts\/payments-\d@0 0$/);
    await (await stateAsOf(mailing, { ...options(), asOf: parseMoment('latest') })).close();
    await collect(history(mailing, { ...options(), store: 'sent', key: 'card-ada' }));
    const found = await bisect(mailing, { ...options(), store: 'sent', when: ({ value }) => value === 2 });
    assert.ok(found?.trace.steps.some((step) => step.what === 'effect'));
    assert.equal(await compare(mailing, mailing, options()), undefined);
    assert.deepEqual((await verify(mailing, options())).differences, []);
    server.close();
    assert.equal(calls, 0);
  });

  describe('history', () => {
    it('lists each change of a row with its event, before and after; what changes nothing is left out', async () => {
      const changes = await collect(history(target, { ...options(), store: 'balances', key: 'ada' }));
      assert.deepEqual(
        changes.map(({ event, before, value }) => [event.eventId, event.timestamp, before, value]),
        [
          ['e0', at(0), null, { total: 10 }],
          ['e3', at(3), { total: 10 }, { total: -20 }],
          ['e5', at(5), { total: -20 }, { total: 20 }],
          ['e6', at(6), { total: 20 }, { total: -5 }],
        ],
      );
      assert.deepEqual(changes[0]?.event.value, { eventId: 'e0', account: 'ada', amount: 10 });
      assert.deepEqual(
        changes.map(({ records }) => records),
        [1, 4, 7, 8],
      );
    });

    it('of a table with a history shows the newest version, which a change of the past leaves as it was', async () => {
      const prices = topology('prices', (t) => {
        t.table('prices', { ...json<number>(), store: 'all', history: '1d' });
      });
      const price = (minute: number, value: number | null) => ({
        topic: 'prices',
        key: 'tea',
        value,
        timestamp: at(minute),
      });
      const given = [price(0, 10), price(5, 20), price(3, 15), price(6, null), price(4, 17), price(7, 30)];
      const sold = await brokerWith(given, { topics: ['prices'] });
      const changes = await collect(history(prices, { broker: sold, inMemory: true, store: 'all', key: 'tea' }));
      await sold.close();
      const driver = await open(prices);
      const shown: unknown[] = [];
      let before: unknown = null;
      for (const [event, { key, value, timestamp }] of given.entries()) {
        await driver.input('prices', json<number>()).send({ key, value, timestamp });
        const after = await driver.store('all').get('tea');
        if (before !== after) shown.push([event, before, after]);
        before = after;
      }
      assert.deepEqual(
        changes.map(({ event, before: was, value }) => [event.offset, was, value]),
        shown,
      );
      assert.equal(shown.length, 4);
    });

    it('is empty for a key that was never there; STORE_UNKNOWN for a store that is not', async () => {
      assert.deepEqual(await collect(history(target, { ...options(), store: 'balances', key: 'zoe' })), []);
      await assert.rejects(
        collect(history(target, { ...options(), store: 'balance', key: 'ada' })),
        failure('STORE_UNKNOWN', /seen, balances/),
      );
    });
  });

  describe('bisect', () => {
    const negative = ({ value }: { value: unknown }): boolean => (value as Balance).total < 0;

    it('finds the first event after which the predicate holds, also if it does not stay so', async () => {
      const found = await bisect(target, { ...options(), store: 'balances', when: negative });
      assert.equal(found?.change.event.eventId, 'e3');
      assert.deepEqual([found?.change.before, found?.change.value], [{ total: 10 }, { total: -20 }]);
      assert.deepEqual(
        found?.trace.steps.map((step) => step.what),
        ['in', 'process', 'read', 'write', 'out', 'sent', 'in', 'process', 'read', 'write', 'out', 'sent'],
      );
    });

    it('asks about one row only, if a key is given; undefined if it never holds', async () => {
      const found = await bisect(target, { ...options(), store: 'balances', key: 'bob', when: negative });
      assert.equal(found, undefined);
      const large = await bisect(target, {
        ...options(),
        store: 'balances',
        key: 'bob',
        when: ({ value, before }) => before !== null && (value as Balance).total > 10,
      });
      assert.equal(large?.change.event.eventId, 'e4');
    });

    it('comes down to the smallest slice that brings it about', async () => {
      const asked = { ...options(), store: 'balances', when: negative };
      const found = await bisect(target, asked);
      const { records, partitions } = await smallestSlice(target, asked, found!.change);
      assert.deepEqual(
        records.map(({ value }) => JSON.parse(String(value)).eventId),
        ['e3'],
      );
      assert.deepEqual(partitions, { payments: 2 });
      const twice = { ...asked, key: 'bob', when: ({ value }: { value: Balance }) => value.total === 12 };
      const both = await bisect(target, twice);
      assert.equal((await smallestSlice(target, twice, both!.change)).records.length, 2);
    });

    it('STOPPED if the signal is aborted while the slice is made smaller', async () => {
      const stop = new AbortController();
      const asked = { ...options(), store: 'balances', key: 'ada', when: negative, signal: stop.signal };
      const found = await bisect(target, asked);
      const when = (row: { value: Balance }): boolean => {
        // As a signal of the process does it: when it has a turn.
        setImmediate(() => stop.abort());
        return negative(row);
      };
      await assert.rejects(smallestSlice(target, { ...asked, when }, found!.change), failure('STOPPED', /search/));
    });

    it('OFFSET_OUT_OF_RANGE if more records have written the row than a test could hold', async () => {
      const often = 200_001;
      const counting = topology('counting', (t) => {
        t.stream('payments', json<Payment>()).pipe(count({ store: 'payments-of-card' }));
      });
      const tick = (i: number) => ({ topic: 'payments', key: 'k', value: i, timestamp: i });
      const busy = await brokerWith(
        Array.from({ length: often }, (_, i) => tick(i)),
        { topics: ['payments'] },
      );
      const when = ({ value }: { value: number }): boolean => value === often;
      const asked = { broker: busy, inMemory: true, store: 'payments-of-card', key: 'k', when };
      const found = await bisect(counting, asked);
      await assert.rejects(smallestSlice(counting, asked, found!.change), failure('OFFSET_OUT_OF_RANGE', /200000/));
      await busy.close();
    });

    it('PREDICATE_FAILED names the event at which it threw', async () => {
      const when = ({ value }: { value: unknown }): boolean => {
        if ((value as Balance).total === 5) throw new Error('five');
        return false;
      };
      await assert.rejects(
        bisect(target, { ...options(), store: 'balances', when }),
        failure('PREDICATE_FAILED', /five at payments\[\d\]@0: saw key "bob", value \{"total":5\}/),
      );
    });
  });

  describe('trace', () => {
    const followed = async (given: Partial<Parameters<typeof trace>[1]>): Promise<Trace[]> =>
      collect(trace(target, { ...options(), ...given }));

    it('follows a record through operators, stores and repartitions', async () => {
      const [change] = await collect(history(target, { ...options(), store: 'balances', key: 'bob' }));
      const [found] = await followed({ at: change!.event });
      assert.deepEqual(
        found?.steps.map((step) =>
          'node' in step ? `${step.what} ${step.node}` : 'store' in step ? `${step.what} ${step.store}` : step.what,
        ),
        [
          'in source payments',
          'process dedupe seen',
          'read seen',
          'write seen',
          'out dedupe seen',
          'sent repartition by-account',
          'in repartition by-account',
          'process aggregate balances',
          'read balances',
          'write balances',
          'out aggregate balances',
          'sent to balances',
        ],
      );
      assert.equal(found?.records, 2);
    });

    it('says where a record was dropped, and by which operator', async () => {
      const all = await followed({ key: 'card-ada' });
      assert.equal(all.length, 6);
      const zero = all.find(({ event }) => event.eventId === 'e2');
      assert.deepEqual(zero?.steps.at(-1), {
        what: 'stopped',
        task: zero?.steps[0]?.task,
        from: 'dedupe seen',
        to: 'repartition by-account',
        through: ['filterValues', 'groupBy'],
      });
      const [, twice] = all.filter(({ event }) => event.eventId === 'e3');
      assert.deepEqual(
        twice?.steps.slice(-2).map((step) => [step.what, 'reason' in step ? step.reason : '']),
        [
          ['counted', 'duplicate'],
          ['kept', ''],
        ],
      );
    });

    it('OFFSET_OUT_OF_RANGE for a missing record; USAGE for a topic it does not read, and for none or both', async () => {
      const there = { topic: 'payments', partition: 0, offset: 77 };
      await assert.rejects(followed({ at: there }), failure('OFFSET_OUT_OF_RANGE', /payments\[0\]@77/));
      await assert.rejects(followed({ at: { ...there, topic: 'x' } }), failure('USAGE', /does not read/));
      await assert.rejects(followed({}), failure('USAGE', /neither/));
      await assert.rejects(followed({ at: there, key: 'a' }), failure('USAGE', /both/));
    });
  });

  describe('compare', () => {
    it('finds nothing between two versions that do the same', async () => {
      assert.equal(
        await compare(
          target,
          bank((total, amount) => amount + total),
          options(),
        ),
        undefined,
      );
    });

    it('finds the first event at which they differ, in outputs and rows', async () => {
      const capped = bank((total, amount) => Math.min(25, total + amount));
      const found = await compare(
        target,
        bank((total, amount) => Math.max(-10, total + amount)),
        options(),
      );
      assert.equal(found?.event.eventId, 'e3');
      assert.deepEqual(found?.rows, [{ store: 'balances', key: 'ada', first: { total: -20 }, second: { total: -10 } }]);
      assert.deepEqual(
        [found?.outputs?.first[0]?.value, found?.outputs?.second[0]?.value],
        [{ total: -20 }, { total: -10 }],
      );
      assert.equal(await compare(target, capped, options()), undefined);
    });
  });
});
