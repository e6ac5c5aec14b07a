import type { Admin } from '../../broker/port.js';
import type { Graph, SubTopology } from '../../graph/graph.js';
import { changelogTopic } from '../../graph/naming.js';
import { isStreamsError } from '../../model/errors.js';
import type { EngineConfig } from '../config/config.js';
import { hasProcessed } from '../offsets/commit-marks.js';

/**
 * Warns of stores that begin empty although records that would have filled them were already processed. Such
 * stores are new in an existing application, or were renamed.
 *
 * @param created The topics that were just created.
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
      `store ${store} is new in an existing application: it begins empty, and only records that are processed from now on fill it. To fill it from earlier records, let the application run once, stop all of its processes, and run millrace rebuild FILE --store ${store} --from sources. If it had another name before, its rows are still in the changelog of that name`,
    );
  }
}

/**
 * The source topics that a sub-topology gets records from, including those that pass through repartitions.
 */
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
 * Source topics with processed records. None if the permission for the group is missing: joining the group
 * reports it.
 */
async function processedTopics(admin: Admin, groupId: string): Promise<ReadonlySet<string>> {
  try {
    return new Set((await admin.groupOffsets(groupId)).filter(hasProcessed).map(({ topic }) => topic));
  } catch (error) {
    if (isStreamsError(error) && error.code === 'BROKER_UNAUTHORIZED') return new Set();
    throw error;
  }
}
