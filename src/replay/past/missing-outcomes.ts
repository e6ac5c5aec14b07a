import { type Admin, partitionKey } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { internalInput, internalInputTopic } from '../../graph/naming.js';
import { StreamsError } from '../../model/errors.js';
import { readableOffsets } from '../../runtime/config/application-version.js';
import type { EngineConfig } from '../../runtime/config/config.js';
import { knownProgress } from '../../runtime/offsets/commit-marks.js';
import type { Slice } from '../slice/slice.js';

/**
 * OUTCOME_MISSING if a slice needs outcomes of calls that their topic no longer has: it was deleted, or its
 * retention has removed them while the sources are whole. Where the sources begin later, too, the calls of
 * their first records may have outcomes, and the gaps of the sources say that history is missing.
 *
 * @param begun Where the slice begins in each partition, if it begins with a snapshot.
 */
export async function checkOutcomes(
  { topology, config }: { readonly topology: Topology; readonly config: EngineConfig },
  admin: Admin,
  { parts }: Slice,
  begun: ReadonlyMap<string, number> | undefined,
): Promise<void> {
  const topics = topology.graph.nodes.flatMap((node) =>
    node.kind === 'internalInput' && node.holds === 'outcomes'
      ? [internalInputTopic(config.version.prefix, internalInput(node))]
      : [],
  );
  if (topics.length === 0) return;
  const outcomes = new Set(topics);
  const byKey = new Map(parts.map((part) => [partitionKey(part.topic, part.partition), part]));
  // What the application has read was there. Offsets of a deleted topic are gone, but others name them.
  const committed = await readableOffsets(admin, config.applicationId);
  for (const at of committed)
    for (const [topic, offset] of knownProgress([at])) {
      const { partition } = at;
      const latest = byKey.get(partitionKey(topic, partition))?.latest ?? 0;
      if (outcomes.has(topic) && latest < offset)
        throw missing(`${topic}[${partition}]`, `an end at offset ${latest}`, `at least ${offset}`);
    }
  const sources = parts.filter(({ topic }) => !outcomes.has(topic));
  const isWhole = begun !== undefined || sources.every(({ from, earliest }) => from === 0 && earliest === 0);
  if (!isWhole) return;
  for (const { topic, partition, earliest } of parts.filter((part) => outcomes.has(part.topic))) {
    const needed = begun?.get(partitionKey(topic, partition)) ?? 0;
    if (earliest > needed)
      throw missing(
        `${topic}[${partition}]`,
        `a first record at offset ${earliest}`,
        `records from offset ${needed} on`,
      );
  }
}

const missing = (at: string, saw: string, expected: string): StreamsError =>
  new StreamsError('OUTCOME_MISSING', {
    what: 'outcomes of calls are gone, and a replay calls nothing',
    at,
    saw,
    expected,
    action:
      'Keep the topic for as long as the sources. To look back without them, pass --effects pending (in code: effects: "pending"): the calls without an outcome then stay pending.',
  });
