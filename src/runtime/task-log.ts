import type { Admin, Membership, PartitionOffset } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';
import type { Clock } from '../model/ports.js';
import { type Epoch, epochsOf, withEpoch, withEpochs } from './epochs.js';
import type { Restored } from './restore.js';

/**
 * An owner that writes nothing looks so often whether somebody else does: long before compaction may take its
 * rows for what was replaced (see MIN_COMPACTION_LAG_MS).
 */
const LOOK_EVERY_MS = 600_000;

export interface Claim {
  readonly task: string;
  readonly partition: number;
  readonly admin: Admin;
  readonly clock: Clock;
  readonly membership: Membership;
  /** Higher than any before it. */
  readonly epoch: number;
  /** Next offsets that the group has committed; those without one are left out. */
  readonly committed: readonly PartitionOffset[];
  /** The same, with what the stores contain: more, while a reset that keeps them is processed again. */
  readonly contained: readonly PartitionOffset[];
  /** Where the task begins to read. */
  readonly positions: readonly PartitionOffset[];
  readonly restored: Restored;
}

/**
 * What an owner with an epoch (see epochs.ts) knows of its task's changelogs: where they end, as nobody else
 * writes there. If somebody has, what it wrote may be the last word of a row: the task is then opened again
 * from before it.
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
   * Takes an epoch of a task that was restored. It is committed at once: whoever comes next takes a higher
   * one, also if this owner never commits. GROUP_FENCED if it is none any more.
   */
  static async claim(claim: Claim): Promise<TaskLog> {
    const { epoch, membership, committed, contained, positions, restored } = claim;
    const begins = new Map(contained.map(({ topic, offset }) => [topic, offset]));
    const known = new Map(committed.map((at) => [at.topic, epochsOf(at)]));
    const epochs = new Map(
      positions.map(({ topic }) => [topic, withEpoch(known.get(topic) ?? [], epoch, begins.get(topic) ?? null)]),
    );
    const log = new TaskLog(claim, epochs);
    // Where there are rows, positions would say more than is known of their causes: that a task was there.
    // Where there are none it is true of whatever it begins at, also if somebody else has committed that.
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
   * So many records were written to a changelog, the last of them before that offset, and then so many
   * markers of their transaction. Returns whether everything before that offset is known.
   */
  wrote(topic: string, records: number, end: number, markers: number): boolean {
    this.#sawEnd(topic, end, records);
    if (this.#disturbed === undefined) this.#ends.set(topic, end + markers);
    return this.#disturbed === undefined;
  }

  /** CHANGELOG_DISTURBED, which passes when the task is opened again. A promise if it is time to look. */
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
    // Less is no record of somebody else's: a marker may be on its way, or a broker may have lost what it had
    // acknowledged.
    if (end > expected) this.#disturbed ??= `${end - expected} records of another writer in ${topic}`;
  }

  #throwDisturbed(): void {
    if (this.#disturbed === undefined) return;
    throw new StreamsError('CHANGELOG_DISTURBED', {
      what: 'somebody else has written to a changelog',
      at: `task ${this.#claim.task}`,
      saw: this.#disturbed,
      expected: 'none: the owner of a task is alone there',
      action:
        'A process that was put out of the group has woken up, probably: its changes are left out. If it goes on, look for another program that writes there.',
    });
  }
}
