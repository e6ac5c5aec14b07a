import type { Serde } from '../../serdes/serde.js';

/** What the left side asks of the right one. */
export const ASK = {
  /** Forget the row; it says nothing. */
  remove: 0,
  /** Forget the row, and answer that it refers to nothing. */
  removeAndAnswer: 1,
  /** Remember the row; if there is none on the right, the answer counts only for a row that is joined. */
  add: 2,
  /** Remember the row, and answer in any case. */
  addAndAnswer: 3,
} as const;

/** A row of the left side to the task of the key that it refers to, or referred to. */
export interface Subscription {
  readonly ask: (typeof ASK)[keyof typeof ASK];
  /**
   * Where the left row was read, which its key need not say: answers go there. {@link UNKNOWN_PARTITION}:
   * asked by a version that did not say.
   */
  readonly partition: number;
  /** Timestamp of the left row, by which an answer that is no longer of it is known; null: it is deleted. */
  readonly at: number | null;
  readonly leftKey: Buffer;
}

/** A row of the right side, to the task of a left row that refers to it. */
export interface Answer {
  /** As it was asked. */
  readonly at: number | null;
  /** The bytes of the key that the left row refers to; null: it refers to nothing. */
  readonly foreignKey: Buffer | null;
  readonly right: unknown;
  /** The partition that it goes to; on its way it is where it is going, so that it is not written. */
  readonly partition?: number;
  /**
   * There is no right row, which is new only to a left row that is joined: what told it so may have been of
   * an earlier one, and dropped.
   */
  readonly quiet?: boolean;
}

/** Answers to it are placed by the hash of the left key. */
export const UNKNOWN_PARTITION = -1;

const AT_BYTES = 8;
const LENGTH_BYTES = 4;
const PARTITION_BYTES = 4;
/** The first byte of format 2 is this and what is asked, that of format 1 what is asked alone. */
const FORMAT_2 = 0x20;
const FORMAT_BITS = 0xf0;

/**
 * Format 2 (big endian): the format in the upper half of a byte and what is asked in the lower; the left
 * row's partition in 4 bytes; its timestamp in 8 (double; NaN: deleted); its key. Format 1, which is still
 * read: what is asked in 1 byte, the timestamp, the key.
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
 * Format 1: what there is (1 byte: 0 no right row, 1 a right row, 2 none, quietly), the left row's timestamp
 * (8, double, big endian; NaN: deleted), the foreign key (length in 4 bytes, −1: none; and its bytes), the
 * right row.
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
