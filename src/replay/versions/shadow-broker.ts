import type {
  Admin,
  Broker,
  Membership,
  MembershipOptions,
  ProducerRecord,
  Reader,
  ReaderOptions,
  TopicDescription,
  TopicSpec,
  Writer,
  WriterOptions,
} from '../../broker/port.js';
import { isStreamsError } from '../../model/errors.js';
import { owned, type TopicOwner } from '../../runtime/topics/topic-owners.js';
import { LOG_CONFIG } from '../../runtime/topics/topic-uses.js';

export interface ShadowBrokerOptions {
  readonly broker: Broker;
  /** Prefix of each topic that is written. */
  readonly prefix: string;
  /** Partitions of the shadow of a topic that does not exist. */
  readonly partitions: number;
  /** The shadow's internal topics, which have their own names. */
  readonly internal: ReadonlySet<string>;
  /** Owner of the topics that it creates. */
  readonly owner: TopicOwner;
  /** Throws TOPIC_FOREIGN if an existing topic is not an output of this shadow. */
  readonly checkOwn: (existing: TopicDescription) => void;
  /** Called for each topic that gets a shadow, before the first write to it. */
  readonly onOutput: (topic: string) => Promise<void>;
}

/**
 * A broker for an application that runs beside the live one. It reads the real topics. Writes to any topic,
 * except its internal ones, go to `<prefix><topic>`. That topic is created when it is first needed, with as
 * many partitions as the real topic. The real topic only gives the partition count; for one that does not
 * exist, its shadow does.
 */
export class ShadowBroker implements Broker {
  readonly admin: Admin;
  readonly #options: ShadowBrokerOptions;
  /** As in the underlying broker; undefined if that has none. */
  readonly withStopDeadline?: NonNullable<Broker['withStopDeadline']>;
  readonly #made = new Set<string>();

  constructor(options: ShadowBrokerOptions) {
    this.#options = options;
    const { broker } = options;
    this.admin = this.#adminOf(broker.admin);
    if (broker.withStopDeadline)
      this.withStopDeadline = (signal) =>
        new ShadowBroker({ ...options, broker: broker.withStopDeadline?.(signal) ?? broker });
  }

  createReader(options?: ReaderOptions): Promise<Reader> {
    return this.#options.broker.createReader(options);
  }

  async createWriter({ transactionScope, ...options }: WriterOptions = {}): Promise<Writer> {
    const own = transactionScope && {
      ...transactionScope,
      topics: transactionScope.topics.map((topic) => this.#nameOf(topic)),
    };
    return this.#writerOf(
      await this.#options.broker.createWriter({ ...options, ...(own && { transactionScope: own }) }),
    );
  }

  join(options: MembershipOptions): Promise<Membership> {
    return this.#options.broker.join(options);
  }

  /** Leaves the underlying broker open: it belongs to the code that created this object. */
  async close(): Promise<void> {}

  /** Creates the shadow of a topic, if there is none. TOPIC_FOREIGN if its name is that of another topic. */
  async make(topic: string): Promise<void> {
    if (this.#made.has(topic)) return;
    const { broker, partitions, owner, checkOwn, onOutput } = this.#options;
    const name = this.#nameOf(topic);
    const [existing] = await broker.admin.describeTopics([name]);
    if (existing) checkOwn(existing);
    else {
      const [like] = await broker.admin.describeTopics([topic]);
      const config = owned(LOG_CONFIG, owner);
      try {
        await broker.admin.createTopics([{ name, partitions: like?.partitions ?? partitions, config }]);
      } catch (error) {
        // Another process of the shadow was faster, or another application.
        if (isStreamsError(error) && error.code === 'TOPIC_EXISTS') return this.make(topic);
        throw error;
      }
    }
    // Not earlier: topics in the notes may be removed.
    await onOutput(topic);
    this.#made.add(topic);
  }

  #nameOf(topic: string): string {
    const { internal, prefix } = this.#options;
    return internal.has(topic) ? topic : prefix + topic;
  }

  #specOf(topic: TopicSpec): TopicSpec {
    const { internal, owner } = this.#options;
    if (internal.has(topic.name)) return topic;
    return { ...topic, name: this.#nameOf(topic.name), config: owned(topic.config ?? {}, owner) };
  }

  #writerOf(writer: Writer): Writer {
    const { internal } = this.#options;
    const isReady = ({ topic }: ProducerRecord): boolean => internal.has(topic) || this.#made.has(topic);
    const renamed = (records: readonly ProducerRecord[]): readonly ProducerRecord[] =>
      records.map((record) => (internal.has(record.topic) ? record : { ...record, topic: this.#nameOf(record.topic) }));
    const prepared = async (records: readonly ProducerRecord[]): Promise<void> => {
      for (const { topic } of records) if (!internal.has(topic)) await this.make(topic);
      await writer.write(renamed(records));
    };
    return {
      ...(writer.endMarkers && { endMarkers: true }),
      write: (records) => (records.every(isReady) ? writer.write(renamed(records)) : prepared(records)),
      flush: () => writer.flush(),
      acknowledged: (topic, partition) => writer.acknowledged(this.#nameOf(topic), partition),
      begin: () => writer.begin(),
      sendOffsets: (membership, offsets) => writer.sendOffsets(membership, offsets),
      commit: () => writer.commit(),
      abort: () => writer.abort(),
      close: () => writer.close(),
    };
  }

  /** The shadow needs no permission to write to the real topic. */
  #asRead({ denied = [], ...topic }: TopicDescription): TopicDescription {
    const left = this.#options.internal.has(topic.name) ? denied : denied.filter((right) => right !== 'Write');
    return left.length === 0 ? topic : { ...topic, denied: left };
  }

  #adminOf(admin: Admin): Admin {
    const describe = async (names: readonly string[]): Promise<readonly TopicDescription[]> => {
      const found = await admin.describeTopics(names);
      const missing = names.filter((name) => !found.some((topic) => topic.name === name));
      const shadows = await Promise.all(
        missing.map(async (name) => {
          const [shadow] = await admin.describeTopics([this.#nameOf(name)]);
          return shadow ? [{ ...shadow, name }] : [];
        }),
      );
      return [...found.map((topic) => this.#asRead(topic)), ...shadows.flat()];
    };
    return {
      createTopics: async (topics, options) => {
        await admin.createTopics(
          topics.map((topic) => this.#specOf(topic)),
          options,
        );
        if (options?.validateOnly) return;
        for (const { name } of topics) if (!this.#options.internal.has(name)) await this.#options.onOutput(name);
      },
      describeTopics: (names) => (names === undefined ? admin.describeTopics() : describe(names)),
      configureTopics: (topics) =>
        admin.configureTopics(topics.map((topic) => ({ ...topic, name: this.#nameOf(topic.name) }))),
      deleteTopics: (names) => admin.deleteTopics(names),
      earliestOffsets: (partitions) => admin.earliestOffsets(partitions),
      latestOffsets: (partitions, isolation) => admin.latestOffsets(partitions, isolation),
      offsetsAt: (partitions, timestamp) => admin.offsetsAt(partitions, timestamp),
      deleteRecords: (before) => admin.deleteRecords(before),
      groupOffsets: (groupId) => admin.groupOffsets(groupId),
      setGroupOffsets: (groupId, offsets) => admin.setGroupOffsets(groupId, offsets),
      groupMembers: (groupId) => admin.groupMembers(groupId),
      deleteGroup: (groupId) => admin.deleteGroup(groupId),
    };
  }
}
