import type { BrokerRecord } from '../../broker/port.js';
import type { AnySerde, Declaration } from '../../dsl/contract/processor.js';
import { StreamsError } from '../../model/errors.js';
import { taskStores } from '../rerun/event.js';
import type { Rerun } from '../rerun/rerun.js';
import type { RerunStorage } from '../rerun/rerun-storage.js';
import type { MergedReader } from '../slice/merged-reader.js';
import type { PastDates } from '../slice/past-dates.js';
import { keyIdOf, plainKeyIdOf } from './lookup-key.js';
import type { SnapshotEvery } from './snapshot-format.js';
import { type ChangedKeys, type Snapshot, type Snapshots, snapshotDirectories } from './snapshots.js';

const noChanges = (): Record<keyof ChangedKeys, Set<string>> => ({ rows: new Set(), keys: new Set() });

/** The key serdes of all stores of tasks. */
const keySerdesOf = (declaration: Declaration): ReadonlyMap<string, AnySerde> =>
  new Map([...taskStores(declaration)].map(([name, { key }]) => [name, key]));

/**
 * Errors: CONFIG_INVALID for a distance that is not a positive whole number: a run would never get past it.
 */
function checkEvery(every: SnapshotEvery): void {
  const [name, distance] = 'records' in every ? ['records', every.records] : ['ms', every.ms];
  if (Number.isSafeInteger(distance) && distance > 0) return;
  throw new StreamsError('CONFIG_INVALID', {
    what: `every.${name} of snapshots is not usable`,
    saw: String(distance),
    expected: 'a whole number of at least 1',
    action: 'Correct it, or leave out `every`: then no snapshots are written.',
  });
}

/** Writes snapshots during a run. Memory: the keys that changed since the last one. */
export class SnapshotWriter {
  readonly #snapshots: Snapshots;
  readonly #every: SnapshotEvery;
  readonly #storage: RerunStorage;
  readonly #topology: string;
  readonly #application: string;
  readonly #dates: PastDates;
  readonly #keys: ReadonlyMap<string, AnySerde>;
  #changed = new Map<string, ReturnType<typeof noChanges>>();
  #since: number;
  #maxTimestamp: number;
  #nextRecords: number;
  #nextTime = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly snapshots: Snapshots;
    readonly every: SnapshotEvery;
    readonly storage: RerunStorage;
    readonly topology: string;
    readonly declaration: Declaration;
    readonly application: string;
    readonly dates: PastDates;
    readonly beganWith: Snapshot | undefined;
  }) {
    const { beganWith, every } = options;
    checkEvery(every);
    this.#snapshots = options.snapshots;
    this.#every = every;
    this.#storage = options.storage;
    this.#topology = options.topology;
    this.#application = options.application;
    this.#dates = options.dates;
    this.#keys = keySerdesOf(options.declaration);
    this.#since = beganWith?.records ?? 0;
    this.#maxTimestamp = beganWith?.maxTimestamp ?? Number.NEGATIVE_INFINITY;
    this.#nextRecords = 'records' in every ? (Math.floor(this.#since / every.records) + 1) * every.records : 0;
    if ('ms' in every && Number.isFinite(this.#maxTimestamp)) this.#nextTime = this.#maxTimestamp + every.ms;
  }

  /** Notes that a row changes. */
  readonly changed = (store: string, key: unknown): void => {
    let changed = this.#changed.get(store);
    if (!changed) {
      changed = noChanges();
      this.#changed.set(store, changed);
    }
    const serde = this.#keys.get(store);
    if (!serde) return;
    changed.rows.add(keyIdOf(serde, key));
    const plain = plainKeyIdOf(serde, key);
    if (plain !== undefined) changed.keys.add(plain);
  };

  /** Number of records until the next snapshot is due. */
  left(records: number): number {
    return 'records' in this.#every ? this.#nextRecords - records : Number.POSITIVE_INFINITY;
  }

  /** Writes a snapshot if one is due. */
  async after(records: readonly BrokerRecord[], run: Rerun, reader: MergedReader): Promise<void> {
    let first = Number.POSITIVE_INFINITY;
    for (const record of records) {
      const known = this.#dates.timeOf(record);
      const time = typeof known === 'number' ? known : await known;
      if (time > this.#maxTimestamp) this.#maxTimestamp = time;
      if (first === Number.POSITIVE_INFINITY && Number.isFinite(time)) first = time;
    }
    const every = this.#every;
    if ('records' in every) {
      if (run.records < this.#nextRecords) return;
      this.#nextRecords += every.records;
    } else {
      if (this.#nextTime === Number.NEGATIVE_INFINITY && Number.isFinite(first)) this.#nextTime = first + every.ms;
      if (this.#nextTime === Number.NEGATIVE_INFINITY) return;
      if (this.#maxTimestamp < this.#nextTime) return;
      this.#nextTime = this.#maxTimestamp + every.ms;
    }
    if (reader.hasLeftOut) return;
    await run.commit();
    const { positions, exhausted } = reader;
    const meta = {
      ...run.start,
      topology: this.#topology,
      application: this.#application,
      positions,
      exhausted,
      maxTimestamp: this.#maxTimestamp,
      since: this.#since,
    };
    const changed = new Map([...this.#keys.keys()].map((store) => [store, this.#changed.get(store) ?? noChanges()]));
    const another = await this.#snapshots.write(
      this.#storage,
      snapshotDirectories(run.tasks, run.globals !== undefined),
      meta,
      changed,
    );
    // The changes relative to that other snapshot are unknown, so they accumulate for the next one.
    if (another) return;
    this.#since = run.records;
    this.#changed = new Map();
  }
}
