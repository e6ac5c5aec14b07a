import type { Database, DatabaseWrite } from '../model/database.js';
import { StreamsError } from '../model/errors.js';
import type { CachedRow } from './cached-row.js';
import { ChangelogEntry } from './changelog-entry.js';
import type { RowItems, StoreSpec } from './contract.js';
import { after, prefixed } from './layout.js';
import { cutPages, PAGE_BYTES, type Page } from './page-cut.js';
import { headOf, isPageKey, PAGE_MARK, pageKey, parseHead, withHead } from './page-format.js';
import type { RowCodec } from './row-codec.js';

/** So many items are encoded in one go to see whether they need pages: more are measured before. */
const FEW_ITEMS = 64;

/** What a commit gives to the database and to the changelog. */
export interface CommitOutput {
  readonly writes: DatabaseWrite[];
  readonly changelog: ChangelogEntry[];
}

interface StoredPage extends Page {
  readonly id: number;
}

/** How the last commit left a row that has pages. */
interface Stored {
  readonly nextId: number;
  readonly pages: readonly StoredPage[];
}

/** A whole row, and the pages that it came from. */
interface Whole<V> extends Stored {
  readonly value: V;
}

/** A page that is to be logged as it is on disk: see {@link RowPages.logAgain}. */
interface PageAgain {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/**
 * Keeps the rows of one store that have outgrown a page: their items lie in pages, which are rows of the
 * same store and changelog, and the row itself says which ones. So no record is larger than a page, or the
 * largest single item, and a commit writes only the pages in which something changed. See page-format.ts.
 *
 * A page is never changed, and its number is not used again as long as the row has pages. A row that has
 * become short, and then long again, begins anew: so pages are read together with the row that names them,
 * and what does not fit together shows itself by another row, or a page that is missing. In a changelog all
 * records of a row that one commit has written have one cause and one epoch: a restore takes all or none.
 *
 * In memory rows are whole, from when they are read until they are evicted. A row that fits into one page
 * has none, and costs nothing here.
 */
export class RowPages<K, V> {
  /** There may be rows with pages: until then nothing has to be looked at. */
  any = false;
  /** The last commit has written or deleted pages. */
  wrote = false;
  readonly #name: string;
  readonly #items: RowItems<V>;
  readonly #codec: RowCodec<K, V>;
  readonly #database: Database;
  /** Cached rows that have pages. */
  readonly #stored = new Map<CachedRow<K, V>, Stored>();
  /** Rows that were written without having been read: whether they have pages is not known. */
  #blind: CachedRow<K, V>[] = [];
  #again: PageAgain[] = [];

  constructor(spec: { readonly name: string; readonly items: RowItems<V> }, codec: RowCodec<K, V>, database: Database) {
    this.#name = spec.name;
    this.#items = spec.items;
    this.#codec = codec;
    this.#database = database;
  }

  async open(): Promise<void> {
    const gte = prefixed(this.#codec.prefix, PAGE_MARK);
    for await (const chunk of this.#database.scan({ gte, lt: after(gte), limit: 1 }))
      if (chunk.length > 0) this.any = true;
  }

  /** What the row needs in memory that its own bytes do not tell. */
  bytesOf(entry: CachedRow<K, V>): number {
    return this.#stored.get(entry)?.pages.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
  }

  /** The row is not cached any more. */
  forget(entry: CachedRow<K, V>): void {
    if (this.#stored.size > 0) this.#stored.delete(entry);
  }

  /** A row is written that nobody has read. */
  wroteBlindly(entry: CachedRow<K, V>): void {
    this.#blind.push(entry);
  }

  /**
   * Before a commit is encoded: reads which pages the rows have that were written without having been read.
   */
  meet(): void | Promise<void> {
    if (this.#blind.length > 0) return this.#meet();
  }

  async #meet(): Promise<void> {
    const met = this.#blind;
    this.#blind = [];
    const rows = await this.#database.getMany(met.map(({ key }) => this.#codec.databaseKey(key)));
    for (let i = 0; i < met.length; i++) {
      const head = rows[i] && headOf(rows[i] as Buffer);
      if (!head) continue;
      const pages = head.ids.map((id) => ({ id, items: [], bytes: 0 }));
      this.#stored.set(met[i] as CachedRow<K, V>, { nextId: head.nextId, pages });
    }
  }

  /**
   * The bytes of a row as it is now; null: it is deleted. Puts out the pages that are new, and those that are
   * no more.
   */
  encode(entry: CachedRow<K, V>, output: CommitOutput): Buffer | null {
    const before = this.#stored.get(entry);
    const { value, timestamp } = entry;
    if (before === undefined) {
      if (value === null) return null;
      const one = this.#inOne(value, timestamp);
      if (one) return one;
    }
    const items = value === null ? [] : this.#items.of(value);
    const cut = cutPages(before?.pages ?? [], items, (item) => this.#items.size(item));
    // Half a page, so that a row at the limit is not moved to and fro.
    const fits = items.length <= 1 || (cut.length === 1 && (cut[0] as Page).bytes <= PAGE_BYTES / 2);
    const next = this.#write(entry, before, fits ? [] : cut, output);
    if (value === null || fits) {
      this.#stored.delete(entry);
      return value === null ? null : this.#codec.databaseValue(value, timestamp);
    }
    this.any = true;
    this.#stored.set(entry, next);
    return withHead(this.#codec.databaseValue(this.#items.with(value, []), timestamp), next);
  }

  /** The bytes of a row that has no pages and needs none; undefined if it does. */
  #inOne(value: V, timestamp: number): Buffer | undefined {
    const items = this.#items.of(value);
    if (items.length > FEW_ITEMS) {
      let bytes = 0;
      for (const item of items) {
        bytes += this.#items.size(item);
        if (bytes > PAGE_BYTES) return undefined;
      }
    }
    const row = this.#codec.databaseValue(value, timestamp);
    // A single item is as large in a page.
    return row.length <= PAGE_BYTES || items.length <= 1 ? row : undefined;
  }

  #write(entry: CachedRow<K, V>, before: Stored | undefined, pages: readonly Page[], output: CommitOutput): Stored {
    const keyBytes = this.#codec.keyBytes(entry.key);
    const known = new Set<Page>(before?.pages);
    let nextId = before?.nextId ?? 0;
    const stored = pages.map((page): StoredPage => {
      if (known.delete(page)) return page as StoredPage;
      const row = (this.#items.page ?? this.#items.with)(entry.value as V, page.items);
      const id = nextId++;
      this.#put(entry, pageKey(keyBytes, id), this.#codec.databaseValue(row, entry.timestamp), output);
      return { ...page, id };
    });
    // What is left of those that were.
    for (const page of known) this.#put(entry, pageKey(keyBytes, (page as StoredPage).id), null, output);
    return { nextId, pages: stored };
  }

  #put(
    { timestamp, causeTopic, causeOffset }: CachedRow<K, V>,
    key: Buffer,
    value: Buffer | null,
    { writes, changelog }: CommitOutput,
  ): void {
    this.wrote = true;
    const write = { key: prefixed(this.#codec.prefix, key), value };
    writes.push(write);
    changelog.push(new ChangelogEntry(write, timestamp, causeTopic, causeOffset));
  }

  /**
   * The whole row of bytes that have a head; noted as what the entry, if one is given, came from.
   * STATE_CORRUPT if a page is not there.
   */
  async read(key: K, row: Buffer, entry?: CachedRow<K, V>): Promise<V> {
    const whole = await this.tryToRead(key, row);
    // Written while it was read: what was written is newer, and nobody looks at what was read.
    if (entry?.loaded) return entry.value as V;
    if (whole === undefined) throw this.#damaged(key);
    if (entry) this.#stored.set(entry, whole);
    return whole.value;
  }

  /**
   * The same; undefined if the row is another one by now, or a page is not there: a commit has changed it
   * meanwhile.
   */
  async tryToRead(key: K, row: Buffer): Promise<Whole<V> | undefined> {
    const { ids, nextId, rest } = parseHead(row);
    const keyBytes = this.#codec.keyBytes(key);
    const keys = ids.map((id) => prefixed(this.#codec.prefix, pageKey(keyBytes, id)));
    const [now, ...found] = await this.#database.getMany([prefixed(this.#codec.prefix, keyBytes), ...keys]);
    if (now === undefined || !row.equals(now) || found.includes(undefined)) return undefined;
    const head = await this.#codec.readValue(rest);
    const pages: StoredPage[] = [];
    for (let i = 0; i < ids.length; i++) {
      const page = await this.#codec.readValue(found[i] as Buffer);
      const items = this.#items.of(page);
      const bytes = items.reduce((sum: number, item) => sum + this.#items.size(item), 0);
      pages.push({ id: ids[i] as number, items, bytes });
    }
    return {
      value: this.#items.with(
        head,
        pages.flatMap(({ items }) => items),
      ),
      nextId,
      pages,
    };
  }

  /** The row as the last commit left it, of bytes that the disk may not have yet. */
  async committed(entry: CachedRow<K, V>, row: Buffer): Promise<V> {
    const stored = this.#stored.get(entry);
    const head = await this.#codec.readValue(parseHead(row).rest);
    return this.#items.with(head, stored?.pages.flatMap(({ items }) => items) ?? []);
  }

  /**
   * Lets the next commit write pages to the changelog as they are on disk, also those that are not there.
   * Returns the keys that are none of a page.
   */
  async logAgain(keys: readonly Buffer[]): Promise<readonly Buffer[]> {
    const databaseKeys = keys.filter(isPageKey).map((key) => prefixed(this.#codec.prefix, key));
    if (databaseKeys.length === 0) return keys;
    const values = await this.#database.getMany(databaseKeys);
    for (const [i, key] of databaseKeys.entries()) this.#again.push({ key, value: values[i] ?? null });
    return keys.filter((key) => !isPageKey(key));
  }

  /** Begins a commit: the pages that it has to log again. */
  begin(): readonly PageAgain[] {
    this.wrote = false;
    const taken = this.#again;
    this.#again = [];
    return taken;
  }

  /** Whether it is the key of a page, as the changelog has it. */
  isPage(key: Buffer): boolean {
    return this.any && isPageKey(key);
  }

  /** The same of what was read from the changelog. */
  restored(key: Buffer): boolean {
    if (!isPageKey(key)) return false;
    this.any = true;
    return true;
  }

  #damaged(key: K): StreamsError {
    return new StreamsError('STATE_CORRUPT', {
      what: 'a part of a row is missing',
      at: `store ${this.#name}`,
      saw: `row ${this.#codec.keyBytes(key).toString('base64')} (base64) without one of its pages`,
      expected: 'all pages that it names',
      action: 'Delete the task directory to have it rebuilt from the changelog.',
    });
  }
}

/** Undefined if no row of the store holds any number of items. */
export const pagesOf = <K, V>(
  spec: StoreSpec<K, V>,
  codec: RowCodec<K, V>,
  database: Database,
): RowPages<K, V> | undefined => spec.items && new RowPages({ name: spec.name, items: spec.items }, codec, database);
