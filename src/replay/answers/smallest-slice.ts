import { type BrokerRecord, partitionKey } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { StreamsError } from '../../model/errors.js';
import { stopped } from '../../runtime/config/stopped.js';
import { nextTurn } from '../../runtime/config/system.js';
import type { StoreSpec } from '../../state/contract.js';
import { typedStore } from '../../state/store/typed-store.js';
import { framePast, type PastFrame, withPast } from '../past/past.js';
import { taskStore } from '../rerun/event.js';
import { Rerun } from '../rerun/rerun.js';
import { memoryStorage } from '../rerun/rerun-storage.js';
import type { RowWrite } from '../rerun/watcher.js';
import { LookupKey } from '../snapshots/lookup-key.js';
import { changesNothing } from '../snapshots/shown-changes.js';
import type { BisectOptions, Predicate } from './bisect.js';
import type { StateChange } from './changes.js';

/** Records kept during the search: more would be too many for a test. */
const MAX_RECORDS = 200_000;
const RECORDS_A_TURN = 100;
/** Number of runs in the search for a smaller slice. */
const MAX_TRIES = 300;

export interface SmallestSlice {
  /** In the order in which to feed them. */
  readonly records: readonly BrokerRecord[];
  /** Partitions of the source topics. */
  readonly partitions: Readonly<Record<string, number>>;
}

/**
 * A small set of source records that reproduces the result of a bisect. Fed one after the other to a topology
 * with empty stores, they make the row satisfy the predicate. The search begins with the records that have
 * written the row, then tries all that share a key with these, then all records. It leaves out records by
 * halves, within 300 tries.
 *
 * Errors: OFFSET_OUT_OF_RANGE if no slice of up to 200,000 records reproduces it, STOPPED, and those of
 * {@link replay}. A slice for which the predicate throws does not count.
 */
export async function smallestSlice(
  topology: Topology,
  options: BisectOptions,
  change: StateChange,
): Promise<SmallestSlice> {
  const frame = await framePast(topology, { ...options, inMemory: true });
  const store = taskStore(frame, change.store);
  const trial = new Trial(frame, store, change.key, options.when);
  const { written, all } = await recordsBefore(frame, store, change, options);
  const keys = new Set(written.map(sourceKey));
  const related = all.filter((record) => keys.has(sourceKey(record)));
  for (const candidate of [written, related, all]) {
    if (candidate.length === 0 || !(await trial.holds(candidate))) continue;
    const records = await trial.shrink(candidate);
    const counts = frame.partitions.map(({ topic }) => [topic, frame.topics.count(topic)] as const);
    return { records, partitions: Object.fromEntries(counts) };
  }
  throw new StreamsError('OFFSET_OUT_OF_RANGE', {
    what: 'cannot make a test: no slice of the records reproduces the row',
    at: `${change.event.topic}[${change.event.partition}]@${change.event.offset}`,
    saw: `${all.length} records before it; the predicate does not hold for the row after any of them`,
    expected: `at most ${MAX_RECORDS} records, from the beginning of the history`,
    action:
      'The row may satisfy the predicate only between two writes of one record, or come from records that are gone.',
  });
}

const sourceKey = ({ topic, key }: BrokerRecord): string => `${topic} ${key === null ? '' : key.toString('latin1')}`;

/** A copy of a record that owns its bytes. */
const kept = (record: BrokerRecord): BrokerRecord => ({
  ...record,
  key: record.key && Buffer.from(record.key),
  value: record.value && Buffer.from(record.value),
});

/** The records up to the event, and those of them that have written the row. */
async function recordsBefore(
  frame: PastFrame,
  store: StoreSpec,
  { key, event }: StateChange,
  { from }: BisectOptions,
): Promise<{ readonly written: readonly BrokerRecord[]; readonly all: readonly BrokerRecord[] }> {
  const wanted = new LookupKey(store, key);
  const written = new Map<number, BrokerRecord>();
  const all: BrokerRecord[] = [];
  const { topic, partition, offset } = event;
  const until = { kind: 'offset' as const, offsets: [{ topic, partition, offset: offset + 1 }] };
  const watcher = {
    follows: (name: string, other: unknown) => name === store.name && wanted.liesIn(other),
    wrote: ({ at }: RowWrite) => {
      if (written.size <= MAX_RECORDS && !written.has(at.index)) written.set(at.index, kept(at.source));
    },
  };
  await withPast(frame, { ...(from && { from }), until, watcher }, (past) =>
    past.toEnd((records) => {
      if (all.length <= MAX_RECORDS) all.push(...records.map(kept));
      return false;
    }),
  );
  const inOrder = [...written].sort(([a], [b]) => a - b).map(([, record]) => record);
  // Above the limit the list is incomplete, so it is not used.
  const whole = <T>(some: readonly T[]): readonly T[] => (some.length <= MAX_RECORDS ? some : []);
  return { written: whole(inOrder), all: whole(all) };
}

/** Tests slices: whether the row satisfies the predicate after one of the records. */
class Trial {
  readonly #frame: PastFrame;
  readonly #store: StoreSpec;
  readonly #key: unknown;
  readonly #when: Predicate;
  #tries = 0;

  constructor(frame: PastFrame, store: StoreSpec, key: unknown, when: Predicate) {
    this.#frame = frame;
    this.#store = store;
    this.#key = key;
    this.#when = when;
  }

  async holds(records: readonly BrokerRecord[]): Promise<boolean> {
    this.#tries++;
    await this.#goOn();
    const { topology, serdes, config, topics } = this.#frame;
    const run = await Rerun.open({ topology, serdes, config, topics, storage: memoryStorage() });
    let before: unknown = null;
    try {
      const offsets = new Map<string, number>();
      for (const [i, record] of records.entries()) {
        if (i % RECORDS_A_TURN === 0) await this.#goOn();
        const place = partitionKey(record.topic, record.partition);
        const offset = offsets.get(place) ?? 0;
        offsets.set(place, offset + 1);
        await run.process([{ ...record, offset }]);
        const value = await this.#row(run);
        if (changesNothing(this.#store, { before, value })) continue;
        if (this.#when({ key: this.#key, value, before, timestamp: record.timestamp })) return true;
        before = value;
      }
      return false;
    } catch {
      await this.#goOn();
      // A part of the history may fail where the whole did not.
      return false;
    } finally {
      await run.close();
    }
  }

  /**
   * Leaves out records that are not needed: halves first, then smaller and smaller parts (delta debugging).
   */
  async shrink(records: readonly BrokerRecord[]): Promise<readonly BrokerRecord[]> {
    let left = records;
    for (let parts = 2; left.length > 1 && this.#tries < MAX_TRIES; ) {
      const size = Math.ceil(left.length / parts);
      let smaller: readonly BrokerRecord[] | undefined;
      for (let at = 0; at < left.length && this.#tries < MAX_TRIES; at += size) {
        const without = [...left.slice(0, at), ...left.slice(at + size)];
        if (without.length === 0 || !(await this.holds(without))) continue;
        smaller = without;
        break;
      }
      if (smaller) {
        left = smaller;
        parts = Math.max(2, parts - 1);
      } else if (size === 1) return left;
      else parts = Math.min(left.length, parts * 2);
    }
    return left;
  }

  /**
   * Everything is in memory: without this pause, no other code could run, and nothing could abort the search.
   */
  async #goOn(): Promise<void> {
    await nextTurn();
    if (this.#frame.options.signal?.aborted) throw stopped('the search was stopped', 'making the slice smaller');
  }

  async #row(run: Rerun): Promise<unknown> {
    for (const { state, subTopology } of run.tasks) {
      if (!state || !subTopology.stores.includes(this.#store.name)) continue;
      const row = await typedStore(state.cached(this.#store.name)).peek(this.#key);
      if (row !== null) return row.value;
    }
    return null;
  }
}
