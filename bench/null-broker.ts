import type {
  Admin,
  Broker,
  BrokerRecord,
  Membership,
  MembershipOptions,
  PartitionOffset,
  Reader,
  RecordBatch,
  TopicPartition,
  Writer,
} from '#src/broker/port.js';

/** Makes the record at an offset. */
export type MakeRecord = (offset: number) => BrokerRecord;

/**
 * A broker that costs nothing: what is written is thrown away, and how long it took to make the records that are read is known, to be taken off. What is measured on it is the engine and its stores alone.
 */
export class NullBroker implements Broker {
  readonly admin: Admin;
  written = 0;
  /** How long this thread was busy with making records. */
  makingMs = 0;
  readonly #topic: string;
  readonly #records: number;
  readonly #make: MakeRecord;
  readonly #others: readonly string[];

  constructor(options: {
    readonly topic: string;
    readonly records: number;
    readonly make: MakeRecord;
    readonly others: readonly string[];
  }) {
    this.#topic = options.topic;
    this.#records = options.records;
    this.#make = options.make;
    this.#others = options.others;
    this.admin = this.#admin();
  }

  async createReader(): Promise<Reader> {
    let at = 0;
    let active = false;
    return {
      seek: (position) => {
        active = position.topic === this.#topic;
        at = position.offset;
      },
      remove: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
      poll: async ({ maxRecords }): Promise<readonly RecordBatch[]> => {
        const end = active ? Math.min(this.#records, at + maxRecords) : at;
        if (end === at) return [];
        const began = performance.now();
        const records: BrokerRecord[] = new Array(end - at);
        for (let i = 0; at < end; i++, at++) records[i] = this.#make(at);
        this.makingMs += performance.now() - began;
        return [{ topic: this.#topic, partition: 0, records, nextOffset: end, latestOffset: this.#records }];
      },
      wakeup: () => undefined,
      close: async () => undefined,
    };
  }

  async createWriter(): Promise<Writer> {
    let changelog = 0;
    return {
      write: (records) => {
        this.written += records.length;
        changelog += records.length;
        return undefined;
      },
      flush: async () => undefined,
      acknowledged: () => changelog,
      begin: async () => undefined,
      sendOffsets: async () => undefined,
      commit: async () => undefined,
      abort: async () => undefined,
      close: async () => undefined,
    };
  }

  async join(options: MembershipOptions): Promise<Membership> {
    const shares = await options.assign([{ memberId: 'bench', metadata: options.metadata() }]);
    await options.onAssigned(shares.get('bench') as Buffer);
    return {
      groupId: options.groupId,
      memberId: 'bench',
      generation: 1,
      commit: async () => undefined,
      committed: async () => [],
      leave: async () => undefined,
    };
  }

  async close(): Promise<void> {}

  #admin(): Admin {
    const at =
      (offset: number) =>
      async (partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> =>
        partitions.map(({ topic, partition }) => ({ topic, partition, offset: topic === this.#topic ? offset : 0 }));
    return {
      createTopics: async () => undefined,
      describeTopics: async (names) =>
        (names ?? [this.#topic, ...this.#others])
          // Letters are fed in through topics that exist only once they are needed.
          .filter((name) => !name.endsWith('-letters'))
          .map((name) => ({ name, partitions: 1, config: null })),
      configureTopics: async () => undefined,
      deleteTopics: async () => undefined,
      deleteRecords: async () => undefined,
      earliestOffsets: at(0),
      latestOffsets: at(this.#records),
      offsetsAt: at(0),
      groupOffsets: async () => [],
      setGroupOffsets: async () => undefined,
      groupMembers: async () => [],
      deleteGroup: async () => undefined,
    };
  }
}
