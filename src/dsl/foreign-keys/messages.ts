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
  /** There is no right row, which is new only to a left row that is joined: what told it so may have been of an earlier one, and dropped. */
  readonly quiet?: boolean;
}

const AT_BYTES = 8;
const LENGTH_BYTES = 4;

/** Format 1: what is asked (1 byte), the left row's timestamp (8, double, big endian; NaN: deleted), the left row's key. */
export const subscriptionSerde: Serde<Subscription> = {
  name: 'subscription-1',
  encode({ ask, at, leftKey }) {
    const bytes = Buffer.allocUnsafe(1 + AT_BYTES + leftKey.length);
    bytes[0] = ask;
    leftKey.copy(bytes, bytes.writeDoubleBE(at ?? Number.NaN, 1));
    return bytes;
  },
  decode: (bytes) => ({
    ask: bytes.readUInt8(0) as Subscription['ask'],
    at: moment(bytes.readDoubleBE(1)),
    leftKey: bytes.subarray(1 + AT_BYTES),
  }),
};

/** Format 1: what there is (1 byte: 0 no right row, 1 a right row, 2 none, quietly), the left row's timestamp (8, double, big endian; NaN: deleted), the foreign key (length in 4 bytes, −1: none; and its bytes), the right row. */
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
