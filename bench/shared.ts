import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mapValues, serdes, start, to, topology } from 'millrace';
import type { Broker, ProducerRecord } from '#src/broker/port.js';
import { openSharedBroker } from '#src/broker/shared/shared-broker.js';
import { Headers } from '#src/model/headers.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { withDirectory } from './directory.js';
import { type Measured, measure } from './measure.js';

/** Enough for the start of both processes not to count. */
const RECORDS = 3_000_000;
/** As the engine writes: what a batch has brought, and a commit after as many records as it allows. */
const BATCH_RECORDS = 1_000;
const COMMIT_RECORDS = 20_000;
const NOTE = 'x'.repeat(150);

interface Case {
  readonly title: string;
  /** What must be in the topic before. */
  readonly filled: boolean;
  work(broker: Broker, directory: string): Promise<void>;
}

const CASES: Readonly<Record<string, Case>> = {
  write: { title: 'write', filled: false, work: write },
  read: { title: 'read', filled: true, work: read },
  engine: { title: 'map, from topic to topic', filled: true, work: map },
};

/** Each case in the process that has the broker open, and in another one. */
export const SHARED_CASES: Readonly<Record<string, { readonly title: string }>> = Object.fromEntries(
  Object.entries(CASES).flatMap(([name, { title }]) => [
    [name, { title: `${title}, here` }],
    [`${name}-socket`, { title: `${title}, socket` }],
  ]),
);

/** Runs a case. The CPU time is that of this process alone, also where another one serves the broker. */
export async function runShared(name: string): Promise<Measured> {
  const { filled, work } = CASES[name.replace(/-socket$/, '')] as Case;
  return withDirectory(async (directory) => {
    const log = join(directory, 'broker');
    const first = await open(log);
    await first.admin.createTopics(
      ['in', 'out'].map((topic) => ({ name: topic, partitions: 1, config: { 'retention.ms': '-1' } })),
    );
    if (filled) await write(first);
    await first.close();
    const end = name.endsWith('-socket') ? await serveElsewhere(log) : undefined;
    const broker = await open(log);
    try {
      return await measure(RECORDS, () => work(broker, directory));
    } finally {
      await broker.close();
      await end?.();
    }
  });
}

/** Has the broker of a directory open until its parent ends. */
export async function serveShared(directory: string): Promise<void> {
  const broker = await open(directory);
  process.send?.('serves');
  await once(process, 'disconnect');
  await broker.close();
}

const open = (directory: string): Promise<Broker> =>
  openSharedBroker({ directory, openDatabase: openRocksDatabase, clock: systemClock, pid: process.pid });

async function serveElsewhere(directory: string): Promise<() => Promise<void>> {
  const child = fork(fileURLToPath(new URL('./main.js', import.meta.url)), ['--serve', directory]);
  await once(child, 'message');
  return async () => {
    const ended = once(child, 'exit');
    child.disconnect();
    await ended;
  };
}

/** A record of 200 bytes, with its key. */
function recordAt(at: number): ProducerRecord {
  return {
    topic: 'in',
    partition: 0,
    key: Buffer.from(`key-${at % 10_000}`),
    value: Buffer.from(`{"id":"evt-${String(at).padStart(9, '0')}","note":"${NOTE}"}`),
    timestamp: 1_700_000_000_000 + at,
    headers: Headers.none,
  };
}

async function write(broker: Broker): Promise<void> {
  const writer = await broker.createWriter({ transactionalId: 'bench' });
  for (let at = 0; at < RECORDS; ) {
    await writer.begin();
    for (const end = at + COMMIT_RECORDS; at < end; ) {
      const records = Array.from({ length: BATCH_RECORDS }, () => recordAt(at++));
      const room = writer.write(records);
      if (room) await room;
    }
    await writer.commit();
  }
  await writer.close();
}

async function read(broker: Broker): Promise<void> {
  const reader = await broker.createReader();
  reader.seek({ topic: 'in', partition: 0, offset: 0 });
  for (let left = RECORDS; left > 0; )
    for (const { records } of await reader.poll({ maxRecords: BATCH_RECORDS, maxWaitMs: 10_000 }))
      left -= records.length;
  await reader.close();
}

async function map(broker: Broker, directory: string): Promise<void> {
  const value = serdes.json<{ readonly id: string; readonly note: string }>();
  const target = topology('bench', (t) => {
    t.stream('in', { key: serdes.string, value }).pipe(
      mapValues(({ id, note }) => ({ note, id })),
      to('out', { key: serdes.string, value }),
    );
  });
  const streams = await start(target, { broker, stateDirectory: join(directory, 'state') });
  await streams.untilIdle();
  await streams.stop();
}
