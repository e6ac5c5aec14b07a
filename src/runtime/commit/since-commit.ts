/** What a task has done since its last commit. */
export class SinceCommit {
  #processed = 0;
  #taken = 0;
  #inBatch = false;

  /**
   * Number of processed records and timers, and of rows that were logged again. 0 if nothing must be
   * committed.
   */
  get processed(): number {
    return this.#processed;
  }

  /** Records that were taken from the log, processed or not. */
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

  /** A batch with this number of records begins. */
  beginBatch(records: number): void {
    this.#processed += records;
    this.#taken += records;
    this.#inBatch = true;
  }

  /** Wall-clock timers are a batch without records. */
  beginTimers(): void {
    this.#processed++;
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
