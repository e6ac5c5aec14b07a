import type { OperatorStore, OperatorVersionedStore } from '../../state/contract.js';
import type { Item } from './stage.js';

/** Declares the reads of an item again, and loads them. */
export async function preparedAgain({ node, record, port }: Item): Promise<unknown> {
  const declared: (() => Promise<unknown>)[] = [];
  const prepared = node.processor.prepare?.(record, port, {
    add: (store, key, asOf) => void declared.push(() => loadAsOf(store, key, asOf)),
  });
  await Promise.all(declared.map((load) => load()));
  return prepared;
}

const loadAsOf = <K>(store: OperatorStore<K, unknown>, key: K, asOf: number | undefined): Promise<unknown> =>
  asOf === undefined ? store.load(key) : (store as OperatorVersionedStore<K, unknown>).load(key, asOf);
