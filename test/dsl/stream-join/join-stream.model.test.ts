import assert from 'node:assert/strict';
import fc from 'fast-check';
import { filter } from 'rxjs';
import {
  joinStream,
  leftJoinStream,
  mapValues,
  outerJoinStream,
  type StreamRecord,
  type Topology,
  to,
  topology,
} from '#src/index.js';
import { TestDriver } from '#src/testing/index.js';
import { json } from '../support.js';

/** What flows in: both sides come on one topic, so that the order of arrival is that of the test. */
interface Item {
  readonly side: 'left' | 'right';
  /** Null: a record without a value. */
  readonly n: number | null;
}

interface Input {
  readonly key: string | null;
  readonly value: Item;
  readonly timestamp: number;
}

const JOINS = { inner: joinStream, left: leftJoinStream, outer: outerJoinStream };

interface Window {
  readonly kind: keyof typeof JOINS;
  readonly before: number;
  readonly after: number;
  readonly grace: number;
  /** The stream is joined with itself. */
  readonly self: boolean;
}

type Output = readonly [key: string | null, value: unknown, timestamp: number];

const joined = ({ kind, before, after, grace, self }: Window): Topology =>
  topology('test', (t) => {
    const all = t.stream('in', json<Item>());
    const numbers = (side: Item['side']) =>
      all.pipe(
        filter((record: StreamRecord<string, Item>) => self || record.value.side === side),
        mapValues((item: Item) => item.n),
      );
    const left = numbers('left');
    left
      .pipe(
        JOINS[kind]<any, any, any>(self ? left : numbers('right'), {
          store: 'join',
          before: `${before}ms`,
          after: `${after}ms`,
          grace: `${grace}ms`,
          join: (a: unknown, b: unknown) => [a, b],
        }),
      )
      .pipe(to('out', json<any>()));
  });

interface Kept {
  readonly side: 'left' | 'right';
  readonly key: string;
  readonly n: number;
  readonly t: number;
  readonly arrival: number;
}

/** The semantics word for word, with lists that are searched through. */
class Reference {
  readonly out: Output[] = [];
  readonly #window: Window;
  readonly #put: Kept[] = [];
  #pending: Kept[] = [];
  #time = Number.NEGATIVE_INFINITY;
  #arrivals = 0;

  constructor(window: Window) {
    this.#window = window;
  }

  take({ key, value: { side, n }, timestamp }: Input): void {
    const sides = this.#window.self ? (['left', 'right'] as const) : [side];
    for (const one of sides) this.#takeOne(one, key, n, timestamp);
  }

  #ahead(side: Item['side']): number {
    return side === 'left' ? this.#window.after : this.#window.before;
  }

  #back(side: Item['side']): number {
    return side === 'left' ? this.#window.before : this.#window.after;
  }

  #emit(side: Item['side'], key: string | null, mine: unknown, other: unknown, timestamp: number): void {
    this.out.push([key, side === 'left' ? [mine, other] : [other, mine], timestamp]);
  }

  #takeOne(side: Item['side'], key: string | null, n: number | null, t: number): void {
    const { kind, before, after, grace } = this.#window;
    this.#time = Math.max(this.#time, t);
    const keep = kind === 'outer' || (kind === 'left' && side === 'left');
    if (n === null) return;
    if (key === null) {
      if (keep) this.#emit(side, key, n, null, t);
      return;
    }
    const due = this.#pending.filter((p) => p.t + this.#ahead(p.side) + grace < this.#time);
    this.#pending = this.#pending.filter((p) => !due.includes(p));
    const rank = (p: Kept): number => (p.side === 'right' ? 0 : 1);
    due.sort(
      (a, b) => a.t - b.t || rank(a) - rank(b) || (a.key < b.key ? -1 : a.key > b.key ? 1 : a.arrival - b.arrival),
    );
    for (const p of due) this.#emit(p.side, p.key, p.n, null, p.t);

    const others = this.#put.filter((p) => p.side !== side);
    const oldest = Math.max(Number.NEGATIVE_INFINITY, ...others.map((p) => p.t)) - (before + after + grace);
    const matches = others
      .filter((p) => p.key === key && p.t >= t - this.#back(side) && p.t <= t + this.#ahead(side) && p.t > oldest)
      .sort((a, b) => a.t - b.t || a.arrival - b.arrival);
    for (const p of matches) this.#emit(side, key, n, p.n, Math.max(t, p.t));
    this.#pending = this.#pending.filter((p) => !matches.includes(p));
    const kept = { side, key, n, t, arrival: this.#arrivals++ };
    if (matches.length === 0 && keep) {
      if (t + this.#ahead(side) < this.#time) this.#emit(side, key, n, null, t);
      else this.#pending.push(kept);
    }
    this.#put.push(kept);
  }
}

const windows: fc.Arbitrary<Window> = fc
  .record({
    kind: fc.constantFrom('inner' as const, 'left' as const, 'outer' as const),
    before: fc.integer({ min: -15, max: 25 }),
    after: fc.integer({ min: -15, max: 25 }),
    grace: fc.constantFrom(0, 0, 1, 7, 30),
    self: fc.boolean(),
  })
  .filter(({ before, after, grace }) => before + after >= 0 && before + after + grace > 0);

/** Time goes on, stands still and goes back; now and then it makes a leap. `keys`: how many. */
const inputs = (keys: string[], minLength: number, maxLength: number): fc.Arbitrary<readonly Input[]> =>
  fc
    .array(
      fc.record({
        key: fc.option(fc.constantFrom(...keys), { freq: 15 }),
        side: fc.constantFrom('left' as const, 'right' as const),
        hasValue: fc.nat({ max: 11 }),
        step: fc.oneof(
          { weight: 12, arbitrary: fc.integer({ min: 0, max: 6 }) },
          { weight: 4, arbitrary: fc.integer({ min: -40, max: 0 }) },
          { weight: 1, arbitrary: fc.integer({ min: 30, max: 90 }) },
        ),
      }),
      { minLength, maxLength },
    )
    .map((list) => {
      let now = 20;
      return list.map(({ key, side, hasValue, step }, n) => {
        now = Math.max(0, now + step);
        return { key, value: { side, n: hasValue === 0 ? null : n }, timestamp: now };
      });
    });

/** Feeds the records in as many rounds as there are cuts, with a crash or a commit between them. */
async function outcome(
  window: Window,
  given: readonly Input[],
  options: { readonly batchRecords: number; readonly cuts: readonly number[]; readonly cacheBytes: number },
): Promise<Output[]> {
  const { batchRecords, cacheBytes } = options;
  const driver = await TestDriver.create(joined(window), { batchRecords, cacheBytes });
  try {
    const input = driver.input<any, Item>('in', json<Item>());
    const cuts = [...options.cuts.map((cut) => cut % given.length), given.length].sort((a, b) => a - b);
    let from = 0;
    for (const cut of cuts) {
      await input.sendAll(given.slice(from, cut));
      from = cut;
      await driver.crash();
      await driver.restart();
    }
    const records = await driver.output('out', json<unknown>()).read();
    return records.map(({ key, value, timestamp }) => [key, value, timestamp] as const);
  } finally {
    await driver.close();
  }
}

const options = fc.record({
  batchRecords: fc.constantFrom(1, 2, 7, 1_000),
  cuts: fc.array(fc.nat(), { maxLength: 3 }),
  cacheBytes: fc.constantFrom(1, 1_000_000),
});

function expected(window: Window, given: readonly Input[]): readonly Output[] {
  const reference = new Reference(window);
  for (const input of given) reference.take(input);
  return reference.out;
}

describe('a join of streams, against its semantics word for word', () => {
  const same = async (window: Window, given: readonly Input[], how: Parameters<typeof outcome>[2]): Promise<void> => {
    assert.deepEqual(await outcome(window, given, how), expected(window, given));
  };

  it('gives the same for any records, windows, sizes of batches and restarts', async () => {
    await fc.assert(fc.asyncProperty(windows, inputs(['a', 'b', 'ab'], 1, 50), options, same), { numRuns: 400 });
  });

  it('gives the same for a key with many records', async () => {
    await fc.assert(fc.asyncProperty(windows, inputs(['a'], 150, 300), options, same), { numRuns: 40 });
  });
});
