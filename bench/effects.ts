import { join } from 'node:path';
import { mapAsync, serdes, start, type Topology, to, topology } from 'millrace';
import type { Broker } from '#src/broker/port.js';
import { withEmbedded } from './embedded.js';
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
  // Of the slow key there is one record: ten of them would take ten times as long, one after the other.
  const keyOf = (at: number): number => (slowMs === undefined ? at % keys : at === 0 ? 0 : 1 + (at % (keys - 1)));
  const make = (at: number) => ({ key: Buffer.from(`key-${keyOf(at)}`), value: Buffer.from(String(at)) });
  return withEmbedded({ records, make }, async (broker, directory) => {
    const began = performance.now();
    const measured = await measure(records, () => runs(target, broker, directory));
    if (slowMs === undefined) return measured;
    // They all wait from the beginning: what counts is when the last ones of the others were called.
    const at = (share: number): number => (endedAt[Math.floor(share * (endedAt.length - 1))] as number) - began;
    return { ...measured, latency: { medianMs: at(0.5), p99Ms: at(0.99) } };
  });
}

async function runs(target: Topology, broker: Broker, directory: string): Promise<void> {
  const streams = await start(target, { broker, stateDirectory: join(directory, 'state') });
  await streams.untilIdle();
  await streams.stop();
}
