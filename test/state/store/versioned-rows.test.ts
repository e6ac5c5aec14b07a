import assert from 'node:assert/strict';
import fc from 'fast-check';
import { versionedStores } from '#src/dsl/tables/versions.js';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import type { Prefetched } from '#src/state/cache/prefetched.js';
import type { OperatorVersionedStore, VersionOutcome } from '#src/state/contract.js';
import { memoryIdentityFiles } from '#src/state/directory/identity-files.js';
import { TaskState } from '#src/state/store/task-state.js';
import { databases, rows } from '../../support/stores.js';

/** The rules, as they are written down: all versions of all keys, in one list each. */
class Model {
  readonly versions = new Map<string, { from: number; value: number | null }[]>();
  streamTime = Number.NEGATIVE_INFINITY;

  constructor(readonly historyMs: number) {}

  put(key: string, value: number | null, from: number): VersionOutcome {
    if (from < this.streamTime - this.historyMs) return 'expired';
    this.streamTime = Math.max(this.streamTime, from);
    const list = (this.versions.get(key) ?? []).filter((version) => version.from !== from);
    const place = list.some((version) => version.from > from) ? 'outOfOrder' : 'newest';
    this.versions.set(
      key,
      [...list, { from, value }].sort((a, b) => a.from - b.from),
    );
    return place;
  }

  get(key: string, asOf: number): number | null {
    if (asOf < this.streamTime - this.historyMs) return null;
    return this.versions.get(key)?.findLast(({ from }) => from <= asOf)?.value ?? null;
  }

  newest(key: string): number | null {
    return this.versions.get(key)?.at(-1)?.value ?? null;
  }

  copy(): Model {
    const copied = new Model(this.historyMs);
    for (const [key, list] of this.versions) copied.versions.set(key, [...list]);
    copied.streamTime = this.streamTime;
    return copied;
  }
}

/** A task with one versioned store. */
class Lab {
  state!: TaskState;
  readonly #files = memoryIdentityFiles();
  readonly #place: ReturnType<(typeof databases)[number][1]>;
  readonly #stores: ReturnType<typeof versionedStores>;

  constructor(place: ReturnType<(typeof databases)[number][1]>, history: number) {
    this.#place = place;
    this.#stores = versionedStores('prices', { key: serdes.string, value: serdes.json<number>() }, `${history}ms`);
  }

  async open(): Promise<OperatorVersionedStore<string, number>> {
    const { directory: root, openDatabase } = this.#place;
    const where = { root, openDatabase, files: this.#files, applicationId: 'app', taskId: 'in-0', topology: 'app' };
    this.state = await TaskState.open({ ...where, stores: this.#stores, budget: new CacheBudget(0) });
    return this.state.store('prices') as OperatorVersionedStore<string, number>;
  }

  async commit(): Promise<number> {
    const { writes, changelogs } = await this.state.prepare();
    await this.state.apply(writes, { sources: {}, changelogs: {} }, 0);
    this.state.evict();
    return [...changelogs.values()].reduce((sum, entries) => sum + entries.length, 0);
  }
}

type Step =
  | { readonly do: 'put'; readonly key: string; readonly value: number | null; readonly at: number }
  | { readonly do: 'commit' | 'reopen' };

const put = (at: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
  fc.record({
    do: fc.constant('put' as const),
    key: fc.constantFrom('a', 'a', 'b'),
    value: fc.option(fc.nat(9), { freq: 4 }) as fc.Arbitrary<number | null>,
    at,
  });
const turns: fc.Arbitrary<Step> = fc.record({ do: fc.constantFrom('commit' as const, 'reopen' as const) });
const stepsWith = (at: fc.Arbitrary<number>, length: number): fc.Arbitrary<Step[]> =>
  fc.array(fc.oneof({ weight: 12, arbitrary: put(at) }, { weight: 1, arbitrary: turns }), {
    minLength: length / 2,
    maxLength: length,
  });

async function agrees(lab: Lab, taken: readonly Step[], historyMs: number, moments: readonly number[]): Promise<void> {
  let store = await lab.open();
  let model = new Model(historyMs);
  let committed = model.copy();
  for (const step of taken) {
    if (step.do === 'put') {
      await store.prepare(step.key, step.at);
      assert.equal(store.put(step.key, step.value, step.at), model.put(step.key, step.value, step.at));
    } else if (step.do === 'commit') {
      await lab.commit();
      committed = model.copy();
    } else {
      await lab.state.close();
      store = await lab.open();
      model = committed.copy();
    }
    assert.equal(store.streamTime, model.streamTime);
    for (const key of ['a', 'b', 'never']) {
      assert.equal(await store.load(key), model.newest(key), `newest of ${key}`);
      for (const moment of moments) {
        assert.equal(await store.load(key, moment), model.get(key, moment), `${key} as of ${moment}`);
        assert.equal(store.get(key, moment), model.get(key, moment));
        const view = await lab.state.versioned('prices')?.peek(key, moment);
        assert.equal(view, model.get(key, moment), `${key} as of ${moment}, peeked`);
      }
    }
  }
  await lab.state.close();
}

for (const [name, place] of databases) {
  describe(`a versioned store over ${name}`, () => {
    it('finds the version of every moment in its history, for any timestamps, over commits and crashes', async () => {
      const numRuns = name === 'memory' ? 100 : 15;
      await fc.assert(
        fc.asyncProperty(stepsWith(fc.nat(40), 40), fc.integer({ min: 1, max: 45 }), (taken, history) =>
          agrees(new Lab(place(), history), taken, history, [0, 3, 10, 20, 21, 30, 40, 50]),
        ),
        { numRuns },
      );
    });

    it('finds the version of every moment in rows with hundreds of versions', async () => {
      const numRuns = name === 'memory' ? 6 : 2;
      const moments = [0, 100, 1_000, 2_000, 3_999, 5_000];
      await fc.assert(
        fc.asyncProperty(stepsWith(fc.nat(4_000), 1_600), fc.constantFrom(900, 5_000), (taken, history) =>
          agrees(new Lab(place(), history), taken, history, moments),
        ),
        { numRuns },
      );
    });
  });
}

describe('a versioned store', () => {
  const lab = (history: number): Lab => new Lab((databases[0] as (typeof databases)[number])[1](), history);

  it('keeps no past of rows that were put once', async () => {
    const it = lab(100);
    const store = await it.open();
    for (const key of ['a', 'b', 'c']) {
      await store.prepare(key, 10);
      store.put(key, 1, 10);
    }
    assert.equal(await it.commit(), 3);
    await it.state.close();
  });

  it('removes what has not held within its history', async () => {
    const it = lab(100);
    const store = await it.open();
    for (let at = 0; at < 3_000; at += 1) {
      await store.prepare('a', at);
      store.put('a', at, at);
      if (at % 500 === 0) await it.commit();
    }
    await store.prepare('b', 3_200);
    store.put('b', 1, 3_200);
    for (let n = 0; n < 3; n++) await it.commit();
    assert.equal((await rows(it.state.cached('prices-versions').entries())).length, 0);
    assert.deepEqual(await rows(store.entries()), [
      ['a', 2_999],
      ['b', 1],
    ]);
    await it.state.close();
  });

  it('forgets a deleted row when its history has passed', async () => {
    const it = lab(100);
    const store = await it.open();
    for (const [key, value, at] of [
      ['a', 1, 10],
      ['a', null, 20],
      ['b', 1, 121],
    ] as const) {
      await store.prepare(key, at);
      store.put(key, value, at);
    }
    for (let n = 0; n < 2; n++) await it.commit();
    assert.equal((await rows(it.state.cached('prices-versions').entries())).length, 0);
    assert.deepEqual(await rows(store.entries()), [['b', 1]]);
    await it.state.close();
  });

  it('answers requests that come together, also if one needs a list that another is loading', async () => {
    const it = lab(10_000);
    let store = await it.open();
    for (let at = 0; at < 400; at++) {
      await store.prepare('a', at);
      store.put('a', at, at);
    }
    await it.commit();
    await it.state.close();
    store = await it.open();
    const reads = store as OperatorVersionedStore<string, number> & Prefetched;
    reads.want('a', 17);
    const first = reads.loadWanted();
    // The list of the key is on its way, for somebody else.
    reads.want('a', 250);
    assert.equal(reads.hasWanted, true);
    await Promise.all([first, reads.loadWanted(), reads.loadWanted()]);
    assert.equal(reads.hasWanted, false);
    assert.deepEqual([store.get('a', 17), store.get('a', 250)], [17, 250]);
    await it.state.close();
  });

  it('keeps the past in the same rows, however often it is written to the disk and the cache is emptied', async () => {
    const puts = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.nat(9), fc.nat(400)), {
      minLength: 60,
      maxLength: 300,
    });
    const kept = async (taken: readonly (readonly [string, number, number])[], every: number): Promise<unknown> => {
      const it = lab(1_000);
      let store = await it.open();
      for (const [i, [key, value, at]] of taken.entries()) {
        await store.prepare(key, at);
        store.put(key, value, at);
        if ((i + 1) % every > 0) continue;
        await it.commit();
        await it.state.close();
        store = await it.open();
      }
      await it.commit();
      const found = await rows(it.state.cached('prices-versions').entries());
      await it.state.close();
      return found;
    };
    await fc.assert(
      fc.asyncProperty(puts, fc.integer({ min: 1, max: 40 }), async (taken, every) => {
        assert.deepEqual(await kept(taken, every), await kept(taken, Number.POSITIVE_INFINITY));
      }),
      { numRuns: 20 },
    );
  });

  it('asks for a part of the past that is not loaded to be loaded', async () => {
    const it = lab(10_000);
    const store = await it.open();
    for (let at = 0; at < 400; at++) {
      await store.prepare('a', at);
      store.put('a', at, at);
    }
    await it.commit();
    await it.state.close();
    const again = await it.open();
    await again.load('a');
    assert.equal(again.isLoaded('a', 399), true);
    assert.equal(again.isLoaded('a', 5), false);
    assert.throws(() => again.get('a', 5), /STORE_KEY_NOT_LOADED|not loaded/);
    await again.prepare('a', 5);
    assert.equal(again.get('a', 5), 5);
    assert.equal(again.prepare('a', 5), undefined);
    await it.state.close();
  });
});
