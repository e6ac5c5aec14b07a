import { createHash } from 'node:crypto';
import type { BrokerRecord } from '../../broker/port.js';
import { murmur2 } from '../../runtime/topics/partitioner.js';

export type Side = 'live' | 'shadow';

/**
 * A key with different records: the number of its records and its last value on each side. `undefined` as the
 * last value means that the side has no record of the key.
 */
export interface OutputDifference {
  readonly partition: number;
  readonly key: Buffer | null;
  readonly live: { readonly records: number; readonly last: Buffer | null | undefined };
  readonly shadow: { readonly records: number; readonly last: Buffer | null | undefined };
}

/**
 * Number of sums over which the keys are spread; the differing keys are then among a small part of all keys.
 */
const BUCKETS = 65_536;
/** Number of differing buckets that are searched. */
const SEARCHED_BUCKETS = 8;
const NO_BYTES = Buffer.alloc(0);

/** Sums of hashes, which do not depend on the order. Two 32-bit halves make an accidental match unlikely. */
class Sums {
  readonly high: Uint32Array;
  readonly low: Uint32Array;

  constructor(length: number) {
    this.high = new Uint32Array(length);
    this.low = new Uint32Array(length);
  }

  add(at: number, hash: Buffer): void {
    this.high[at] = ((this.high[at] as number) + hash.readUInt32LE(0)) >>> 0;
    this.low[at] = ((this.low[at] as number) + hash.readUInt32LE(4)) >>> 0;
  }
}

/**
 * A digest of the records of a topic and of its shadow: equal if both hold the same records, in any order.
 */
export class OutputDigest {
  readonly #sums: Readonly<Record<Side, Sums>> = { live: new Sums(BUCKETS), shadow: new Sums(BUCKETS) };

  add(side: Side, record: BrokerRecord): void {
    this.#sums[side].add(bucketOf(record), hashOf(record));
  }

  /** Some of the buckets that differ; empty if none does. */
  differing(): ReadonlySet<number> {
    const { live, shadow } = this.#sums;
    const found = new Set<number>();
    for (let at = 0; at < BUCKETS && found.size < SEARCHED_BUCKETS; at++)
      if (live.high[at] !== shadow.high[at] || live.low[at] !== shadow.low[at]) found.add(at);
    return found;
  }
}

interface KeySums {
  readonly partition: number;
  readonly key: Buffer | null;
  readonly live: { records: number; last: Buffer | null | undefined };
  readonly shadow: { records: number; last: Buffer | null | undefined };
  readonly sums: Readonly<Record<Side, Sums>>;
}

/** Finds the keys that differ among those of some buckets. */
export function differingKeys(buckets: ReadonlySet<number>): {
  add(side: Side, record: BrokerRecord): void;
  first(count: number): readonly OutputDifference[];
} {
  const found = new Map<string, KeySums>();
  return {
    add(side, record) {
      if (!buckets.has(bucketOf(record))) return;
      const { partition, key, value } = record;
      const id = `${partition} ${key === null ? 'null' : key.toString('hex')}`;
      let sums = found.get(id);
      if (!sums) {
        sums = {
          partition,
          key: key && Buffer.from(key),
          live: { records: 0, last: undefined },
          shadow: { records: 0, last: undefined },
          sums: { live: new Sums(1), shadow: new Sums(1) },
        };
        found.set(id, sums);
      }
      sums[side].records++;
      // A copy: any reference into a batch would keep all its bytes in memory.
      sums[side].last = value && Buffer.from(value);
      sums.sums[side].add(0, hashOf(record));
    },
    first(count) {
      return [...found.values()]
        .filter(({ sums: { live, shadow } }) => live.high[0] !== shadow.high[0] || live.low[0] !== shadow.low[0])
        .sort((a, b) => a.partition - b.partition || Buffer.compare(a.key ?? NO_BYTES, b.key ?? NO_BYTES))
        .slice(0, count)
        .map(({ partition, key, live, shadow }) => ({ partition, key, live, shadow }));
    },
  };
}

const bucketOf = ({ partition, key }: BrokerRecord): number =>
  (murmur2(key ?? NO_BYTES) + Math.imul(partition, 0x9e3779b1)) & (BUCKETS - 1);

/** The lengths come first, so that keys and values cannot run together; −1 means null. */
function hashOf({ partition, key, value }: BrokerRecord): Buffer {
  const head = Buffer.allocUnsafe(12);
  head.writeInt32LE(partition, 0);
  head.writeInt32LE(key?.length ?? -1, 4);
  head.writeInt32LE(value?.length ?? -1, 8);
  return createHash('sha256')
    .update(head)
    .update(key ?? NO_BYTES)
    .update(value ?? NO_BYTES)
    .digest();
}
