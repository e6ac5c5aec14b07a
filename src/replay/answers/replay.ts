import type { BrokerRecord, PartitionOffset } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import type { Headers } from '../../model/headers.js';
import { ownOf, setOwn } from '../../model/own.js';
import type { SourcePosition } from '../../model/record.js';
import { framePast, type PastFrame, withPast } from '../past/past.js';
import type { PastOptions, PastSlice } from '../past/past-options.js';
import type { Captured, Silenced } from '../rerun/watcher.js';
import type { HistoryGap } from '../slice/slice.js';

/** A record that a replay would have written. */
export interface ReplayedRecord {
  readonly topic: string;
  readonly partition: number;
  /** Counted from 0 in each partition. */
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
  /** The sink, or the operator that made it a dead letter. */
  readonly node: string;
  /** The source record that caused it. */
  readonly source: SourcePosition;
}

export interface ReplayOptions extends PastOptions, PastSlice {
  /** Only source records with this key (global tables are read whole). */
  readonly key?: unknown;
  /**
   * Begin with the state of the oldest snapshot that the topics can continue from, where `from` is the
   * beginning. Needs `snapshots`.
   */
  readonly fromSnapshot?: boolean;
  /**
   * Receives the outputs, in the order of the records that caused them. The replay awaits it before it
   * continues.
   */
  readonly onOutput?: (records: readonly ReplayedRecord[]) => void | Promise<void>;
  /** Called for the calls of `effect` that the replay has skipped. */
  readonly onEffect?: (effects: readonly SilencedEffect[]) => void | Promise<void>;
}

/** A call to the outside world that a replay has skipped. */
export interface SilencedEffect {
  /** The operator. */
  readonly node: string;
  readonly idempotencyKey: string;
  readonly key: unknown;
  readonly value: unknown;
  readonly source: SourcePosition;
}

export interface ReplayReport {
  /** Source records that were processed. */
  readonly records: number;
  /** Number of records that would have been written, by topic. */
  readonly outputs: Readonly<Record<string, number>>;
  /** Number of skipped calls to the outside world, by operator. */
  readonly effects: Readonly<Record<string, number>>;
  /** Counters of the operators: node → reason → number. */
  readonly nodes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Where it ended: next offset of each source partition. */
  readonly positions: readonly PartitionOffset[];
  /**
   * Partitions with an incomplete history, with their first available offset. Empty: the history was
   * complete.
   */
  readonly gaps: readonly HistoryGap[];
  /** Number of records in the snapshot that it began with; 0 without a snapshot. */
  readonly beganWith: number;
}

/**
 * Runs a topology over a slice of the past, from an empty database, and captures its outputs. It writes
 * nothing to the broker and commits no offset. It skips calls of `effect`, and lists them. What `peek` and
 * `process` do themselves happens again.
 *
 * Records come in the order of their event times (the `timestamp` of their source, else the time of the log),
 * over all topics and partitions. Equal times are ordered by topic, then by partition; records of one
 * partition keep the order of their offsets. Each record is processed through all repartitions before the
 * next. So every replay gives the same bytes, as long as the topology is a function of its records
 * ({@link verify} checks that). "Now" is the stream time; what the wall clock
 * brought is taken from the internal inputs.
 *
 * State: RocksDB in a temporary directory, removed at the end. Memory: an engine's memory and 20,000 records
 * read ahead, for a slice of any length. Errors: TOPIC_UNKNOWN, OFFSET_OUT_OF_RANGE, STOPPED, and those of
 * the topology itself.
 *
 * ```ts no-run
 * const report = await replay(shop, { broker, until: parseMoment('2026-03-01'), onOutput: (records) => console.log(records.length) });
 * ```
 */
export async function replay(topology: Topology, options: ReplayOptions): Promise<ReplayReport> {
  const frame = await framePast(topology, options);
  const outputs: Record<string, number> = {};
  const offsets = new Map<string, number>();
  const capture = (captured: readonly Captured[]): void | Promise<void> => {
    if (!options.onOutput) {
      for (const { record } of captured) count(outputs, record.topic);
      return;
    }
    const records = captured.map(({ node, record, at }): ReplayedRecord => {
      const { topic, partition, offset } = at.source;
      const place = `${record.topic}:${record.partition}`;
      const next = offsets.get(place) ?? 0;
      offsets.set(place, next + 1);
      count(outputs, record.topic);
      return { ...record, offset: next, node, source: { topic, partition, offset } };
    });
    return options.onOutput(records);
  };
  const effects: Record<string, number> = {};
  const silenced = (calls: readonly Silenced[]): void | Promise<void> => {
    for (const { node } of calls) count(effects, node);
    return options.onEffect?.(
      calls.map(({ node, idempotencyKey, record: { key, value }, at }) => {
        const { topic, partition, offset } = at.source;
        return { node, idempotencyKey, key, value, source: { topic, partition, offset } };
      }),
    );
  };
  const plan = {
    ...(options.from && { from: options.from }),
    ...(options.until && { until: options.until }),
    capture,
    silenced,
    only: options.key === undefined ? undefined : await onlyKey(frame, options.key),
    beginWith: options.fromSnapshot ? oldest : undefined,
  };
  return withPast(frame, plan, async (past) => {
    await past.toEnd();
    const { run, positions, gaps, beganWith } = past;
    const { nodes } = run.metrics.snapshot();
    const before = beganWith?.records ?? 0;
    return {
      records: run.records - before,
      outputs: sorted(outputs),
      effects: sorted(effects),
      nodes,
      positions,
      gaps,
      beganWith: before,
    };
  });
}

const count = (counts: Record<string, number>, name: string): void =>
  setOwn(counts, name, (ownOf(counts, name) ?? 0) + 1);

const oldest = <T>(snapshots: readonly T[]): T | undefined => snapshots[0];

const sorted = (counts: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));

async function onlyKey({ topology, serdes }: PastFrame, key: unknown): Promise<(record: BrokerRecord) => boolean> {
  const bytes = await serdes.keyBytes(topology, key);
  const globals = new Set(topology.graph.nodes.flatMap((node) => (node.kind === 'globalTable' ? [node.topic] : [])));
  return (record) =>
    globals.has(record.topic) || (record.key !== null && bytes.get(record.topic)?.equals(record.key) === true);
}
