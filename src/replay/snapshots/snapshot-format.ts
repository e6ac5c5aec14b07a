import { createHash } from 'node:crypto';
import type { PartitionOffset } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import type { Graph } from '../../graph/graph.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import { isName } from '../../model/names.js';
import type { RunStart } from '../rerun/run-start.js';

/** How often to write a snapshot: after this many records, or whenever this much event time has passed. */
export type SnapshotEvery = { readonly records: number } | { readonly ms: number };

/**
 * The content of `snapshot.json` (format 1). It is written last: a directory without it is no snapshot. The
 * directory also holds the databases of the tasks (`<task>/db`, `<task>/identity.json`), and the keys that
 * changed since the previous snapshot (key-set.ts). `changed/<store>` has the keys of rows;
 * `changed-keys/<store>` has the plain keys of windowed ones.
 */
export interface SnapshotMeta extends RunStart {
  readonly topology: string;
  readonly application: string;
  /** Next offset of each source partition: the stores contain everything before it, and nothing else. */
  readonly positions: readonly PartitionOffset[];
  /**
   * Partitions without further records at that time. A record that came later may sort before records that
   * other partitions have given.
   */
  readonly exhausted: readonly string[];
  /** The highest timestamp in it. */
  readonly maxTimestamp: number;
  /** Number of records in the previous snapshot; 0: there was none. */
  readonly since: number;
}

const FORMAT = 1;

export const formatSnapshot = (meta: SnapshotMeta): string =>
  `${JSON.stringify({ format: FORMAT, ...meta }, null, 2)}\n`;

/** Errors: STATE_CORRUPT if the file is damaged. */
export function parseSnapshot(text: string, path: string): SnapshotMeta {
  try {
    const { format, ...meta } = JSON.parse(text);
    if (format !== FORMAT) throw new Error(`format ${format}`);
    if (!isMeta(meta)) throw new Error('a missing field, or one of another type');
    return meta;
  } catch (error) {
    throw new StreamsError('STATE_CORRUPT', {
      what: 'cannot read a snapshot',
      at: path,
      saw: messageOf(error),
      expected: `format ${FORMAT}`,
      action: 'Delete the directory; --snapshot-every makes it again.',
      cause: error,
    });
  }
}

function isMeta(meta: Readonly<Record<string, unknown>>): meta is Readonly<Record<string, unknown>> & SnapshotMeta {
  const { records, since, maxTimestamp, application, topology, positions, exhausted } = meta;
  const { streamTimes, jumps, repartitions, leftOut = [] } = meta;
  const isObject = (each: unknown): boolean => typeof each === 'object' && each !== null && !Array.isArray(each);
  return (
    [records, since].every((count) => Number.isSafeInteger(count) && (count as number) >= 0) &&
    // JSON has no infinities: a snapshot without records has null.
    (maxTimestamp === null || typeof maxTimestamp === 'number') &&
    // It becomes a path.
    isName(application) &&
    typeof topology === 'string' &&
    Array.isArray(positions) &&
    positions.every(
      (at) => isObject(at) && typeof at.topic === 'string' && [at.partition, at.offset].every(Number.isSafeInteger),
    ) &&
    Array.isArray(exhausted) &&
    Array.isArray(leftOut) &&
    [streamTimes, jumps, repartitions].every(isObject)
  );
}

/**
 * Identifies what a topology does to its state, as far as this can be seen. Includes the application, the
 * graph, the partition counts, and `version`, which stands for the code. Snapshots of another identity are
 * never used.
 */
export function topologyIdentity(
  { graph }: Topology,
  facts: { readonly application: string; readonly partitions: readonly string[]; readonly version: string },
): string {
  const shape: Omit<Graph, 'subTopologies' | 'coPartitioned'> = {
    name: graph.name,
    nodes: graph.nodes,
    edges: graph.edges,
    stores: graph.stores,
  };
  return createHash('sha256')
    .update(JSON.stringify([shape, facts]))
    .digest('hex')
    .slice(0, 16);
}
