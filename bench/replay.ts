import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aggregate, dedupe, groupBy, mapValues, serdes, start, type Topology, to, topology } from 'millrace';
import { bisect, history, type PastOptions, parseMoment, replay, stateAsOf, verify } from 'millrace/replay';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import type { Broker } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { type Measured, measure } from './measure.js';

interface Payment {
  readonly id: string;
  readonly account: string;
  readonly amount: number;
  readonly note: string;
}

/** All of them; a case may take fewer, to show that memory does not grow with the slice. */
const EVENTS = 1_000_000;
const KEYS = 10_000;
const NOTE = 'x'.repeat(40);
const SNAPSHOT_EVERY = 50_000;
/** The row that is asked about: it changes in one stretch of the history only. */
const RARE = 'rare';
const RARE_FROM = 700_000;
const RARE_TO = 700_100;

const json = { key: serdes.string, value: serdes.json<Payment>() };

/** One store, one sink, one sub-topology: as little as there can be beside the reading. */
const totals: Topology = topology('totals', (t) => {
  t.stream('in', json).pipe(
    aggregate({
      store: 'totals',
      value: serdes.json<{ total: number }>(),
      initial: () => ({ total: 0 }),
      add: ({ total }, record) => ({ total: total + record.value.amount }),
    }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

/** What a service has: ids, a change of key, a fold, an output. */
const service: Topology = topology('service', (t) => {
  t.stream('in', json).pipe(
    dedupe({ store: 'seen', id: (record) => record.value.id, within: '1h' }),
    mapValues((value) => ({ ...value, amount: value.amount * 2 })),
    groupBy((record) => record.value.account, { ...json, name: 'by-account' }),
    aggregate({
      store: 'balances',
      value: serdes.json<{ total: number }>(),
      initial: () => ({ total: 0 }),
      add: ({ total }, record) => ({ total: total + record.value.amount }),
    }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

interface Case {
  readonly title: string;
  readonly events?: number;
  readonly topology: Topology;
  /** Whether there are snapshots of the whole history before it begins. */
  readonly snapshots?: true;
  work(broker: Broker, directory: string, options: PastOptions): Promise<void>;
}

const replayed = (target: Topology) => async (_broker: Broker, _directory: string, options: PastOptions) => {
  await replay(target, options);
};

async function live(target: Topology, broker: Broker, directory: string): Promise<void> {
  const streams = await start(target, { broker, stateDirectory: join(directory, 'state'), createTopics: 1 });
  await streams.untilIdle();
  await streams.stop();
}

const asOf = async (_broker: Broker, _directory: string, options: PastOptions): Promise<void> => {
  const past = await stateAsOf(service, { ...options, asOf: parseMoment(`offset:in:0=${EVENTS - 1_000}`) });
  await past.close();
};

const historyOfRow = async (_broker: Broker, _directory: string, options: PastOptions): Promise<void> => {
  let changes = 0;
  for await (const _change of history(service, { ...options, store: 'balances', key: RARE })) changes++;
  if (changes !== RARE_TO - RARE_FROM) throw new Error(`${changes} changes`);
};

const bisecting =
  (key?: string, monotone = false) =>
  async (_broker: Broker, _directory: string, options: PastOptions) => {
    const limit = key === undefined ? Number.POSITIVE_INFINITY : 5_000;
    const found = await bisect(service, {
      ...options,
      store: 'balances',
      ...(key !== undefined && { key }),
      monotone,
      when: ({ value }) => value.total > limit,
    });
    if ((found === undefined) !== (key === undefined)) throw new Error('bisect found something else');
  };

export const REPLAY_CASES: Readonly<Record<string, Case>> = {
  live: { title: 'live run, 1 store', topology: totals, work: (broker, directory) => live(totals, broker, directory) },
  replay: { title: 'replay of the same', topology: totals, work: replayed(totals) },
  'live-service': { title: 'live run, service', topology: service, work: (broker, at) => live(service, broker, at) },
  'replay-service': { title: 'replay of the same', topology: service, work: replayed(service) },
  'replay-short': { title: 'replay, a quarter of it', events: EVENTS / 4, topology: service, work: replayed(service) },
  'as-of': { title: 'state as of', topology: service, work: asOf },
  'as-of-snapshots': { title: 'state as of, snapshots', topology: service, snapshots: true, work: asOf },
  history: { title: 'history of a row', topology: service, work: historyOfRow },
  'history-snapshots': { title: 'history, snapshots', topology: service, snapshots: true, work: historyOfRow },
  bisect: { title: 'bisect, all rows, never', topology: service, work: bisecting() },
  'bisect-row': { title: 'bisect of a row', topology: service, work: bisecting(RARE) },
  'bisect-snapshots': {
    title: 'bisect of a row, snapshots',
    topology: service,
    snapshots: true,
    work: bisecting(RARE),
  },
  'bisect-monotone': { title: 'the same, monotone', topology: service, snapshots: true, work: bisecting(RARE, true) },
  verify: {
    title: 'verify, a tenth of it',
    events: EVENTS / 10,
    topology: service,
    work: async (_broker, _directory, options) => {
      const { differences } = await verify(service, options);
      if (differences.length > 0) throw new Error(JSON.stringify(differences));
    },
  },
};

/** One case, over events in the embedded log. Records are those of the history, also where most of them are left out. */
export async function runReplay(name: string): Promise<Measured> {
  const { events = EVENTS, topology: target, snapshots, work } = REPLAY_CASES[name] as Case;
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const broker = await openEmbeddedBroker({
    directory: join(directory, 'broker'),
    openDatabase: openRocksDatabase,
    clock: systemClock,
  });
  try {
    await fill(broker, events);
    const kept = { directory: join(directory, 'snapshots'), version: '1' };
    if (snapshots) await replay(target, { broker, snapshots: { ...kept, every: { records: SNAPSHOT_EVERY } } });
    return await measure(events, () => work(broker, directory, { broker, ...(snapshots && { snapshots: kept }) }));
  } finally {
    await broker.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function fill(broker: Broker, events: number): Promise<void> {
  await broker.admin.createTopics(
    ['in', 'out'].map((name) => ({ name, partitions: 1, config: { 'retention.ms': '-1' } })),
  );
  const writer = await broker.createWriter();
  for (let offset = 0; offset < events; ) {
    const chunk = Array.from({ length: 10_000 }, () => {
      const at = offset++;
      const rare = at >= RARE_FROM && at < RARE_TO;
      const account = rare ? RARE : `account-${(at * 7919) % KEYS}`;
      return {
        topic: 'in',
        partition: 0,
        key: Buffer.from(`key-${at % KEYS}`),
        value: Buffer.from(
          `{"id":"evt-${at}","account":"${account}","amount":${rare ? 100 : at % 100},"note":"${NOTE}"}`,
        ),
        timestamp: 1_700_000_000_000 + at,
        headers: Headers.none,
      };
    });
    await writer.write(chunk);
    await writer.flush();
  }
  await writer.close();
}
