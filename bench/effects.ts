import { join } from 'node:path';
import { mapAsync, serdes, start, type Topology, to, topology } from 'millrace';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import type { Broker } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { withDirectory } from './directory.js';
import { type Measured, measure } from './measure.js';

/** Calls of `mapAsync` on the embedded broker: one task, one partition. */
interface CallCase {
  readonly title: string;
  readonly records: number;
  readonly keys: number;
  readonly concurrency: number;
  readonly callMs: number;
  /** How long a call of key 0 takes, if it takes longer: the latencies are then those of the other keys. */
  readonly slowMs?: number;
}

export const CALL_CASES: Readonly<Record<string, CallCase>> = {
  '20ms': { title: '20 ms, 64 at once', records: 10_000, keys: 100, concurrency: 64, callMs: 20 },
  '1ms': { title: '1 ms, 256 at once', records: 100_000, keys: 1_000, concurrency: 256, callMs: 1 },
  slow: {
    title: 'one key of 1,000 is slow',
    records: 10_000,
    keys: 1_000,
    concurrency: 64,
    callMs: 20,
    slowMs: 10_000,
  },
};

export async function runCalls(name: string): Promise<Measured> {
  const { records, keys, concurrency, callMs, slowMs } = CALL_CASES[name] as CallCase;
  const endedAt: number[] = [];
  const target = topology('calls', (t) => {
    t.stream('in', { key: serdes.string, value: serdes.json<number>() }).pipe(
      mapAsync(
        'ask',
        async ({ key, value }) => {
          const isSlow = slowMs !== undefined && key === 'key-0';
          await new Promise((resolve) => setTimeout(resolve, isSlow ? slowMs : callMs));
          if (!isSlow) endedAt.push(performance.now());
          return value;
        },
        { value: serdes.json<number>(), concurrency, timeout: '1m' },
      ),
      to('out', { key: serdes.string, value: serdes.json<number>() }),
    );
  });
  return withDirectory(async (directory) => {
    const broker = await openEmbeddedBroker({
      directory: join(directory, 'broker'),
      openDatabase: openRocksDatabase,
      clock: systemClock,
    });
    await broker.admin.createTopics(
      ['in', 'out'].map((topic) => ({ name: topic, partitions: 1, config: { 'retention.ms': '-1' } })),
    );
    // Of the slow key there is one record: ten of them would take ten times as long, one after the other.
    const keyOf = (at: number): number => (slowMs === undefined ? at % keys : at === 0 ? 0 : 1 + (at % (keys - 1)));
    await write(broker, records, keyOf);
    try {
      const began = performance.now();
      const measured = await measure(records, () => runs(target, broker, directory));
      if (slowMs === undefined) return measured;
      // They all wait from the beginning: what counts is when the last ones of the others were called.
      const at = (share: number): number => (endedAt[Math.floor(share * (endedAt.length - 1))] as number) - began;
      return { ...measured, latency: { medianMs: at(0.5), p99Ms: at(0.99) } };
    } finally {
      await broker.close();
    }
  });
}

async function runs(target: Topology, broker: Broker, directory: string): Promise<void> {
  const streams = await start(target, { broker, stateDirectory: join(directory, 'state') });
  await streams.untilIdle();
  await streams.stop();
}

async function write(broker: Broker, records: number, keyOf: (at: number) => number): Promise<void> {
  const writer = await broker.createWriter();
  for (let offset = 0; offset < records; ) {
    const chunk = Array.from({ length: Math.min(10_000, records - offset) }, () => {
      const at = offset++;
      const [key, value] = [Buffer.from(`key-${keyOf(at)}`), Buffer.from(String(at))];
      return { topic: 'in', partition: 0, key, value, timestamp: 1_700_000_000_000 + at, headers: Headers.none };
    });
    await writer.write(chunk);
    await writer.flush();
  }
  await writer.close();
}
