import type { Graph, SubTopology } from '../../graph/graph.js';

/**
 * Orders sub-topologies: those that write a repartition come before those that read it. `cyclic`: some form a
 * cycle, so there is no such order.
 */
export function flowOf(graph: Graph): { readonly order: readonly SubTopology[]; readonly cyclic: boolean } {
  const { subTopologies, edges, nodes } = graph;
  const repartitionIds = new Map(nodes.flatMap((node) => (node.kind === 'repartition' ? [[node.name, node.id]] : [])));
  const feeds = (from: SubTopology, to: SubTopology): boolean =>
    to.repartitions.some((name) => {
      const id = repartitionIds.get(name);
      return edges.some((edge) => edge.to === id && from.nodes.includes(edge.from));
    });
  const left = [...subTopologies];
  const order: SubTopology[] = [];
  while (left.length > 0) {
    const at = left.findIndex((to) => !left.some((from) => feeds(from, to)));
    if (at < 0) return { order: [...order, ...left], cyclic: true };
    order.push(...left.splice(at, 1));
  }
  return { order, cyclic: false };
}
