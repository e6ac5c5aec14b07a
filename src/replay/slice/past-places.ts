import { type BrokerRecord, type PartitionOffset, partitionKey, type TopicPartition } from '../../broker/port.js';
import { afterOf } from '../../runtime/inputs/after.js';
import { AT_ONCE, type Dates, type InputPlace } from '../../runtime/poll/lane.js';

/** Where the log of a partition ended when the slice was cut. */
interface PartEnd extends TopicPartition {
  readonly latest: number;
}

/**
 * The places of the records of internal inputs in a slice. A slice that ends with a time also ends for what
 * the clock brought: after the last source record, only what was due by then belongs to it.
 *
 * A place behind the end of a log names records that no longer exist: the topic was created again. Then the
 * end counts instead, as in a running task.
 */
export class PastPlaces implements Dates {
  readonly #until: number;
  readonly #latest: ReadonlyMap<string, number>;

  constructor({
    until = Number.POSITIVE_INFINITY,
    parts,
  }: { readonly until?: number | undefined; readonly parts: readonly PartEnd[] }) {
    this.#until = until;
    this.#latest = new Map(parts.map(({ topic, partition, latest }) => [partitionKey(topic, partition), latest]));
  }

  timeOf(): number {
    return AT_ONCE;
  }

  timeWhenReady(): Promise<number> {
    return Promise.resolve(AT_ONCE);
  }

  placeOf({ timestamp, headers }: BrokerRecord): InputPlace | undefined {
    const after = afterOf(headers)?.map((at) => {
      const latest = this.#latest.get(partitionKey(at.topic, at.partition)) ?? at.offset;
      return at.offset > latest ? { ...at, offset: latest } : at;
    });
    return after && { after, isLate: timestamp > this.#until };
  }
}

/**
 * Whether a record belongs to the past before some positions: its turn was before a later record of these.
 */
function isBefore(after: readonly PartitionOffset[], positions: ReadonlyMap<string, number>): boolean {
  const known = after.flatMap(({ topic, partition, offset }) => {
    const at = positions.get(partitionKey(topic, partition));
    return at === undefined ? [] : [{ offset, at }];
  });
  return known.every(({ offset, at }) => offset <= at) && known.some(({ offset, at }) => offset < at);
}

/** Leaves out the records of one partition of an internal input that belong to the past before a slice. */
export class LaterRecords {
  readonly #from: ReadonlyMap<string, number>;

  /** @param from Where the slice begins in its sources. */
  constructor(from: ReadonlyMap<string, number>) {
    this.#from = from;
  }

  of(records: readonly BrokerRecord[]): readonly BrokerRecord[] {
    return records.filter(({ headers }) => {
      const after = afterOf(headers);
      return after === undefined || !isBefore(after, this.#from);
    });
  }
}
