import type { Database, DatabaseWrite } from '../../model/database.js';
import { StreamsError } from '../../model/errors.js';
import type { RowItems, StoreSpec } from '../contract.js';
import { after, prefixed } from '../layout.js';
import type { CachedRow } from './cached-row.js';
import { ChangelogEntry } from './changelog-entry.js';
import { cutPages, PAGE_BYTES, type Page } from './page-cut.js';
import { headOf, isPageKey, PAGE_MARK, pageKey, parseHead, withHead } from './page-format.js';
import type { RowCodec } from './row-codec.js';

/**
 * A row with up to this many items is encoded at once to see whether it needs pages; longer ones are measured
 * first.
 */
const FEW_ITEMS = 64;

/** The output of a commit, for the database and the changelog. */
export interface CommitOutput {
  readonly writes: DatabaseWrite[];
  readonly changelog: ChangelogEntry[];
}

interface StoredPage extends Page {
  readonly id: number;
}

/** A paged row as of the last commit. */
interface Stored {
  readonly nextId: number;
  readonly pages: readonly StoredPage[];
}

/** A whole row, and the pages that it came from. */
interface Whole<V> extends Stored {
  readonly value: V;
}

/** A page to log again as it is on disk: see {@link RowPages.logAgain}. */
interface PageAgain {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/**
 * Stores the rows of one store that have outgrown a page. Their items are in pages, which are rows of the
 * same store and changelog; the row itself lists its pages. So no record is larger than a page, or the
 * largest single item, and a commit writes only the pages with changes. See page-format.ts.
 *
 * A page never changes, and its number is not reused while the row has pages. A row that has become short,
 * and then long again, starts numbering from the beginning. So pages are read together with the row that
 * names them; a mismatch shows as a changed row, or as a missing page. In a changelog all records of a row
 * that one commit has written have one cause and one epoch: a restore takes all or none.
 *
 * In memory rows are whole, from their read until their eviction. A row that fits into one page has none, and
 * costs nothing here.
 */
export class RowPages<K, V> {
  /** True if rows with pages may exist: until then nothing has to be checked. */
  any = false;
  /** The last commit has written or deleted pages. */
  wrote = false;
  readonly #name: string;
  readonly #items: RowItems<V>;
  readonly #codec: RowCodec<K, V>;
  readonly #database: Database;
  /** Cached rows with pages. */
  readonly #stored = new Map<CachedRow<K, V>, Stored>();
  /** Rows that were written without a read: it is unknown whether they have pages. */
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

  /** The memory that the row needs in addition to its own bytes. */
  bytesOf(entry: CachedRow<K, V>): number {
    return this.#stored.get(entry)?.pages.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
  }

  /** The row has left the cache. */
  forget(entry: CachedRow<K, V>): void {
    if (this.#stored.size > 0) this.#stored.delete(entry);
  }

  /** A row is written without a read. */
  wroteBlindly(entry: CachedRow<K, V>): void {
    this.#blind.push(entry);
  }

  /** Called before a commit is encoded: reads the page lists of rows that were written without a read. */
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
   * The current bytes of a row; null: it is deleted. Adds new pages, and deletions of old ones, to the
   * output.
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
    // Half a page, so that a row at the limit does not alternate between both forms.
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

  /** The bytes of a row that has no pages and needs none; undefined if it needs pages. */
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
    // Old pages that are no longer used.
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
   * Reads the whole row for bytes with a head; if an entry is given, notes its pages. Errors: STATE_CORRUPT
   * if a page is missing.
   */
  async read(key: K, row: Buffer, entry?: CachedRow<K, V>): Promise<V> {
    const whole = await this.tryToRead(key, row);
    // Written during the read: the written row is newer, and the result of the read is not used.
    if (entry?.loaded) return entry.value as V;
    if (whole === undefined) throw this.#damaged(key);
    if (entry) this.#stored.set(entry, whole);
    return whole.value;
  }

  /**
   * The same; undefined if the row has changed since, or a page is missing: a commit has changed it
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

  /** The row as of the last commit, from bytes that may not be on disk yet. */
  async committed(entry: CachedRow<K, V>, row: Buffer): Promise<V> {
    const stored = this.#stored.get(entry);
    const head = await this.#codec.readValue(parseHead(row).rest);
    return this.#items.with(head, stored?.pages.flatMap(({ items }) => items) ?? []);
  }

  /**
   * Makes the next commit write pages to the changelog as they are on disk, including missing ones. Returns
   * the keys that are not keys of pages.
   */
  async logAgain(keys: readonly Buffer[]): Promise<readonly Buffer[]> {
    const databaseKeys = keys.filter(isPageKey).map((key) => prefixed(this.#codec.prefix, key));
    if (databaseKeys.length === 0) return keys;
    const values = await this.#database.getMany(databaseKeys);
    for (const [i, key] of databaseKeys.entries()) this.#again.push({ key, value: values[i] ?? null });
    return keys.filter((key) => !isPageKey(key));
  }

  /** Begins a commit: returns the pages that it must log again. */
  begin(): readonly PageAgain[] {
    this.wrote = false;
    const taken = this.#again;
    this.#again = [];
    return taken;
  }

  /** Whether a key, in its changelog form, is the key of a page. */
  isPage(key: Buffer): boolean {
    return this.any && isPageKey(key);
  }

  /** The same for a key that was read from the changelog. */
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

/** Undefined if the store has no rows with any number of items. */
export const pagesOf = <K, V>(
  spec: StoreSpec<K, V>,
  codec: RowCodec<K, V>,
  database: Database,
): RowPages<K, V> | undefined => spec.items && new RowPages({ name: spec.name, items: spec.items }, codec, database);
