import type { Broker, BrokerRecord } from '../../broker/port.js';
import type { Logger } from '../../model/ports.js';
import type { ErrorPolicies } from '../../runtime/config/policy.js';
import type { PastSchemas } from '../rerun/past-serdes.js';
import type { Captured, RunWatcher, Silenced } from '../rerun/watcher.js';
import type { Moment } from '../slice/moment.js';
import type { SnapshotEvery } from '../snapshots/snapshot-format.js';
import type { Snapshot } from '../snapshots/snapshots.js';

export interface SnapshotOptions {
  /** Directory of the snapshots. The command line uses `<state>/<application>/snapshots`. */
  readonly directory: string;
  /**
   * Identifies the code of the topology: snapshots of another version are not used. The command line uses a
   * digest of the file and of the local files that it imports.
   */
  readonly version: string;
  /** Write new snapshots at this interval. Default: only use the existing ones. */
  readonly every?: SnapshotEvery;
}

/** Options of every look into the past. */
export interface PastOptions extends PastSchemas {
  readonly broker: Broker;
  /** Default: the topology's name. */
  readonly applicationId?: string;
  /**
   * What to do with records that fail. For each step that is left out: as the application does. Its committed
   * offsets name its latest policies, without their retries. Default of an application that never committed
   * any: such a record ends the replay, with an error that names this option. An operator's own policy stays
   * in force, unless it or the one given here for its step is `fail`: then the one given here applies.
   */
  readonly onError?: ErrorPolicies;
  /**
   * What to do for a step that `onError` does not name, instead of what the application does: the policies of
   * a configuration. Operators keep their own.
   */
  readonly defaultOnError?: ErrorPolicies;
  /**
   * What to do if outcomes of calls (`effect`, `mapAsync`) are gone that the past needs. Default:
   * OUTCOME_MISSING. `pending`: their calls have no outcome, and what followed from them is missing.
   */
  readonly effects?: 'pending';
  readonly deadLetterTopic?: string;
  /** Memory for cached rows. Default 32 MB. */
  readonly cacheBytes?: number;
  readonly snapshots?: SnapshotOptions;
  /**
   * Keep the stores of the rerun in memory. Use it only for slices with state that is sure to fit. Default:
   * RocksDB in a temporary directory.
   */
  readonly inMemory?: boolean;
  readonly logger?: Logger;
  /** Ends the replay with STOPPED. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PastProgress) => void;
  /** Number of records in a batch. Results do not depend on it. Default 1,000. */
  readonly batchRecords?: number;
}

export interface PastProgress {
  /** Records processed so far. */
  readonly records: number;
  /** Offsets in the slice. */
  readonly total: number;
}

/** A range of the source history. The stores are empty at its beginning, unless a snapshot is used. */
export interface PastSlice {
  /** Default `earliest`. */
  readonly from?: Moment;
  /** Default `latest`: the current ends of the topics. */
  readonly until?: Moment;
}

/** How to open a past. */
export interface PastPlan extends PastSlice {
  readonly watcher?: RunWatcher | undefined;
  readonly capture?: ((captured: readonly Captured[]) => void | Promise<void>) | undefined;
  readonly silenced?: ((silenced: readonly Silenced[]) => void | Promise<void>) | undefined;
  /**
   * Chooses the snapshot to begin with, from those that cover a beginning of the slice, oldest first.
   * Default: none.
   */
  readonly beginWith?: ((usable: readonly Snapshot[]) => Snapshot | undefined) | undefined;
  /** Process only records for which this returns true. The replay then writes no snapshots. */
  readonly only?: ((record: BrokerRecord) => boolean) | undefined;
}
