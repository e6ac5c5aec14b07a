import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broker, PartitionOffset, TopicPartition } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { repartitionTopic } from '../../graph/naming.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import { markOf } from '../../runtime/offsets/reset-marks.js';
import { framePast, Past } from '../past/past.js';
import type { PastOptions } from '../past/past-options.js';
import { firstUnread } from './first-unread.js';
import { rebuildDirectory } from './rebuild-task.js';

/** Distance of the snapshots that the replay writes: after an interruption it continues from the last one. */
const SNAPSHOT_RECORDS = 100_000;

/**
 * Replays the sources of an application up to the committed positions of its group; all stores then have the
 * content that they must have there. Errors: OFFSET_OUT_OF_RANGE if the topics no longer reach back to the
 * beginning; STATE_MISMATCH if the application's stores do not match its source positions.
 */
export async function replaySources(
  topology: Topology,
  options: Omit<PastOptions, 'snapshots'> & {
    /** Default: unknown, so an earlier replay's snapshots are not used. */
    readonly version?: string;
    readonly stateDirectory: string;
    /** The prefix in the names of the internal topics. */
    readonly prefix: string;
  },
  committed: readonly PartitionOffset[],
): Promise<Past> {
  const { broker, stateDirectory, version = '', prefix } = options;
  const directory = join(rebuildDirectory(stateDirectory, prefix), 'snapshots');
  const forget = (): Promise<void> => rm(directory, { recursive: true, force: true, maxRetries: 3 });
  if (options.version === undefined) await forget();
  const frame = await framePast(topology, {
    ...options,
    snapshots: { directory, version, every: { records: SNAPSHOT_RECORDS } },
  });
  await checkPositions(topology, prefix, broker, committed);
  const globals = topology.graph.nodes.flatMap((node) => (node.kind === 'globalTable' ? [node.topic] : []));
  const [earliest, latest] = await Promise.all([
    broker.admin.earliestOffsets(frame.partitions),
    broker.admin.latestOffsets(frame.partitions),
  ]);
  // No position of a global table is committed: the whole topic is read before anything else.
  const offsets = frame.partitions.map(
    (at) => find(committed, at) ?? (find(globals.includes(at.topic) ? latest : earliest, at) as PartitionOffset),
  );
  const open = (): Promise<Past> =>
    Past.open(frame, { until: { kind: 'offset', offsets }, beginWith: (snapshots) => snapshots.at(-1) });
  const past = await open().catch(async (error: unknown) => {
    // The snapshots only save time: if one is damaged, the replay begins from the start.
    if (!isDamaged(error)) throw error;
    await forget();
    return open();
  });
  try {
    const gap = past.gaps.find((each) => each.earliest > 0);
    if (gap) {
      throw new StreamsError('OFFSET_OUT_OF_RANGE', {
        what: 'the sources no longer hold all records that the store was made from',
        at: `${gap.topic}[${gap.partition}]`,
        saw: `offset ${gap.earliest} as the first`,
        expected: 'offset 0',
        action: 'Rebuild it from its changelog: --from changelog.',
      });
    }
    await past.toEnd();
    return past;
  } catch (error) {
    await past.close().catch(() => undefined);
    throw error;
  }
}

const isDamaged = (error: unknown): boolean =>
  isStreamsError(error) ? error.code === 'STATE_CORRUPT' : (error as NodeJS.ErrnoException).code === 'ENOENT';

const find = (offsets: readonly PartitionOffset[], { topic, partition }: TopicPartition): PartitionOffset | undefined =>
  offsets.find((at) => at.topic === topic && at.partition === partition);

/**
 * Checks that the stores hold the result of all source records: each processed once, also through repartition
 * topics.
 */
async function checkPositions(
  { graph, name }: Topology,
  prefix: string,
  broker: Broker,
  committed: readonly PartitionOffset[],
): Promise<void> {
  const kept = committed.find((at) => {
    const mark = markOf(at);
    return mark?.keeps && at.offset < mark.until;
  });
  if (kept) {
    throw new StreamsError('STATE_MISMATCH', {
      what: 'the stores are ahead of the positions, because a reset kept them',
      at: `${kept.topic}[${kept.partition}]@${kept.offset}`,
      saw: `records up to offset ${markOf(kept)?.until} in the stores`,
      expected: 'only records before the position',
      action: 'Rebuild from the changelog, or let the application catch up first.',
    });
  }
  const topics = graph.nodes.flatMap((node) =>
    node.kind === 'repartition' ? [repartitionTopic(prefix, node.name)] : [],
  );
  const waiting = await firstUnread(broker, topics, committed);
  if (waiting === undefined) return;
  throw new StreamsError('STATE_MISMATCH', {
    what: 'repartition topics of the application hold unprocessed records',
    at: waiting,
    saw: 'records that were not processed',
    expected: 'none, so that every store has all of the sources up to their positions',
    action: `Run ${name} until it is idle (millrace run --until-idle), and rebuild then; or rebuild from the changelog.`,
  });
}
