import type { TopicPartition } from '../../port.js';
import { throwUnlessNone } from './errors.js';
import type { Request } from './request.js';
import { byTopic } from './requests-topics.js';

/** Requests for the state of transactions and producers (KIP-664). */

/** `state` is the coordinator's name for it: `Empty`, `Ongoing`, `PrepareCommit`, `CompleteCommit`, … */
export interface TransactionState {
  readonly state: string;
  readonly producerId: number;
}

/** Throws the error of the one transactional id in the request. */
export const describeTransactionRequest = (transactionalId: string): Request<TransactionState> => ({
  apiKey: 65,
  apiVersion: 0,
  apiName: 'DescribeTransactions',
  concerned: { transactionalId },
  write: (to) =>
    to
      .noTags()
      .compactArray([transactionalId], (id) => to.compactString(id))
      .noTags(),
  read: (from) => {
    from.skipTags();
    from.int32();
    const [described] = from.compactArray(() => {
      const error = from.int16();
      from.compactText();
      const state = from.compactText();
      from.int32();
      from.int64();
      const producerId = from.int64();
      from.int16();
      from.compactArray(() => {
        from.compactText();
        from.compactArray(() => from.int32());
        from.skipTags();
      });
      from.skipTags();
      return { error, state, producerId };
    });
    const { error, ...known } = described ?? { error: 0, state: 'Empty', producerId: -1 };
    throwUnlessNone(error);
    return known;
  },
});

export interface PartitionProducers extends TopicPartition {
  readonly error: number;
  /** Producers with an open transaction in the partition. */
  readonly open: readonly number[];
}

export const describeProducersRequest = (
  partitions: readonly TopicPartition[],
): Request<readonly PartitionProducers[]> => ({
  apiKey: 61,
  apiVersion: 0,
  apiName: 'DescribeProducers',
  write: (to) =>
    to
      .noTags()
      .compactArray(byTopic(partitions), ([topic, group]) =>
        to
          .compactString(topic)
          .compactArray(group, ({ partition }) => to.int32(partition))
          .noTags(),
      )
      .noTags(),
  read: (from) => {
    from.skipTags();
    from.int32();
    return from
      .compactArray(() => {
        const topic = from.compactText();
        const found = from.compactArray(() => {
          const [partition, error] = [from.int32(), from.int16()];
          from.compactText();
          const producers = from.compactArray(() => {
            const id = from.int64();
            from.int32();
            from.int32();
            from.int64();
            from.int32();
            const transactionStart = from.int64();
            from.skipTags();
            return transactionStart < 0 ? [] : [id];
          });
          from.skipTags();
          return { topic, partition, error, open: producers.flat() };
        });
        from.skipTags();
        return found;
      })
      .flat();
  },
});
