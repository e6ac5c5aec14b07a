import { join } from 'node:path';
import { aggregate, dedupe, mapValues, reorderByVersion, serdes, start, type Topology, to, topology } from 'millrace';
import { filter } from 'rxjs';
import type { Broker, BrokerRecord } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { withDirectory } from './directory.js';
import { withEmbedded } from './embedded.js';
import { type Case, event } from './engine-case.js';
import { JOIN_CASES } from './engine-joins.js';
import { TIME_WINDOW_CASES } from './engine-time-windows.js';
import { WINDOW_CASES } from './engine-windows.js';
import { type Measured, measure } from './measure.js';
import { NullBroker } from './null-broker.js';

const totals = (name: string): Topology =>
  topology(name, (t) => {
    t.stream('in', event).pipe(
      aggregate({
        store: 'totals',
        value: serdes.double,
        initial: () => 0,
        add: (total, record) => total + record.value.amount,
      }),
      to('out', { key: serdes.string, value: serdes.double }),
    );
  });

const spread = (keys: number) => (offset: number) => ({ key: (offset * 7919) % keys, version: offset });

/** Versions 1, 2, 3 … of each key, in blocks of eight that are turned around: every record but each eighth comes too early. */
const disordered = (keys: number) => (offset: number) => {
  const place = Math.floor(offset / keys);
  return { key: offset % keys, version: place - (place % 8) + (7 - (place % 8)) + 1 };
};

export const CASES: Readonly<Record<string, Case>> = {
  stateless: {
    title: 'stateless map/filter',
    records: 2_000_000,
    shape: spread(10_000),
    topology: topology('stateless', (t) => {
      t.stream('in', event).pipe(
        filter((record) => record.value.amount % 2 === 0),
        mapValues((value) => ({ id: value.id, w: 2 * value.amount, note: value.note })),
        to('out', { key: serdes.string, value: serdes.json() }),
      );
    }),
  },
  'aggregate-hot': {
    title: 'aggregate, 10k keys',
    records: 2_000_000,
    shape: spread(10_000),
    topology: totals('aggregate-hot'),
  },
  'aggregate-cold': {
    title: 'aggregate, 1M keys',
    records: 2_000_000,
    shape: spread(1_000_003),
    topology: totals('aggregate-cold'),
  },
  dedupe: {
    title: 'dedupe, fresh ids',
    records: 1_000_000,
    shape: spread(10_000),
    topology: topology('dedupe', (t) => {
      t.stream('in', event).pipe(
        dedupe({ store: 'seen', id: (record) => record.value.id, within: '1h' }),
        to('out', event),
      );
    }),
  },
  reorder: {
    title: 'reorder, disorder 8',
    records: 1_000_000,
    shape: disordered(10_000),
    topology: topology('reorder', (t) => {
      t.stream('in', event).pipe(
        reorderByVersion({ store: 'versions', version: (record) => record.value.version, first: 1 }),
        to('out', event),
      );
    }),
  },
  'keys-10m': {
    title: 'aggregate, 10M keys',
    records: 10_000_000,
    shape: (offset) => ({ key: offset, version: 1 }),
    topology: totals('keys-10m'),
  },
  ...TIME_WINDOW_CASES,
  ...WINDOW_CASES,
  ...JOIN_CASES,
};

const NOTE = 'x'.repeat(40);

/** A JSON value of about 100 bytes. */
const valueAt = (offset: number, version: number): Buffer =>
  Buffer.from(
    `{"id":"evt-${String(offset).padStart(9, '0')}","version":${version},"amount":${offset % 100},"note":"${NOTE}"}`,
  );

/** The engine and RocksDB, on a broker that costs nothing. */
export async function runEngine(name: string): Promise<Measured> {
  const { records, topology: target, shape, at = (place) => place } = CASES[name] as Case;
  const make = (offset: number): BrokerRecord => {
    const { key, version } = shape(offset);
    return {
      topic: 'in',
      partition: 0,
      offset,
      timestamp: 1_700_000_000_000 + at(offset),
      key: Buffer.from(`key-${key}`),
      value: valueAt(offset, version),
      headers: Headers.none,
    };
  };
  const broker = new NullBroker({ topic: 'in', records, make, others: ['out'] });
  return withDirectory((directory) => work(target, broker, directory, records, () => broker.makingMs));
}

/** Everything: read from the embedded log, aggregate, write output and changelog to it, exactly once. */
export async function runEmbedded(): Promise<Measured> {
  const records = 500_000;
  const make = (at: number) => ({ key: Buffer.from(`key-${(at * 7919) % 10_000}`), value: valueAt(at, at) });
  return withEmbedded({ records, make }, (broker, directory) => work(totals('embedded'), broker, directory, records));
}

async function work(
  target: Topology,
  broker: Broker,
  directory: string,
  records: number,
  apart?: () => number,
): Promise<Measured> {
  const run = async (): Promise<void> => {
    const streams = await start(target, { broker, stateDirectory: join(directory, 'state') });
    await streams.untilIdle();
    await streams.stop();
  };
  return measure(records, run, apart);
}
