import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Topology } from '../../dsl/contract/processor.js';
import { changelogTopic } from '../../graph/naming.js';
import { StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import { systemClock } from '../../runtime/config/system.js';
import { withLettersThatExist } from '../../runtime/redrive/with-letters.js';
import { plannedTasks, tasksOnDisk } from '../../runtime/topics/planned-tasks.js';
import type { StoreBytes } from '../../state/rows/store-bytes.js';
import type { TaskState } from '../../state/store/task-state.js';
import type { Past } from '../past/past.js';
import type { PastOptions } from '../past/past-options.js';
import { taskStore } from '../rerun/event.js';
import { type PastSchemas, PastSerdes } from '../rerun/past-serdes.js';
import { type HistoryGap, historyGaps } from '../slice/slice.js';
import { countTopics, resolveApplication } from '../slice/topics.js';
import { replaySources } from './rebuild-sources.js';
import {
  type RebuildContext,
  type RebuildProgress,
  type RebuildStep,
  type RebuiltTask,
  rebuildDirectory,
  TaskRebuild,
} from './rebuild-task.js';
import { checkStopped } from './reset-plan.js';

export interface RebuildOptions
  extends Pick<
    PastOptions,
    'broker' | 'applicationId' | 'onError' | 'defaultOnError' | 'cacheBytes' | 'logger' | 'schemaRegistry' | 'signal'
  > {
  readonly store: string;
  /** `sources`: by replaying the source topics. Default `changelog`. */
  readonly from?: 'changelog' | 'sources';
  /** The state directory of this machine. */
  readonly stateDirectory: string;
  /**
   * Identifies the code of the topology: only the same code reuses the snapshots of an interrupted replay.
   * Default: they are not reused.
   */
  readonly version?: string;
  readonly clock?: Clock;
  readonly onProgress?: (progress: RebuildProgress) => void;
  /**
   * Called before anything is changed, with the differences between the new store and the old one. Also
   * called if only the remains of an earlier rebuild are to be removed. Default: confirmed.
   */
  readonly confirm?: (tasks: readonly RebuiltTask[], gaps: readonly HistoryGap[]) => boolean | Promise<boolean>;
  /** Called after each step of each task: a crash test throws here. */
  readonly afterStep?: (step: RebuildStep, task: string) => void | Promise<void>;
}

export interface RebuildReport {
  /** False: `confirm` refused, and nothing was changed. */
  readonly swapped: boolean;
  readonly tasks: readonly RebuiltTask[];
  /**
   * From sources: the partitions of compacted topics. The new store may lack results of earlier values of
   * their keys.
   */
  readonly gaps: readonly HistoryGap[];
}

/**
 * Builds a new copy of a store and replaces the old one with it. Does this for each task with state on this
 * machine, at the positions that the application has committed.
 *
 * | step | what | a crash after it |
 * |---|---|---|
 * | 1 built | the new store is in `<state>/rebuild/<application>`: restored from its changelog; or the sources are replayed | the old store is as it was; the next call uses the new store that was built so far |
 * | 2 verified | every row of the new store decodes, and is compared with the old one; `confirm` is called | as above |
 * | 3 logged | from sources only: the differences are written to the changelog, in transactions of some thousand rows, so that every machine restores the same store | the old store is as it was; once the application runs, it has the new rows that were already logged |
 * | 4 copied | the new rows are in the task's own database, under their own store number | as above |
 * | 5 swapped | the store's name has the new number: one atomic write | the new store is whole |
 * | 6 cleaned | the old rows, and the temporary new store, are removed | nothing: the rebuild is whole |
 *
 * If the rebuild is interrupted at any step, the application may run, and the rebuild continues when it is
 * called again. Other stores of the task are not changed. A rebuild from the changelog allows other machines
 * to keep running. A rebuild from sources requires that no member of the group is alive. The store is then as
 * if the current code had processed every source record once, including those that a reset has skipped.
 *
 * Cost: one read of the changelog (and a replay), three scans of the store, disk space for two more copies of
 * it. Memory does not grow with the store.
 *
 * Errors: STORE_UNKNOWN, TOPIC_UNKNOWN (the store has no changelog yet), STATE_LOCKED, APPLICATION_RUNNING
 * (from sources), SCHEMA_UNKNOWN and the others of the schema registry, OFFSET_OUT_OF_RANGE (the sources no
 * longer begin at their beginning), STATE_CORRUPT (a row of the new store does not decode),
 * BROKER_UNAVAILABLE (what was logged does not become readable), RESET_UNFINISHED, STOPPED. STATE_MISMATCH if
 * there is no state on this machine, if the state is ahead of the group, or (from sources) if repartition
 * topics hold unread records.
 *
 * ```ts no-run
 * const { tasks } = await rebuildStore(shop, { broker, store: 'balances', stateDirectory: '.millrace/state' });
 * console.log(tasks); // → [{ task: 'payments-0', equal: 120000, added: 0, changed: 3, removed: 0, unreadable: 0, … }]
 * ```
 */
export async function rebuildStore(declared: Topology, options: RebuildOptions): Promise<RebuildReport> {
  const { broker, stateDirectory, from = 'changelog', clock = systemClock } = options;
  const { signal = new AbortController().signal } = options;
  const config = await resolveApplication(declared, broker, options.applicationId, options.logger);
  const { applicationId, version } = config;
  const topology = await withLettersThatExist(declared, broker.admin, version.prefix);
  const declaration = await new PastSerdes(applicationId, registered(options)).declare(topology);
  const spec = taskStore({ topology, declaration }, options.store);
  if (from === 'sources') await checkStopped(broker, applicationId);
  const topics = await countTopics(broker.admin, topology, config);
  const planned = plannedTasks(topology, version.prefix, topics);
  const onDisk = await tasksOnDisk(planned.keys(), version.prefix, { stateDirectory });
  const own = [...planned.values()].filter(
    ({ id, stores }) => onDisk.has(id) && stores.some(({ name }) => name === spec.name),
  );
  if (own.length === 0) throw noState(join(stateDirectory, version.prefix), spec.name);
  const changelog = changelogTopic(version.prefix, spec.name);
  if ((await broker.admin.describeTopics([changelog])).length === 0) throw noChangelog(changelog, spec.name);

  const committed = await broker.admin.groupOffsets(applicationId);
  const { onProgress, afterStep } = options;
  const context = {
    topology,
    broker,
    clock,
    config,
    topics,
    spec,
    stateDirectory,
    committed,
    signal,
    onProgress,
    afterStep,
  };
  const tasks: TaskRebuild[] = [];
  let past: Past | undefined;
  try {
    for (const task of own) tasks.push(await TaskRebuild.open(context, task));
    const unfinished = tasks.filter((task) => !task.swapped);
    if (from === 'sources' && unfinished.length > 0) past = await replayed(topology, options, context);
    const results = await build(unfinished, context, past);
    const finished = tasks.filter((task) => task.swapped);
    const gaps = past ? historyGaps(past.slice).filter(({ compacted }) => compacted) : [];
    const all = [...finished.map((task) => task.finished), ...results];
    if (options.confirm && !(await options.confirm(all, gaps))) {
      for (const task of unfinished) await task.clean();
      await past?.close();
      past = undefined;
      await removeAll(context);
      return { swapped: false, tasks: all, gaps };
    }
    for (const task of finished) {
      await task.clean();
      await afterStep?.('6 cleaned', task.id);
    }
    if (past) {
      // Members may have come back while `confirm` waited for an answer.
      await checkStopped(broker, applicationId);
      for (const task of unfinished) {
        await task.log(rowsOf(past, task, spec.name));
        await afterStep?.('3 logged', task.id);
      }
    }
    for (const [at, task] of unfinished.entries()) {
      const { equal, added, changed } = results[at] as RebuiltTask;
      await task.finish(equal + added + changed);
    }
    await past?.close();
    past = undefined;
    await removeAll(context);
    return { swapped: true, tasks: all, gaps };
  } finally {
    for (const result of await Promise.allSettled([past?.close(), ...tasks.map((task) => task.close())]))
      if (result.status === 'rejected')
        options.logger?.warn({ error: result.reason }, 'cannot close what a rebuild used');
  }
}

/** Steps 1 and 2. */
async function build(
  tasks: readonly TaskRebuild[],
  { afterStep, spec }: RebuildContext,
  past: Past | undefined,
): Promise<readonly RebuiltTask[]> {
  const results: RebuiltTask[] = [];
  for (const task of tasks) {
    await task.build();
    await afterStep?.('1 built', task.id);
    results.push(await task.verify(past && rowsOf(past, task, spec.name)));
    await afterStep?.('2 verified', task.id);
  }
  return results;
}

function replayed(
  topology: Topology,
  rebuild: RebuildOptions,
  { broker, stateDirectory, committed, config, signal, onProgress }: RebuildContext,
): Promise<Past> {
  const { onError, defaultOnError, cacheBytes, logger, applicationId, version } = rebuild;
  const options = {
    ...registered(rebuild),
    broker,
    stateDirectory,
    ...(version !== undefined && { version }),
    prefix: config.version.prefix,
    signal,
    ...(applicationId !== undefined && { applicationId }),
    ...(onError && { onError }),
    ...(defaultOnError && { defaultOnError }),
    ...(cacheBytes !== undefined && { cacheBytes }),
    ...(logger && { logger }),
    onProgress: ({ records, total }: { readonly records: number; readonly total: number }) =>
      onProgress?.({ task: topology.name, doing: 'replaying', done: records, total }),
  };
  return replaySources(topology, options, committed);
}

/** The result is permanent and read by others, so every schema in it must be registered. */
const registered = ({ schemaRegistry }: RebuildOptions): PastSchemas => ({
  ...(schemaRegistry && { schemaRegistry }),
  unregistered: 'fail',
});

function rowsOf(past: Past, { id }: TaskRebuild, store: string): StoreBytes {
  const state = past.run.tasks.find((task) => task.id === id)?.state as TaskState;
  return state.bytes(store);
}

/** Also removes what an interrupted rebuild of another store has kept. */
const removeAll = ({ stateDirectory, config }: RebuildContext): Promise<void> =>
  rm(rebuildDirectory(stateDirectory, config.version.prefix), { recursive: true, force: true, maxRetries: 3 });

const noChangelog = (topic: string, store: string): StreamsError =>
  new StreamsError('TOPIC_UNKNOWN', {
    what: `store ${store} has no changelog`,
    at: topic,
    saw: 'no topic of that name',
    action: 'Run the application once: it creates the changelog of a new store. Or use the right broker.',
  });

const noState = (directory: string, store: string): StreamsError =>
  new StreamsError('STATE_MISMATCH', {
    what: `there is no state of store ${store} on this machine`,
    at: directory,
    saw: 'no task directory with this store',
    expected: 'one directory per task, as `millrace run` makes them',
    action: 'Correct --state or --app. On a machine without state, the application creates it when it runs.',
  });
