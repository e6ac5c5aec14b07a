import type { Graph, GraphNode, GraphParts, SubTopology } from './graph.js';
import { internalInput } from './naming.js';
import { UnionFind } from './union-find.js';

/**
 * Completes a graph: splits it into sub-topologies, finds the sources that must be co-partitioned, freezes
 * it.
 */
export function buildGraph(parts: GraphParts): Graph {
  return deepFreeze({ ...parts, subTopologies: subTopologies(parts), coPartitioned: coPartitioned(parts) });
}

const readsOf = (node: GraphNode): readonly string[] =>
  node.kind === 'processor' ? [...node.stores, ...node.reads] : [];

/** A repartition ends one sub-topology and begins another: its incoming side belongs to the writing one. */
const incoming = (id: string): string => `${id} (write)`;

function subTopologies({ nodes, edges }: GraphParts): SubTopology[] {
  const sets = new UnionFind();
  const kinds = new Map(nodes.map((node) => [node.id, node.kind]));
  const stores = new Map<string, string>();
  for (const node of nodes) {
    sets.add(node.id);
    for (const store of readsOf(node)) {
      const other = stores.get(store);
      if (other === undefined) stores.set(store, node.id);
      else sets.union(other, node.id);
    }
  }
  for (const { from, to } of edges) sets.union(from, kinds.get(to) === 'repartition' ? incoming(to) : to);

  const members = new Map<string, Set<string>>();
  for (const group of sets.groups()) for (const id of group) members.set(id, new Set(group));
  const seen = new Set<Set<string>>();
  const result: SubTopology[] = [];
  for (const node of nodes) {
    const group = members.get(node.id);
    if (!group || seen.has(group) || (node.kind !== 'source' && node.kind !== 'repartition')) continue;
    for (const id of group) members.set(id, group);
    seen.add(group);
    const inside = nodes.filter((n) => group.has(n.id));
    const topics = inside.flatMap((n) => (n.kind === 'source' ? [n.topic] : []));
    const repartitions = inside.flatMap((n) => (n.kind === 'repartition' ? [n.name] : []));
    const inputs = inside.flatMap((n) => (n.kind === 'internalInput' ? [internalInput(n)] : []));
    result.push({
      id: node.kind === 'source' ? node.topic : repartitionId(node.name, nodes),
      nodes: nodes.filter((n) => group.has(n.id) || group.has(incoming(n.id))).map((n) => n.id),
      topics,
      repartitions,
      ...(inputs.length > 0 && { internalInputs: inputs }),
      stores: inside.flatMap((n) => (n.kind === 'processor' ? n.stores : [])),
    });
  }
  return result;
}

/** A repartition may have the name of a topic, but two tasks must not have the same name. */
function repartitionId(name: string, nodes: readonly GraphNode[]): string {
  const taken = (id: string): boolean =>
    nodes.some(
      (node) =>
        (node.kind === 'source' && node.topic === id) ||
        (node.kind === 'repartition' && node.name === id && id !== name),
    );
  let id = name;
  while (taken(id)) id = `${id}-repartition`;
  return id;
}

function coPartitioned({ nodes, edges }: GraphParts): string[][] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const into = new Map<string, string[]>();
  for (const { from, to } of edges) into.set(to, [...(into.get(to) ?? []), from]);
  const sourcesOf = (id: string, found = new Set<string>(), visited = new Set<string>()): Set<string> => {
    if (visited.has(id)) return found;
    visited.add(id);
    for (const from of into.get(id) ?? []) {
      const kind = byId.get(from)?.kind;
      if (kind === 'source' || kind === 'repartition') found.add(from);
      else sourcesOf(from, found, visited);
    }
    return found;
  };

  const sets = new UnionFind();
  const byStore = new Map<string, string[]>();
  for (const node of nodes) {
    if (node.kind !== 'processor' || !node.keyed) continue;
    for (const store of readsOf(node)) byStore.set(store, [...(byStore.get(store) ?? []), node.id]);
    if (readsOf(node).length === 0) byStore.set(node.id, [node.id]);
  }
  for (const processors of byStore.values()) {
    const [first, ...rest] = processors.flatMap((id) => [...sourcesOf(id)]);
    if (first !== undefined) for (const other of rest) sets.union(first, other);
  }
  return sets.groups().filter((group) => group.length > 1);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
