/** What a task has done since its last commit. */
export class SinceCommit {
  #processed = 0;
  #taken = 0;
  #inBatch = false;

  /**
   * Number of processed records, and of rows that were logged again. 0 if nothing must be
   * committed.
   */
  get processed(): number {
    return this.#processed;
  }

  /** Records that were taken from the log, processed or not; without firings of timers. */
  get taken(): number {
    return this.#taken;
  }

  /** A batch has begun and not finished: nothing can be committed. */
  get inBatch(): boolean {
    return this.#inBatch;
  }

  /** Rows that were logged again when the task opened. */
  loggedAgain(rows: number): void {
    this.#processed = rows;
  }

  /** A batch with this number of records begins; `inputs` of them are no firings of timers. */
  beginBatch(records: number, inputs = records): void {
    this.#processed += records;
    this.#taken += inputs;
    this.#inBatch = true;
  }

  /** Makes a commit necessary, even if only of the positions. */
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
