import assert from 'node:assert/strict';
import fc from 'fast-check';
import { joinStream, leftJoinTable, type Serde, serdes, to, topology } from '#src/index.js';
import { NotReady } from '#src/model/not-ready.js';
import { replay, stateAsOf } from '#src/replay/index.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import { Application, type TextRecord } from '../../support/application.js';

interface Fact {
  readonly at: number;
  readonly name: string;
}

const text = { key: serdes.string, value: serdes.string };
const facts = { key: serdes.string, value: serdes.json<Fact>() };
const timed = { ...facts, timestamp: (fact: Fact) => fact.at };
/** When it happened, what it is, and when it came into the log. */
const fact = (at: number, name: string, timestamp: number): TextRecord => ({
  key: 'a',
  value: JSON.stringify({ at, name }),
  timestamp,
});
const poison = (timestamp: number): TextRecord => ({ key: 'a', value: '{"at":', timestamp });

/** Each order with the price of its moment. */
const enrich = topology('enrich', (t) => {
  const prices = t.table('prices', { ...timed, store: 'prices' });
  t.stream('orders', timed).pipe(
    leftJoinTable(prices, (order, price) => `${order.name}:${price?.name ?? 'none'}`),
    to('out', text),
  );
});

/** What a topology writes of what is all there before it starts. */
async function outputs(
  target: typeof enrich,
  logs: Readonly<Record<string, readonly TextRecord[]>>,
  options: EngineOptions = {},
): Promise<{ readonly application: Application; readonly out: (string | null)[] }> {
  const application = new Application({ topology: target, options });
  await application.createTopics({ ...Object.fromEntries(Object.keys(logs).map((topic) => [topic, 1])), out: 1 });
  for (const [topic, records] of Object.entries(logs)) await application.write(topic, records);
  await application.runThrough();
  return { application, out: (await application.read('out')).map(({ value }) => value) };
}

describe('records of several topics', () => {
  it('are taken by the times in their values, not of the log: each order meets the price of its moment', async () => {
    const { application, out } = await outputs(enrich, {
      orders: [fact(20, 'o1', 1_000), fact(40, 'o2', 1_001)],
      prices: [fact(10, 'p1', 2_000), fact(30, 'p2', 2_001)],
    });
    assert.deepEqual(out, ['o1:p1', 'o2:p2']);
    await application.close();
  });

  it('loaded one topic after the other meet in a stream join with a window far shorter than the backlog', async () => {
    const pairs = topology('pairs', (t) => {
      const within = { store: 'pairs', within: '10ms', join: (a: Fact, b: Fact) => `${a.name}-${b.name}` } as const;
      t.stream('orders', timed).pipe(joinStream(t.stream('payments', timed), within), to('out', text));
    });
    const { application, out } = await outputs(pairs, {
      orders: [fact(10, 'o1', 5_000), fact(100, 'o2', 5_001), fact(1_000, 'o3', 5_002)],
      payments: [fact(12, 'p1', 6_000), fact(102, 'p2', 6_001), fact(1_002, 'p3', 6_002)],
    });
    assert.deepEqual(out, ['o1-p1', 'o2-p2', 'o3-p3']);
    await application.close();
  });

  it('of one time come by topic, whatever the order of declaration', async () => {
    const shop = topology('shop', (t) => {
      const rows = t.table('z-rows', { ...text, store: 'rows' });
      t.stream('a-facts', text).pipe(
        leftJoinTable(rows, (one, row) => `${one} ${row ?? 'none'}`),
        to('out', text),
      );
    });
    const at = (value: string): TextRecord => ({ key: 'a', value, timestamp: 1_000 });
    const { application, out } = await outputs(shop, { 'z-rows': [at('row')], 'a-facts': [at('fact')] });
    assert.deepEqual(out, ['fact none']);
    await application.close();
  });

  it('do not wait for one that cannot be read and so has no time: it changes nothing for its neighbours', async () => {
    const logs = {
      orders: [fact(20, 'o1', 1_000), fact(40, 'o2', 1_001), fact(60, 'o3', 1_002)],
      prices: [
        poison(9_999_999),
        fact(10, 'p1', 2_000),
        poison(1),
        fact(30, 'p2', 2_001),
        poison(7_777),
        fact(50, 'p3', 2_002),
      ],
    };
    for (const deserialize of ['skip', 'deadLetter', { retry: 2, backoff: '1ms', then: 'skip' }] as const) {
      const { application, out } = await outputs(enrich, logs, { onError: { deserialize } });
      assert.deepEqual(out, ['o1:p1', 'o2:p2', 'o3:p3']);
      await application.close();
    }
  });

  it('are decoded once, also those whose time needs something fetched first', async () => {
    const decoded: string[] = [];
    const fetched = new Set<string>();
    const slow: Serde<Fact> = {
      name: 'slow',
      encode: (value) => Buffer.from(JSON.stringify(value)),
      decode: (bytes) => {
        const found: Fact = JSON.parse(bytes.toString());
        if (!fetched.has(found.name)) throw new NotReady(async () => void fetched.add(found.name));
        decoded.push(found.name);
        return found;
      },
    };
    const source = { ...timed, value: slow };
    const target = topology('enrich', (t) => {
      const prices = t.table('prices', { ...source, store: 'prices' });
      t.stream('orders', source).pipe(
        leftJoinTable(prices, (order, price) => `${order.name}:${price?.name ?? 'none'}`),
        to('out', text),
      );
    });
    const { application, out } = await outputs(target, {
      orders: [fact(20, 'o1', 1_000), fact(40, 'o2', 1_001)],
      prices: [fact(10, 'p1', 2_000), fact(30, 'p2', 2_001)],
    });
    assert.deepEqual(out, ['o1:p1', 'o2:p2']);
    assert.deepEqual(decoded.sort(), ['o1', 'o2', 'p1', 'p2']);
    await application.close();
  });

  it('whose time nobody can tell are asked for as often as the policy says, and not again at their turn', async () => {
    let asked = 0;
    const away: Serde<Fact> = {
      ...serdes.json<Fact>(),
      decode: (bytes) => {
        const found: Fact = JSON.parse(bytes.toString());
        if (found.name !== 'lost') return found;
        throw new NotReady(async () => {
          asked++;
          throw new Error('nobody answers');
        });
      },
    };
    const target = topology('enrich', (t) => {
      t.stream('orders', { ...timed, value: away }).pipe(
        leftJoinTable(t.table('prices', { ...timed, store: 'prices' }), (order) => order.name),
        to('out', text),
      );
    });
    const { application, out } = await outputs(
      target,
      {
        prices: [fact(10, 'p', 1_000)],
        orders: [fact(20, 'o1', 2_000), fact(30, 'lost', 2_001), fact(40, 'o2', 2_002)],
      },
      { onError: { deserialize: { retry: 2, backoff: '1ms', then: 'skip' } } },
    );
    assert.deepEqual(out, ['o1', 'o2']);
    assert.equal(asked, 3);
    await application.close();
  });

  it('whose time nobody can tell are not guessed at: the application ends with the error', async () => {
    const away: Serde<Fact> = {
      ...serdes.json<Fact>(),
      decode: () => {
        throw new NotReady(async () => Promise.reject(new Error('the registry is away')));
      },
    };
    const target = topology('enrich', (t) => {
      const prices = t.table('prices', { ...timed, value: away, store: 'prices' });
      t.stream('orders', timed).pipe(
        leftJoinTable(prices, (order) => order.name),
        to('out', text),
      );
    });
    await assert.rejects(
      outputs(target, { orders: [fact(20, 'o1', 1)], prices: [fact(10, 'p1', 2)] }),
      /the registry is away.*prices\[0\]@0/s,
    );
  });
});

/**
 * Two tables and a stream; the second table and the stream say their own times, and the first if `all` does.
 */
const labelled = (all: boolean, jumps: boolean): typeof enrich =>
  topology('enrich', (t) => {
    const within = (ms: number) => (jumps ? ({ maxTimeJump: `${ms}ms` } as const) : {});
    const prices = t.table('prices', { ...(all ? timed : facts), store: 'prices', ...within(5) });
    const labels = t.table('labels', { ...timed, store: 'labels', ...within(4) });
    t.stream('orders', { ...timed, ...within(3) }).pipe(
      leftJoinTable(prices, (order, price) => ({ at: 0, name: `${order.name}:${price?.name ?? 'none'}` })),
      leftJoinTable(labels, (order, label) => `${order.name}:${label?.name ?? 'none'}`),
      to('out', text),
    );
  });

const TOPICS = ['orders', 'prices', 'labels'] as const;
const times = fc.nat({ max: 12 });
/** When each happened, null if it cannot be read, and when it came into the log. */
const log = fc.array(fc.record({ at: fc.option(times, { freq: 9 }), logged: times }), { maxLength: 15 });

describe('a running application and a replay', () => {
  // Times are in values or in the log, some are equal, and some records have none.
  it('see one order and one state, whatever the times, the refused jumps and the batch size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.boolean(),
        fc.tuple(log, log, log),
        fc.constantFrom(1, 2, 7, 1_000),
        fc.integer({ min: 1, max: 2 }),
        async (all, jumps, logs, batchRecords, partitions) => {
          const target = labelled(all, jumps);
          const onError = { deserialize: 'skip' } as const;
          const application = new Application({ topology: target, options: { batchRecords, onError } });
          const { broker } = application;
          await application.createTopics({ ...Object.fromEntries(TOPICS.map((topic) => [topic, partitions])), out: 1 });
          for (const [i, topic] of TOPICS.entries()) {
            const records = (logs[i] ?? []).map(({ at, logged }, n) => ({
              ...(at === null ? poison(logged) : fact(at, `${topic}${n}`, logged)),
              partition: n % partitions,
            }));
            await application.write(topic, records);
          }
          await application.runThrough();
          const live = (await application.read('out')).map(({ value }) => `${value}`);
          const rows = await application.rows();
          await application.stop();

          const out: string[] = [];
          const options = { broker, onError, inMemory: true };
          await replay(target, {
            ...options,
            onOutput: (some) => void out.push(...some.map(({ value }) => `${value}`)),
          });
          // Several tasks write to one partition; which of them first is nobody's business.
          assert.deepEqual(partitions === 1 ? out : out.sort(), partitions === 1 ? live : live.sort());
          const past = await stateAsOf(target, { ...options, asOf: { kind: 'latest' } });
          const then: Record<string, string> = {};
          for (const store of past.stores) {
            for await (const [key, value] of store.entries()) {
              const name = `${store.spec.name}[${store.task}] ${JSON.stringify(key)}`;
              then[name] = `${JSON.stringify(value)} at ${(await store.row(key))?.timestamp}`;
            }
          }
          await past.close();
          assert.deepEqual(then, rows);
          await application.close();
        },
      ),
      { numRuns: 100 },
    );
  });
});
