import { StreamsError } from '#src/index.js';
import { TestDriver } from '#src/testing/index.js';
import { build, type Watch } from './build.js';
import type { Case, Emitted, Json, Rows } from './case.js';
import { ANY_AND_JSON, writtenKey } from './keys.js';

export interface Outcome {
  readonly emitted: readonly Emitted[];
  readonly stores: Readonly<Record<string, Rows>>;
}

/** Runs a case: each input to the end before the next. */
export async function runCase(target: Case): Promise<Outcome> {
  const emitted: Emitted[] = [];
  let step = -1;
  let order = new StepOrder();
  const driver = await TestDriver.create(
    build(target, {
      peeked: (peek, key, value) => order.peeked(peek, key, value),
      emitted: (topic, record) => order.emitted(topic, record),
      produced: (topic, record) => order.produced(topic, record),
    }),
    // Kafka Streams drops a record whose timestamp extractor returns a negative number.
    { onError: { deserialize: 'skip' } },
  );
  try {
    const topics = sinkTopics(target).map((topic) => ({ topic, output: driver.output(topic, ANY_AND_JSON) }));
    for (const input of target.input) {
      step++;
      if ('topic' in input) {
        const { topic, key, value, timestamp } = input;
        await driver.input<Json, Json>(topic, ANY_AND_JSON).send({ key, value, timestamp });
      } else await driver.advance(`${input.advanceWallClockMs}ms`);
      const written = new Map<string, Emitted[]>();
      for (const { topic, output } of topics) {
        const records = await output.read();
        written.set(
          topic,
          records.map(({ key, value, timestamp }) => ({ step, topic, key: writtenKey(key), value, timestamp })),
        );
      }
      emitted.push(...order.arrange(step, written));
      order = new StepOrder();
    }
    const stores: Record<string, Rows> = {};
    for (const name of Object.keys(target.stores)) stores[name] = await rowsOf(driver, name);
    return { emitted, stores };
  } finally {
    await driver.close().catch(() => undefined);
  }
}

/** What happened in one step, in order. */
class StepOrder implements Watch {
  /** Peeks, and what was emitted meanwhile. */
  readonly #seen: ({ readonly topic: string; readonly record: object } | Pick<Emitted, 'peek' | 'key' | 'value'>)[] =
    [];
  readonly #produced: { readonly topic: string; readonly record: object }[] = [];

  peeked(peek: string, key: Json, value: Json): void {
    this.#seen.push({ peek, key: writtenKey(key), value });
  }

  emitted(topic: string, record: object): void {
    this.#seen.push({ topic, record });
  }

  produced(topic: string, record: object): void {
    this.#produced.push({ topic, record });
  }

  /** What the topics really hold, in the order in which it was written; each peek before what was emitted after it. */
  arrange(step: number, written: ReadonlyMap<string, Emitted[]>): readonly Emitted[] {
    const arranged: Emitted[] = [];
    let next = 0;
    for (const { topic, record } of this.#produced) {
      const at = this.#seen.findIndex(
        (seen, i) => i >= next && 'topic' in seen && seen.topic === topic && seen.record === record,
      );
      if (at >= 0) {
        arranged.push(...this.#peeks(step, next, at));
        next = at + 1;
      }
      arranged.push(...(written.get(topic)?.splice(0, 1) ?? []));
    }
    arranged.push(...this.#peeks(step, next));
    for (const rest of written.values()) arranged.push(...rest);
    return arranged;
  }

  #peeks(step: number, from: number, to?: number): readonly Emitted[] {
    return this.#seen.slice(from, to).flatMap((seen) => ('topic' in seen ? [] : [{ step, ...seen }]));
  }
}

async function rowsOf(driver: TestDriver, name: string): Promise<Rows> {
  try {
    const rows = await driver.store<Json, Json>(name).entries();
    return rows.map(([key, value]) => [writtenKey(key), value]);
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
