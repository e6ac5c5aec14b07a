// Promise: whichever commits are written with a later one, a store always reads as it was last written, and after a crash disk and changelog together have what was committed.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { DatabaseWrite } from '#src/model/database.js';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import { memoryIdentityFiles } from '#src/state/directory/identity-files.js';
import type { ChangelogEntry } from '#src/state/rows/changelog-entry.js';
import type { CachedStore } from '#src/state/store/cached-store.js';
import type { LoggedRow } from '#src/state/store/restore-rows.js';
import { TaskState } from '#src/state/store/task-state.js';
import { databases } from '../../support/stores.js';

type Step =
  | { readonly do: 'put'; readonly key: string; readonly value: string | null }
  | { readonly do: 'commit'; readonly postpone: boolean }
  | { readonly do: 'apply' | 'evict' | 'crash' | 'restart' };

/** Before everything: no row's life is over. */
const NO_TIME = Number.NEGATIVE_INFINITY;

const KEYS = Array.from('abcdefgh');
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('put' as const),
        key: fc.constantFrom(...KEYS),
        value: fc.option(fc.string({ maxLength: 5 })),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const), postpone: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('apply' as const, 'evict' as const, 'crash' as const, 'restart' as const),
      }),
    },
  ),
  { maxLength: 60 },
);

type Rows = ReadonlyMap<string, string>;
const spec = { name: 'rows', kind: 'keyValue' as const, key: serdes.string, value: serdes.string };

for (const [name, place] of databases) {
  /** A state beside what it should be. */
  class Lab {
    readonly #where = place();
    readonly #files = name === 'memory' ? { files: memoryIdentityFiles() } : {};
    readonly #budget: CacheBudget;
    #state!: TaskState;
    readonly #now = new Map<string, string>();
    #committed: Rows = new Map();
    #onDisk: Rows = new Map();
    /** Commits, and how many of them the disk has. */
    #commits = 0;
    #applied = 0;
    /** What went to the changelog since. */
    #log: LoggedRow[] = [];

    constructor(cacheBytes: number) {
      this.#budget = new CacheBudget(cacheBytes);
    }

    get #store(): CachedStore<string, string> {
      return this.#state.cached('rows') as CachedStore<string, string>;
    }

    async open(): Promise<void> {
      const { directory: root, openDatabase } = this.#where;
      this.#state = await TaskState.open({
        root,
        openDatabase,
        ...this.#files,
        applicationId: 'app',
        taskId: 'in-0',
        topology: 'app',
        stores: [spec],
        budget: this.#budget,
      });
    }

    async run(step: Step): Promise<void> {
      switch (step.do) {
        case 'put':
          this.#store.put(step.key, step.value, 1);
          if (step.value === null) this.#now.delete(step.key);
          else this.#now.set(step.key, step.value);
          return;
        case 'commit':
          return this.#commit(step.postpone);
        case 'apply':
          await this.#state.applyPostponed();
          return this.#isApplied();
        case 'evict':
          // What was used since the last time is left the first time.
          this.#state.evict();
          return this.#state.evict();
        case 'restart':
          await this.#commit(false);
          await this.#state.close();
          return this.open();
        case 'crash':
          return this.#crash();
      }
    }

    async check(): Promise<void> {
      for (const key of KEYS) {
        assert.equal((await this.#store.peek(key, NO_TIME))?.value, this.#committed.get(key), `committed ${key}`);
        assert.equal((await this.#store.load(key)) ?? undefined, this.#now.get(key), `now ${key}`);
      }
      const rows = [];
      for await (const row of this.#store.entries()) rows.push(row);
      assert.deepEqual(rows, [...this.#now].sort());
      assert.equal(this.#state.checkpoint.sources.in ?? 0, this.#commits);
    }

    async close(): Promise<void> {
      await this.#state.close();
      assert.equal(this.#budget.usedBytes, 0);
    }

    async #commit(postpone: boolean): Promise<void> {
      const { writes, changelogs } = await this.#state.prepare();
      for (const entry of changelogs.get('rows') as readonly ChangelogEntry[])
        this.#log.push({ key: Buffer.from(entry.key), value: entry.value && Buffer.from(entry.value), timestamp: 1 });
      const parts = [writes, { sources: { in: ++this.#commits }, changelogs: {} }, 1] as const;
      this.#committed = new Map(this.#now);
      if (postpone && this.#state.postpone(...parts)) return;
      await this.#state.apply(...parts);
      this.#isApplied();
    }

    #isApplied(): void {
      this.#applied = this.#commits;
      this.#onDisk = this.#committed;
      this.#log = [];
      assert.equal(this.#state.postponed, false);
    }

    /** What is not on disk is gone, and comes back from the changelog. */
    async #crash(): Promise<void> {
      await this.#state.close();
      await this.open();
      assert.equal(this.#state.checkpoint.sources.in ?? 0, this.#applied);
      for (const key of KEYS)
        assert.equal((await this.#store.peek(key, NO_TIME))?.value, this.#onDisk.get(key), `on disk ${key}`);
      const writes: DatabaseWrite[] = [];
      this.#store.restore(this.#log, writes);
      await this.#state.apply(writes, { sources: { in: this.#commits }, changelogs: {} }, 1);
      this.#isApplied();
      this.#now.clear();
      for (const [key, value] of this.#committed) this.#now.set(key, value);
    }
  }

  describe(`commits that are written with a later one, over ${name}`, () => {
    it('read as if each had been written at once', async () => {
      await fc.assert(
        fc.asyncProperty(steps, fc.constantFrom(1, 2_000, 1e6), async (all, cacheBytes) => {
          const lab = new Lab(cacheBytes);
          await lab.open();
          for (const step of all) {
            await lab.run(step);
            await lab.check();
          }
          await lab.close();
        }),
        { numRuns: name === 'memory' ? 300 : 20 },
      );
    });
  });
}
