import type {
  Admin,
  Broker,
  Membership,
  MembershipOptions,
  PartitionOffset,
  Reader,
  ReaderOptions,
  Writer,
  WriterOptions,
} from '#src/broker/port.js';
import type { Clock, Random } from '#src/model/ports.js';
import { type Jitter, JitteryReader, withMarkers, withoutMarkers } from './jittery-reader.js';

export interface JitteryBrokerOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  /** Seeded: whatever happens happens again. */
  readonly random: Random;
  readonly jitter: Jitter;
}

/**
 * The same broker behind a network that does as it likes: see {@link JitteryReader}. In what it shows of the log each
 * record is followed by a marker, so all offsets are twice what they are underneath; those committed to groups, too.
 */
export class JitteryBroker implements Broker {
  readonly admin: Admin;
  readonly #options: JitteryBrokerOptions;

  constructor(options: JitteryBrokerOptions) {
    this.#options = options;
    this.admin = jitteryAdmin(options.broker.admin);
  }

  createReader(options?: ReaderOptions): Promise<Reader> {
    const { broker } = this.#options;
    return JitteryReader.create({ ...this.#options, open: () => broker.createReader(options) });
  }

  async createWriter(options?: WriterOptions): Promise<Writer> {
    const { broker, clock, random, jitter } = this.#options;
    const told = options?.onResult;
    const writer = await broker.createWriter({
      ...options,
      ...(told && {
        onResult: ({ offset, ...result }) => told(offset === undefined ? result : withMarkers({ ...result, offset })),
      }),
    });
    const late = (): Promise<void> =>
      new Promise((resolve) => void clock.after(Math.floor((random() * jitter.maxDelayMs) / 4), resolve));
    return {
      write: (records) => writer.write(records),
      flush: () => late().then(() => writer.flush()),
      acknowledged(topic, partition) {
        const offset = writer.acknowledged(topic, partition);
        return offset === undefined ? undefined : withMarkers({ topic, partition, offset }).offset;
      },
      begin: () => writer.begin(),
      sendOffsets: (membership, offsets) => writer.sendOffsets(membership, offsets),
      commit: () => late().then(() => writer.commit()),
      abort: () => writer.abort(),
      close: () => writer.close(),
    };
  }

  join(options: MembershipOptions): Promise<Membership> {
    return this.#options.broker.join(options);
  }

  close(): Promise<void> {
    return this.#options.broker.close();
  }
}

function jitteryAdmin(admin: Admin): Admin {
  const marked = async (offsets: Promise<readonly PartitionOffset[]>): Promise<readonly PartitionOffset[]> =>
    (await offsets).map(withMarkers);
  return {
    createTopics: (topics, options) => admin.createTopics(topics, options),
    describeTopics: (names) => admin.describeTopics(names),
    configureTopics: (topics) => admin.configureTopics(topics),
    deleteTopics: (names) => admin.deleteTopics(names),
    earliestOffsets: (partitions) => marked(admin.earliestOffsets(partitions)),
    latestOffsets: (partitions, isolation) => marked(admin.latestOffsets(partitions, isolation)),
    offsetsAt: (partitions, timestamp) => marked(admin.offsetsAt(partitions, timestamp)),
    deleteRecords: (before) => admin.deleteRecords(before.map(withoutMarkers)),
    groupOffsets: (groupId) => admin.groupOffsets(groupId),
    setGroupOffsets: (groupId, offsets) => admin.setGroupOffsets(groupId, offsets),
    groupMembers: (groupId) => admin.groupMembers(groupId),
    deleteGroup: (groupId) => admin.deleteGroup(groupId),
  };
}
