import { createHash } from 'node:crypto';
import type { PartitionOffset } from '../broker/port.js';
import type { Topology } from '../dsl/processor.js';
import type { Graph } from '../graph/graph.js';
import { messageOf, StreamsError } from '../model/errors.js';
import { isName } from '../model/names.js';
import type { RunStart } from './run-start.js';

/** How often a state is kept: after so many records, or whenever so much time (of the records) has passed. */
export type SnapshotEvery = { readonly records: number } | { readonly ms: number };

/**
 * What a snapshot says of itself, in `snapshot.json` (format 1), written last: a directory without it is
 * none. Beside it the databases of the tasks (`<task>/db`, `<task>/identity.json`), and which keys changed
 * since the snapshot before (key-set.ts): those of rows in `changed/<store>`, those that windowed ones are of
 * in `changed-keys/<store>`.
 */
export interface SnapshotMeta extends RunStart {
  readonly topology: string;
  readonly application: string;
  /** Next offset of each source partition: everything before it is in the stores, and nothing else. */
  readonly positions: readonly PartitionOffset[];
  /**
   * Partitions that had no further record then: one that came later may belong before what others have given.
   */
  readonly exhausted: readonly string[];
  /** The highest timestamp in it. */
  readonly maxTimestamp: number;
  /** Records in the snapshot before it; 0: there was none. */
  readonly since: number;
}

const FORMAT = 1;

export const formatSnapshot = (meta: SnapshotMeta): string =>
  `${JSON.stringify({ format: FORMAT, ...meta }, null, 2)}\n`;

/** STATE_CORRUPT if it is damaged. */
export function parseSnapshot(text: string, path: string): SnapshotMeta {
  try {
    const { format, ...meta } = JSON.parse(text);
    if (format !== FORMAT) throw new Error(`format ${format}`);
    if (!isMeta(meta)) throw new Error('a field that is missing or of another type');
    return meta;
  } catch (error) {
    throw new StreamsError('STATE_CORRUPT', {
      what: 'cannot read a snapshot',
      at: path,
      saw: messageOf(error),
      expected: `format ${FORMAT}`,
      action: 'Delete the directory; it is made again by --snapshot-every.',
      cause: error,
    });
  }
}

function isMeta(meta: Readonly<Record<string, unknown>>): meta is Readonly<Record<string, unknown>> & SnapshotMeta {
  const { records, since, maxTimestamp, application, topology, positions, exhausted } = meta;
  const { streamTimes, jumps, repartitions } = meta;
  const isObject = (each: unknown): boolean => typeof each === 'object' && each !== null && !Array.isArray(each);
  return (
    [records, since].every((count) => Number.isSafeInteger(count) && (count as number) >= 0) &&
    // JSON has no infinities: of a snapshot without records it is null.
    (maxTimestamp === null || typeof maxTimestamp === 'number') &&
    // It becomes a path.
    isName(application) &&
    typeof topology === 'string' &&
    Array.isArray(positions) &&
    positions.every(
      (at) => isObject(at) && typeof at.topic === 'string' && [at.partition, at.offset].every(Number.isSafeInteger),
    ) &&
    Array.isArray(exhausted) &&
    [streamTimes, jumps, repartitions].every(isObject)
  );
}

/**
 * Names what a topology does to its state, as far as it can be known: the application, the graph, how wide
 * the topics are, and `version`, which stands for the code. Snapshots of another identity are never used.
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
