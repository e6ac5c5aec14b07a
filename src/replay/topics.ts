import type { Admin, TopicDescription, TopicSpec } from '../broker/port.js';
import type { Topology } from '../dsl/processor.js';
import { changelogTopic, repartitionTopic } from '../graph/naming.js';
import { isStreamsError, StreamsError } from '../model/errors.js';
import { firstVersion, namedBy } from '../runtime/application-version.js';
import type { EngineConfig } from '../runtime/config.js';
import { checkOwned, chooseVersion, ofVersion } from '../runtime/own-version.js';
import { owned, ownerOf } from '../runtime/topic-owners.js';
import { prepareTopics, type TopicCounts } from '../runtime/topics.js';

/**
 * The topics that a topology reads and does not make itself, those of global tables too, in the order of
 * their names.
 */
export const sourceTopics = ({ graph }: Topology): readonly string[] =>
  [
    ...new Set(
      graph.nodes.flatMap((node) => (node.kind === 'source' || node.kind === 'globalTable' ? [node.topic] : [])),
    ),
  ].sort();

/**
 * The configuration, with the version of the application that its group names as the one that counts; named
 * by none, the one that would be started. TOPIC_FOREIGN.
 */
export async function ofGroup(admin: Admin, config: EngineConfig, { graph }: Topology): Promise<EngineConfig> {
  const { applicationId } = config;
  const named = await namedBy(admin, applicationId);
  if (!named) return ofVersion(config, await chooseVersion(admin, graph, config, firstVersion(applicationId)));
  const found = ofVersion(config, named);
  await checkOwned(admin, graph, found);
  return found;
}

/**
 * How wide the topics are, as the engine counts them; nothing is created. Source topics must exist
 * (TOPIC_UNKNOWN); repartition topics are as wide as those of the application that runs, so that keys meet in
 * the same tasks; what is written may not exist.
 */
export async function countTopics(admin: Admin, topology: Topology, config: EngineConfig): Promise<TopicCounts> {
  const sources = sourceTopics(topology);
  const found = new Set((await admin.describeTopics(sources)).map(({ name }) => name));
  const missing = sources.filter((name) => !found.has(name));
  if (missing.length > 0) {
    throw new StreamsError('TOPIC_UNKNOWN', {
      what: `${missing.length === 1 ? 'a topic does' : 'topics do'} not exist`,
      at: `topology ${topology.name}`,
      saw: missing.join(', '),
      expected: 'every source topic to be there',
      action: 'Correct the name, or use the broker that has the history.',
    });
  }
  const looking = lookingAdmin(admin, topology, config);
  return prepareTopics(looking, topology.graph, { ...config, createTopics: 1 });
}

/**
 * An admin to whom topics that do not matter are as they should be, and who only notes which ones to create.
 */
function lookingAdmin(admin: Admin, { graph }: Topology, { applicationId, version }: EngineConfig): Admin {
  const { prefix } = version;
  // Whether it may be written, how it is set and whose it is, is nothing for who only reads: see ofGroup.
  const config = owned({}, ownerOf(applicationId, version));
  const made = new Map<string, TopicDescription>();
  const internal = graph.nodes.flatMap((node) =>
    node.kind === 'repartition' ? [repartitionTopic(prefix, node.name)] : [],
  );
  const changelogs = graph.stores.map(({ name }) => changelogTopic(prefix, name));
  const describe = async (name: string): Promise<readonly TopicDescription[]> => {
    try {
      const described = await admin.describeTopics([name]);
      return described.map(({ partitions }) => ({ name, partitions, config }));
    } catch (error) {
      if (isStreamsError(error) && error.code === 'BROKER_UNAUTHORIZED') return [];
      throw error;
    }
  };
  const real = (name: string): boolean => !changelogs.includes(name) || internal.includes(name);
  return {
    ...({} as Admin),
    describeTopics: async (names = []) => {
      const described = await Promise.all(
        names.map((name) => {
          const known = made.get(name);
          if (known) return [known];
          return real(name) ? describe(name) : [];
        }),
      );
      return described.flat();
    },
    createTopics: async (topics: readonly TopicSpec[], options) => {
      if (options?.validateOnly) return;
      for (const { name, partitions } of topics) made.set(name, { name, partitions, config });
    },
  };
}
