import type { TopicDescription } from '../broker/port.js';
import { isStreamsError, StreamsError } from '../model/errors.js';
import type { ApplicationVersion } from './application-version.js';

/**
 * Who an internal topic belongs to. Its name alone does not say: the store `eu-orders` of the application
 * `shop` and the store `orders` of `shop-eu` both have the changelog `shop-eu-orders-changelog`. So the
 * topic's own settings say how much of its name is the prefix, and what kind of prefix that is: the time that
 * records may be behind the broker's clock must be without limit for event times (Kafka's default, 292
 * million years), and is that less 1,000 times the kind, less the length. It is there from the moment the
 * topic is, is read by whoever may read the topic's settings, and is lost by neither retention nor
 * compaction.
 */
export const OWNER_SETTING = 'message.timestamp.before.max.ms';
const WITHOUT_LIMIT = 9_223_372_036_854_775_807n;
/** The longest prefix is that of a shadow, and far shorter. */
const KIND_STRIDE = 1_000;

/**
 * `application`: the prefix is its id. `apart`: see own-version.ts. `version`: one that was a shadow once.
 */
const KINDS = ['application', 'apart', 'version'] as const;

export interface TopicOwner {
  readonly prefix: string;
  readonly kind: (typeof KINDS)[number];
}

/** The prefix of an application whose id is no prefix that it could have for itself. */
export const apartOf = (applicationId: string): string => `${applicationId}-apart`;

/**
 * As whom a version of an application makes its internal topics. A rollback goes back to the first prefix.
 */
export const ownerOf = (applicationId: string, { prefix }: Pick<ApplicationVersion, 'prefix'>): TopicOwner => ({
  prefix,
  kind: prefix === applicationId ? 'application' : prefix === apartOf(applicationId) ? 'apart' : 'version',
});

/** Settings of a topic, with whose it is. */
export const owned = (
  config: Readonly<Record<string, string>>,
  { prefix, kind }: TopicOwner,
): Readonly<Record<string, string>> => ({
  ...config,
  [OWNER_SETTING]: String(WITHOUT_LIMIT - BigInt(KINDS.indexOf(kind) * KIND_STRIDE + prefix.length)),
});

/**
 * Undefined if the topic does not say: an older version made it, or somebody else did, or its settings may
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

/** Whether the topic says that it is somebody else's. */
export function isForeign(topic: Pick<TopicDescription, 'name' | 'config'>, own: TopicOwner): boolean {
  const found = foundOwner(topic);
  return found !== undefined && !(found.prefix === own.prefix && found.kind === own.kind);
}

const words = ({ prefix, kind }: TopicOwner, topic: string): string => {
  const name = topic.slice(prefix.length + 1).replace(/-(changelog|repartition)$/, ' ($1)');
  return kind === 'version' ? `the version ${prefix} with ${name}` : `the application ${prefix} with ${name}`;
};

export const isForeignTopic = (error: unknown): boolean => isStreamsError(error) && error.code === 'TOPIC_FOREIGN';

/** TOPIC_FOREIGN, or undefined if none of the topics is somebody else's. */
export function foreignTopics(
  topics: readonly Pick<TopicDescription, 'name' | 'config'>[],
  own: TopicOwner,
): StreamsError | undefined {
  const foreign = topics.filter((topic) => isForeign(topic, own));
  if (foreign.length === 0) return undefined;
  return new StreamsError('TOPIC_FOREIGN', {
    what: 'internal topics of this application are those of another one',
    at: foreign.map(({ name }) => name).join(', '),
    saw: foreign.map((topic) => words(foundOwner(topic) as TopicOwner, topic.name)).join(', '),
    expected: foreign.map(({ name }) => words(own, name)).join(', '),
    action: 'Give the store or repartition another name, or the application another id.',
  });
}
