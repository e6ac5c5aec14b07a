import { type Admin, partitionKey } from '../broker/port.js';
import type { Holder } from './holder.js';

/** Finds out when nothing is left to do, for those who wait for it. */
export class IdleWatch {
  readonly #admin: Admin;
  readonly #holder: Holder;
  #waiters: (() => void)[] = [];

  constructor(admin: Admin, holder: Holder) {
    this.#admin = admin;
    this.#holder = holder;
  }

  /** Whether anybody waits: tasks then commit when they have nothing to do, and look. */
  get wanted(): boolean {
    return this.#waiters.length > 0;
  }

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Whether every position is at the end of its log, and committed: then lets the waiting go on. */
  async look(): Promise<void> {
    const { tasks, globals } = this.#holder;
    if (!this.#holder.settled || tasks.some((task) => task.phase !== 'running' || task.uncommitted > 0 || task.lag > 0))
      return;
    const positions = [...tasks.flatMap((task) => task.positions), ...globals.positions];
    const latest = await this.#admin.latestOffsets(positions);
    const ends = new Map(latest.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
    const behind = positions.some(
      ({ topic, partition, offset }) => offset < (ends.get(partitionKey(topic, partition)) ?? 0),
    );
    if (behind || !this.#holder.settled || tasks.some((task) => task.uncommitted > 0)) return;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
