/**
 * The commits of a task, one after the other. The last step of one (see commit.ts) goes on while the task
 * takes its next batches through, and ends before the next one begins.
 */
export class Commits {
  #running: Promise<void> | undefined;
  #applied: Promise<void> = Promise.resolve();
  #failure: unknown;

  /** Makes one. A rebalance and a stop may ask for it at the same time: they share it. */
  one(commit: () => Promise<void>): Promise<void> {
    this.#running ??= this.#applied.then(commit).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** The last step of the one that is made has begun. */
  applying(applied: Promise<void>): void {
    this.#applied = applied;
    applied.catch((error: unknown) => {
      this.#failure ??= error;
    });
  }

  /** Resolves when the local store has everything that is committed; rejects if that failed. */
  applied(): Promise<void> {
    return this.#applied;
  }

  /** Throws if the last step of one has failed: the task must not go on from what the disk does not have. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
