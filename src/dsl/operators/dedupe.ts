import type { OperatorFunction } from 'rxjs';
import { type Duration, durationMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import type { StreamRecord } from '../../model/record.js';
import { checkedBefore } from '../../serdes/check.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { KeyValueStore } from '../../state/contract.js';
import type { Processor, ProcessorContext, Reads } from '../processor.js';
import type { AnyRecord, FactRecord, Stream } from '../types.js';
import { currentDeclaring } from './attach.js';
import { keyText } from './key-text.js';

export interface DedupeOptions<K, V> {
  /** The store that holds the ids. */
  readonly store: string;
  /** What makes two records the same: an event id. */
  readonly id: (record: StreamRecord<K, V>) => string | number | bigint;
  /** How long an id is remembered, in stream time, counted from the timestamp of its first record. */
  readonly within: Duration;
  /**
   * `key` (default): an id counts per record key; records of one key must meet in one task, so behind a change of key a repartition is put in front.
   * `partition`: an id counts for the whole partition, whatever the keys; cheaper by the bytes of the key.
   */
  readonly scope?: 'key' | 'partition';
}

/**
 * Passes the first record of an id and drops later ones, while `within` lasts.
 *
 * Time is stream time: the highest timestamp that has reached this operator, whether its record passed or not; it is kept over restarts. A record is a duplicate if stream time has not passed the first one's
 * timestamp + `within`. The store keeps timestamp and source position of the first, so a record that is processed again after a crash is not taken for its own duplicate. Order is kept; duplicates are counted
 * (`duplicate`); a null value is a record like any other.
 *
 * State: one row an id in `store`, and its changelog. With n = the bytes of the id, plus those of the key and 3 under scope `key`, and t = the bytes of the source topic's name, an id costs n + 19 + t bytes on
 * disk and n + 4 more in the index by which expired ids are found (before compression), and about n + 41 + 2 t bytes in the changelog. Expired ids are removed from store and changelog at a bounded cost: at most twice as
 * many a commit as were added, or 1,000. In memory, ids are bounded by the record cache; an id never seen before is answered by a filter (2 bytes an id, 8 MB at most; above 4 million ids a task by those of the database), without reading the disk.
 *
 * Throws PROCESS_FAILED if `id` returns nothing.
 *
 * ```ts
 * payments.pipe(dedupe({ store: 'seen', id: (record) => record.value.eventId, within: '7d' })); // a, b, a → a, b
 * ```
 *
 * For versions that must also be put in order, {@link reorderByVersion} drops repeated ones itself.
 */
export function dedupe<K, V>(options: DedupeOptions<K, V>): OperatorFunction<FactRecord<K, V>, StreamRecord<K, V>> {
  const { store, scope = 'key', within } = options;
  const ttlMs = durationMs(within, `within of dedupe ${store}`);
  return (source) =>
    currentDeclaring('dedupe').processor(
      {
        operator: 'dedupe',
        name: store,
        stores: [{ name: store, kind: 'keyValue', key: serdes.string, value: firstSerde, ttlMs }],
        keyed: scope === 'key',
        create: (context) => new Dedupe<K, V>(context, context.store(store), options),
      },
      [source],
    ) as unknown as Stream<K, V>;
}

/** Where the first record of an id came from. A class, so that looking into the store shows what is in it. */
class First {
  constructor(
    readonly topic: string,
    readonly offset: number,
    /** Known only while this task runs: −1 once it was read from disk. */
    readonly sequence = -1,
  ) {}

  toJSON(): object {
    const { topic, offset } = this;
    return { topic, offset };
  }
}

/** Offset (8 bytes, big-endian double), topic (UTF-8). */
const firstSerde: Serde<First> = {
  name: 'dedupe-1',
  // The name of a topic can be written.
  check: checkedBefore,
  encode({ topic, offset }) {
    const bytes = Buffer.allocUnsafe(8 + Buffer.byteLength(topic));
    bytes.writeDoubleBE(offset, 0);
    bytes.write(topic, 8);
    return bytes;
  },
  decode: (bytes) => new First(bytes.toString('utf8', 8), bytes.readDoubleBE(0)),
};

class Dedupe<K, V> implements Processor {
  readonly #context: ProcessorContext;
  readonly #store: KeyValueStore<string, First>;
  readonly #options: DedupeOptions<K, V>;
  readonly #byKey: boolean;

  constructor(context: ProcessorContext, store: KeyValueStore<string, First>, options: DedupeOptions<K, V>) {
    this.#context = context;
    this.#store = store;
    this.#options = options;
    this.#byKey = options.scope !== 'partition';
  }

  reads(record: AnyRecord, _port: number, reads: Reads): string {
    const key = this.#keyOf(record);
    reads.add(this.#store, key);
    return key;
  }

  process(record: AnyRecord, _port: number, prepared: unknown): void {
    const { position, sequence } = this.#context;
    const key = prepared as string;
    this.#store.observe(record.timestamp);
    const first = this.#store.get(key);
    if (first !== null) {
      // The same source record once more, after a crash: it is the first one. Twice within one run it is a copy (of a flatMapValues, or of a wall-clock timer, whose position is that of the last record).
      const itself = first.offset === position.offset && first.topic === position.topic && first.sequence === -1;
      if (!itself) return this.#context.drop('duplicate');
    }
    this.#store.put(key, new First(position.topic, position.offset, sequence), record.timestamp);
    this.#context.emit(record);
  }

  #keyOf(record: AnyRecord): string {
    const id = this.#options.id(record);
    if (id === undefined || id === null || id === '') {
      throw new StreamsError('PROCESS_FAILED', {
        what: 'the id of a record is missing',
        at: `dedupe ${this.#options.store}`,
        saw: JSON.stringify(id) ?? 'undefined',
        expected: 'a string, number or bigint',
        action: 'Let id return what makes the event unique, or filter such records out before.',
      });
    }
    if (!this.#byKey) return String(id);
    const key = keyText(record.key);
    return `${key.length}:${key}${id}`;
  }
}
