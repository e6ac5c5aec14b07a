import type { Graph, Problem } from './graph.js';

/**
 * Finds repartitions that feed one store but declare different numbers of partitions. The partition counts of
 * topics are known only at start.
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
        advice: 'Give them equal numbers of partitions, or leave partitions out.',
      },
    ];
  });
}
