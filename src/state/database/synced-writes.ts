import type { Database, DatabaseWrite } from '../../model/database.js';
import { checkLogs, MarkFile, readMark, type SyncedMark } from './synced-mark.js';
import { WriteWitness } from './write-witness.js';

/**
 * Tracks which writes of a log are synced, across restarts. The mark next to the database states how many
 * there must be; the witness in the database states which ones exist.
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
   * What a directory must contain, before RocksDB opens it. Errors: LOG_CORRUPT if a log differs from its
   * synced content.
   */
  static async expected(directory: string): Promise<SyncedMark | undefined> {
    const mark = await readMark(directory);
    if (mark) await checkLogs(directory, mark);
    return mark;
  }

  /** For a database that RocksDB has opened. Errors: LOG_CORRUPT if something is missing. */
  static async of(database: Database, directory: string, expected: SyncedMark | undefined): Promise<SyncedWrites> {
    const witness = await WriteWitness.of(database, directory, expected);
    // RocksDB has written everything that it found to tables, and synced them.
    const mark = { since: expected?.since ?? witness.last, writes: witness.last, logs: {} };
    return new SyncedWrites(witness, await MarkFile.create(directory, mark), mark);
  }

  /** Whether there are writes that are not synced. */
  get isBehind(): boolean {
    return this.#synced < this.#witness.last;
  }

  /** Additional entries for the next write. */
  entries(): readonly DatabaseWrite[] {
    return this.#witness.entries();
  }

  /** The write is done, and `log` took it. Returns whether it is the first write of that log. */
  written(log: string): boolean {
    return this.#witness.written(log);
  }

  /** Everything that was written is on disk; the logs have these lengths. */
  async sync(lengths: ReadonlyMap<string, number>): Promise<void> {
    const writes = this.#witness.last;
    await this.#file.write({ since: this.#since, writes, logs: Object.fromEntries(lengths) });
    this.#synced = writes;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
