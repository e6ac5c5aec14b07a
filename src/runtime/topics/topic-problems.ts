import type { Admin, TopicDescription } from '../../broker/port.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import type { EngineConfig } from '../config/config.js';
import { foreignTopics, foundOwner, OWNER_SETTING, ownerOf } from './topic-owners.js';
import { type InternalTopic, MIN_COMPACTION_LAG_MS, type TopicUse } from './topic-uses.js';

/** The topics that exist, and the names of those that may not be described: whether they exist is unknown. */
export async function describeTopics(
  admin: Admin,
  names: readonly string[],
): Promise<{ readonly existing: ReadonlyMap<string, TopicDescription>; readonly hidden: readonly string[] }> {
  const described = async (some: readonly string[]): Promise<readonly TopicDescription[] | undefined> => {
    try {
      return await admin.describeTopics(some);
    } catch (error) {
      if (isStreamsError(error) && error.code === 'BROKER_UNAUTHORIZED') return undefined;
      throw error;
    }
  };
  const unique = [...new Set(names)];
  const all = await described(unique);
  const alone = all ? [all] : await Promise.all(unique.map((name) => described([name])));
  return {
    existing: new Map(alone.flatMap((topics) => topics ?? []).map((topic) => [topic.name, topic])),
    hidden: all ? [] : unique.filter((_, i) => alone[i] === undefined),
  };
}

export const unknown = (topics: readonly string[]): StreamsError =>
  new StreamsError('TOPIC_UNKNOWN', {
    what: `${topics.length === 1 ? 'a topic does' : 'topics do'} not exist`,
    saw: topics.join(', '),
    expected: 'every source and sink topic to be there',
    action:
      'Create them, correct the name, or let the engine create them (createTopics; on the command line --partitions).',
  });

export function missingRights(
  uses: readonly TopicUse[],
  existing: ReadonlyMap<string, TopicDescription>,
  hidden: readonly string[],
): readonly StreamsError[] {
  const rights = uses.flatMap(({ name, operations }) => {
    // Permission to read or write a topic includes the permission to describe it.
    if (hidden.includes(name)) return operations.map((operation) => `${operation} on topic ${name}`);
    const denied = existing.get(name)?.denied ?? [];
    return operations
      .filter((operation) => denied.includes(operation))
      .map((operation) => `${operation} on topic ${name}`);
  });
  if (rights.length === 0) return [];
  return [
    new StreamsError('BROKER_UNAUTHORIZED', {
      what: 'cannot use the topics of the topology',
      saw: 'a principal that lacks permission',
      expected: `the ${rights.length === 1 ? 'right' : 'rights'} ${[...new Set(rights)].join(', ')}`,
      action: 'Grant it to this principal (kafka-acls.sh --add), or log in as another one.',
    }),
  ];
}

/** Problems of existing internal topics that differ from what the engine creates. */
export function wrongInternalTopics(
  internal: readonly (InternalTopic & { readonly partitions: number })[],
  existing: ReadonlyMap<string, TopicDescription>,
  config: EngineConfig,
): readonly StreamsError[] {
  const own = internal.filter(({ anyWidth }) => !anyWidth).flatMap(({ name }) => existing.get(name) ?? []);
  const foreign = foreignTopics(own, ownerOf(config.applicationId, config.version));
  const problems: StreamsError[] = foreign ? [foreign] : [];
  const wrong = internal.filter(({ name, partitions, anyWidth }) => {
    const found = existing.get(name)?.partitions;
    return found !== undefined && !anyWidth && !Number.isNaN(partitions) && found !== partitions;
  });
  if (wrong.length > 0) {
    problems.push(
      new StreamsError('TOPIC_MISMATCH', {
        what: 'internal topics do not fit the topology',
        saw: wrong.map(({ name }) => `${name} with ${existing.get(name)?.partitions} partitions`).join(', '),
        expected: wrong.map(({ name, partitions }) => `${name} with ${partitions}`).join(', '),
        action:
          'The number of partitions of a source changed, or they were created by hand. Use another application id, or delete them together with the state.',
      }),
    );
  }
  const settings = internal.flatMap((topic) => wrongSettings(topic, existing.get(topic.name)));
  if (settings.length > 0) {
    problems.push(
      new StreamsError('TOPIC_MISMATCH', {
        what: 'internal topics have other settings than the engine gives them, so records of them would be lost',
        saw: settings.map(({ name, saw }) => `${name} with ${saw}`).join(', '),
        expected: settings.map(({ name, expected }) => `${name} with ${expected}`).join(', '),
        action:
          'Set this with kafka-configs.sh --alter; or, because records may already be lost, delete the topics together with the state.',
      }),
    );
  }
  warn(internal, existing, config);
  return problems;
}

function wrongSettings(
  { name, config }: InternalTopic,
  found: TopicDescription | undefined,
): readonly { readonly name: string; readonly saw: string; readonly expected: string }[] {
  if (!found?.config) return [];
  const policy = found.config['cleanup.policy'] ?? 'delete';
  const stamped = found.config['message.timestamp.type'] ?? 'CreateTime';
  const fits = config['cleanup.policy'] === 'compact' ? policy === 'compact' : !policy.includes('compact');
  return [
    ...(fits
      ? []
      : [{ name, saw: `cleanup.policy=${policy}`, expected: `cleanup.policy=${config['cleanup.policy']}` }]),
    ...(stamped === 'CreateTime'
      ? []
      : [{ name, saw: `message.timestamp.type=${stamped}`, expected: 'message.timestamp.type=CreateTime' }]),
  ];
}

/** Warns of what may do harm, or could not be checked. */
function warn(
  internal: readonly InternalTopic[],
  existing: ReadonlyMap<string, TopicDescription>,
  { guarantee, logger }: EngineConfig,
): void {
  const there = internal.filter(({ name }) => existing.has(name));
  const unreadable = there.filter(({ name }) => existing.get(name)?.config === null).map(({ name }) => name);
  if (unreadable.length > 0)
    logger.warn({ topics: unreadable }, 'cannot check the settings of internal topics: no right DescribeConfigs');
  const unowned = there.filter(({ name, anyWidth }) => {
    const topic = existing.get(name);
    return !anyWidth && topic && !unreadable.includes(name) && foundOwner(topic) === undefined;
  });
  if (unowned.length > 0)
    logger.info(
      { topics: unowned.map(({ name }) => name), set: `${OWNER_SETTING}=${unowned[0]?.config[OWNER_SETTING]}` },
      'internal topics do not name their owner: an earlier version created them, or they were created by hand. They count as topics of this application; set this with kafka-configs.sh --alter --add-config, so that no other application can take them',
    );
  const short = there.filter(
    ({ name, subTopology }) =>
      subTopology &&
      !unreadable.includes(name) &&
      Number(existing.get(name)?.config?.['min.compaction.lag.ms'] ?? 0) < MIN_COMPACTION_LAG_MS,
  );
  if (guarantee === 'at_least_once' && short.length > 0)
    logger.warn(
      { topics: short.map(({ name }) => name) },
      `changelogs have a min.compaction.lag.ms below ${MIN_COMPACTION_LAG_MS}: a row may be ahead of its offset after the loss of the state directory`,
    );
}

/** One error for all problems, with the code of the first. */
export function together(problems: readonly StreamsError[]): StreamsError {
  const [first, ...others] = problems as readonly [StreamsError, ...StreamsError[]];
  if (others.length === 0) return first;
  return new StreamsError(first.code, {
    what: 'the topics are not as the topology needs them',
    saw: problems.map(({ problem }, i) => `(${i + 1}) ${problem}`).join('; '),
    action: [...new Set(problems.map(({ action }) => action))].join(' '),
  });
}
