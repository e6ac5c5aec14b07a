import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Broker, type BrokerRecord, type PartitionOffset, partitionKey } from '../../broker/port.js';
import { makePrivateDirectory, writePrivately } from '../../files/write.js';
import type { LeftOut } from '../../runtime/config/policies-in-force.js';
import { afterOf } from '../../runtime/inputs/after.js';
import { GLOBAL_DIRECTORY } from '../../state/global/global-state.js';
import { linkDirectory } from '../rerun/linked-databases.js';
import type { RerunStorage } from '../rerun/rerun-storage.js';
import type { PastDates } from '../slice/past-dates.js';
import type { Slice } from '../slice/slice.js';
import { KeySet } from './key-set.js';
import type { SnapshotMeta } from './snapshot-format.js';
import { formatSnapshot, parseSnapshot } from './snapshot-format.js';

export interface Snapshot extends SnapshotMeta {
  readonly directory: string;
}

/**
 * What changed in a store since the previous snapshot: the keys of rows, and the plain keys of windowed ones.
 */
export interface ChangedKeys {
  readonly rows: ReadonlySet<string>;
  readonly keys: ReadonlySet<string>;
}

/** Their directories in a snapshot. Older snapshots lack the second; without it, any key may have changed. */
const CHANGED: Readonly<Record<keyof ChangedKeys, string>> = { rows: 'changed', keys: 'changed-keys' };

/** The directory of the task stores: `<root>/<application>`. */
const placeOf = (storage: RerunStorage, application: string): string => join(storage.root, application);

/**
 * The snapshots of one topology: `<directory>/<identity>/<records>`. Each is the state after that many
 * records of the history, in merged order.
 */
export class Snapshots {
  readonly #directory: string;
  readonly #failing: ReadonlySet<LeftOut>;

  /**
   * `identity`: see topologyIdentity. `failing`: what ends the run, if an earlier one has left it out.
   * Snapshots that have left out such a record are not used: the run would not have got that far.
   */
  constructor(directory: string, identity: string, failing: ReadonlySet<LeftOut>) {
    this.#directory = join(directory, identity);
    this.#failing = failing;
  }

  /** All snapshots, oldest first. */
  async list(): Promise<readonly Snapshot[]> {
    const names = await readdir(this.#directory).catch(() => [] as string[]);
    const found: Snapshot[] = [];
    for (const name of names.filter((each) => /^\d+$/.test(each))) {
      const path = join(this.#directory, name, 'snapshot.json');
      const text = await readFile(path, 'utf8').catch(() => undefined);
      if (text !== undefined) found.push({ ...parseSnapshot(text, path), directory: join(this.#directory, name) });
    }
    return found.sort((a, b) => a.records - b.records);
  }

  /**
   * The snapshots that a replay of the slice can begin with. They hold a beginning of the slice and nothing
   * else, and the logs have the records after it. Oldest first; each contains the one before it. After a
   * compaction, later snapshots may have fewer records, or other ones; then only some form such a chain.
   */
  async within(slice: Slice, broker: Broker, dates: PastDates): Promise<readonly Snapshot[]> {
    const reached = ({ leftOut = [] }: Snapshot): boolean => !leftOut.some((step) => this.#failing.has(step));
    const inside = (await this.list()).filter((snapshot) => reached(snapshot) && isInside(snapshot, slice));
    const usable: Snapshot[] = [];
    for (const snapshot of inside) if (await isPrefix(snapshot, slice, { broker, dates })) usable.push(snapshot);
    const chain: Snapshot[] = [];
    for (const snapshot of usable.sort((a, b) => farOf(a) - farOf(b))) {
      const before = chain.at(-1);
      if (before === undefined || holds(snapshot, before)) chain.push(snapshot);
    }
    return chain;
  }

  /**
   * Writes a snapshot: the databases of a run that has committed. Does nothing if a snapshot with the same
   * record count exists. Returns true if that one has another content, such as one from before a compaction.
   */
  async write(
    storage: RerunStorage,
    tasks: readonly string[],
    meta: SnapshotMeta,
    changed: ReadonlyMap<string, ChangedKeys>,
  ): Promise<boolean> {
    const target = join(this.#directory, String(meta.records).padStart(12, '0'));
    const databases = storage.databases;
    if (!databases) return false;
    if (await isThere(target)) return isAnother(target, meta);
    // Written in this run's own directory, because another process may write the same snapshot. No
    // application has this name.
    const temporary = join(storage.root, '~snapshot');
    await rm(temporary, { recursive: true, force: true });
    for (const directory of Object.values(CHANGED)) await makePrivateDirectory(join(temporary, directory));
    const copied = tasks.map(async (task) => {
      const from = join(placeOf(storage, meta.application), task);
      await databases.copy(join(from, 'db'), join(temporary, task, 'db'));
      await copyPrivately(join(from, 'identity.json'), join(temporary, task, 'identity.json'));
    });
    for (const result of await Promise.allSettled(copied)) if (result.status === 'rejected') throw result.reason;
    for (const [store, { rows, keys }] of changed) {
      await writePrivately(join(temporary, CHANGED.rows, store), KeySet.of(rows).format());
      await writePrivately(join(temporary, CHANGED.keys, store), KeySet.of(keys).format());
    }
    await writePrivately(join(temporary, 'snapshot.json'), formatSnapshot(meta));
    await makePrivateDirectory(this.#directory);
    await rename(temporary, target).catch(async (error: unknown) => {
      if (await isThere(target)) return;
      // The target exists, but is not a snapshot.
      await rm(target, { recursive: true, force: true });
      await rename(temporary, target).catch(() => Promise.reject(error));
    });
    return isAnother(target, meta);
  }

  /** Puts the databases of a snapshot where a run will open them. */
  async restore(snapshot: Snapshot, storage: RerunStorage): Promise<void> {
    const entries = await readdir(snapshot.directory, { withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isDirectory() || Object.values(CHANGED).includes(entry.name)) continue;
      const target = join(placeOf(storage, snapshot.application), entry.name);
      await linkDirectory(join(snapshot.directory, entry.name, 'db'), join(target, 'db'));
      await copyPrivately(join(snapshot.directory, entry.name, 'identity.json'), join(target, 'identity.json'));
    }
  }

  /**
   * Whether a row, or one of the rows with a plain key, may have changed between the previous snapshot and
   * this one.
   */
  async mayHaveChanged(
    snapshot: Snapshot,
    store: string,
    { kind, id }: { readonly kind: keyof ChangedKeys; readonly id: string },
  ): Promise<boolean> {
    const bytes = await readFile(join(snapshot.directory, CHANGED[kind], store)).catch(() => undefined);
    return bytes === undefined || KeySet.parse(bytes).mayHave(id);
  }
}

const copyPrivately = async (from: string, to: string): Promise<void> => writePrivately(to, await readFile(from));

const isThere = (directory: string): Promise<boolean> =>
  stat(join(directory, 'snapshot.json')).then(
    () => true,
    () => false,
  );

/** The progress of a snapshot: in a chain, the later one is further. */
const farOf = ({ positions }: SnapshotMeta): number => positions.reduce((sum, { offset }) => sum + offset, 0);

/** Whether a snapshot is at least as far as another in every partition. */
function holds(snapshot: SnapshotMeta, other: SnapshotMeta): boolean {
  const offsets = new Map(
    other.positions.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]),
  );
  return snapshot.positions.every(
    ({ topic, partition, offset }) => offset >= (offsets.get(partitionKey(topic, partition)) ?? 0),
  );
}

/**
 * Whether the snapshot in a directory differs from the one described. An unreadable one counts as different.
 */
async function isAnother(directory: string, meta: SnapshotMeta): Promise<boolean> {
  const path = join(directory, 'snapshot.json');
  try {
    const found = parseSnapshot(await readFile(path, 'utf8'), path);
    return !holds(found, meta) || !holds(meta, found);
  } catch {
    return true;
  }
}

/** Directories in a snapshot: of tasks with stores, and of the global tables. */
export const snapshotDirectories = (
  tasks: readonly { readonly id: string; readonly state: unknown }[],
  globals: boolean,
): readonly string[] => [
  ...tasks.filter(({ state }) => state !== undefined).map(({ id }) => id),
  ...(globals ? [GLOBAL_DIRECTORY] : []),
];

/** Whether a snapshot contains only records of the slice, and the logs have the records after it. */
function isInside({ positions }: Snapshot, { parts, endsWith }: Slice): boolean {
  const offsets = new Map(positions.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
  if (offsets.size !== parts.length) return false;
  const left = new Set<string>();
  for (const { topic, partition, earliest, to } of parts) {
    const key = partitionKey(topic, partition);
    const offset = offsets.get(key);
    if (offset === undefined || offset > to || offset < earliest) return false;
    if (offset < to) left.add(key);
  }
  // If the ending partitions are at their ends, the slice has ended; the others may have gone further since.
  return endsWith === undefined || endsWith.some((key) => left.has(key));
}

/** Whether a snapshot has gone beyond the place of a record of an internal input. */
const hasPassed = (positions: readonly PartitionOffset[], { headers }: BrokerRecord): boolean => {
  const at = new Map(positions.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
  const place = afterOf(headers) ?? [];
  return place.some(({ topic, partition, offset }) => offset < (at.get(partitionKey(topic, partition)) ?? 0));
};

/**
 * Whether a fresh run would still begin with exactly these records. A partition that was exhausted when the
 * snapshot was made may have got a record since. If its timestamp is so old that it sorts before records that
 * other partitions had given, the snapshot is not a prefix.
 */
async function isPrefix(
  { positions, exhausted, maxTimestamp }: Snapshot,
  slice: Slice,
  { broker, dates }: { readonly broker: Broker; readonly dates: PastDates },
): Promise<boolean> {
  if (slice.parts.length === 1) return true;
  const grown = slice.parts.flatMap(({ topic, partition, to }) => {
    const key = partitionKey(topic, partition);
    const offset = positions.find((at) => at.topic === topic && at.partition === partition)?.offset ?? 0;
    return exhausted.includes(key) && offset < to ? [{ topic, partition, offset, to }] : [];
  });
  if (grown.length === 0) return true;
  const reader = await broker.createReader();
  try {
    for (const position of grown) reader.seek(position);
    const seen = new Set<string>();
    while (seen.size < grown.length) {
      for (const batch of await reader.poll({ maxRecords: grown.length, maxWaitMs: 500 })) {
        const [first] = batch.records;
        if (first && dates.inputs.has(batch.topic) && hasPassed(positions, first)) return false;
        if (first && (await dates.timeOf(first)) <= maxTimestamp) return false;
        const end =
          grown.find(({ topic, partition }) => topic === batch.topic && partition === batch.partition)?.to ?? 0;
        if (!first && batch.nextOffset < end) continue;
        seen.add(partitionKey(batch.topic, batch.partition));
        reader.remove([batch]);
      }
    }
    return true;
  } finally {
    await reader.close();
  }
}
