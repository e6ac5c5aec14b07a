import { StreamsError } from '../../model/errors.js';
import type { PartitionLog } from './partition-log.js';
import { emptyWrite, type LogStorage, type PartitionState, type StorageWrite } from './storage.js';

/** One change of the log. It is refused alone, or written and applied together with its neighbours. */
export interface LogChange {
  /** Whether the change must be on disk when `submit` resolves. */
  readonly sync: boolean;
  /** Never shares a write with other changes, because they could depend on what it changes (topics). */
  readonly alone?: boolean;
  /**
   * Validates the change, then adds it to the write. If it throws, only this change is refused; it must throw
   * before its first addition.
   */
  prepare(draft: Draft): void;
  /** Called after the write: makes the change visible. Must not throw. */
  apply?(): void;
}

/** A write that is being assembled. */
export class Draft {
  readonly write: StorageWrite = emptyWrite();
  readonly #states = new Map<PartitionLog, PartitionState>();

  /** The state of a partition after the changes in this draft; may be modified. */
  stateOf(log: PartitionLog): PartitionState {
    let state = this.#states.get(log);
    if (!state) {
      state = { ...log.state };
      this.#states.set(log, state);
    }
    return state;
  }

  /** Adds the changed partition states to the write. */
  seal(): void {
    for (const [log, state] of this.#states)
      this.write.partitions.push({ topicId: log.topicId, partition: log.partition, state });
  }

  apply(): void {
    for (const [log, state] of this.#states) log.state = state;
  }
}

interface Pending {
  readonly change: LogChange;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Maximum number of changes per write: limits how many fail with one failed write. */
const MAX_CHANGES = 256;

/**
 * Applies all changes of a log, one write after the other, in the order of `submit`.
 *
 * Changes that arrive during a write share the next one (group commit): one sync of the disk serves all
 * callers that wait for it. A failed write fails all its changes and changes nothing in memory. Offsets are
 * therefore assigned here, not earlier.
 */
export class CommitQueue {
  #pending: Pending[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(readonly storage: LogStorage) {}

  /**
   * Resolves when the change is written (and synced, if it requires that) and applied. BROKER_CLOSED after
   * `close`.
   */
  submit(change: LogChange): Promise<void> {
    if (this.#closed) return Promise.reject(closedBroker());
    return new Promise((resolve, reject) => {
      this.#pending.push({ change, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when all earlier submissions are written or refused. */
  async barrier(): Promise<void> {
    if (this.#running) await this.submit({ sync: false, prepare: () => undefined });
  }

  /** Writes what is pending, then accepts no more changes. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    // Starts one microtask later, so that changes submitted in the same turn share the first write.
    await undefined;
    while (this.#pending.length > 0) await this.#writeOnce();
    this.#running = undefined;
  }

  async #writeOnce(): Promise<void> {
    const draft = new Draft();
    const prepared: Pending[] = [];
    let sync = false;
    for (const pending of this.#take()) {
      try {
        pending.change.prepare(draft);
        prepared.push(pending);
        sync ||= pending.change.sync;
      } catch (error) {
        pending.reject(error);
      }
    }
    if (prepared.length === 0) return;
    draft.seal();
    try {
      if (sync || !isEmpty(draft.write)) await this.storage.write(draft.write, sync);
    } catch (error) {
      for (const pending of prepared) pending.reject(error);
      return;
    }
    draft.apply();
    for (const pending of prepared) pending.change.apply?.();
    for (const pending of prepared) pending.resolve();
  }

  #take(): readonly Pending[] {
    const alone = this.#pending.findIndex((pending) => pending.change.alone);
    const count = alone < 0 ? this.#pending.length : Math.max(alone, 1);
    return this.#pending.splice(0, Math.min(count, MAX_CHANGES));
  }
}

const isEmpty = (write: StorageWrite): boolean =>
  Object.values(write).every((part: readonly unknown[]) => part.length === 0);

export function closedBroker(): StreamsError {
  return new StreamsError('BROKER_CLOSED', {
    what: 'cannot use the broker',
    saw: 'a broker that is closed',
    expected: 'an open one',
    action: 'Open it again.',
  });
}
