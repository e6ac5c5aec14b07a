import type {
  Admin,
  Broker,
  Membership,
  MembershipOptions,
  ProducerRecord,
  Reader,
  ReaderOptions,
  TopicDescription,
  Writer,
  WriterOptions,
} from '../broker/port.js';
import { isStreamsError } from '../model/errors.js';
import { LOG_CONFIG } from '../runtime/topic-uses.js';

export interface ShadowBrokerOptions {
  readonly broker: Broker;
  /** Before the name of each topic that is written. */
  readonly prefix: string;
  /** Of the shadow of a topic that does not exist. */
  readonly partitions: number;
  /** The shadow's own topics, which have names of their own. */
  readonly internal: ReadonlySet<string>;
  /** Told of each topic that gets a shadow, before anything is written to it. */
  readonly onOutput: (topic: string) => Promise<void>;
}

/**
 * A broker for an application that runs beside the live one: what it reads is what there is; what it writes
 * to any topic but its own goes to `<prefix><topic>`, which is made when it is first needed, as wide as the
 * topic itself. The topic itself only tells how wide it is; one that does not exist is taken from its shadow.
 */
export class ShadowBroker implements Broker {
  readonly admin: Admin;
  readonly #options: ShadowBrokerOptions;
  /** As the broker underneath: left out if that is. */
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

  /** The broker itself stays open: it is that of who made this. */
  async close(): Promise<void> {}

  /** Makes the shadow of a topic, if there is none. */
  async make(topic: string): Promise<void> {
    if (this.#made.has(topic)) return;
    const { broker, partitions, onOutput } = this.#options;
    const name = this.#nameOf(topic);
    const [like] = await this.admin.describeTopics([topic]);
    await onOutput(topic);
    const [existing] = await broker.admin.describeTopics([name]);
    if (!existing) {
      try {
        await broker.admin.createTopics([{ name, partitions: like?.partitions ?? partitions, config: LOG_CONFIG }]);
      } catch (error) {
        // Another process of the shadow was faster.
        if (!isStreamsError(error) || error.code !== 'TOPIC_EXISTS') throw error;
      }
    }
    this.#made.add(topic);
  }

  #nameOf(topic: string): string {
    const { internal, prefix } = this.#options;
    return internal.has(topic) ? topic : prefix + topic;
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

  /** Nobody has to be allowed to write to the topic itself. */
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
      createTopics: (topics, options) =>
        admin.createTopics(
          topics.map((topic) => ({ ...topic, name: this.#nameOf(topic.name) })),
          options,
        ),
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
