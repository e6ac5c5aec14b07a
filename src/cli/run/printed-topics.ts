import type { Topology } from '../../dsl/contract/processor.js';
import type { Logger } from '../../model/ports.js';
import { nearestName } from '../../model/text/nearest-name.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import { outsideTopics } from '../load/declared.js';

/**
 * Warns of topics of `--print` that do not exist, and that the topology neither reads nor writes: a misspelt
 * one would print nothing, as a topic without new records.
 *
 * @param missing The topics that do not exist.
 */
export function warnOfUnknown(missing: readonly string[], { topology, applicationId, logger }: PrintedBy): void {
  const { sinks, ...declared } = declaredNodes(topology);
  const own = [...outsideTopics({ sinks, ...declared }), ...sinks.map(({ topic }) => topic)].filter(
    (topic) => typeof topic === 'string',
  );
  for (const topic of missing) {
    if (own.includes(topic) || topic.startsWith(`${applicationId}-`)) continue;
    const near = nearestName(topic, own);
    const expected = near === undefined ? `one of ${own.join(', ')}` : `did you mean ${near}?`;
    logger.warn({ topic }, `there is no topic ${topic} to print, and ${topology.name} names none: ${expected}`);
  }
}

interface PrintedBy {
  readonly topology: Topology;
  readonly applicationId: string;
  readonly logger: Logger;
}
