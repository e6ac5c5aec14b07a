import { serdes } from 'millrace';
import type { Broker, Reader } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { partitionOf } from '#src/runtime/topics/partitioner.js';

const RATE_PER_SECOND = 2_000;
const SECONDS = 10;
/** Left out of the figures: code is still being compiled. */
const FIRST_SECONDS = 2;
const TICK_MS = 5;
/** What is not there so long after the last record was sent is lost. */
const LAST_MS = 10_000;

/** Records that are sent: a multiple of what goes out with each tick. */
export const LATENCY_RECORDS = RATE_PER_SECOND * SECONDS;

export interface Latency {
  readonly medianMs: number;
  readonly p99Ms: number;
}

interface Topics {
  readonly input: string;
  readonly output: string;
}

/**
 * Sends records at a steady rate, each of a key of its own, and waits for what comes of each. Returns how long that took, from the call that sends to the poll that returns. Sender, application and receiver share the process, so it
 * is an upper bound. Throws if an answer is missing.
 */
export async function latencyOf(broker: Broker, { input, output }: Topics, partitions: number): Promise<Latency> {
  const sentAt = new Map<string, number>();
  const took: number[] = [];
  const reader = await broker.createReader();
  for (let partition = 0; partition < partitions; partition++) reader.seek({ topic: output, partition, offset: 0 });
  const receiving = receive(reader, (key) => took.push(performance.now() - (sentAt.get(key) ?? Number.NaN)));

  const writer = await broker.createWriter();
  const began = performance.now();
  for (let at = 0; at < LATENCY_RECORDS; ) {
    const due = Math.min(LATENCY_RECORDS, Math.floor(((performance.now() - began) / 1_000) * RATE_PER_SECOND));
    for (; at < due; at++) {
      const name = `key-${at}`;
      const key = serdes.string.encode(name);
      const value = serdes.json().encode({ id: name, v: 2 * at, pad: 'x'.repeat(100) });
      sentAt.set(name, performance.now());
      const record = { topic: input, partition: partitionOf(key, partitions), key, value };
      const full = writer.write([{ ...record, timestamp: Date.now(), headers: Headers.none }]);
      if (full) await full;
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await writer.close();
  const missing = await receiving;
  await reader.close();
  if (missing > 0) throw new Error(`${missing} of ${LATENCY_RECORDS} answers did not come`);

  const counted = took.slice(RATE_PER_SECOND * FIRST_SECONDS).sort((a, b) => a - b);
  const at = (share: number): number => counted[Math.floor(share * (counted.length - 1))] as number;
  return { medianMs: at(0.5), p99Ms: at(0.99) };
}

/** Until all answers have come, or none for too long. Returns how many are missing. */
async function receive(reader: Reader, received: (key: string) => void): Promise<number> {
  let missing = LATENCY_RECORDS;
  while (missing > 0) {
    const batches = await reader.poll({ maxRecords: 1_000, maxWaitMs: LAST_MS });
    if (batches.length === 0) return missing;
    for (const { records } of batches) {
      for (const { key } of records) received(`${key}`);
      missing -= records.length;
    }
  }
  return missing;
}
