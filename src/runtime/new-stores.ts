import type { Admin } from '../broker/port.js';
import type { Graph, SubTopology } from '../graph/graph.js';
import { changelogTopic } from '../graph/naming.js';
import { isStreamsError } from '../model/errors.js';
import { hasProcessed } from './commit-marks.js';
import type { EngineConfig } from './config.js';

/**
 * Warns of stores that begin empty although records which would have filled them are done: those that are new
 * in an application that is not, or have another name than before. `created`: the topics that were just made.
 */
export async function warnOfNewStores(
  admin: Admin,
  graph: Graph,
  { applicationId, version, logger }: Pick<EngineConfig, 'applicationId' | 'version' | 'logger'>,
  created: ReadonlySet<string>,
): Promise<void> {
  const stores = graph.subTopologies.flatMap((subTopology) =>
    subTopology.stores
      .filter((store) => created.has(changelogTopic(version.prefix, store)))
      .map((store) => ({ store, subTopology })),
  );
  if (stores.length === 0) return;
  const processed = await processedTopics(admin, applicationId);
  for (const { store, subTopology } of stores) {
    const topics = sourcesOf(graph, subTopology).filter((topic) => processed.has(topic));
    if (topics.length === 0) continue;
    logger.warn(
      { app: applicationId, store, topics },
      `store ${store} is new in an application that is not: it begins empty, and holds what follows from the records that are processed from now on. To fill it from those before, let the application run once, stop all of its processes, and run millrace rebuild FILE --store ${store} --from sources. Had it another name, its rows are still in the changelog of that name`,
    );
  }
}

/** The source topics whose records reach a sub-topology, over whatever repartitions. */
function sourcesOf(graph: Graph, subTopology: SubTopology): readonly string[] {
  const reached = new Set([subTopology]);
  for (const sub of reached) {
    const read = graph.nodes.filter((node) => node.kind === 'repartition' && sub.repartitions.includes(node.name));
    const writers = graph.edges.filter(({ to }) => read.some(({ id }) => id === to)).map(({ from }) => from);
    for (const other of graph.subTopologies) if (other.nodes.some((id) => writers.includes(id))) reached.add(other);
  }
  return [...new Set([...reached].flatMap(({ topics }) => topics))];
}

/**
 * Source topics of which records are done. None if the user may not see the group: joining it names the right
 * that is missing.
 */
async function processedTopics(admin: Admin, groupId: string): Promise<ReadonlySet<string>> {
  try {
    return new Set((await admin.groupOffsets(groupId)).filter(hasProcessed).map(({ topic }) => topic));
  } catch (error) {
    if (isStreamsError(error) && error.code === 'BROKER_UNAUTHORIZED') return new Set();
    throw error;
  }
}
