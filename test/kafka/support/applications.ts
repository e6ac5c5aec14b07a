import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Topology } from 'millrace';
import type { Broker, ProducerRecord } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { partitionOf } from '#src/runtime/topics/partitioner.js';
import { projectFile } from '../../support/project.js';
import type { ApplicationOptions, Said } from './counting.js';

/** Deletes the topics of a topology, internal ones too, and its group, so that it starts from nothing on a cluster that is used by others. */
export async function forget(broker: Broker, { graph, name }: Topology, applicationId = name): Promise<void> {
  const own = new Set(graph.nodes.flatMap((node) => ('topic' in node && node.topic !== null ? [node.topic] : [])));
  const found = (await broker.admin.describeTopics())
    .map((topic) => topic.name)
    .filter((topic) => own.has(topic) || topic.startsWith(`${applicationId}-`));
  await broker.admin.deleteTopics(found);
  // A static member keeps its place for a while: the group is then left to itself.
  if ((await broker.admin.groupMembers(applicationId)).length === 0) await broker.admin.deleteGroup(applicationId);
}

export async function createTopics(broker: Broker, name: string, partitions: number): Promise<void> {
  const config = { 'retention.ms': '-1' };
  await broker.admin.createTopics([
    { name: `${name}-words`, partitions, config },
    { name: `${name}-out`, partitions, config },
  ]);
}

export const words = (name: string, partitions: number, keys: number, times: number): readonly ProducerRecord[] =>
  Array.from({ length: keys * times }, (_, i) => {
    const key = Buffer.from(`key ${i % keys}`);
    const partition = partitionOf(key, partitions);
    return {
      topic: `${name}-words`,
      partition,
      key,
      value: key,
      timestamp: 1_700_000_000_000 + i,
      headers: Headers.none,
    };
  });

export async function write(broker: Broker, records: readonly ProducerRecord[]): Promise<void> {
  const writer = await broker.createWriter();
  await writer.write(records);
  await writer.flush();
  await writer.close();
}

/** The counts that were written, by key, in order. */
export async function counted(broker: Broker, name: string, partitions: number): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  for (let partition = 0; partition < partitions; partition++) {
    const at = { topic: `${name}-out`, partition };
    const end = (await broker.admin.latestOffsets([at]))[0]?.offset ?? 0;
    const reader = await broker.createReader();
    reader.seek({ ...at, offset: 0 });
    for (let position = 0; position < end; ) {
      for (const batch of await reader.poll({ maxRecords: 10_000, maxWaitMs: 500 })) {
        position = batch.nextOffset;
        for (const { key, value } of batch.records) {
          const counts = found.get(`${key}`) ?? [];
          found.set(`${key}`, counts);
          counts.push(Number(value?.readBigInt64BE()));
        }
      }
    }
    await reader.close();
  }
  return found;
}

/** 1, 2, …, n */
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

/** A process of its own that runs {@link counting}, and says how it is. */
export class ApplicationProcess {
  readonly child: ChildProcess;
  readonly said: Said[] = [];
  readonly exited: Promise<readonly [number | null, NodeJS.Signals | null]>;
  #told: () => void = () => undefined;

  constructor(options: ApplicationOptions) {
    const script = projectFile('build/test/kafka/application.child.js');
    this.child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.exited = once(this.child, 'exit').then(([code, signal]) => [code, signal]);
    createInterface({ input: this.child.stdout as NonNullable<ChildProcess['stdout']> }).on('line', (line) => {
      this.said.push(JSON.parse(line));
      this.#told();
    });
    void this.exited.then(() => this.#told());
  }

  /** The first thing it says, from now on, for which that holds. */
  async until(holds: (said: Said) => boolean): Promise<Said> {
    for (let at = this.said.length; ; ) {
      for (; at < this.said.length; at++) if (holds(this.said[at] as Said)) return this.said[at] as Said;
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(
          `it ended with ${this.child.exitCode ?? this.child.signalCode}: ${JSON.stringify(this.said.at(-1))}`,
        );
      await new Promise<void>((resolve) => {
        this.#told = resolve;
      });
    }
  }

  /** Prints what it has said, where that changes: for who looks for the cause of a failure. */
  tell(): void {
    let last = '';
    for (const { rows, ...said } of this.said) {
      const line = JSON.stringify(rows ? { ...said, rows: Object.keys(rows).length } : said);
      if (line !== last) console.log(`  ${this.child.pid}: ${line}`);
      last = line;
    }
  }

  async end(signal: NodeJS.Signals): Promise<readonly [number | null, NodeJS.Signals | null]> {
    this.child.kill(signal);
    return this.exited;
  }
}
