import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { StoreSpec } from '../../state/contract.js';
import { dueStore } from '../buffers/due-queue.js';
import { ByteReader, written } from '../common/bytes.js';

/** A timer that fires once, for one key. */
export interface KeyTimer<K, P> {
  readonly key: K;
  /** Distinguishes the timers of a key. */
  readonly id: string;
  /** When it is due, by the wall clock, in milliseconds. */
  readonly due: number;
  readonly payload: P;
}

/** A timer in the row of its key. */
export interface KeptTimer {
  readonly id: string;
  readonly due: number;
  /** As base64. */
  readonly payload: string;
}

/** Names one timer. */
export interface TimerId<K> {
  readonly key: K;
  readonly id: string;
}

export const timersName = (name: string): string => `${name}-timers`;
export const dueName = (name: string): string => `${name}-due`;

/** About what the names and the quotes in the JSON of a timer need. */
const AROUND = 40;

/**
 * The stores of an operator's moments: a row with the timers of each key, which is stored in pages if it is
 * long, and a row for each timer in the order in which they are due.
 */
export const momentStores = <K>(name: string, key: Serde<K>): readonly StoreSpec[] => [
  {
    name: timersName(name),
    kind: 'keyValue',
    key,
    value: serdes.json<readonly KeptTimer[]>(),
    items: {
      of: (row: readonly KeptTimer[]) => row,
      size: (timer: object) => {
        const { id, payload } = timer as KeptTimer;
        return AROUND + Buffer.byteLength(id) + payload.length;
      },
      with: (_row: readonly KeptTimer[], timers) => timers as readonly KeptTimer[],
    },
  },
  dueStore(dueName(name), timerIdSerde(key), serdes.json<true>()),
];

/** The length of the key (4 bytes, big endian), the key, the length of the id, the id. */
export const timerIdSerde = <K>(key: Serde<K>): Serde<TimerId<K>> =>
  containing(key, {
    name: `timer(${key.name})`,
    encode: ({ key: of, id }) => {
      const bytes = key.encode(of);
      return written((row) => {
        row.bytes(bytes);
        row.text(id);
      });
    },
    decode: (encoded) => {
      const reader = new ByteReader(encoded, 'the row of a timer');
      return { key: key.decode(reader.bytes() ?? Buffer.alloc(0)), id: reader.text() };
    },
  });
