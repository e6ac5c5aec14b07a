/**
 * Runs the commits of a task one at a time. Step 4 of a commit (see commit.ts) runs while the task processes
 * its next batches, and ends before the next commit begins.
 */
export class CommitTurns {
  #running: Promise<void> | undefined;
  #applied: Promise<void> = Promise.resolve();
  #failure: unknown;

  /** Runs a commit. A rebalance and a stop may request one at the same time: they share it. */
  one(commit: () => Promise<void>): Promise<void> {
    this.#running ??= this.#applied.then(commit).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Called when step 4 of the running commit has begun. */
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

  /**
   * Throws if step 4 of a commit has failed: the task must not continue from rows that the disk does not
   * have.
   */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
