import type { DeclaredProcessor, NextClosing } from '../dsl/processor.js';
import type { Graph, SubTopology } from '../graph/graph.js';

/** What the tasks of a sub-topology have to do with the time of others. */
export interface Companions {
  /** Sub-topologies whose records meet theirs behind repartitions, their own among them. */
  readonly subTopologies: readonly SubTopology[];
  /** When something becomes final where they meet. */
  readonly nextClosing: NextClosing;
}

/**
 * Who keeps together in time with whom: by sub-topology; left out, nobody.
 *
 * What makes something final by stream time (windows, joins of streams) and stands behind a repartition, has its time from
 * all tasks that write to that. So these keep together: tasks of all sub-topologies that lead to it. Its own wait for them,
 * too, if they read several topics: what is in one says nothing of how far the others are. Nobody waits for what he writes to.
 */
export function companionsOf(
  { subTopologies, edges, nodes }: Graph,
  processors: readonly DeclaredProcessor[],
): ReadonlyMap<string, Companions> {
  const repartitions = new Map(nodes.flatMap((node) => (node.kind === 'repartition' ? [[node.name, node.id]] : [])));
  const writersOf = (to: SubTopology): readonly SubTopology[] => {
    const read = new Set(to.repartitions.map((name) => repartitions.get(name)));
    return subTopologies.filter((from) => edges.some((edge) => read.has(edge.to) && from.nodes.includes(edge.from)));
  };
  const before = new Map(subTopologies.map((one) => [one, allBefore(one, writersOf)]));
  const leadsTo = (from: SubTopology, to: SubTopology): boolean => before.get(to)?.has(from) === true;

  const found = new Map<string, { with: Set<SubTopology>; closings: NextClosing[] }>();
  for (const meeting of subTopologies) {
    const closings = processors.flatMap(({ id, spec }) =>
      spec.nextClosing && meeting.nodes.includes(id) ? [spec.nextClosing] : [],
    );
    if (closings.length === 0 || meeting.repartitions.length === 0) continue;
    const writers = before.get(meeting) ?? new Set();
    const reads = meeting.topics.length + meeting.repartitions.length;
    for (const one of reads > 1 ? [...writers, meeting] : writers) {
      const known = found.get(one.id) ?? { with: new Set(), closings: [] };
      for (const other of writers) if (!leadsTo(one, other) || leadsTo(other, one)) known.with.add(other);
      known.closings.push(...closings);
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

function allBefore(
  one: SubTopology,
  writersOf: (to: SubTopology) => readonly SubTopology[],
  found = new Set<SubTopology>(),
): ReadonlySet<SubTopology> {
  for (const writer of writersOf(one)) {
    if (found.has(writer)) continue;
    found.add(writer);
    allBefore(writer, writersOf, found);
  }
  return found;
}
