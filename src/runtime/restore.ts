import { StreamsError } from '../model/errors.js';
import type { TaskState } from '../state/task-state.js';
import { type Changelog, ChangelogReading, describeChangelogs, type RestoreOptions } from './changelog-reading.js';
import { emptiedOf } from './commit-marks.js';
import {
  checkAllCommitted,
  checkDoubtful,
  checkNotAhead,
  checkPassedOver,
  hasLostPosition,
  isDoubtful,
} from './lost-offsets.js';
import { Overtaken } from './overtaken.js';
import { isMadeAnew, readBefore, staleness } from './stale-stores.js';
import { streamTimesOf } from './stream-times.js';
import { UnfinishedChanges } from './unfinished-changes.js';

export interface Restored {
  readonly streamTime: number;
  /** How many records were read. */
  readonly restored: number;
  /** Up to where each changelog was read. */
  readonly ends: ReadonlyMap<string, number>;
  /** The highest epoch of its records; 0: they have none. */
  readonly epoch: number;
  /** Rows that the next commit logs again. */
  readonly loggedAgain: number;
}

/**
 * Brings a task's stores to exactly the committed offsets, by reading what is missing from their changelogs,
 * all at once. What the local store already holds is not read again, unless it is not what the changelog
 * holds: see {@link staleness}.
 *
 * A change whose cause lies at or past the committed offset was logged by a commit that never finished: it is
 * left out, and made again when its cause is processed again. So is one that an overtaken owner has written
 * (see overtaken.ts). The next commit logs the rows of such keys anew, changed or not, so that what was left
 * out is never the last word of the changelog; until then the checkpoint stays before it. A change that more
 * than one commit must have written is never left out: see {@link UnfinishedChanges}. Interrupted, the
 * restore goes on where it was.
 *
 * STATE_MISMATCH if the group's offsets do not fit the stores or the changelogs: nothing is deleted then.
 */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const { state, places, partition, committed, clock, config } = options;
  const begun = clock.now();
  const changelogs = await describeChangelogs(options);
  const emptied = emptiedOf(committed) ?? state.checkpoint.emptied;
  await forgetStale(options, changelogs, { emptied, now: begun });
  const offsets = new Map(committed.map(({ topic, offset }) => [topic, offset]));
  checkNotAhead(state, places);
  checkAllCommitted(options.taskId, partition, places, committed);

  const times = streamTimesOf(committed);
  const streamTime = Math.max(times.task, state.checkpoint.streamTimes[''] ?? Number.NEGATIVE_INFINITY);
  const unfinished = new UnfinishedChanges(places, config, partition);
  const overtaken = new Overtaken(committed, state.checkpoint.epochs);
  const doubtful = isDoubtful(places, committed);
  const facts = { unfinished, overtaken, doubtful, begun, streamTime, emptied };
  const reading = new ChangelogReading(options, changelogs, facts);
  const restored = await reading.run(Object.fromEntries(offsets));
  const read = { streamTime, restored, ends: reading.ends, epoch: overtaken.highest };
  if (options.signal.aborted) return { ...read, loggedAgain: 0 };
  unfinished.check(options.taskId);
  const task = { id: options.taskId, partition };
  if (doubtful && unfinished.followFromOwn) await checkDoubtful(task, options.broker, places, committed);
  await checkPassedOver(task, options.broker, unfinished.withoutOffset, config.logger);
  reading.tellOfMoves();
  for (const store of state.stores) store.advanceTime(times.store(store.name) ?? Number.NEGATIVE_INFINITY);
  await reading.finish(Object.fromEntries(offsets));
  let loggedAgain = 0;
  for (const [store, keys] of reading.leftOut) {
    loggedAgain += keys.length;
    if (keys.length > 0) await state.cached(store).logAgain(keys);
  }
  return { ...read, loggedAgain };
}

/** Removes what the stores hold that is not, or may not be, what their changelogs held: it is read anew. */
async function forgetStale(
  { state, config, taskId, partition, places }: RestoreOptions,
  changelogs: readonly Changelog[],
  { emptied, now }: { readonly emptied: string | undefined; readonly now: number },
): Promise<void> {
  const task = { task: taskId, partition, directory: state.directory };
  const { checkpoint } = state;
  if (emptied !== checkpoint.emptied) {
    if (Object.keys(checkpoint.changelogs).length > 0)
      config.logger.info(task, `the stores of this directory are from before the reset ${emptied}: they are read anew`);
    return state.clearAll();
  }
  const stale = new Set<string>();
  for (const changelog of changelogs) {
    const { store } = changelog;
    const before = readBefore(checkpoint, store);
    if (before && before.offset > changelog.end && (changelog.end === 0 || !isMadeAnew(before, changelog)))
      throw changelogShorter(state, store, before.offset, changelog.end);
    const why = before && staleness(before, changelog, now);
    if (before && why === undefined) continue;
    // Without a position there may be rows that were being removed when the process ended.
    stale.add(store);
    if (why) config.logger.info({ ...task, store }, `store ${store} is read anew from its changelog: it ${why}`);
  }
  if (!hasLostPosition(state, places)) return state.clear(stale);
  // Only the changelogs tell all machines the same.
  config.logger.info(task, 'the group has lost offsets: the stores are read anew from their changelogs');
  await state.clearAll();
}

const changelogShorter = (state: TaskState, store: string, from: number, end: number): StreamsError =>
  new StreamsError('STATE_MISMATCH', {
    what: `the changelog of store ${store} is shorter than the state says`,
    at: state.directory,
    saw: `end offset ${end}`,
    expected: `at least ${from}`,
    action: `The changelog topic was deleted or made anew, or this is another broker. Use the right broker; or another application id to start afresh; or, to begin with what the changelog holds, delete the directory.`,
  });
