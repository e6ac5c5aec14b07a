import { nearestName } from '../../model/text/nearest-name.js';
import type { Declaring } from './declaring.js';

/**
 * Checks that the stores that operators use exist. This runs once everything is declared, because a store may
 * be declared after its user.
 */
export function checkUsedStores(declaring: Declaring): void {
  const known = declaring.stores.map(({ name }) => name);
  for (const { id, spec } of declaring.processors) {
    for (const store of spec.reads ?? []) {
      if (known.includes(store)) continue;
      const near = nearestName(store, known);
      declaring.problem(
        id,
        `it uses the store "${store}", which does not exist`,
        `${near === undefined ? '' : `Did you mean "${near}"? `}Name a store of another operator or of a global table.`,
      );
    }
  }
}
