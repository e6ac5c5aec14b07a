import assert from 'node:assert/strict';
import fc from 'fast-check';
import { process, type Serde, serdes, suppress, toTable } from '#src/index.js';
import { feed, json, open, read, type Short, through } from '../support.js';

interface Waiting {
  readonly due: number;
  readonly key: string;
  readonly previous: number | null;
  value: number | null;
  timestamp: number;
}

const LIMIT = 20;
const UNWRITABLE = 9;

/** What waits is written by it. */
const writes: Serde<number> = {
  name: 'all-but-one',
  encode(value) {
    if (value === UNWRITABLE) throw new Error(`saw ${value}`);
    return serdes.double.encode(value);
  },
  decode: serdes.double.decode,
};

/** The rules of suppress, word by word. A row that cannot be written is none, and waits as a deletion. */
function model(records: readonly Short<number>[], maxRecords: number): unknown[] {
  const out: unknown[] = [];
  const waiting: Waiting[] = [];
  const emitted = new Map<string, number | null>();
  let time = Number.NEGATIVE_INFINITY;
  for (const [key, given, timestamp = 0] of records as readonly (readonly [string, number | null, number])[]) {
    const value = given === UNWRITABLE ? null : given;
    const known = waiting.find((entry) => entry.key === key);
    const previous = emitted.get(key) ?? null;
    // There was no row, and there is none.
    if (given === UNWRITABLE && !known && previous === null) continue;
    time = Math.max(time, timestamp);
    if (known) Object.assign(known, { value, timestamp });
    else waiting.push({ due: timestamp, key, previous, value, timestamp });
    waiting.sort((a, b) => a.due - b.due || (a.key < b.key ? -1 : 1));
    for (let first = waiting[0]; first; first = waiting[0]) {
      if (first.due > time - LIMIT && waiting.length <= maxRecords) break;
      waiting.shift();
      emitted.set(first.key, first.value);
      out.push([first.key, [first.previous, first.value], first.timestamp]);
    }
  }
  return out;
}

const calm = (maxRecords: number) =>
  through<number>((input) =>
    input.pipe(
      toTable({ store: 'rows', value: json<number>().value }),
      suppress({
        store: 'calm',
        value: writes,
        until: { timeLimit: `${LIMIT}ms` },
        ...(Number.isFinite(maxRecords) && { maxRecords }),
      }),
      process<any, any>({
        name: 'with-previous',
        process: ({ key, value, previous }, { forward }) => forward({ key, value: [previous, value] }),
      }),
    ),
  );

describe('suppress against a simple model', () => {
  it('equals it for any order of timestamps, unwritable values, bounds, batches and crashes', async () => {
    const given = fc.array(
      fc.tuple(
        fc.constantFrom('a', 'b', 'c', 'd'),
        fc.option(fc.nat({ max: UNWRITABLE }), { freq: 5 }),
        fc.nat({ max: 80 }),
      ),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(
        given,
        fc.constantFrom(1, 2, 3, Number.POSITIVE_INFINITY),
        fc.constantFrom(1, 2, 7, 1_000),
        fc.nat({ max: 40 }),
        async (records, maxRecords, batchRecords, crashAt) => {
          const driver = await open(calm(maxRecords), { batchRecords, onError: { process: 'skip' } });
          await feed(driver, 'in', records.slice(0, crashAt));
          await driver.crash();
          await driver.restart();
          await feed(driver, 'in', records.slice(crashAt));
          assert.deepEqual(await read(driver), model(records, maxRecords));
          await driver.close();
        },
      ),
      { numRuns: 200 },
    );
  });
});
