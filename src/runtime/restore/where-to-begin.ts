import type { PartitionOffset, TopicPartition } from '../../broker/port.js';
import { taskId } from '../../graph/naming.js';
import { sleep } from '../../model/ports.js';
import type { Alignment } from '../align/alignment.js';
import { withApplication } from '../config/application-marks.js';
import { checkVersion } from '../config/application-version.js';
import { stopped } from '../config/stopped.js';
import { begunAt, hasProcessed, knownProgress } from '../offsets/commit-marks.js';
import { fedTopics, feedersOf } from '../offsets/feeding.js';
import { warnOfReadingAgain } from '../offsets/lost-offsets.js';
import { Reprocessing } from '../send/reprocessing.js';
import { sourcePartitions, startPositions } from '../topics/sources.js';
import type { TaskScope } from '../topics/task-scope.js';

/** How often a task checks whether the start of the topic is known. */
const LOOK_AGAIN_MS = 100;
/** After this many checks it logs what it waits for, and again after each further number of them. */
const TELL_EVERY = 300;

/** Where a task begins. */
export interface Beginning {
  /** The committed offsets of its sources; partitions without one are left out. */
  readonly committed: readonly PartitionOffset[];
  /** The same for what the stores contain: more, while a reset that keeps them is being processed. */
  readonly contained: readonly PartitionOffset[];
  /** Where it begins to read: at the committed offsets; partitions without one begin at their start. */
  readonly positions: readonly PartitionOffset[];
  /** The state of a reset that has moved sources back. Undefined: there is none. */
  readonly again: Reprocessing | undefined;
  /** See {@link feedersOf}. */
  readonly fedBy: ReadonlyMap<string, readonly string[]>;
}

/**
 * Finds the positions where a task begins to read. GENERATION_CHANGED: see {@link checkVersion}.
 * RESET_UNFINISHED: see {@link Reprocessing.of}.
 */
export async function whereToBegin(
  options: TaskScope & { readonly alignment: Alignment },
  { sources, signal }: { readonly sources: readonly TopicPartition[]; readonly signal: AbortSignal },
): Promise<Beginning> {
  const { config, ports, subTopology, partition, alignment } = options;
  const committed = await committedOffsets(options, sources, signal);
  if (options.stores.length === 0) warnOfReadingAgain(config.logger, committed, sources);
  const positions = await startPositions(ports.broker.admin, sources, committed);
  const id = taskId(subTopology.id, partition);
  const phase = await alignment.catchUp.phaseOf({ id }, committed);
  const again = Reprocessing.of(committed, { applicationId: config.applicationId, taskId: id, phase });
  if (committed.length === 0 && mayBeReadFirst(options)) {
    const begun = begunAt(positions);
    await options.membership.commit(withApplication(begun, config));
  }
  const fedBy = feedersOf(options.topology.graph, config.version.prefix, subTopology);
  return { committed, contained: again?.contained(committed) ?? committed, positions, again, fedBy };
}

/**
 * Whether other tasks may read records of a task before its first commit. It then commits first where it
 * begins, so that a crash does not look like lost offsets (see lost-feeders.ts). A task with stores does so
 * when it takes its epoch.
 */
const mayBeReadFirst = ({ config, stores, topology, subTopology }: TaskScope): boolean =>
  stores.length === 0 && fedTopics(topology.graph, config.version.prefix, subTopology).length > 0;

async function committedOffsets(
  options: TaskScope,
  sources: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<readonly PartitionOffset[]> {
  const { config, membership, subTopology } = options;
  const committed = await membership.committed(sources);
  checkVersion(committed, config);
  if (config.startFrom === 'earliest') return committed;
  const known = new Set(committed.map(({ topic }) => topic));
  // Everything in internal topics belongs to the application: they are read from their start.
  const unknown = subTopology.topics.filter(
    (topic) => !known.has(topic) && sources.some((source) => source.topic === topic),
  );
  if (unknown.length === 0) return committed;
  await beginAtEnds(options, unknown, signal);
  return membership.committed(sources);
}

/**
 * Under `startFrom: 'latest'`: commits the start of topics of which nothing was read, before any record is
 * read. A restart then continues there, whatever was written meanwhile, also in partitions without records.
 *
 * All partitions of a topic begin at the same time; otherwise tasks that are opened later would begin later.
 * The task of partition 0 commits the ends of all partitions at once, and the other tasks wait for that. So
 * if a topic has positions, a partition without one has appeared later: it is read from its start.
 * TOPIC_UNKNOWN if a topic no longer exists.
 *
 * If offsets of other sources name a topic, the topic has been read, and its own offsets are lost. Starting
 * at its ends would skip records, so nothing is committed for it. It is read from its start, or refused if
 * there are stores. Stores can reveal lost offsets, too. The ends are marked as a beginning, and rows that
 * come from earlier records contradict that (see lost-offsets.ts).
 */
async function beginAtEnds(options: TaskScope, topics: readonly string[], signal: AbortSignal): Promise<void> {
  const { config, ports, membership, partition } = options;
  let looks = 0;
  for (let fresh = await notBegun(options, topics); fresh.length > 0; fresh = await notBegun(options, topics)) {
    if (signal.aborted) throw stopped('the engine was stopped', `partition ${partition}`);
    // Waiting tasks also do this: it throws if a topic no longer exists.
    const ends = await ports.broker.admin.latestOffsets(fresh);
    if (partition === 0) {
      await warnOfBeginning(options, new Set(fresh.map(({ topic }) => topic)));
      await membership.commit(withApplication(begunAt(ends), config));
    } else {
      if (looks++ % TELL_EVERY === TELL_EVERY - 1)
        config.logger.warn(
          { partition, topics },
          `the task of partition ${partition} waits for the task of partition 0, which commits where the application begins in ${topics.join(', ')}. If this message repeats, find out what delays the process that runs it`,
        );
      await sleep(ports.clock, LOOK_AGAIN_MS, signal);
    }
  }
}

/** All partitions of those topics of which the group has read nothing. */
async function notBegun(
  { membership, subTopology, config, topics: counts }: TaskScope,
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
 * The group does not show whether topics are new in the application, or all of their offsets were lost: a
 * warning reports it.
 */
async function warnOfBeginning({ ports, config }: TaskScope, topics: ReadonlySet<string>): Promise<void> {
  const { applicationId, logger } = config;
  const others = (await ports.broker.admin.groupOffsets(applicationId)).filter(({ topic }) => !topics.has(topic));
  if (!others.some(hasProcessed)) return;
  const names = [...topics].join(', ');
  logger.warn(
    { app: applicationId, topics: [...topics] },
    `the group has offsets of other topics, and none of ${names}: because of startFrom: 'latest', records of ${names} are read from here on. If it has lost the offsets, stop the application, and restore its position with millrace reset FILE --to offset:TOPIC:P=N,…`,
  );
}
