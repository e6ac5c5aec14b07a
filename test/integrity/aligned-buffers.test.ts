import assert from 'node:assert/strict';
import {
  count,
  dedupe,
  filterValues,
  groupBy,
  joinTable,
  mapValues,
  reorderByVersion,
  type Stream,
  serdes,
  suppress,
  type TopologyBuilder,
  to,
  topology,
  toStream,
  toTable,
} from '#src/index.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { json } from '../dsl/support.js';
import { createTopics, decoded, readTopic, writeTopic } from '../support/application.js';
import { Cluster } from '../support/cluster.js';
import { silencing } from '../support/silencing.js';

interface Fact {
  /** Seconds, and the half of one in the second partition. */
  readonly at: number;
  /** Even numbers in the first partition, odd ones in the second. */
  readonly version: number;
}

const fact = json<Fact>();
const HELD = serdes.json<Fact>();

const grouped = (t: TopologyBuilder): Stream<string, Fact> =>
  t.stream('in', fact).pipe(groupBy(() => 'all', { ...fact, name: 'by-group', partitions: 1 }));

/** Operators that give something up by stream time, behind a repartition that two tasks write to. */
const OPERATORS: Readonly<Record<string, (t: TopologyBuilder) => void>> = {
  dedupe: (t) =>
    grouped(t).pipe(
      // Both partitions have each of them.
      dedupe({ store: 'seen', id: ({ value }) => Math.floor(value.at), within: '20s' }),
      mapValues(({ at }) => Math.floor(at)),
      to('out', json<number>()),
    ),
  'reorderByVersion that skips a gap': (t) =>
    grouped(t).pipe(
      reorderByVersion({
        store: 'order',
        value: HELD,
        version: ({ value }) => value.version,
        first: 0,
        gap: { wait: '20s', then: 'skip' },
      }),
      mapValues(({ version }) => version),
      to('out', json<number>()),
    ),
  'joinTable with a grace': (t) =>
    grouped(t).pipe(
      joinTable(t.table('rows', { ...json<number>(), store: 'rows', history: '1m' }), {
        join: ({ at }) => at,
        grace: '20s',
        store: 'held',
        value: HELD,
      }),
      to('out', json<number>()),
    ),
  'joinTable with a history, of a table that is read far ahead': (t) =>
    grouped(t).pipe(
      joinTable(t.table('rows', { ...json<number>(), store: 'rows', history: '20s' }), ({ at }, row) => `${at} ${row}`),
      to('out', json<string>()),
    ),
  'toTable with a history': (t) =>
    grouped(t).pipe(
      toTable({ store: 'latest', value: HELD, history: '20s' }),
      toStream(),
      filterValues((value) => value !== null),
      mapValues((value) => value?.at ?? 0),
      to('out', json<number>()),
    ),
  'suppress until a time limit': (t) =>
    grouped(t).pipe(
      count({ store: 'counts' }),
      suppress({ store: 'held', until: { timeLimit: '20s' }, value: serdes.json<number>() }),
      toStream(),
      to('out', json<number>()),
    ),
};

const SECONDS = 300;

const upTo = (length: number, of: (i: number) => unknown = (i) => i): unknown[] =>
  Array.from({ length }, (_, i) => of(i));

/** What comes out when all is read in the order of time. Where `sets`, the two tasks come in whichever order. */
const EXPECTED: Readonly<Record<string, { readonly out: readonly unknown[]; readonly sets?: true }>> = {
  dedupe: { out: upTo(SECONDS), sets: true },
  'reorderByVersion that skips a gap': { out: upTo(2 * SECONDS) },
  // The last 20 s wait.
  'joinTable with a grace': { out: upTo(2 * (SECONDS - 20), (i) => i / 2) },
  'joinTable with a history, of a table that is read far ahead': {
    out: upTo(2 * SECONDS, (i) => `${i / 2} ${i * 500}`),
    sets: true,
  },
  'toTable with a history': { out: upTo(2 * SECONDS, (i) => i / 2), sets: true },
  // 41 changes from one to that of 20 s later.
  'suppress until a time limit': { out: upTo(Math.floor((2 * SECONDS) / 41), (i) => (i + 1) * 41) },
};

describe('what gives up by stream time behind a repartition, when a slow task and a fast one read a backlog', () => {
  const silent = new Set<number>();

  async function outputs(build: (t: TopologyBuilder) => void, slow: boolean): Promise<unknown[]> {
    silent.clear();
    const cluster = new Cluster(topology('test', build), {}, (connection) => silencing(connection, silent));
    try {
      await createTopics(cluster.broker, { in: 2, rows: 1, out: 1 });
      const facts = Array.from({ length: 2 * SECONDS }, (_, version) => ({
        key: 'k',
        value: JSON.stringify({ at: version / 2, version } satisfies Fact),
        timestamp: version * 500,
        partition: version % 2,
      }));
      await writeTopic(cluster.broker, 'in', facts);
      const rows = facts.map(({ timestamp }) => ({ key: 'all', value: `${timestamp}`, timestamp }));
      await writeTopic(cluster.broker, 'rows', rows);
      if (slow) silent.add(1);
      await cluster.join();
      const end = cluster.clock.now() + (slow ? 120_000 : 0);
      while (cluster.clock.now() < end) {
        await nextTurn();
        if (cluster.clock.waiting) cluster.clock.fireNext();
      }
      silent.clear();
      await cluster.idle();
      return (await readTopic(cluster.broker, 'out')).map(
        (record) => JSON.parse(decoded(record).value ?? 'null') as unknown,
      );
    } finally {
      await cluster.close();
    }
  }

  for (const [name, build] of Object.entries(OPERATORS)) {
    for (const slow of [false, true]) {
      it(`finds all: ${name}, ${slow ? 'one silent for two minutes' : 'one after the other'}`, async () => {
        const { out, sets } = EXPECTED[name] as (typeof EXPECTED)[string];
        const found = await outputs(build, slow);
        const order = (values: readonly unknown[]): readonly unknown[] => (sets ? values.map(String).sort() : values);
        assert.deepEqual(order(found), order(out));
      });
    }
  }
});
