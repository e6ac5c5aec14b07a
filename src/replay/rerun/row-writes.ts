import type { AnySerde } from '../../dsl/contract/processor.js';
import { whenReady } from '../../model/not-ready.js';
import type { Row, StoreSpec } from '../../state/contract.js';
import type { Put } from './watched-store.js';

/** A row that was written. */
export interface WrittenRow {
  readonly key: unknown;
  /** Null: there was none. */
  readonly before: Row<unknown> | null;
  /** Null: it was deleted. */
  readonly value: unknown;
  readonly timestamp: number;
  /** Stream time of the store, right after the write. */
  readonly streamTime: number;
}

/** A row as bytes. */
interface StoredRow {
  readonly bytes: Buffer;
  readonly timestamp: number;
}

/**
 * A write of a row, kept as bytes: operators and user functions change rows in place, and rows can hold data
 * that is not encoded. Code that needs the row later must call {@link want} in the callback for the write.
 */
export class SeenWrite {
  readonly store: string;
  readonly timestamp: number;
  /** Stream time of the store, right after the write. */
  readonly streamTime: number;
  readonly #put: Put;
  readonly #serdes: { readonly key: AnySerde; readonly value: AnySerde };
  #key: Buffer | undefined;
  #value: Buffer | null | undefined;
  #wanted = false;
  #before: StoredRow | Row<unknown> | null = null;

  constructor(put: Put, { key, value }: StoreSpec) {
    this.store = put.store;
    this.timestamp = put.timestamp;
    this.streamTime = put.streamTime;
    this.#put = put;
    this.#serdes = { key, value };
  }

  get key(): Buffer {
    this.#key ??= this.#serdes.key.encode(this.#put.key);
    return this.#key;
  }

  /**
   * The value at the first read of this property: later the row may have been changed in place. Null: it was
   * deleted.
   */
  get value(): Buffer | null {
    if (this.#value === undefined)
      this.#value = this.#put.value === null ? null : this.#serdes.value.encode(this.#put.value);
    return this.#value;
  }

  get wanted(): boolean {
    return this.#wanted;
  }

  /** Keeps the current row, and the row before it if the row is followed. */
  want(): void {
    this.#wanted = true;
    void this.key;
    void this.value;
  }

  set before(row: StoredRow | Row<unknown> | null) {
    this.#before = row;
  }

  /**
   * The key, and the row before and after, as a store lookup would return them: the caller owns these
   * objects.
   */
  read(): WrittenRow | Promise<WrittenRow> {
    const { key, value } = this.#serdes;
    const before = this.#before;
    return whenReady(() => ({
      key: key.decode(this.key),
      before: before && 'bytes' in before ? { value: value.decode(before.bytes), timestamp: before.timestamp } : before,
      value: this.value === null ? null : value.decode(this.value),
      timestamp: this.timestamp,
      streamTime: this.streamTime,
    }));
  }
}

/** Looks up a row as the last commit left it, at this stream time. */
type Committed = (store: string, key: unknown, streamTime: number) => Promise<Row<unknown> | null>;

/**
 * The writes of a task since its last commit, each with the row before it: the result of the last write, else
 * the row in the database. Memory: the bytes of the rows written since the last commit.
 */
export class RowWrites {
  readonly #specs: ReadonlyMap<string, StoreSpec>;
  readonly #committed: Committed;
  /**
   * Results of the last write, by store and key: since the last commit, and between the commit before it and
   * that one.
   */
  #last = new Map<string, StoredRow | null>();
  #lastBefore = new Map<string, StoredRow | null>();
  /** Writes of rows that had no earlier write since the last commit. */
  #first: { readonly write: SeenWrite; readonly put: Put }[] = [];

  constructor(specs: readonly StoreSpec[], committed: Committed) {
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
    this.#committed = committed;
  }

  /** `follow`: keep the row before this write, and the result for later writes. */
  see(put: Put, follow: boolean): SeenWrite {
    const write = new SeenWrite(put, this.#specs.get(put.store) as StoreSpec);
    if (!follow) return write;
    const id = `${put.store}\n${write.key.toString('latin1')}`;
    const last = put.before === 'absent' ? null : (this.#last.get(id) ?? this.#stillThere(put, id));
    if (last === undefined) this.#first.push({ write, put });
    else write.before = last;
    this.#last.set(id, write.value && { bytes: write.value, timestamp: write.timestamp });
    return write;
  }

  /**
   * Looks up the rows before the writes that {@link SeenWrite.want} has marked. They can be read afterwards.
   */
  async settle(): Promise<void> {
    const first = this.#first.filter(({ write }) => write.wanted);
    this.#first = [];
    await Promise.all(
      first.map(async ({ write, put: { store, key, before, timeBefore } }) => {
        // The store still had the row, so it had not expired, at any later stream time.
        const at = before === 'there' ? Number.NEGATIVE_INFINITY : timeBefore;
        write.before = await this.#committed(store, key, at);
      }),
    );
  }

  /** The database has all writes. */
  applied(): void {
    this.#lastBefore = this.#last;
    this.#last = new Map();
  }

  /** The stores have been opened again. */
  forget(): void {
    this.#last.clear();
    this.#lastBefore.clear();
  }

  /**
   * If the store still has the row, its value is the result of the last write, even before the last commit:
   * no read needed.
   */
  #stillThere({ before }: Put, id: string): StoredRow | undefined {
    return before === 'there' ? (this.#lastBefore.get(id) ?? undefined) : undefined;
  }
}
