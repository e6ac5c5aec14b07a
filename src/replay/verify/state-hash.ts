import { createHash } from 'node:crypto';
import type { Declaration } from '../../dsl/contract/processor.js';
import { taskStores } from '../rerun/event.js';
import type { Rerun } from '../rerun/rerun.js';

/** A digest of each store's rows, over all tasks: equal if all keys and values have equal bytes. */
export async function stateHashes(declaration: Declaration, run: Rerun): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>();
  for (const [name, { key, value }] of taskStores(declaration)) {
    const hash = createHash('sha256');
    for (const { id, state, subTopology } of run.tasks) {
      if (!state || !subTopology.stores.includes(name)) continue;
      for await (const [each, row] of state.cached(name).entries()) {
        for (const bytes of [Buffer.from(id), key.encode(each), value.encode(row)]) {
          hash.update(`${bytes.length}:`);
          hash.update(bytes);
        }
      }
    }
    hashes.set(name, hash.digest('hex'));
  }
  return hashes;
}
