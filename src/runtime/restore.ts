import type { Broker, PartitionOffset, TopicPartition } from '../broker/port.js';
import { changelogTopic } from '../graph/naming.js';
import type { DatabaseWrite } from '../model/database.js';
import { StreamsError } from '../model/errors.js';
import type { Checkpoint } from '../state/checkpoint.js';
import type { TaskState } from '../state/task-state.js';
import { type ChangeCause, causeOf } from './change-log.js';
import { LeftOut } from './left-out.js';
import { Overtaken } from './overtaken.js';
import { streamTimesOf } from './stream-times.js';

export interface RestoreOptions {
  readonly broker: Broker;
  readonly state: TaskState;
  readonly prefix: string;
  readonly partition: number;
  /** Source topics of the task. */
  readonly sources: readonly string[];
  /** Next offset of each source partition that the group has committed; those without one are left out. */
  readonly committed: readonly PartitionOffset[];
  /** Stops the restore early; what was restored stays. */
  readonly signal: AbortSignal;
  /** Told how many records are left. */
  readonly onProgress: (left: number, restored: number) => void;
}

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

/** Records that are read from a changelog and written to the database together. */
const RESTORE_BATCH = 2_000;

/**
 * Brings a task's stores to exactly the committed offsets, by reading what is missing from their changelogs, all at once. What the local store already holds is not read again.
 *
 * A change whose cause lies at or past the committed offset was logged by a commit that never finished: it is
 * left out, and made again when its cause is processed again. So is one that an overtaken owner has written
 * (see overtaken.ts). The next commit logs the rows of such keys anew, changed or not, so that what was left
 * out is never the last word of the changelog; until then the checkpoint stays before it. Interrupted, it
 * goes on where it was.
 */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const { broker, state, prefix, partition, committed } = options;
  const offsets = new Map(committed.map(({ topic, offset }) => [topic, offset]));
  checkNotAhead(state, options.sources, offsets);

  const topics = new Map([...state.stores].map((store) => [changelogTopic(prefix, store.name), store.name]));
  const partitions: TopicPartition[] = [...topics.keys()].map((topic) => ({ topic, partition }));
  const [earliest, latest] = await Promise.all([
    broker.admin.earliestOffsets(partitions),
    broker.admin.latestOffsets(partitions),
  ]);
  const first = new Map(earliest.map((position) => [position.topic, position.offset]));
  const changelogs = new Map(Object.entries(state.checkpoint.changelogs));
  const open = new Map<string, number>();
  // A source without a committed offset: nothing of it is done. A topic that is no source any more: all of it is.
  const done = (topic: string): number =>
    offsets.get(topic) ?? (offsets.size === 0 || options.sources.includes(topic) ? 0 : Number.POSITIVE_INFINITY);
  const isCommitted = ({ topic, offset }: ChangeCause): boolean => offset < done(topic);
  const overtaken = new Overtaken(committed, state.checkpoint.epochs);
  const leftOut = new Map([...topics.values()].map((store) => [store, new LeftOut()]));
  const reached = (): Pick<Checkpoint, 'changelogs' | 'epochs'> => ({
    changelogs: Object.fromEntries(
      Array.from(changelogs, ([store, offset]) => [store, leftOut.get(store)?.position(offset) ?? offset]),
    ),
    epochs: overtaken.newest,
  });
  let left = 0;
  const times = streamTimesOf(committed);
  const streamTime = Math.max(times.task, state.checkpoint.streamTimes[''] ?? Number.NEGATIVE_INFINITY);
  let restored = 0;

  const reader = await broker.createReader({ isolation: 'read_committed' });
  try {
    for (const { topic, offset: end } of latest) {
      const store = topics.get(topic) as string;
      const from = changelogs.get(store);
      if (from !== undefined && from > end) throw changelogShorter(state, store, from, end);
      const start = Math.max(from ?? 0, first.get(topic) ?? 0);
      changelogs.set(store, start);
      if (start >= end) continue;
      open.set(topic, end);
      left += end - start;
      reader.seek({ topic, partition, offset: start });
    }
    options.onProgress(left, restored);
    while (open.size > 0 && !options.signal.aborted) {
      const writes: DatabaseWrite[] = [];
      for (const batch of await reader.poll({ maxRecords: RESTORE_BATCH, maxWaitMs: 500 })) {
        const { topic, records, nextOffset } = batch;
        const store = topics.get(topic) as string;
        const cached = state.cached(store);
        const without = leftOut.get(store) as LeftOut;
        const rows = records.filter(({ key, offset, headers }) => {
          const cause = causeOf(headers);
          const counts = cause === undefined || (!overtaken.has(store, cause) && isCommitted(cause));
          if (key === null) return false;
          if (counts) without.take(key);
          else without.leave(key, offset);
          return counts;
        });
        cached.restore(rows as { key: Buffer; value: Buffer | null; timestamp: number }[], writes);
        restored += records.length;
        left -= nextOffset - (changelogs.get(store) ?? 0);
        changelogs.set(store, nextOffset);
        if (nextOffset >= (open.get(topic) ?? 0)) {
          open.delete(topic);
          reader.remove([{ topic, partition }]);
        }
      }
      await state.apply(writes, { sources: state.checkpoint.sources, ...reached() }, streamTime);
      options.onProgress(Math.max(0, left), restored);
    }
  } finally {
    await reader.close();
  }
  let loggedAgain = 0;
  if (!options.signal.aborted) {
    for (const store of state.stores) store.observe(times.store(store.name) ?? Number.NEGATIVE_INFINITY);
    await state.apply([], { sources: Object.fromEntries(offsets), ...reached() }, streamTime);
    for (const [store, { keys }] of leftOut) {
      loggedAgain += keys.length;
      if (keys.length > 0) await state.cached(store).logAgain(keys);
    }
  }
  const ends = new Map(Array.from(topics, ([topic, store]) => [topic, changelogs.get(store) ?? 0]));
  return { streamTime, restored, ends, epoch: overtaken.highest, loggedAgain };
}

/** A store that contains records which are about to be processed again would count them twice. */
export function checkNotAhead(
  state: Pick<TaskState, 'directory' | 'checkpoint'>,
  sources: readonly string[],
  committed: ReadonlyMap<string, number>,
): void {
  for (const [topic, offset] of Object.entries(state.checkpoint.sources)) {
    if (!sources.includes(topic)) continue;
    const known = committed.get(topic);
    if (known !== undefined && known >= offset) continue;
    throw new StreamsError('STATE_MISMATCH', {
      what: `the state contains ${topic} up to offset ${offset}, and the group has committed less`,
      at: state.directory,
      saw: known === undefined ? 'no committed offset' : `committed offset ${known}`,
      expected: `at least ${offset}`,
      action: `The group's offsets were moved back or the broker lost them. Delete ${state.directory} to have the state rebuilt as of the committed offsets, or use another application id.`,
    });
  }
}

const changelogShorter = (state: TaskState, store: string, from: number, end: number): StreamsError =>
  new StreamsError('STATE_MISMATCH', {
    what: `the changelog of store ${store} is shorter than the state says`,
    at: state.directory,
    saw: `end offset ${end}`,
    expected: `at least ${from}`,
    action: `The changelog topic was deleted or made anew, or this is another broker. Use the right broker; or another application id to start afresh.`,
  });
