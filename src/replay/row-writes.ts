import type { AnySerde } from '../dsl/processor.js';
import { whenReady } from '../model/not-ready.js';
import type { Row, StoreSpec } from '../state/contract.js';
import type { Put } from './watched-store.js';

/** A row that was written. */
export interface WrittenRow {
  readonly key: unknown;
  /** Null: there was none. */
  readonly before: Row<unknown> | null;
  /** Null: it was deleted. */
  readonly value: unknown;
  readonly timestamp: number;
  /** Of the store, right after it was written. */
  readonly streamTime: number;
}

/** A row as bytes. */
interface StoredRow {
  readonly bytes: Buffer;
  readonly timestamp: number;
}

/**
 * A write of a row, as bytes: operators and functions of users change rows in place, and keep what no row has
 * on disk. Whoever wants to read it later says so ({@link want}) as soon as they are told of it.
 */
export class SeenWrite {
  readonly store: string;
  readonly timestamp: number;
  /** Of the store, right after the write. */
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
   * As it is when it is first asked for: later the row may have been changed in place. Null: it was deleted.
   */
  get value(): Buffer | null {
    if (this.#value === undefined)
      this.#value = this.#put.value === null ? null : this.#serdes.value.encode(this.#put.value);
    return this.#value;
  }

  get wanted(): boolean {
    return this.#wanted;
  }

  /** Keeps the row as it is now, and what it was before if it is followed. */
  want(): void {
    this.#wanted = true;
    void this.key;
    void this.value;
  }

  set before(row: StoredRow | Row<unknown> | null) {
    this.#before = row;
  }

  /**
   * The key, and the row before and after, as a look into the store would show them: nobody else has these
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

/** Looks a row up as the last commit left it, at that stream time. */
type Committed = (store: string, key: unknown, streamTime: number) => Promise<Row<unknown> | null>;

/**
 * The writes of a task since its last commit, each with what was there before: what the last write of the row
 * has left, else what the database has. Memory: the bytes of the rows that were written since the last
 * commit.
 */
export class RowWrites {
  readonly #specs: ReadonlyMap<string, StoreSpec>;
  readonly #committed: Committed;
  /**
   * By store and key: what the last write has left, since the last commit, and between it and the one before.
   */
  #last = new Map<string, StoredRow | null>();
  #lastBefore = new Map<string, StoredRow | null>();
  /** Those whose rows nobody has written since the last commit. */
  #first: { readonly write: SeenWrite; readonly put: Put }[] = [];

  constructor(specs: readonly StoreSpec[], committed: Committed) {
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
    this.#committed = committed;
  }

  /** `follow`: what is before it, and before what follows it, may be wanted. */
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

  /** Looks up what was there before the writes that are wanted. After it they can be read. */
  async settle(): Promise<void> {
    const first = this.#first.filter(({ write }) => write.wanted);
    this.#first = [];
    await Promise.all(
      first.map(async ({ write, put: { store, key, before, timeBefore } }) => {
        // What the store still had is not over, whatever has come since.
        const at = before === 'there' ? Number.NEGATIVE_INFINITY : timeBefore;
        write.before = await this.#committed(store, key, at);
      }),
    );
  }

  /** The database has everything. */
  applied(): void {
    this.#lastBefore = this.#last;
    this.#last = new Map();
  }

  /** The stores are opened again. */
  forget(): void {
    this.#last.clear();
    this.#lastBefore.clear();
  }

  /**
   * A row that the store still has is what the last write has left, whatever was committed since: it need not
   * be read.
   */
  #stillThere({ before }: Put, id: string): StoredRow | undefined {
    return before === 'there' ? (this.#lastBefore.get(id) ?? undefined) : undefined;
  }
}
