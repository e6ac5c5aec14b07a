import { type BrokerRecord, type PartitionOffset, partitionKey } from '../../broker/port.js';
import { afterOf } from '../../runtime/inputs/after.js';
import { AT_ONCE, type Dates, type InputPlace } from '../../runtime/poll/lane.js';

/**
 * The places of the records of internal inputs in a slice. A slice that ends with a time also ends for what
 * the clock brought: after the last source record, only what was due by then belongs to it.
 */
export class PastPlaces implements Dates {
  readonly #until: number;
  /** The last known place of each partition: records without one follow it. */
  readonly #places = new Map<number, readonly PartitionOffset[]>();

  /** @param until The last moment of the slice; positive infinity: it does not end with a time. */
  constructor(until = Number.POSITIVE_INFINITY) {
    this.#until = until;
  }

  timeOf(): number {
    return AT_ONCE;
  }

  timeWhenReady(): Promise<number> {
    return Promise.resolve(AT_ONCE);
  }

  placeOf({ partition, timestamp, headers }: BrokerRecord): InputPlace | undefined {
    const own = afterOf(headers);
    if (own !== undefined) this.#places.set(partition, own);
    const after = own ?? this.#places.get(partition);
    return after && { after, isInside: timestamp > this.#until };
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
  #isBefore = false;

  /** @param from Where the slice begins in its sources. */
  constructor(from: ReadonlyMap<string, number>) {
    this.#from = from;
  }

  of(records: readonly BrokerRecord[]): readonly BrokerRecord[] {
    return records.filter(({ headers }) => {
      const after = afterOf(headers);
      if (after !== undefined) this.#isBefore = isBefore(after, this.#from);
      return !this.#isBefore;
    });
  }
}
