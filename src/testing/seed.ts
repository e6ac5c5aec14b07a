import { StreamsError } from '../model/errors.js';
import type { Engine } from '../runtime/engine/engine.js';
import { partitionOf } from '../runtime/topics/partitioner.js';
import type { StoreSpec } from '../state/contract.js';

/** A row that a store has before the first record. */
export type SeededRow<K, V> = readonly [key: K, value: V, timestampMs?: number];

/** Puts rows into a store, in the tasks that their keys belong to, and commits them. */
export async function seedStore(
  engine: Engine,
  spec: StoreSpec,
  rows: readonly SeededRow<unknown, unknown>[],
): Promise<void> {
  if (spec.kind !== 'keyValue' || spec.shown)
    throw new StreamsError('STORE_READ_ONLY', {
      what: 'cannot seed the store',
      at: `store ${spec.name}`,
      saw: `a store of kind ${spec.kind}`,
      expected: 'a store with one row for each key',
      action: 'Send the records that fill it.',
    });
  const tasks = engine.tasks.filter(({ subTopology }) => subTopology.stores.includes(spec.name));
  for (const [key, value, timestamp = 0] of rows) {
    const partition = partitionOf(spec.key.encode(key), tasks.length);
    const task = tasks.find((each) => each.partition === partition);
    const store = task?.state?.cached(spec.name);
    await store?.load(key);
    store?.put(key, value, timestamp);
    task?.touch();
  }
  for (const task of tasks) await task.commit();
}
