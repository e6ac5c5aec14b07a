import { StreamsError } from '../../model/errors.js';
import type { TaskState } from '../../state/store/task-state.js';
import { Overtaken } from '../changelog/overtaken.js';
import { emptiedOf } from '../offsets/commit-marks.js';
import {
  checkAllCommitted,
  checkDoubtful,
  checkNotAhead,
  checkPassedOver,
  isDoubtful,
  type LostOffset,
  lostPositions,
} from '../offsets/lost-offsets.js';
import { isMadeAnew, readBefore, staleness } from '../topics/stale-stores.js';
import {
  type Changelog,
  ChangelogReading,
  describeChangelogs,
  type RestoreFacts,
  type RestoreOptions,
} from './changelog-reading.js';
import { streamTimesOf } from './stream-times.js';
import { UnfinishedChanges } from './unfinished-changes.js';

export interface Restored {
  readonly streamTime: number;
  /** Number of records read. */
  readonly restored: number;
  /** The offset up to which each changelog was read. */
  readonly ends: ReadonlyMap<string, number>;
  /** The highest epoch of its records; 0: they have none. */
  readonly epoch: number;
  /** Rows that the next commit logs again. */
  readonly loggedAgain: number;
}

/**
 * Brings a task's stores to exactly the committed offsets: it reads what is missing from all changelogs at
 * once. What the local store already holds is not read again, unless it does not match the changelog: see
 * {@link staleness}.
 *
 * A change with a cause at or after the committed offset was logged by a commit that never finished. It is
 * left out, and made again when its cause is processed again. A change written by an overtaken owner is left
 * out, too (see overtaken.ts). The next commit logs the rows of these keys again, changed or not, so that no
 * changelog ends with a change that was left out. Until then, the checkpoint stays before it. A change that
 * more than one commit must have written is never left out: see {@link UnfinishedChanges}. After an
 * interruption, the restore continues where it stopped.
 *
 * STATE_MISMATCH if the group's offsets do not match the stores or the changelogs: nothing is deleted then.
 */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const { state, places, partition, committed, clock, config } = options;
  const begun = clock.now();
  const changelogs = await describeChangelogs(options);
  const emptied = emptiedOf(committed) ?? state.checkpoint.emptied;
  // Determined before the directory is emptied: it may be all that knows of these records.
  const passedOver = emptied === state.checkpoint.emptied ? lostPositions(state, places) : [];
  const contained = Object.fromEntries(passedOver.map(({ topic, behind }) => [topic, behind]));
  await forgetStale(options, changelogs, { emptied, now: begun, contained });
  const offsets = new Map(committed.map(({ topic, offset }) => [topic, offset]));
  checkNotAhead(state, places);
  checkAllCommitted(options.taskId, partition, places, committed);

  const times = streamTimesOf(committed);
  const streamTime = Math.max(times.task, state.checkpoint.streamTimes[''] ?? Number.NEGATIVE_INFINITY);
  const unfinished = new UnfinishedChanges(places, config, partition);
  const overtaken = new Overtaken(committed, state.checkpoint.epochs);
  const doubtful = isDoubtful(places, committed);
  const facts = { unfinished, overtaken, doubtful, begun, streamTime, emptied, contained };
  const reading = new ChangelogReading(options, changelogs, facts);
  const restored = await reading.run(Object.fromEntries(offsets));
  const read = { streamTime, restored, ends: reading.ends, epoch: overtaken.highest };
  if (options.signal.aborted) return { ...read, loggedAgain: 0 };
  unfinished.check(options.taskId);
  const task = { id: options.taskId, partition };
  if (doubtful && unfinished.followFromOwn) await checkDoubtful(task, options.broker, places, committed);
  await checkPassedOver(task, options.broker, furthest(unfinished.withoutOffset, passedOver), config.logger);
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

/** What is known of each source, from its rows and from the directory. */
function furthest(rows: readonly LostOffset[], directory: readonly LostOffset[]): readonly LostOffset[] {
  const known = new Map(rows.map((lost) => [lost.topic, lost]));
  for (const lost of directory) {
    const other = known.get(lost.topic);
    if (other === undefined || other.behind < lost.behind) known.set(lost.topic, lost);
  }
  return [...known.values()];
}

/** Removes rows that do not, or may not, match their changelogs; they are read again. */
async function forgetStale(
  { state, config, taskId, partition, places }: RestoreOptions,
  changelogs: readonly Changelog[],
  { emptied, now, contained }: { readonly now: number } & Pick<RestoreFacts, 'emptied' | 'contained'>,
): Promise<void> {
  const task = { task: taskId, partition, directory: state.directory };
  const { checkpoint } = state;
  if (emptied !== checkpoint.emptied) {
    if (Object.keys(checkpoint.changelogs).length > 0)
      config.logger.info(
        task,
        `the stores of this directory are from before the reset ${emptied}: they are read again`,
      );
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
    // Without a position, there may be rows that were being removed when the process ended.
    stale.add(store);
    if (why) config.logger.info({ ...task, store }, `store ${store} is read again from its changelog: it ${why}`);
  }
  if (Object.keys(contained).length === 0) return state.clear(stale);
  // Only the changelogs are the same for all machines.
  config.logger.info(task, 'the group has lost offsets: the stores are read again from their changelogs');
  // What it contained is still known if this start is refused: so is the next one.
  await state.clearAll(contained);
}

const changelogShorter = (state: TaskState, store: string, from: number, end: number): StreamsError =>
  new StreamsError('STATE_MISMATCH', {
    what: `the changelog of store ${store} is shorter than the state says`,
    at: state.directory,
    saw: `end offset ${end}`,
    expected: `at least ${from}`,
    action: `The changelog topic was deleted or created again, or this is another broker. Use the right broker; or another application id to start over; or, to start with what the changelog holds, delete the directory.`,
  });
