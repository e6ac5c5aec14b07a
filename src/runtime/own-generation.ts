import type { Admin } from '../broker/port.js';
import type { Graph } from '../graph/graph.js';
import type { EngineConfig, EnginePorts } from './config.js';
import { findGeneration, firstGeneration, type Generation } from './generation.js';
import { type Patience, patiently } from './patience.js';
import { apartOf, foreignTopics, foundOwner, isForeign, ownerOf } from './topic-owners.js';
import { describeTopics } from './topic-problems.js';
import { internalTopics } from './topic-uses.js';

/**
 * The prefix of an application that was never promoted: its id. If topics of these names are another
 * application's (see topic-owners.ts), and none is its own, it keeps apart: its prefix is then
 * `<application>-apart`. An application that has topics of its own stays with them. TOPIC_FOREIGN, naming
 * both, where there is no way out: it has topics of its own and would need others, or those of both prefixes
 * are taken.
 */
export async function chooseGeneration(
  admin: Admin,
  graph: Graph,
  config: EngineConfig,
  onDisk: Generation,
): Promise<Generation> {
  const { applicationId } = config;
  const prefixes = new Set([...(onDisk.n === 0 ? [onDisk.prefix] : []), applicationId, apartOf(applicationId)]);
  const looked = await Promise.all(
    [...prefixes].map((prefix) => look(admin, graph, { ...config, generation: { n: 0, prefix } })),
  );
  const chosen = looked.find(({ own }) => own) ?? looked.find(({ problem }) => !problem) ?? looked[0];
  if (!chosen) return firstGeneration(applicationId);
  if (chosen.problem) throw chosen.problem;
  const first = looked.find(({ generation: { prefix } }) => prefix === applicationId);
  if (first?.problem && chosen !== first)
    config.logger.warn(
      { app: applicationId, prefix: chosen.generation.prefix },
      `names of internal topics are those of another application: this one keeps apart, under ${chosen.generation.prefix}-…. ${first.problem.message}`,
    );
  return chosen.generation;
}

/**
 * The configuration of the version of an application that is to run: see {@link findGeneration}, and
 * {@link chooseGeneration} for one that was never promoted. A cluster that is away is waited for.
 */
export async function ownGeneration(
  config: EngineConfig,
  ports: EnginePorts,
  graph: Graph,
  patience: Patience,
): Promise<EngineConfig> {
  const { admin } = ports.broker;
  const choose = (onDisk: Generation): Promise<Generation> =>
    patiently('looking at the topics', patience, () => chooseGeneration(admin, graph, config, onDisk));
  const find = (): Promise<Generation> => findGeneration(config, ports, choose);
  return ofGeneration(config, await patiently('looking at the group', patience, find));
}

/**
 * The configuration of a generation. What an application that keeps apart writes has subjects of its own in
 * the schema registry as well: those of its id are the other application's.
 */
export const ofGeneration = (config: EngineConfig, generation: Generation): EngineConfig =>
  ownerOf(config.applicationId, generation).kind === 'apart'
    ? { ...config, generation, schemasOf: generation.prefix }
    : { ...config, generation };

/** TOPIC_FOREIGN if an internal topic of the generation is somebody else's. */
export async function checkOwned(admin: Admin, graph: Graph, config: EngineConfig): Promise<void> {
  const { problem } = await look(admin, graph, config);
  if (problem) throw problem;
}

async function look(admin: Admin, graph: Graph, config: EngineConfig) {
  const { applicationId, generation } = config;
  const owner = ownerOf(applicationId, generation);
  const names = internalTopics(graph, config).flatMap(({ name, anyWidth }) => (anyWidth ? [] : [name]));
  const topics = [...(await describeTopics(admin, names)).existing.values()];
  return {
    generation,
    own: topics.some((topic) => foundOwner(topic) !== undefined && !isForeign(topic, owner)),
    problem: foreignTopics(topics, owner),
  };
}
