import type { BytesReader, BytesWriter } from './bytes.js';
import type { NewRequest, Request } from './request.js';

/**
 * Requests for topics and log offsets. Versions are the newest that are not flexible, except for metadata:
 * brokers 3.9 to 4.4 accept them.
 */

export interface PartitionMetadata {
  readonly error: number;
  readonly partition: number;
  /** -1 while the partition has no leader. */
  readonly leader: number;
}

export interface TopicMetadata {
  readonly error: number;
  /** Undefined if the broker has no topic ids. */
  readonly id: string | undefined;
  readonly name: string;
  readonly internal: boolean;
  readonly partitions: readonly PartitionMetadata[];
  /**
   * One bit for each operation that the principal may perform. Without access control lists, all bits of
   * applicable operations are set.
   */
  readonly allowed: number;
}

/** Bits of `allowed`. */
export const ALLOWED = { Read: 1 << 3, Write: 1 << 4 } as const;

export interface Metadata {
  readonly controller: number;
  readonly topics: readonly TopicMetadata[];
}

/**
 * Null requests all topics. Never creates a topic. Version 8 is the first that returns the allowed
 * operations, 10 the first with topic ids (KIP-516). Brokers before 2.8, and some that are not Kafka, do not
 * support version 10.
 */
export const metadataRequest = (topics: readonly string[] | null): NewRequest<Metadata> => ({
  apiKey: 3,
  apiVersion: 10,
  apiName: 'Metadata',
  older: metadataWithoutIds(topics),
  write: (to) =>
    to
      .noTags()
      .compactArray(topics, (topic) => to.uuid(null).compactString(topic).noTags())
      .bool(false)
      .bool(false)
      .bool(true)
      .noTags(),
  read: (from) => {
    from.skipTags();
    from.int32();
    from.compactArray(() => {
      from.int32();
      from.compactText();
      from.int32();
      from.compactText();
      from.skipTags();
    });
    from.compactText();
    const controller = from.int32();
    const read = from.compactArray(() => {
      const [error, name, id] = [from.int16(), from.compactText(), from.uuid()];
      const internal = from.bool();
      const partitions = from.compactArray(() => {
        const partition = { error: from.int16(), partition: from.int32(), leader: from.int32() };
        from.int32();
        for (let i = 0; i < 3; i++) from.compactArray(() => from.int32());
        from.skipTags();
        return partition;
      });
      const allowed = from.int32();
      from.skipTags();
      return { error, id: id ?? undefined, name, internal, partitions, allowed };
    });
    return { controller, topics: read };
  },
});

const metadataWithoutIds = (topics: readonly string[] | null): Request<Metadata> => ({
  apiKey: 3,
  apiVersion: 8,
  apiName: 'Metadata',
  write: (to) =>
    to
      .array(topics, (topic) => to.string(topic))
      .bool(false)
      .bool(false)
      .bool(true),
  read: (from) => {
    from.int32();
    from.array(() => [from.int32(), from.string(), from.int32(), from.string()]);
    from.string();
    const controller = from.int32();
    const read = from.array(() => ({
      error: from.int16(),
      id: undefined,
      name: from.text(),
      internal: from.bool(),
      partitions: from.array(() => {
        const partition = { error: from.int16(), partition: from.int32(), leader: from.int32() };
        from.int32();
        for (let i = 0; i < 3; i++) from.array(() => from.int32());
        return partition;
      }),
      allowed: from.int32(),
    }));
    return { controller, topics: read };
  },
});

export interface TopicResult {
  readonly name: string;
  readonly error: number;
  readonly message: string | null;
}

/** How long the broker may take to make a topic known everywhere. */
const TOPIC_TIMEOUT_MS = 30_000;

export const createTopicsRequest = (
  topics: readonly {
    readonly name: string;
    readonly partitions: number;
    readonly replicationFactor?: number;
    readonly config?: Readonly<Record<string, string>>;
  }[],
  validateOnly: boolean,
): Request<readonly TopicResult[]> => ({
  apiKey: 19,
  apiVersion: 4,
  apiName: 'CreateTopics',
  write: (to) =>
    to
      .array(topics, (topic) =>
        to
          .string(topic.name)
          .int32(topic.partitions)
          .int16(topic.replicationFactor ?? -1)
          .array([], () => undefined)
          .array(Object.entries(topic.config ?? {}), ([name, value]) => to.string(name).string(value)),
      )
      .int32(TOPIC_TIMEOUT_MS)
      .bool(validateOnly),
  read: (from) => {
    from.int32();
    return from.array(() => ({ name: from.text(), error: from.int16(), message: from.string() }));
  },
});

export const deleteTopicsRequest = (names: readonly string[]): Request<readonly TopicResult[]> => ({
  apiKey: 20,
  apiVersion: 3,
  apiName: 'DeleteTopics',
  write: (to) => to.array(names, (name) => to.string(name)).int32(TOPIC_TIMEOUT_MS),
  read: (from) => {
    from.int32();
    return from.array(() => ({ name: from.text(), error: from.int16(), message: null }));
  },
});

/** Groups partitions by topic, as most requests need them. */
export function byTopic<T extends { readonly topic: string }>(
  items: readonly T[],
): readonly (readonly [string, T[]])[] {
  const topics = new Map<string, T[]>();
  for (const item of items) {
    const group = topics.get(item.topic);
    if (group) group.push(item);
    else topics.set(item.topic, [item]);
  }
  return [...topics];
}

/** Writes an array of topics, each with an array of its items. */
export function writeByTopic<T extends { readonly topic: string }>(
  to: BytesWriter,
  items: readonly T[],
  write: (item: T) => void,
): BytesWriter {
  return to.array(byTopic(items), ([topic, group]) => to.string(topic).array(group, write));
}

/** Reads an array of topics, each with an array of items, as one flat list. */
export const readByTopic = <T>(from: BytesReader, read: (topic: string) => T): readonly T[] =>
  from
    .array(() => {
      const topic = from.text();
      return from.array(() => read(topic));
    })
    .flat();

/** How long the brokers may take. */
const DELETE_TIMEOUT_MS = 30_000;

/** The special timestamps of ListOffsets. */
export const LATEST = -1;
export const EARLIEST = -2;

export interface FoundOffset {
  readonly topic: string;
  readonly partition: number;
  readonly error: number;
  /** -1 if no record is that late. */
  readonly offset: number;
}

export const listOffsetsRequest = (
  partitions: readonly { readonly topic: string; readonly partition: number }[],
  timestamp: number,
  committedOnly: boolean,
): Request<readonly FoundOffset[]> => ({
  apiKey: 2,
  apiVersion: 2,
  apiName: 'ListOffsets',
  write: (to) =>
    writeByTopic(to.int32(-1).int8(committedOnly ? 1 : 0), partitions, ({ partition }) =>
      to.int32(partition).int64(timestamp),
    ),
  read: (from) => {
    from.int32();
    return readByTopic(from, (topic) => {
      const [partition, error] = [from.int32(), from.int16()];
      from.int64();
      return { topic, partition, error, offset: from.int64() };
    });
  },
});

/** Removes the records before the offsets. The offset in the result is the earliest one afterwards. */
export const deleteRecordsRequest = (
  before: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[],
): Request<readonly FoundOffset[]> => ({
  apiKey: 21,
  apiVersion: 1,
  apiName: 'DeleteRecords',
  write: (to) =>
    writeByTopic(to, before, ({ partition, offset }) => to.int32(partition).int64(offset)).int32(DELETE_TIMEOUT_MS),
  read: (from) => {
    from.int32();
    return readByTopic(from, (topic) => {
      const [partition, offset] = [from.int32(), from.int64()];
      return { topic, partition, offset, error: from.int16() };
    });
  },
});
