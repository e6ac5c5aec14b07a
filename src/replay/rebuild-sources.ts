import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broker, PartitionOffset, TopicPartition } from '../broker/port.js';
import type { Topology } from '../dsl/processor.js';
import { repartitionTopic } from '../graph/naming.js';
import { isStreamsError, StreamsError } from '../model/errors.js';
import { markOf } from '../runtime/reset-marks.js';
import { firstUnread } from './first-unread.js';
import { framePast, Past } from './past.js';
import type { PastOptions } from './past-options.js';
import { rebuildDirectory } from './rebuild-task.js';

/** So often the replay is kept while it goes on: interrupted, it goes on from there. */
const SNAPSHOT_RECORDS = 100_000;

/**
 * Replays the sources of an application up to what its group has committed: all stores as they must be there.
 * OFFSET_OUT_OF_RANGE where the topics no longer reach back to the beginning; STATE_MISMATCH where the stores
 * of the application are not those of its source positions.
 */
export async function replaySources(
  topology: Topology,
  options: Omit<PastOptions, 'snapshots'> & {
    /** Left out: nobody knows whether it is the code of an earlier replay. */
    readonly version?: string;
    readonly stateDirectory: string;
    /** Before the names of the internal topics. */
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
  // Nobody commits how far a global table is: it is read to the end before anything else.
  const offsets = frame.partitions.map(
    (at) => find(committed, at) ?? (find(globals.includes(at.topic) ? latest : earliest, at) as PartitionOffset),
  );
  const open = (): Promise<Past> =>
    Past.open(frame, { until: { kind: 'offset', offsets }, beginWith: (snapshots) => snapshots.at(-1) });
  const past = await open().catch(async (error: unknown) => {
    // What was kept is a short cut: where it is not whole any more, the replay begins anew.
    if (!isDamaged(error)) throw error;
    await forget();
    return open();
  });
  try {
    const gap = past.gaps.find((each) => each.earliest > 0);
    if (gap) {
      throw new StreamsError('OFFSET_OUT_OF_RANGE', {
        what: 'the sources no longer hold all that the store was made of',
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
 * A store is what its sources come to only if all of them was done: on the way through repartition topics,
 * and once.
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
      what: 'the stores are further than the positions, by a reset that kept them',
      at: `${kept.topic}[${kept.partition}]@${kept.offset}`,
      saw: `records up to offset ${markOf(kept)?.until} in the stores`,
      expected: 'those before the position only',
      action: 'Rebuild from the changelog, or let the application catch up first.',
    });
  }
  const topics = graph.nodes.flatMap((node) =>
    node.kind === 'repartition' ? [repartitionTopic(prefix, node.name)] : [],
  );
  const waiting = await firstUnread(broker, topics, committed);
  if (waiting === undefined) return;
  throw new StreamsError('STATE_MISMATCH', {
    what: 'records are on their way between the tasks of the application',
    at: waiting,
    saw: 'records that were not processed',
    expected: 'none, so that every store has all of the sources up to their positions',
    action: `Run ${name} until it is idle (millrace run --until-idle), and rebuild then; or rebuild from the changelog.`,
  });
}
