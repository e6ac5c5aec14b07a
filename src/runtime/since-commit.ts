/** What a task has done since its last commit. */
export class SinceCommit {
  #processed = 0;
  #taken = 0;
  #inBatch = false;

  /**
   * Records and timers that were processed, rows that were logged once more: 0 if nothing is to be committed.
   */
  get processed(): number {
    return this.#processed;
  }

  /** Records that were taken out of the log, processed or not. */
  get taken(): number {
    return this.#taken;
  }

  /** A batch was begun, and is not at its end: nothing can be committed. */
  get inBatch(): boolean {
    return this.#inBatch;
  }

  /** Rows that an opening has logged once more. */
  loggedAgain(rows: number): void {
    this.#processed = rows;
  }

  /** A batch of that many records begins. */
  beginBatch(records: number): void {
    this.#processed += records;
    this.#taken += records;
    this.#inBatch = true;
  }

  /** Timers of the wall clock are a batch without records. */
  beginTimers(): void {
    this.#processed++;
    this.#inBatch = true;
  }

  /** There is something to commit, be it only where the task stands. */
  touch(): void {
    this.#processed ||= 1;
  }

  endBatch(): void {
    this.#inBatch = false;
  }

  committed(): void {
    this.#processed = 0;
    this.#taken = 0;
  }
}
