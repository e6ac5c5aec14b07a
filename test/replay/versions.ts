import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker } from '#src/broker/port.js';
import { count, effect, groupBy, mapValues, serdes, start, type Topology, to, topology, toStream } from '#src/index.js';
import {
  applyPromotion,
  type PromotionOptions,
  type PromotionPlan,
  type PromotionStep,
  planPromotion,
  planRollback,
  startShadow,
} from '#src/replay/index.js';
import { systemClock } from '#src/runtime/config/system.js';
import { temporaryDirectory } from '../support/project.js';
import { append, type Told } from './support.js';

const json = { key: serdes.string, value: serdes.json<any>() };

/** An application whose versions say in each output which of them has written it. */
export class Versions {
  readonly stateDirectory = temporaryDirectory();
  readonly broker: Broker;
  readonly #name: string;
  readonly #partitions: number;
  #calls: string[] = [];
  #time = 0;

  constructor(
    broker: Broker,
    { name = 'shop', partitions = 1 }: { readonly name?: string; readonly partitions?: number } = {},
  ) {
    this.broker = broker;
    this.#name = name;
    this.#partitions = partitions;
  }

  /** With records that the first version has processed. */
  static async begin(
    keys: string,
    {
      broker = new MemoryBroker({ clock: systemClock }),
      ...options
    }: {
      readonly broker?: Broker;
      readonly name?: string;
      readonly partitions?: number;
    } = {},
  ): Promise<Versions> {
    const versions = new Versions(broker, options);
    await broker.admin.createTopics(
      ['in', 'out', 'groups'].map((name) => ({
        name: versions.topicOf(name),
        partitions: versions.#partitions,
        config: { 'retention.ms': '-1' },
      })),
    );
    await versions.tell(keys);
    await versions.run('v1');
    return versions;
  }

  /** Source and sink topics of applications that share a broker have its name before theirs. */
  topicOf(name: string): string {
    return this.#name === 'shop' ? name : `${this.#name}-${name}`;
  }

  /** Counts by key, with a call for each, and over all behind a repartition, where it may get stuck. */
  target(version: string, { stuckAt }: { readonly stuckAt?: string } = {}): Topology {
    const said = mapValues((n: number) => `${version}:${n}`);
    return topology(this.#name, (t) => {
      const input = t.stream(this.topicOf('in'), json);
      input
        .pipe(count({ store: 'counts' }), toStream(), said)
        .pipe(effect('call', { inline: true, run: ({ key, value }) => void this.#calls.push(`${key}=${value}`) }))
        .pipe(to(this.topicOf('out'), { key: serdes.string, value: serdes.string }));
      input.pipe(
        groupBy(() => 'g', { key: serdes.string, name: 'by-group' }),
        mapValues((value) => {
          if (value.key === stuckAt) throw new Error('stuck');
          return value;
        }),
        count({ store: 'groups' }),
        toStream(),
        said,
        to(this.topicOf('groups'), { key: serdes.string, value: serdes.string }),
      );
    });
  }

  tell(keys: string): Promise<void> {
    const topic = this.topicOf('in');
    const records = [...keys].map((key): Told => ({ topic, key, value: { key }, timestamp: ++this.#time }));
    return append(this.broker, records, this.#partitions);
  }

  async run(version: string, options: { readonly stuckAt?: string } = {}): Promise<void> {
    const { broker, stateDirectory } = this;
    const streams = await start(this.target(version, options), { broker, stateDirectory });
    try {
      await streams.untilIdle();
    } finally {
      await streams.stop();
    }
  }

  /** Stopped while records are left, perhaps. */
  async runBriefly(version: string): Promise<void> {
    const { broker, stateDirectory } = this;
    const streams = await start(this.target(version), { broker, stateDirectory, batchRecords: 1, commitRecords: 1 });
    await streams.stop();
  }

  async shadow(
    version: string,
    { fresh = false, ...options }: { readonly fresh?: boolean; readonly stuckAt?: string } = {},
  ): Promise<void> {
    const { broker, stateDirectory } = this;
    const { streams } = await startShadow(this.target(version, options), { broker, stateDirectory, fresh });
    try {
      await streams.untilIdle();
    } finally {
      await streams.stop();
    }
  }

  plan(kind: PromotionPlan['kind'], version: string, options: Partial<PromotionOptions> = {}): Promise<PromotionPlan> {
    const planned = kind === 'promote' ? planPromotion : planRollback;
    return planned(this.target(version), { broker: this.broker, now: Date.UTC(2026, 0, 1), ...options });
  }

  async change(
    kind: PromotionPlan['kind'],
    version: string,
    options: Partial<PromotionOptions> = {},
    afterStep?: (step: PromotionStep) => void,
  ): Promise<void> {
    const { broker, stateDirectory } = this;
    const plan = await this.plan(kind, version, options);
    await applyPromotion(plan, { broker, stateDirectory, ...(afterStep && { afterStep }) });
  }

  /** All that was called so far, sorted. */
  called(): string[] {
    return [...this.#calls].sort();
  }

  /** Everything in a topic, sorted. */
  async topic(name: string): Promise<string[]> {
    const topic = name.startsWith(`${this.#name}-`) ? name : this.topicOf(name);
    const [described] = await this.broker.admin.describeTopics([topic]);
    const partitions = Array.from({ length: described?.partitions ?? 0 }, (_, partition) => ({ topic, partition }));
    const reader = await this.broker.createReader();
    const found: string[] = [];
    const ends = await this.broker.admin.latestOffsets(partitions);
    let left = ends.filter(({ offset }) => offset > 0).length;
    for (const { partition, offset } of ends) if (offset > 0) reader.seek({ topic, partition, offset: 0 });
    while (left > 0) {
      for (const { partition, records, nextOffset } of await reader.poll({ maxRecords: 1_000, maxWaitMs: 500 })) {
        for (const { key, value } of records) found.push(`${key}=${value}`);
        if (nextOffset >= (ends[partition]?.offset ?? 0)) left--;
      }
    }
    await reader.close();
    return found.sort();
  }

  async topics(): Promise<string[]> {
    return (await this.broker.admin.describeTopics()).map(({ name }) => name);
  }

  async rows(version: string): Promise<Record<string, unknown>> {
    const { broker, stateDirectory } = this;
    const streams = await start(this.target(version), { broker, stateDirectory });
    await streams.untilIdle();
    const entries = await streams.store<string, unknown>('counts').entries();
    await streams.stop();
    return Object.fromEntries(entries);
  }
}
