import type { Graph, Problem } from './graph.js';

/**
 * Repartitions whose records meet in one store, and which say themselves that they have different numbers of
 * partitions. What topics have is known at start only.
 */
export function checkCoPartitioned({ nodes, coPartitioned }: Graph): readonly Problem[] {
  return coPartitioned.flatMap((group) => {
    const wide = nodes.flatMap((node) =>
      node.kind === 'repartition' && node.partitions !== null && group.includes(node.id) ? [node] : [],
    );
    const [first, ...others] = wide;
    if (!first || others.every(({ partitions }) => partitions === first.partitions)) return [];
    return [
      {
        where: first.id,
        what: `records of ${wide.map(({ id, partitions }) => `${id} with ${partitions} partitions`).join(', ')} meet in one store`,
        advice: 'Give them one number of partitions, or leave it out.',
      },
    ];
  });
}
