import type { Database, DatabaseEntry, DatabaseWrite, KeyRange, OpenDatabase } from '#src/model/database.js';
import { StreamsError } from '#src/model/errors.js';

/** A database that counts, holds and fails writes as a test tells it. */
export class FaultyDisk {
  /** Every write that reached the disk: how many entries, and whether it was synced. */
  readonly writes: { readonly entries: number; readonly sync: boolean }[] = [];
  /** Fails the next writes. */
  broken = false;
  #held: Promise<void> | undefined;
  #release: (() => void) | undefined;

  constructor(readonly open: OpenDatabase) {}

  /** Writes wait until `release`. */
  hold(): void {
    this.#held = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#release?.();
    this.#held = undefined;
  }

  readonly openDatabase: OpenDatabase = async (directory) => {
    const database = await this.open(directory);
    return {
      getMany: (keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> => database.getMany(keys),
      scan: (range: KeyRange): AsyncIterable<readonly DatabaseEntry[]> => database.scan(range),
      close: (): Promise<void> => database.close(),
      write: async (writes: readonly DatabaseWrite[], options: { readonly sync?: boolean } = {}): Promise<void> => {
        await this.#held;
        if (this.broken)
          throw new StreamsError('STATE_IO', {
            what: 'cannot write',
            saw: 'a full disk',
            expected: 'room',
            action: 'Free some space.',
          });
        this.writes.push({ entries: writes.length, sync: options.sync ?? false });
        await database.write(writes, options);
      },
    };
  };
}

/** The entries of a database whose keys begin with those characters. */
export async function entriesOf(database: Database, prefix: string): Promise<readonly DatabaseEntry[]> {
  const found: DatabaseEntry[] = [];
  for await (const chunk of database.scan({}))
    found.push(...chunk.filter(([key]) => key.toString('latin1').startsWith(prefix)));
  return found;
}
