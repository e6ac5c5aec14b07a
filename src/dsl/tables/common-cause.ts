import type { Declaring } from '../declare/declaring.js';

/**
 * Whether one record may change both tables that a node joins: some node is above both of its inputs. A
 * repartition ends the search, because the same change is another record after it.
 */
export function haveCommonCause(node: string, { edges, repartitions }: Declaring): boolean {
  const above = (port: number): ReadonlySet<string> => {
    const found = new Set<string>();
    const rise = (from: string): void => {
      if (found.has(from)) return;
      found.add(from);
      if (repartitions.some(({ id }) => id === from)) return;
      for (const edge of edges) if (edge.to === from) rise(edge.from);
    };
    for (const edge of edges) if (edge.to === node && edge.port === port) rise(edge.from);
    return found;
  };
  const left = above(0);
  return [...above(1)].some((id) => left.has(id));
}
