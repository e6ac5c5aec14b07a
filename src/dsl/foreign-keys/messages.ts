import type { Serde } from '../../serdes/serde.js';

/** The request of a left row to the right side. */
export const ASK = {
  /** Forget the row; send no answer. */
  remove: 0,
  /** Forget the row, and answer that it refers to nothing. */
  removeAndAnswer: 1,
  /** Remember the row. Without a right row, the answer counts only for a left row that is joined. */
  add: 2,
  /** Remember the row, and answer in any case. */
  addAndAnswer: 3,
} as const;

/** Sent by a left row to the task of the key that it refers to, or referred to. */
export interface Subscription {
  readonly ask: (typeof ASK)[keyof typeof ASK];
  /**
   * The partition in which the left row was read. Answers go there, since the key may not determine it.
   * {@link UNKNOWN_PARTITION}: the subscription comes from a version that did not store it.
   */
  readonly partition: number;
  /** Timestamp of the left row, which identifies outdated answers; null: the row is deleted. */
  readonly at: number | null;
  readonly leftKey: Buffer;
}

/** A row of the right side, sent to the task of a left row that refers to it. */
export interface Answer {
  /** The `at` of the subscription. */
  readonly at: number | null;
  /** The bytes of the key that the left row refers to; null: it refers to nothing. */
  readonly foreignKey: Buffer | null;
  readonly right: unknown;
  /** The partition of the answer. It is not encoded, since it is the partition of the record. */
  readonly partition?: number;
  /**
   * There is no right row, which matters only to a joined left row. An earlier answer that said so may have
   * been for an earlier version of the left row, and dropped.
   */
  readonly quiet?: boolean;
}

/** The answers are partitioned by the hash of the left key. */
export const UNKNOWN_PARTITION = -1;

const AT_BYTES = 8;
const LENGTH_BYTES = 4;
const PARTITION_BYTES = 4;
/** In format 2, the first byte is this value plus `ask`; in format 1 it is `ask` alone. */
const FORMAT_2 = 0x20;
const FORMAT_BITS = 0xf0;

/**
 * Format 2 (big endian): the format in the upper half of a byte and `ask` in the lower. Then the left row's
 * partition in 4 bytes, its timestamp in 8 (double; NaN: deleted), and its key. Format 1 can still be read:
 * `ask` in 1 byte, the timestamp, the key.
 */
export const subscriptionSerde: Serde<Subscription> = {
  name: 'subscription-2',
  encode({ ask, partition, at, leftKey }) {
    const bytes = Buffer.allocUnsafe(1 + PARTITION_BYTES + AT_BYTES + leftKey.length);
    const end = bytes.writeInt32BE(partition, bytes.writeUInt8(FORMAT_2 | ask, 0));
    leftKey.copy(bytes, bytes.writeDoubleBE(at ?? Number.NaN, end));
    return bytes;
  },
  decode(bytes) {
    const head = bytes.readUInt8(0);
    const format = head & FORMAT_BITS;
    if (format !== 0 && format !== FORMAT_2)
      throw new Error(`saw a subscription of format ${head >> 4}, expected 1 or 2`);
    const partition = format === 0 ? UNKNOWN_PARTITION : bytes.readInt32BE(1);
    const at = format === 0 ? 1 : 1 + PARTITION_BYTES;
    return {
      ask: (head & ~FORMAT_BITS) as Subscription['ask'],
      partition,
      at: moment(bytes.readDoubleBE(at)),
      leftKey: bytes.subarray(at + AT_BYTES),
    };
  },
};

/**
 * Format 1: 1 byte (0 no right row, 1 a right row, 2 no right row and `quiet`), the left row's timestamp (8,
 * double, big endian; NaN: deleted), the foreign key (length in 4 bytes, −1: none; and its bytes), the right
 * row.
 */
export function answerSerde(right: Serde<unknown>): Serde<Answer> {
  const head = 1 + AT_BYTES + LENGTH_BYTES;
  return {
    name: `answer-1(${right.name})`,
    encode({ at, foreignKey, right: row, quiet }) {
      const rowBytes = row === null ? undefined : right.encode(row);
      const keyLength = foreignKey?.length ?? 0;
      const bytes = Buffer.allocUnsafe(head + keyLength + (rowBytes?.length ?? 0));
      bytes[0] = rowBytes ? 1 : quiet ? 2 : 0;
      bytes.writeDoubleBE(at ?? Number.NaN, 1);
      bytes.writeInt32BE(foreignKey === null ? -1 : keyLength, 1 + AT_BYTES);
      foreignKey?.copy(bytes, head);
      rowBytes?.copy(bytes, head + keyLength);
      return bytes;
    },
    decode(bytes) {
      const length = bytes.readInt32BE(1 + AT_BYTES);
      const end = head + Math.max(0, length);
      return {
        at: moment(bytes.readDoubleBE(1)),
        foreignKey: length < 0 ? null : bytes.subarray(head, end),
        right: bytes[0] === 1 ? right.decode(bytes.subarray(end)) : null,
        quiet: bytes[0] === 2,
      };
    },
  };
}

const moment = (at: number): number | null => (Number.isNaN(at) ? null : at);
