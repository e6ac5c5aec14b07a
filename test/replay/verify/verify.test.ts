import assert from 'node:assert/strict';
import { map, scan } from 'rxjs';
import {
  aggregate,
  count,
  dedupe,
  groupBy,
  joinTable,
  mapValues,
  peek,
  process as processRecords,
  reorderByVersion,
  type Stream,
  serdes,
  type Topology,
  type TopologyBuilder,
  to,
  topology,
  toStream,
} from '#src/index.js';
import { type VerifyReport, verify } from '#src/replay/index.js';
import { json } from '../../dsl/support.js';
import { brokerWith, type Told } from '../support.js';

interface Payment {
  readonly id: string;
  readonly version: number;
  amount: number;
  readonly account: string;
}

/** 60 payments of 6 cards into 3 accounts; `step`: milliseconds from one to the next. */
const payments = (step = 1_000): Told[] =>
  Array.from({ length: 60 }, (_, i) => ({
    topic: 'payments',
    key: `card-${i % 6}`,
    value: { id: `e${i}`, version: Math.floor(i / 6) + 1, amount: (i * 7) % 11, account: `a${i % 3}` },
    timestamp: 1_700_000_000_000 + Math.floor(i * step),
  }));

const accounts = (step: number): Told[] =>
  Array.from({ length: 60 }, (_, i) => ({
    topic: 'accounts',
    key: `card-${i % 6}`,
    value: { owner: `o${i}` },
    timestamp: 1_700_000_000_000 + i * step,
  }));

const built = (build: (payments: Stream<string, Payment>, t: TopologyBuilder) => void): Topology =>
  topology('payments', (t) => build(t.stream('payments', json<Payment>()), t));

async function verified(target: Topology, records = payments(), partitions = 2): Promise<VerifyReport> {
  const broker = await brokerWith(records, { topics: TOPICS, partitions });
  const report = await verify(target, { broker, inMemory: true });
  await broker.close();
  return report;
}

const TOPICS = ['payments', 'accounts', 'out'];

const short = ({ differences }: VerifyReport): string[] =>
  differences.map(({ run, kind, operator }) => `${run}: ${kind} at ${operator}`);

describe('verify', () => {
  it('finds no difference where records alone decide, whatever comes twice, out of order, or in batches', async () => {
    const target = built((stream, t) => {
      const owners = t.table('accounts', { ...json<{ owner: string }>(), store: 'owners' });
      stream
        .pipe(
          dedupe({ store: 'seen', id: (record) => record.value.id, within: '1h' }),
          reorderByVersion({ store: 'order', version: (record) => record.value.version, first: 1 }),
          joinTable(owners, (payment, { owner }) => ({ ...payment, owner })),
          groupBy((record) => record.value.account, { ...json<Payment & { owner: string }>(), name: 'by-account' }),
          aggregate({
            store: 'totals',
            value: serdes.double,
            initial: () => 0,
            add: (total, record) => total + record.value.amount,
          }),
        )
        .pipe(to('out', { key: serdes.string, value: serdes.double }));
    });
    const mixed = [...accounts(10), ...payments(), ...payments()].sort(
      (a, b) => (a.timestamp % 97) - (b.timestamp % 97),
    );
    const report = await verified(target, mixed);
    assert.deepEqual(report.differences, []);
    assert.equal(report.records, 180);
    assert.ok(report.restarts >= 4, `${report.restarts} restarts`);
    assert.deepEqual(Object.keys(report.state), ['owners', 'seen', 'order', 'order-gaps', 'totals']);
  });

  it('finds no difference where two joins read the past of one table from the disk after a restart', async () => {
    const target = topology('payments', (t) => {
      const owners = t.table('accounts', { ...json<{ owner: string }>(), store: 'owners', history: '1h' });
      const { value } = json<string>();
      for (const [topic, name] of [
        ['payments', 'first'],
        ['more', 'second'],
      ] as const)
        t.stream(topic, json<Payment>()).pipe(
          joinTable(owners, ({ id }, { owner }) => `${id} ${owner}`),
          to('out', { key: serdes.string, value, name }),
        );
    });
    // Of one key there are many versions: some of them are kept in rows of their own.
    const often = Array.from({ length: 120 }, (_, i) => ({
      topic: 'accounts',
      key: 'card-1',
      value: { owner: `o${i}` },
      timestamp: 1_700_000_000_250 + 500 * i,
    }));
    const more = payments().map((told) => ({ ...told, topic: 'more', timestamp: told.timestamp + 3 }));
    const broker = await brokerWith([...often, ...payments(), ...more], { topics: [...TOPICS, 'more'] });
    for (const inMemory of [true, false]) {
      const report = await verify(target, { broker, inMemory });
      assert.deepEqual(report.differences, []);
      assert.ok(report.restarts >= 4, `${report.restarts} restarts`);
    }
    await broker.close();
  });

  it('does not blame a foreign-key join for the lists that are its own', async () => {
    const target = topology('payments', (t) => {
      const owners = t.table('accounts', { ...json<{ owner: string }>(), store: 'owners' });
      t.table('payments', { ...json<Payment>(), store: 'last' })
        .pipe(
          joinTable(owners, {
            foreignKey: ({ amount }) => `card-${amount % 6}`,
            join: ({ amount }, { owner }) => `${owner}: ${amount}`,
            store: 'joined',
            value: serdes.string,
          }),
          toStream(),
        )
        .pipe(to('out', { key: serdes.string, value: serdes.json() }));
    });
    const report = await verified(target, [...payments(), ...accounts(1_000)]);
    assert.deepEqual(
      report.differences.filter(({ run }) => run !== 'equal times'),
      [],
    );
  });

  it('takes counts of equal times for equal, in whichever order they are counted', async () => {
    const target = built((stream) => {
      stream
        .pipe(
          groupBy((record) => record.value.account, { ...json<Payment>(), name: 'by-account' }),
          count({ store: 'n' }),
        )
        .pipe(to('out', { key: serdes.string, value: serdes.int64 }));
    });
    const report = await verified(target, payments(0.2), 3);
    assert.deepEqual(report.differences, []);
    assert.ok(report.reordered > 5);
  });

  it('takes sums that differ only on the way for equal', async () => {
    const target = built((stream) => {
      stream
        .pipe(
          groupBy(() => 'all', { ...json<Payment>(), name: 'all' }),
          aggregate({
            store: 'sum',
            value: serdes.double,
            initial: () => 0,
            add: (sum, { value }) => sum + value.amount,
          }),
        )
        .pipe(to('out', { key: serdes.string, value: serdes.double }));
    });
    const report = await verified(target, payments(0.2), 3);
    assert.deepEqual(report.differences, []);
  });

  it('finds Date.now(), and says where', async () => {
    const target = built((stream) => {
      stream.pipe(mapValues((payment) => ({ ...payment, at: Date.now() }))).pipe(to('out', json()));
    });
    const report = await verified(target);
    assert.equal(
      short(report)[0],
      'batches: different at plain operators between source payments, mapValues and to out',
    );
    assert.equal(report.differences[0]?.event?.eventId, null);
    assert.deepEqual(report.differences[0]?.event?.offset, 0);
  });

  it('finds Math.random() in an aggregate, and names it with the first record', async () => {
    const target = built((stream) => {
      stream.pipe(
        aggregate({
          store: 'totals',
          value: serdes.double,
          initial: () => 0,
          add: (total, { value }) => (value.amount === 10 ? Math.random() : total + value.amount),
        }),
      );
    });
    const report = await verified(target);
    const [difference] = report.differences;
    assert.equal(difference?.operator, 'aggregate totals');
    assert.equal((difference?.event?.value as Payment | undefined)?.amount, 10);
    assert.match(difference?.what ?? '', /store totals/);
  });

  it('finds scan, which forgets at a restart', async () => {
    const target = built((stream) => {
      stream
        .pipe(
          scan((sum, record) => ({
            ...record,
            value: { ...record.value, amount: sum.value.amount + record.value.amount },
          })),
        )
        .pipe(to('out', json()));
    });
    assert.deepEqual(short(await verified(target)), [
      'restarts: different at plain operators between source payments and to out',
    ]);
  });

  it('finds a record that is changed in place', async () => {
    const target = built((stream) => {
      stream.pipe(
        peek((record) => {
          record.value.amount *= 2;
        }),
        count({ store: 'n' }),
      );
    });
    const [difference, ...others] = (await verified(target)).differences;
    assert.deepEqual(others, []);
    assert.equal(difference?.kind, 'mutated');
    assert.match(difference?.what ?? '', /read only property 'amount'/);
    assert.deepEqual([difference?.event?.topic, difference?.event?.offset], ['payments', 0]);
  });

  it('finds a row that is changed in place', async () => {
    const target = built((stream) => {
      stream.pipe(
        aggregate({
          store: 'totals',
          value: serdes.json<{ total: number }>(),
          initial: () => ({ total: 0 }),
          add: (row, record) => {
            row.total += record.value.amount;
            return row;
          },
        }),
      );
    });
    const [difference] = (await verified(target)).differences;
    assert.deepEqual([difference?.kind, difference?.operator], ['mutated', 'aggregate totals']);
  });

  it('names the record, and none whose offset or topic the other begins or ends with', async () => {
    const target = topology('payments', (t) => {
      t.stream('all-payments', json<Payment>()).pipe(to('out', { ...json(), name: 'all' }));
      t.stream('payments', json<Payment>()).pipe(
        peek(({ value }) => {
          if (value.id === 'e40') value.amount++;
        }),
        to('out', json()),
      );
    });
    const records = [...payments(), ...payments().map((told) => ({ ...told, topic: 'all-payments', value: {} }))];
    const broker = await brokerWith(records, { topics: ['all-payments', 'payments', 'out'] });
    for (let seed = 1; seed <= 5; seed++) {
      const { differences } = await verify(target, { broker, inMemory: true, seed });
      const [{ event } = {}] = differences;
      assert.deepEqual([event?.topic, event?.offset], ['payments', 40], `seed ${seed}`);
    }
    await broker.close();
  });

  it('finds a variable outside of stores', async () => {
    let calls = 0;
    const target = built((stream) => {
      stream
        .pipe(map((record) => ({ ...record, value: { ...record.value, amount: calls++ } })))
        .pipe(to('out', json()));
    });
    assert.match(short(await verified(target))[0] ?? '', /batches: different at plain operators/);
  });

  it('tells a row that is deleted from one that is empty', async () => {
    let calls = 0;
    const target = built((stream) => {
      stream.pipe(
        processRecords({
          name: 'forgetful',
          stores: { last: { key: serdes.string, value: serdes.string } },
          process(record, { stores }) {
            stores.last.put(record.key, 'x');
            // The last row of all keys is the same each time.
            if (record.value.version < 10) stores.last.put(record.key, calls++ < 60 ? '' : null);
          },
        }),
      );
    });
    assert.match(short(await verified(target))[0] ?? '', /batches: different at .*(last|forgetful)/);
  });

  it('finds what depends on the order of equal times', async () => {
    const target = built((stream) => {
      stream
        .pipe(
          groupBy((record) => record.value.account, { ...json<Payment>(), name: 'by-account' }),
          aggregate({
            store: 'last',
            value: serdes.string,
            initial: () => '',
            add: (all, record) => all + record.value.id,
          }),
        )
        .pipe(to('out', { key: serdes.string, value: serdes.string }));
    });
    assert.deepEqual(short(await verified(target, payments(0.2), 3)), ['equal times: different at aggregate last']);
    // Without equal times there is nothing to find.
    assert.deepEqual(short(await verified(target, payments(1), 3)), []);
  });

  it('takes now(), random() and uuid() of process for what they are: the same each time', async () => {
    const target = built((stream) => {
      stream
        .pipe(
          processRecords({
            name: 'stamp',
            process(record, { forward, now, random, uuid }) {
              forward({ key: record.key, value: { ...record.value, id: `${now()} ${random()} ${uuid()}` } });
            },
          }),
        )
        .pipe(to('out', json()));
    });
    assert.deepEqual(short(await verified(target)), []);
  });
});
