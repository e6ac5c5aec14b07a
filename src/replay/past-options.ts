import type { Broker, BrokerRecord } from '../broker/port.js';
import type { Logger } from '../model/ports.js';
import type { ErrorPolicies } from '../runtime/policy.js';
import type { Moment } from './moment.js';
import type { PastSchemas } from './past-serdes.js';
import type { SnapshotEvery } from './snapshot-format.js';
import type { Snapshot } from './snapshots.js';
import type { Captured, RunWatcher, Silenced } from './watcher.js';

export interface SnapshotOptions {
  /** Where they are kept; the command line takes `<state>/<application>/snapshots`. */
  readonly directory: string;
  /**
   * Stands for the code of the topology: snapshots of another version are not used. The command line takes a
   * digest of the file and of what it imports from beside it.
   */
  readonly version: string;
  /** Write new ones. Default: only use those there are. */
  readonly every?: SnapshotEvery;
}

/** What all looks into the past are given. */
export interface PastOptions extends PastSchemas {
  readonly broker: Broker;
  /** Default: the topology's name. */
  readonly applicationId?: string;
  /** What becomes of records that fail: as in the run that is looked at. Default: they end it. */
  readonly onError?: ErrorPolicies;
  readonly deadLetterTopic?: string;
  /** Memory for cached rows. Default 32 MB. */
  readonly cacheBytes?: number;
  readonly snapshots?: SnapshotOptions;
  /**
   * Keep the stores of the rerun in memory, for slices whose state surely fits. Default: RocksDB in a
   * temporary directory.
   */
  readonly inMemory?: boolean;
  readonly logger?: Logger;
  /** Ends it with STOPPED. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PastProgress) => void;
  /** Records that go through a task together. Results do not depend on it. Default 1,000. */
  readonly batchRecords?: number;
}

export interface PastProgress {
  /** Records that were taken. */
  readonly records: number;
  /** Offsets in the slice. */
  readonly total: number;
}

/** A place and a time before which the stores are as they were. */
export interface PastSlice {
  /** Default `earliest`. */
  readonly from?: Moment;
  /** Default `latest`: the ends of the topics as they are now. */
  readonly until?: Moment;
}

/** How a past is opened. */
export interface PastPlan extends PastSlice {
  readonly watcher?: RunWatcher | undefined;
  readonly capture?: ((captured: readonly Captured[]) => void | Promise<void>) | undefined;
  readonly silenced?: ((silenced: readonly Silenced[]) => void | Promise<void>) | undefined;
  /**
   * Which snapshot to begin with. Default: none. Chosen from those that hold a beginning of the slice, oldest
   * first.
   */
  readonly beginWith?: ((usable: readonly Snapshot[]) => Snapshot | undefined) | undefined;
  /** Only records that pass. No snapshot is then written. */
  readonly only?: ((record: BrokerRecord) => boolean) | undefined;
}
