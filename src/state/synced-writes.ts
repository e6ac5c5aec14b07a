import type { Database, DatabaseWrite } from '../model/database.js';
import { checkLogs, MarkFile, readMark, type SyncedMark } from './synced-mark.js';
import { WriteWitness } from './write-witness.js';

/**
 * Knows which writes of a log are synced, across restarts: the mark beside the database says how many there
 * have to be, the witness in the database which ones there are.
 */
export class SyncedWrites {
  readonly #witness: WriteWitness;
  readonly #file: MarkFile;
  readonly #since: number;
  #synced: number;

  private constructor(witness: WriteWitness, file: MarkFile, { since, writes }: SyncedMark) {
    this.#witness = witness;
    this.#file = file;
    this.#since = since;
    this.#synced = writes;
  }

  /**
   * What a directory has to have, before RocksDB opens it. LOG_CORRUPT if a log of it is not as it was
   * synced.
   */
  static async expected(directory: string): Promise<SyncedMark | undefined> {
    const mark = await readMark(directory);
    if (mark) await checkLogs(directory, mark);
    return mark;
  }

  /** Of a database that RocksDB has opened. LOG_CORRUPT if something is missing. */
  static async of(database: Database, directory: string, expected: SyncedMark | undefined): Promise<SyncedWrites> {
    const witness = await WriteWitness.of(database, directory, expected);
    // RocksDB has made tables of everything that it found, and synced them.
    const mark = { since: expected?.since ?? witness.last, writes: witness.last, logs: {} };
    return new SyncedWrites(witness, await MarkFile.create(directory, mark), mark);
  }

  /** Whether there are writes that are not synced. */
  get isBehind(): boolean {
    return this.#synced < this.#witness.last;
  }

  /** What the next write has to carry. */
  entries(): readonly DatabaseWrite[] {
    return this.#witness.entries();
  }

  /** It is in, and that log took it. Returns whether it is the first write of that log. */
  written(log: string): boolean {
    return this.#witness.written(log);
  }

  /** Everything that was written is on the disk; the logs are that long. */
  async sync(lengths: ReadonlyMap<string, number>): Promise<void> {
    const writes = this.#witness.last;
    await this.#file.write({ since: this.#since, writes, logs: Object.fromEntries(lengths) });
    this.#synced = writes;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
