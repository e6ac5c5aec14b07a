import type { Admin } from '../../broker/port.js';
import type { Graph } from '../../graph/graph.js';
import { type ApplicationVersion, findVersion, firstVersion, readableOffsets } from '../config/application-version.js';
import type { EngineConfig, EnginePorts } from '../config/config.js';
import { keptFrom, policiesOf } from '../config/kept-policies.js';
import { type RetryOptions, withRetry } from '../config/retry.js';
import { apartOf, foreignTopics, foundOwner, isForeign, ownerOf } from './topic-owners.js';
import { describeTopics } from './topic-problems.js';
import { internalTopics } from './topic-uses.js';

/**
 * Chooses the prefix of an application that was never promoted: its id. If another application owns topics of
 * these names (see topic-owners.ts), and none is its own, the prefix is `<application>-apart`. An application
 * with topics of its own keeps them. TOPIC_FOREIGN, naming both, if neither works: it has topics of its own
 * and would need others, or the topics of both prefixes are taken.
 */
export async function chooseVersion(
  admin: Admin,
  graph: Graph,
  config: EngineConfig,
  onDisk: ApplicationVersion,
): Promise<ApplicationVersion> {
  const { applicationId } = config;
  const prefixes = new Set([...(onDisk.n === 0 ? [onDisk.prefix] : []), applicationId, apartOf(applicationId)]);
  const looked = await Promise.all(
    [...prefixes].map((prefix) => look(admin, graph, { ...config, version: { n: 0, prefix } })),
  );
  const chosen = looked.find(({ own }) => own) ?? looked.find(({ problem }) => !problem) ?? looked[0];
  if (!chosen) return firstVersion(applicationId);
  if (chosen.problem) throw chosen.problem;
  const first = looked.find(({ version: { prefix } }) => prefix === applicationId);
  if (first?.problem && chosen !== first)
    config.logger.warn(
      { app: applicationId, prefix: chosen.version.prefix },
      `another application owns internal topics of these names: this one uses names under ${chosen.version.prefix}-… instead. ${first.problem.message}`,
    );
  return chosen.version;
}

/**
 * The configuration of the version to run: see {@link findVersion}, and {@link chooseVersion} for an
 * application that was never promoted. Its offsets will name its error policies. Waits for a cluster that
 * does not answer.
 */
export async function ownVersion(
  config: EngineConfig,
  ports: EnginePorts,
  graph: Graph,
  retryOptions: RetryOptions,
): Promise<EngineConfig> {
  const { admin } = ports.broker;
  const choose = (onDisk: ApplicationVersion): Promise<ApplicationVersion> =>
    withRetry('looking at the topics', retryOptions, () => chooseVersion(admin, graph, config, onDisk));
  return withRetry('looking at the group', retryOptions, async () => {
    const version = await findVersion(config, ports, choose);
    const found = policiesOf(await readableOffsets(admin, config.applicationId));
    return { ...ofVersion(config, version), kept: keptFrom(config.policies, found) };
  });
}

/**
 * The configuration of a version. With the prefix `<id>-apart`, the application also uses separate subjects
 * in the schema registry: the subjects of its id belong to the other application.
 */
export const ofVersion = (config: EngineConfig, version: ApplicationVersion): EngineConfig =>
  ownerOf(config.applicationId, version).kind === 'apart'
    ? { ...config, version, schemasOf: version.prefix }
    : { ...config, version };

/** TOPIC_FOREIGN if another application owns an internal topic of the version. */
export async function checkOwned(admin: Admin, graph: Graph, config: EngineConfig): Promise<void> {
  const { problem } = await look(admin, graph, config);
  if (problem) throw problem;
}

async function look(admin: Admin, graph: Graph, config: EngineConfig) {
  const { applicationId, version } = config;
  const owner = ownerOf(applicationId, version);
  const names = internalTopics(graph, config).flatMap(({ name, anyWidth }) => (anyWidth ? [] : [name]));
  const topics = [...(await describeTopics(admin, names)).existing.values()];
  return {
    version,
    own: topics.some((topic) => foundOwner(topic) !== undefined && !isForeign(topic, owner)),
    problem: foreignTopics(topics, owner),
  };
}
