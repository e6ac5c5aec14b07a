import type { Admin, Broker, TopicDescription, TopicPartition } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { changelogTopic, internalInputTopic } from '../../graph/naming.js';
import { StreamsError } from '../../model/errors.js';
import type { Logger } from '../../model/ports.js';
import { firstVersion, readableOffsets, versionOf } from '../../runtime/config/application-version.js';
import { type EngineConfig, resolveConfig } from '../../runtime/config/config.js';
import { policiesOf } from '../../runtime/config/kept-policies.js';
import { checkOwned, chooseVersion, ofVersion } from '../../runtime/topics/own-version.js';
import { owned, ownerOf } from '../../runtime/topics/topic-owners.js';
import { planTopics } from '../../runtime/topics/topic-plan.js';
import { describeTopics, together } from '../../runtime/topics/topic-problems.js';
import { globalTopics, internalTopics, neededTopics } from '../../runtime/topics/topic-uses.js';
import { TopicCounts } from '../../runtime/topics/topics.js';

/** The topics that a topology reads and does not create, including those of global tables, sorted by name. */
export const sourceTopics = ({ graph }: Topology): readonly string[] =>
  [
    ...new Set(
      graph.nodes.flatMap((node) => (node.kind === 'source' || node.kind === 'globalTable' ? [node.topic] : [])),
    ),
  ].sort();

/** The topics of internal inputs that exist, sorted by name: an application that never ran has none. */
export async function inputTopics(
  { graph }: Topology,
  { admin }: Pick<Broker, 'admin'>,
  prefix: string,
): Promise<readonly string[]> {
  const names = graph.subTopologies.flatMap(({ internalInputs = [] }) =>
    internalInputs.map((input) => internalInputTopic(prefix, input)),
  );
  if (names.length === 0) return names;
  return (await admin.describeTopics(names)).map(({ name }) => name).sort();
}

/**
 * The configuration of an application that the tools find by its name, of the version that counts: {@link
 * ofGroup}.
 */
export const resolveApplication = (
  topology: Topology,
  { admin }: Pick<Broker, 'admin'>,
  applicationId: string | undefined,
  logger?: Logger,
): Promise<EngineConfig> =>
  ofGroup(admin, resolveConfig(topology.name, applicationId === undefined ? {} : { applicationId }, logger), topology);

/** Every partition of these topics. */
export const partitionsOf = (names: readonly string[], topics: TopicCounts): readonly TopicPartition[] =>
  names.flatMap((topic) => Array.from({ length: topics.count(topic) }, (_, partition) => ({ topic, partition })));

/**
 * The configuration, with the version of the application that its group names as the live one, and with the
 * error policies that it keeps. If the group names no version, the one that a start would choose. Errors:
 * TOPIC_FOREIGN.
 */
export async function ofGroup(admin: Admin, resolved: EngineConfig, { graph }: Topology): Promise<EngineConfig> {
  const { applicationId } = resolved;
  const committed = await readableOffsets(admin, applicationId);
  const config = { ...resolved, kept: policiesOf(committed) };
  const named = versionOf(committed, applicationId);
  if (!named) return ofVersion(config, await chooseVersion(admin, graph, config, firstVersion(applicationId)));
  const found = ofVersion(config, named);
  await checkOwned(admin, graph, found);
  return found;
}

/**
 * The partition counts of the topics, as the engine sees them; creates nothing. Source topics must exist
 * (TOPIC_UNKNOWN). Repartition topics have the partition counts of the running application, so that keys meet
 * in the same tasks. Output topics may be missing.
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
  const { existing } = await describeTopics(admin, readTopics(topology, config));
  // A reader needs no write permission, settings or ownership of the topics: see ofGroup.
  const settings = owned({}, ownerOf(config.applicationId, config.version));
  const asRead = ({ name, partitions }: TopicDescription) => [name, { name, partitions, config: settings }] as const;
  const plan = planTopics(
    topology.graph,
    { ...config, createTopics: 1 },
    {
      existing: new Map([...existing.values()].map(asRead)),
      hidden: [],
    },
  );
  if (plan.problems.length > 0) throw together(plan.problems);
  return new TopicCounts(plan.counts, (topic) => widthOf(admin, topic));
}

/** Topics with partition counts that decide in which task records meet, and output topics. */
function readTopics({ graph }: Topology, config: EngineConfig): readonly string[] {
  const { prefix } = config.version;
  const changelogs = new Set(graph.stores.map(({ name }) => changelogTopic(prefix, name)));
  const read = neededTopics(graph)
    .concat(globalTopics(graph))
    .map(({ name }) => name);
  const made = internalTopics(graph, config).map(({ name }) => name);
  return [...read, ...made.filter((name) => !changelogs.has(name))];
}

/** An output topic may be missing, or not describable. */
async function widthOf(admin: Admin, topic: string): Promise<number> {
  const { existing } = await describeTopics(admin, [topic]);
  return existing.get(topic)?.partitions ?? 1;
}
