import type { TopicDescription } from '../../broker/port.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import type { ApplicationVersion } from '../config/application-version.js';

/**
 * Identifies the owner of an internal topic. The name alone is ambiguous: the store `eu-orders` of the
 * application `shop` and the store `orders` of `shop-eu` both have the changelog `shop-eu-orders-changelog`.
 *
 * So a setting of the topic contains the length of the prefix, and its kind. The setting limits how far
 * records may be behind the broker's clock. Event times need it to be practically unlimited (Kafka's default,
 * 292 million years). Its value is that limit, less 1,000 times the kind, less the length. The setting exists
 * from the creation of the topic, can be read with the permission for the topic's settings, and survives
 * retention and compaction.
 */
export const OWNER_SETTING = 'message.timestamp.before.max.ms';
const WITHOUT_LIMIT = 9_223_372_036_854_775_807n;
/** More than the length of any prefix. The longest is the prefix of a shadow, which is far shorter. */
const KIND_STRIDE = 1_000;

/**
 * `application`: the prefix is its id. `apart`: see own-version.ts. `version`: it was once a shadow.
 * `shadow`: the prefix is its group, and the topic is one of its outputs.
 */
const KINDS = ['application', 'apart', 'version', 'shadow'] as const;

export interface TopicOwner {
  readonly prefix: string;
  readonly kind: (typeof KINDS)[number];
}

/** The prefix of an application if topics under its id belong to another one. */
export const apartOf = (applicationId: string): string => `${applicationId}-apart`;

/**
 * The owner that a version of an application names in its internal topics. A rollback returns to the first
 * prefix.
 */
export const ownerOf = (applicationId: string, { prefix }: Pick<ApplicationVersion, 'prefix'>): TopicOwner => ({
  prefix,
  kind: prefix === applicationId ? 'application' : prefix === apartOf(applicationId) ? 'apart' : 'version',
});

/** The owner of the topics of a shadow's outputs. */
export const ownerOfOutputs = (group: string): TopicOwner => ({ prefix: group, kind: 'shadow' });

/** Adds the owner to the settings of a topic. */
export const owned = (
  config: Readonly<Record<string, string>>,
  { prefix, kind }: TopicOwner,
): Readonly<Record<string, string>> => ({
  ...config,
  [OWNER_SETTING]: String(WITHOUT_LIMIT - BigInt(KINDS.indexOf(kind) * KIND_STRIDE + prefix.length)),
});

/**
 * Undefined if the topic names no owner: an older version or another program created it, or its settings may
 * not be read.
 */
export function foundOwner({ name, config }: Pick<TopicDescription, 'name' | 'config'>): TopicOwner | undefined {
  const setting = config?.[OWNER_SETTING];
  if (setting === undefined || !/^\d{1,19}$/.test(setting)) return undefined;
  const less = Number(WITHOUT_LIMIT - BigInt(setting));
  const kind = KINDS[Math.floor(less / KIND_STRIDE)];
  const length = less % KIND_STRIDE;
  if (kind === undefined || length === 0 || name[length] !== '-') return undefined;
  return { prefix: name.slice(0, length), kind };
}

/** Whether the topic names another owner. */
export function isForeign(topic: Pick<TopicDescription, 'name' | 'config'>, own: TopicOwner): boolean {
  return foundOwner(topic) !== undefined && !isMarked(topic, own);
}

/** Whether the topic names this owner. */
function isMarked(topic: Pick<TopicDescription, 'name' | 'config'>, own: TopicOwner): boolean {
  const found = foundOwner(topic);
  return found?.prefix === own.prefix && found.kind === own.kind;
}

const words = ({ prefix, kind }: TopicOwner, topic: string): string => {
  const name = topic.slice(prefix.length + 1).replace(/-(changelog|repartition)$/, ' ($1)');
  if (kind === 'shadow') return `the shadow ${prefix} with ${name}`;
  return kind === 'version' ? `the version ${prefix} with ${name}` : `the application ${prefix} with ${name}`;
};

export const isForeignTopic = (error: unknown): boolean => isStreamsError(error) && error.code === 'TOPIC_FOREIGN';

/** TOPIC_FOREIGN, or undefined if no other application owns one of the topics. */
export function foreignTopics(
  topics: readonly Pick<TopicDescription, 'name' | 'config'>[],
  own: TopicOwner,
): StreamsError | undefined {
  const foreign = topics.filter((topic) => isForeign(topic, own));
  if (foreign.length === 0) return undefined;
  return new StreamsError('TOPIC_FOREIGN', {
    what: 'internal topics of this application belong to another one',
    at: foreign.map(({ name }) => name).join(', '),
    saw: foreign.map((topic) => words(foundOwner(topic) as TopicOwner, topic.name)).join(', '),
    expected: foreign.map(({ name }) => words(own, name)).join(', '),
    action: 'Give the store or repartition another name, or the application another id.',
  });
}

/**
 * TOPIC_FOREIGN for topics that do not name this owner. For callers that remove topics, or write to them as
 * their own.
 */
export function unprovenTopics(
  topics: readonly Pick<TopicDescription, 'name' | 'config'>[],
  own: TopicOwner,
): StreamsError | undefined {
  const unproven = topics.filter((topic) => !isMarked(topic, own));
  if (unproven.length === 0) return undefined;
  const saw = (topic: Pick<TopicDescription, 'name' | 'config'>): string => {
    const found = foundOwner(topic);
    if (found) return words(found, topic.name);
    return topic.config === null ? 'settings that may not be read (DescribeConfigs)' : 'settings that name no owner';
  };
  const names = unproven.map(({ name }) => name).join(', ');
  const setting = Object.entries(owned({}, own)).map(([name, value]) => `${name}=${value}`);
  return new StreamsError('TOPIC_FOREIGN', {
    what: `topics have names of ${own.prefix}, and do not say that it made them`,
    at: names,
    saw: unproven.map(saw).join(', '),
    expected: setting.join(),
    action:
      "If they are somebody else's, rename them, or give the application another id. If they are what an earlier shadow has left, delete them; or set that with kafka-configs.sh --alter --add-config, and they are its own.",
  });
}
