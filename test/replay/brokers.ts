import assert from 'node:assert/strict';
import fc from 'fast-check';
import { start, type Topology } from 'millrace';
import type { Broker } from '#src/broker/port.js';
import { parseMoment, stateAsOf } from '#src/replay/index.js';
import { temporaryDirectory } from '../support/project.js';
import { bank, pay } from './bank.js';
import { append, bytesOf, type StoreBytes, type Told } from './support.js';

const ACCOUNTS = ['ada', 'bob', 'cid', 'dan'];

/** Payments of which each account has one card: the order of an account's payments is that of a partition. */
export const payments = fc.array(
  fc.record({
    account: fc.constantFrom(...ACCOUNTS),
    amount: fc.integer({ min: -9, max: 9 }),
    id: fc.nat({ max: 40 }),
  }),
  { minLength: 6, maxLength: 60 },
);

type Paid = { readonly account: string; readonly amount: number; readonly id: number };

const told = (all: readonly Paid[], topic: string): Told[] =>
  all.map(({ account, amount, id }, i) => ({ ...pay(i, account, amount, `e${id}`), topic }));

/** The rows of all stores, in which positions within repartition topics do not appear: balances, and ids by source position. */
async function live(target: Topology, broker: Broker, partitions: number): Promise<StoreBytes> {
  const streams = await start(target, { broker, stateDirectory: temporaryDirectory(), createTopics: partitions });
  try {
    await streams.untilIdle();
    const rows = new Map<string, readonly (readonly [unknown, unknown])[]>();
    for (const { name } of target.graph.stores) rows.set(name, await streams.store(name).entries());
    return bytesOf(target, rows);
  } finally {
    await streams.stop();
  }
}

async function past(
  target: Topology,
  broker: Broker,
  offsets: ReadonlyMap<number, number>,
  topic: string,
): Promise<StoreBytes> {
  const cut = [...offsets].map(([partition, offset]) => `${topic}:${partition}=${offset}`);
  const state = await stateAsOf(target, { broker, asOf: parseMoment(`offset:${cut.join(',')}`) });
  const rows = new Map<string, (readonly [unknown, unknown])[]>();
  try {
    for (const store of state.stores) {
      const found = rows.get(store.spec.name) ?? [];
      for await (const row of store.entries()) found.push(row);
      rows.set(store.spec.name, found);
    }
    return bytesOf(target, rows);
  } finally {
    await state.close();
  }
}

/** An application runs up to a cut, with tasks side by side, transactions and RocksDB; more comes after it. The replay up to the cut has the same rows. */
export async function replayEqualsLive(
  broker: Broker,
  all: readonly Paid[],
  cut: number,
  { partitions, topic }: { readonly partitions: number; readonly topic: string },
): Promise<void> {
  const target = bank(undefined, topic);
  await broker.admin.createTopics([{ name: topic, partitions, config: { 'retention.ms': '-1' } }]);
  const records = told(all, topic);
  await append(broker, records.slice(0, cut), partitions);
  const expected = await live(target, broker, partitions);
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  const ends = new Map((await broker.admin.latestOffsets(places)).map(({ partition, offset }) => [partition, offset]));
  await append(broker, records.slice(cut), partitions);
  assert.deepEqual(await past(target, broker, ends, topic), expected);
}

/** An application leaves out what it cannot decode or process. Looking back has the same rows, without an option. */
export async function looksBackAsLive(broker: Broker, topic: string): Promise<void> {
  const target = bank((total, amount) => {
    if (amount === 13) throw new Error('unlucky');
    return total + amount;
  }, topic);
  await broker.admin.createTopics([{ name: topic, partitions: 2, config: { 'retention.ms': '-1' } }]);
  const amounts = [1, 13, 4];
  await append(
    broker,
    [
      ...amounts.map((amount, i): Told => ({ ...pay(i, 'ada', amount), topic })),
      ...amounts.map((amount, i): Told => ({ ...pay(i + 3, 'bob', amount), topic })),
    ],
    2,
  );
  const onError = { process: 'deadLetter' } as const;
  const streams = await start(target, { broker, stateDirectory: temporaryDirectory(), createTopics: 2, onError });
  await streams.untilIdle();
  await streams.stop();
  const state = await stateAsOf(target, { broker, asOf: parseMoment('latest') });
  const totals: [unknown, unknown][] = [];
  for (const store of state.stores)
    if (store.spec.name === 'balances') for await (const [key, value] of store.entries()) totals.push([key, value]);
  await state.close();
  assert.deepEqual(
    new Map(totals),
    new Map([
      ['ada', { total: 5 }],
      ['bob', { total: 5 }],
    ]),
  );
}
