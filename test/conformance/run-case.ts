import { StreamsError, serdes } from '#src/index.js';
import { TestDriver } from '#src/testing/index.js';
import { build } from './build.js';
import type { Case, Emitted, Json, Rows } from './case.js';

const TEXT_AND_JSON = { key: serdes.string, value: serdes.json<Json>() };

export interface Outcome {
  readonly emitted: readonly Emitted[];
  readonly stores: Readonly<Record<string, Rows>>;
}

/** Runs a case: each input to the end before the next. */
export async function runCase(target: Case): Promise<Outcome> {
  const emitted: Emitted[] = [];
  let step = -1;
  let seen: Omit<Emitted, 'step'>[] = [];
  const driver = await TestDriver.create(
    build(target, (record) => seen.push(record)),
    // Kafka Streams drops a record whose timestamp extractor returns a negative number.
    { onError: { deserialize: 'skip' } },
  );
  try {
    const topics = sinkTopics(target).map((topic) => ({ topic, output: driver.output(topic, TEXT_AND_JSON) }));
    for (const input of target.input) {
      step++;
      if ('topic' in input) {
        const { topic, key, value, timestamp } = input;
        await driver.input<Json, Json>(topic, TEXT_AND_JSON).send({ key, value, timestamp });
      } else await driver.advance(`${input.advanceWallClockMs}ms`);
      const written = new Map<string, Emitted[]>();
      for (const { topic, output } of topics) {
        const records = await output.read();
        written.set(
          topic,
          records.map(({ key, value, timestamp }) => ({ step, topic, key, value, timestamp })),
        );
      }
      emitted.push(...inOrder(step, seen, written));
      seen = [];
    }
    const stores: Record<string, Rows> = {};
    for (const name of Object.keys(target.stores)) stores[name] = await rowsOf(driver, name);
    return { emitted, stores };
  } finally {
    await driver.close().catch(() => undefined);
  }
}

/** What a step wrote, in its order within each topic; topics and peeks as they followed each other where records are emitted. */
function inOrder(step: number, seen: readonly Omit<Emitted, 'step'>[], written: Map<string, Emitted[]>): Emitted[] {
  const ordered: Emitted[] = [];
  for (const record of seen) {
    if (record.peek !== undefined) ordered.push({ step, ...record });
    else ordered.push(...(written.get(record.topic as string)?.splice(0, 1) ?? []));
  }
  for (const rest of written.values()) ordered.push(...rest);
  return ordered;
}

async function rowsOf(driver: TestDriver, name: string): Promise<Rows> {
  try {
    return await driver.store<Json, Json>(name).entries();
  } catch (error) {
    if (error instanceof StreamsError && error.code === 'STORE_UNKNOWN') return [];
    throw error;
  }
}

function sinkTopics(target: Case): readonly string[] {
  const topics = target.topology.flatMap(({ ops = [] }) =>
    ops.filter(({ op }) => op === 'to').map(({ topic }) => topic as string),
  );
  return [...new Set(topics)];
}
