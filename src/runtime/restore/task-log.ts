import type { Admin, Membership, PartitionOffset } from '../../broker/port.js';
import { StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import { type Epoch, epochsOf, withEpoch, withEpochs } from '../changelog/epochs.js';
import type { Restored } from './restore.js';

/**
 * How often an owner that writes nothing checks for other writers: long before compaction may remove its rows
 * in favour of theirs (see MIN_COMPACTION_LAG_MS).
 */
const LOOK_EVERY_MS = 600_000;

export interface Claim {
  readonly task: string;
  readonly partition: number;
  readonly admin: Admin;
  readonly clock: Clock;
  readonly membership: Membership;
  /** Higher than all earlier epochs. */
  readonly epoch: number;
  /** Committed next offsets; partitions without one are left out. */
  readonly committed: readonly PartitionOffset[];
  /** The same for what the stores contain: more, while a reset that keeps them is being processed. */
  readonly contained: readonly PartitionOffset[];
  /** Where the task begins to read. */
  readonly positions: readonly PartitionOffset[];
  readonly restored: Restored;
}

/**
 * Tracks the ends of a task's changelogs, for an owner with an epoch (see epochs.ts), which is their only
 * writer. If another writer has appended records, a row may end with one of them. The task is then opened
 * again from before that record.
 */
export class TaskLog {
  readonly #claim: Claim;
  readonly #epochs: ReadonlyMap<string, readonly Epoch[]>;
  /** By the name of the changelog. */
  readonly #ends: Map<string, number>;
  #lookAt: number;
  #disturbed: string | undefined;

  private constructor(claim: Claim, epochs: ReadonlyMap<string, readonly Epoch[]>) {
    this.#claim = claim;
    this.#epochs = epochs;
    this.#ends = new Map(claim.restored.ends);
    this.#lookAt = claim.clock.monotonic() + LOOK_EVERY_MS;
  }

  /**
   * Takes an epoch of a task that was restored. The epoch is committed at once, so the next owner takes a
   * higher one even if this owner never commits. GROUP_FENCED if this process is no longer the owner.
   */
  static async claim(claim: Claim): Promise<TaskLog> {
    const { epoch, membership, committed, contained, positions, restored } = claim;
    const begins = new Map(contained.map(({ topic, offset }) => [topic, offset]));
    const known = new Map(committed.map((at) => [at.topic, epochsOf(at)]));
    const epochs = new Map(
      positions.map(({ topic }) => [topic, withEpoch(known.get(topic) ?? [], epoch, begins.get(topic) ?? null)]),
    );
    const log = new TaskLog(claim, epochs);
    // If there are rows, positions would claim too much about their causes: that a task had been there.
    // Without rows, they are right for any start of the task, even one that another program has committed.
    const isNew = [...restored.ends.values()].every((end) => end === 0);
    const claimed = isNew ? positions : committed;
    if (claimed.length > 0) await membership.commit(log.withEpochs(claimed));
    return log;
  }

  get epoch(): number {
    return this.#claim.epoch;
  }

  withEpochs(positions: readonly PartitionOffset[]): readonly PartitionOffset[] {
    return withEpochs(positions, this.#epochs);
  }

  /**
   * Records that `records` records were written to a changelog, the last one before offset `end`, followed by
   * `markers` transaction markers. Returns whether everything before `end` is known.
   */
  wrote(topic: string, records: number, end: number, markers: number): boolean {
    this.#sawEnd(topic, end, records);
    if (this.#disturbed === undefined) this.#ends.set(topic, end + markers);
    return this.#disturbed === undefined;
  }

  /**
   * CHANGELOG_DISTURBED if there was another writer; it passes when the task is opened again. A promise if it
   * is time to check the ends.
   */
  check(): Promise<void> | undefined {
    this.#throwDisturbed();
    return this.#claim.clock.monotonic() < this.#lookAt ? undefined : this.#look();
  }

  async #look(): Promise<void> {
    const { admin, clock, partition } = this.#claim;
    this.#lookAt = clock.monotonic() + LOOK_EVERY_MS;
    const changelogs = [...this.#ends.keys()].map((topic) => ({ topic, partition }));
    const latest = await admin.latestOffsets(changelogs, 'read_uncommitted');
    for (const { topic, offset } of latest) this.#sawEnd(topic, offset, 0);
    this.#throwDisturbed();
  }

  #sawEnd(topic: string, end: number, records: number): void {
    const expected = (this.#ends.get(topic) ?? 0) + records;
    // A lower end is no sign of another writer: a marker may not be written yet, or a broker may have lost
    // records that it had acknowledged.
    if (end > expected) this.#disturbed ??= `${end - expected} records of another writer in ${topic}`;
  }

  #throwDisturbed(): void {
    if (this.#disturbed === undefined) return;
    throw new StreamsError('CHANGELOG_DISTURBED', {
      what: 'another writer has written to a changelog',
      at: `task ${this.#claim.task}`,
      saw: this.#disturbed,
      expected: 'none: only the owner of a task writes there',
      action:
        'Probably a process that had lost its membership of the group was still writing: its changes are left out. If this continues, look for another program that writes there.',
    });
  }
}
