import type { DeclaredProcessor, NextClosing } from '../../dsl/contract/processor.js';
import type { Graph, SubTopology } from '../../graph/graph.js';

/** How the tasks of a sub-topology are aligned in time with others. */
export interface Companions {
  /** Sub-topologies with records that meet its own after repartitions, possibly including itself. */
  readonly subTopologies: readonly SubTopology[];
  /** When something becomes final where they meet. */
  readonly nextClosing: NextClosing;
}

/**
 * The sub-topologies that are aligned in time with each other, by sub-topology; those without alignment are
 * left out.
 *
 * Some operators make results final by stream time (windows, joins of streams). After a repartition, such an
 * operator gets its time from all tasks that write to that topic. So the tasks of all sub-topologies that
 * lead to it are aligned. The tasks of the operator's own sub-topology wait for them, too, if they read
 * several topics: records of one topic do not show how far the others are. No task waits for a task that it
 * writes to.
 */
export function companionsOf(
  { subTopologies, edges, nodes }: Graph,
  processors: readonly DeclaredProcessor[],
): ReadonlyMap<string, Companions> {
  const kinds = new Map(nodes.map((node) => [node.id, node.kind]));
  const repartitions = new Map(nodes.flatMap((node) => (node.kind === 'repartition' ? [[node.name, node.id]] : [])));
  const writersTo = (read: ReadonlySet<string | undefined>): readonly SubTopology[] =>
    subTopologies.filter((from) => edges.some((edge) => read.has(edge.to) && from.nodes.includes(edge.from)));
  const writersOf = ({ repartitions: names }: SubTopology): readonly SubTopology[] =>
    writersTo(new Set(names.map((name) => repartitions.get(name))));
  const before = new Map(subTopologies.map((one) => [one, new Set(allBefore(writersOf(one), writersOf))]));
  const leadsTo = (from: SubTopology, to: SubTopology): boolean => before.get(to)?.has(from) === true;

  const found = new Map<string, { with: Set<SubTopology>; closings: NextClosing[] }>();
  for (const { id, spec } of processors) {
    const meeting = subTopologies.find((one) => one.nodes.includes(id));
    if (meeting === undefined || spec.nextClosing === undefined) continue;
    const isRead = (node: string): boolean => kinds.get(node) === 'source' || kinds.get(node) === 'repartition';
    // The rows that it looks up have stream times of their own.
    const looked = processors.filter((other) => other.spec.stores.some(({ name }) => spec.reads?.includes(name)));
    const read = new Set([id, ...looked.map((other) => other.id)].flatMap((node) => [...readBy(node, edges, isRead)]));
    const writers = allBefore(writersTo(read), writersOf);
    if (writers.size === 0) continue;
    for (const one of read.size > 1 ? new Set([...writers, meeting]) : writers) {
      const known = found.get(one.id) ?? { with: new Set(), closings: [] };
      for (const other of writers) if (!leadsTo(one, other) || leadsTo(other, one)) known.with.add(other);
      known.closings.push(spec.nextClosing);
      found.set(one.id, known);
    }
  }
  return new Map(
    [...found].map(([id, { with: others, closings }]) => [
      id,
      {
        subTopologies: [...others],
        nextClosing: (time) => closings.reduce((first, next) => Math.min(first, next(time)), Number.POSITIVE_INFINITY),
      },
    ]),
  );
}

/** The sources and repartitions of its own sub-topology that a node gets records from. */
function readBy(
  node: string,
  edges: Graph['edges'],
  isRead: (node: string) => boolean,
  found = new Set<string>(),
  seen = new Set<string>(),
): ReadonlySet<string> {
  for (const { from, to } of edges) {
    if (to !== node || seen.has(from)) continue;
    seen.add(from);
    if (isRead(from)) found.add(from);
    else readBy(from, edges, isRead, found, seen);
  }
  return found;
}

/** The writers, and all sub-topologies that lead to them. */
function allBefore(
  writers: readonly SubTopology[],
  writersOf: (to: SubTopology) => readonly SubTopology[],
  found = new Set<SubTopology>(),
): ReadonlySet<SubTopology> {
  for (const writer of writers) {
    if (found.has(writer)) continue;
    found.add(writer);
    allBefore(writersOf(writer), writersOf, found);
  }
  return found;
}
