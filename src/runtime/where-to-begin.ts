import type { PartitionOffset, TopicPartition } from '../broker/port.js';
import { taskId } from '../graph/naming.js';
import { sleep } from '../model/ports.js';
import { checkVersion, withVersion } from './application-version.js';
import { begunAt, hasProcessed, knownProgress } from './commit-marks.js';
import { warnOfReadingAgain } from './lost-offsets.js';
import { Reprocessing } from './reprocessing.js';
import { sourcePartitions, startPositions } from './sources.js';
import { stopped } from './stopped.js';
import type { TaskOptions } from './task-options.js';

/** How often a task looks whether it is known where the topic begins. */
const LOOK_AGAIN_MS = 100;
/** After so many looks it says what it waits for, and again each time after as many. */
const TELL_EVERY = 300;

/** Where a task begins. */
export interface Beginning {
  /** What the group has committed of its sources; those without a position are left out. */
  readonly committed: readonly PartitionOffset[];
  /** The same, with what the stores contain: more, while a reset that keeps them is processed again. */
  readonly contained: readonly PartitionOffset[];
  /** Where it begins to read: at the committed offsets, and at the start of partitions that have none. */
  readonly positions: readonly PartitionOffset[];
  /** Sources that a reset has put back. Undefined: none. */
  readonly again: Reprocessing | undefined;
}

/**
 * Finds out where a task begins to read. GENERATION_CHANGED: see {@link checkVersion}. RESET_UNFINISHED:
 * see {@link Reprocessing.of}.
 */
export async function whereToBegin(
  options: TaskOptions,
  { sources, signal }: { readonly sources: readonly TopicPartition[]; readonly signal: AbortSignal },
): Promise<Beginning> {
  const { config, ports, subTopology, partition, alignment } = options;
  const committed = await committedOffsets(options, sources, signal);
  if (options.stores.length === 0) warnOfReadingAgain(config.logger, committed, sources);
  const positions = await startPositions(ports.broker.admin, sources, committed);
  const id = taskId(subTopology.id, partition);
  const phase = await alignment.catchUp.phaseOf({ id }, committed);
  const again = Reprocessing.of(committed, { applicationId: config.applicationId, taskId: id, phase });
  return { committed, contained: again?.contained(committed) ?? committed, positions, again };
}

async function committedOffsets(
  options: TaskOptions,
  sources: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<readonly PartitionOffset[]> {
  const { config, membership, subTopology } = options;
  const committed = await membership.committed(sources);
  checkVersion(committed, config);
  if (config.startFrom === 'earliest') return committed;
  const known = new Set(committed.map(({ topic }) => topic));
  // All that is in internal topics is the application's own: they begin at their start.
  const unknown = subTopology.topics.filter(
    (topic) => !known.has(topic) && sources.some((source) => source.topic === topic),
  );
  if (unknown.length === 0) return committed;
  await beginAtEnds(options, unknown, signal);
  return membership.committed(sources);
}

/**
 * Under `startFrom: 'latest'`: commits where the application begins in topics of which it has read nothing,
 * before a record is read. A restart then goes on there, whatever came meanwhile, also where it was quiet.
 *
 * All partitions of a topic begin together, or those of tasks that are opened later would begin later. The
 * task of partition 0 commits the ends of all of them, at once; the other tasks wait for that. So a partition
 * without a position, of a topic that has others, is one that appeared later: it begins at its start.
 * TOPIC_UNKNOWN if a topic is gone.
 *
 * A topic of which the offsets of other sources tell has been read, and its own offsets are lost. Its ends
 * would pass over what came since, so nothing is committed of it: it is read from its start, or refused where
 * there are stores. Stores tell of lost offsets, too: the ends are marked as a beginning, which rows that
 * follow from earlier records contradict (see lost-offsets.ts).
 */
async function beginAtEnds(options: TaskOptions, topics: readonly string[], signal: AbortSignal): Promise<void> {
  const { config, ports, membership, partition } = options;
  const { applicationId, version } = config;
  let looks = 0;
  for (let fresh = await notBegun(options, topics); fresh.length > 0; fresh = await notBegun(options, topics)) {
    if (signal.aborted) throw stopped('the engine was stopped', `partition ${partition}`);
    // Also for who only waits: it says so if a topic is gone.
    const ends = await ports.broker.admin.latestOffsets(fresh);
    if (partition === 0) {
      await warnOfBeginning(options, new Set(fresh.map(({ topic }) => topic)));
      await membership.commit(withVersion(begunAt(ends), version, applicationId));
    } else {
      if (looks++ % TELL_EVERY === TELL_EVERY - 1)
        config.logger.warn(
          { partition, topics },
          `the task of partition ${partition} waits for that of partition 0, which says where the application begins in ${topics.join(', ')}. If nothing follows, look what holds up the process that has it`,
        );
      await sleep(ports.clock, LOOK_AGAIN_MS, signal);
    }
  }
}

/** All partitions of those topics of which the group has read nothing. */
async function notBegun(
  { membership, subTopology, config, topics: counts }: TaskOptions,
  topics: readonly string[],
): Promise<readonly TopicPartition[]> {
  const tasks = Math.max(...topics.map((topic) => counts.count(topic)));
  const sources = Array.from({ length: tasks }, (_, partition) =>
    sourcePartitions(subTopology, config.version.prefix, partition, counts),
  ).flat();
  const committed = await membership.committed(sources);
  const begun = new Set([...committed.map(({ topic }) => topic), ...knownProgress(committed).keys()]);
  return sources.filter(({ topic }) => topics.includes(topic) && !begun.has(topic));
}

/**
 * Whether topics are new in the application, or the group has lost all their offsets, nobody can tell from
 * the group: it is said.
 */
async function warnOfBeginning({ ports, config }: TaskOptions, topics: ReadonlySet<string>): Promise<void> {
  const { applicationId, logger } = config;
  const others = (await ports.broker.admin.groupOffsets(applicationId)).filter(({ topic }) => !topics.has(topic));
  if (!others.some(hasProcessed)) return;
  const names = [...topics].join(', ');
  logger.warn(
    { app: applicationId, topics: [...topics] },
    `the group has no offset of ${names}, and others: as startFrom: 'latest' says, records of ${names} are read from here on. If it has lost the offsets, stop the application, and put it where it was by millrace reset FILE --to offset:TOPIC:P=N,…`,
  );
}
