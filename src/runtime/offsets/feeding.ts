import { createHash } from 'node:crypto';
import type { Graph, SubTopology } from '../../graph/graph.js';
import { repartitionTopic } from '../../graph/naming.js';

/** The repartition topics that a sub-topology writes to. */
export function fedTopics({ nodes, edges }: Graph, prefix: string, sub: SubTopology): readonly string[] {
  // A repartition is a node of its writer, too, which does not read it.
  const own = nodes.filter(
    (node) => sub.nodes.includes(node.id) && (node.kind !== 'repartition' || sub.repartitions.includes(node.name)),
  );
  const from = new Set(own.map(({ id }) => id));
  const to = new Set(edges.filter((edge) => from.has(edge.from)).map((edge) => edge.to));
  return nodes.flatMap((node) =>
    node.kind === 'repartition' && to.has(node.id) ? [repartitionTopic(prefix, node.name)] : [],
  );
}

/** The metadata of an offset has little room. One name that matches is enough: see lost-feeders.ts. */
const MOST_NAMES = 8;

/**
 * For each repartition topic that a sub-topology reads, the topics that its writer reads, by their short
 * names.
 */
export function feedersOf(graph: Graph, prefix: string, reader: SubTopology): ReadonlyMap<string, readonly string[]> {
  const read = reader.repartitions.map((name) => repartitionTopic(prefix, name));
  if (read.length === 0) return new Map();
  const writers = graph.subTopologies.map(
    (writer) => [fedTopics(graph, prefix, writer), readNames(writer, prefix).slice(0, MOST_NAMES)] as const,
  );
  return new Map(read.map((topic) => [topic, writers.find(([fed]) => fed.includes(topic))?.[1] ?? []]));
}

/** Short names of the topics that a sub-topology reads. */
export const readNames = ({ topics, repartitions }: SubTopology, prefix: string): readonly string[] =>
  [...topics, ...repartitions.map((name) => repartitionTopic(prefix, name))].map((topic) =>
    createHash('sha256').update(topic).digest('base64url').slice(0, 8),
  );
