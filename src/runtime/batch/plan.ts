import type { Graph, SubTopology } from '../../graph/graph.js';
import { UnionFind } from '../../graph/union-find.js';

/** The ids of processors that share a queue. Stages run in the order of the plan. */
export type StagePlan = readonly string[];

/**
 * Divides the processors of a sub-topology into stages.
 *
 * Processors that share a store are in one stage. So each sees the store as of its own record, not as of the
 * end of the batch. Stages in a cycle are merged, too. The rest is in topological order: a stage runs after
 * everything that leads to it.
 */
export function planStages(graph: Graph, subTopology: SubTopology): StagePlan[] {
  const inside = new Set(subTopology.nodes);
  const processors = graph.nodes.filter((node) => node.kind === 'processor' && inside.has(node.id));
  const sets = new UnionFind();
  const byStore = new Map<string, string>();
  for (const node of processors) {
    sets.add(node.id);
    if (node.kind !== 'processor') continue;
    for (const store of [...node.stores, ...node.reads]) {
      const other = byStore.get(store);
      if (other === undefined) byStore.set(store, node.id);
      else sets.union(other, node.id);
    }
  }
  const ids = new Set(processors.map((node) => node.id));
  const edges = graph.edges.filter(({ from, to }) => ids.has(from) && ids.has(to));
  for (;;) {
    const order = topological(sets, [...ids], edges);
    if (Array.isArray(order)) return order.map((root) => [...ids].filter((id) => sets.find(id) === root));
    sets.union(order.a, order.b);
  }
}

/** The sets in topological order, or two sets in a cycle. */
function topological(
  sets: UnionFind,
  ids: readonly string[],
  edges: readonly { readonly from: string; readonly to: string }[],
): string[] | { readonly a: string; readonly b: string } {
  const next = new Map<string, Set<string>>(ids.map((id) => [sets.find(id), new Set()]));
  for (const { from, to } of edges) {
    const [a, b] = [sets.find(from), sets.find(to)];
    if (a !== b) next.get(a)?.add(b);
  }
  const state = new Map<string, 'open' | 'done'>();
  const order: string[] = [];
  const visit = (root: string): { a: string; b: string } | undefined => {
    state.set(root, 'open');
    for (const follower of next.get(root) ?? []) {
      if (state.get(follower) === 'open') return { a: root, b: follower };
      const circle = state.has(follower) ? undefined : visit(follower);
      if (circle) return circle;
    }
    state.set(root, 'done');
    order.unshift(root);
    return undefined;
  };
  // Backwards, so that unrelated sets keep the order of declaration.
  for (const root of [...next.keys()].reverse()) {
    if (state.has(root)) continue;
    const circle = visit(root);
    if (circle) return circle;
  }
  return order;
}
