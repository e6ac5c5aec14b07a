import type { OperatorFunction } from 'rxjs';
import { type Duration, durationMs } from '../../model/duration.js';
import type { StreamRecord } from '../../model/record.js';
import { checkedBefore } from '../../serdes/check.js';
import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore } from '../../state/contract.js';
import { checkedId, type Id, idSerde, idText, keyPart } from '../common/ids.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { AnySerde, Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { FactOf, KeyOf, NeedsStream, Stream, ValueOf } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import { withGrace } from '../declare/closings.js';

export interface DedupeOptions<K, V> extends PolicyOptions {
  /** The store that holds the ids. */
  readonly store: string;
  /** What makes two records the same, for example an event id. */
  readonly id: (record: StreamRecord<K, V>) => Id;
  /** How long the operator remembers an id, in stream time, from the timestamp of the id's first record. */
  readonly within: Duration;
  /**
   * `key` (default): an id counts per record key. Records of one key must meet in one task, so a repartition
   * is inserted after a key change. Keys are compared by their bytes; all records without a key share one
   * key. `partition`: an id counts for the whole partition, whatever the keys. This saves the bytes of the
   * key.
   */
  readonly scope?: 'key' | 'partition';
}

/**
 * Passes the first record of an id and drops later ones for as long as `within` lasts.
 *
 * Time is stream time: the highest timestamp that has reached this operator, whether or not its record
 * passed. It survives restarts. A record is a duplicate if stream time has not passed the first record's
 * timestamp + `within`. The store keeps the timestamp and the source position of the first record. So a
 * record that is processed again (by a reset that keeps the stores) is not dropped as its own duplicate.
 * Order is kept. Duplicates are counted (`duplicate`). A null value is a record like any other.
 *
 * State: one row per id in `store`, and its changelog. Let n be the bytes of the id, plus the bytes of the
 * key and 3 more under scope `key`. Let t be the bytes of the source topic's name. An id then costs n + 19 +
 * t bytes on disk and n + 4 in the index that finds expired ids (before compression). In the changelog it
 * costs about n + 41 + 2 t bytes. Expired ids are removed from store and changelog at a bounded cost: per
 * commit at most twice as many as were added, or 1,000. In memory, the record cache bounds the ids. A filter
 * answers for an id never seen before, without reading the disk: 2 bytes per id, at most 8 MB. Above 4
 * million ids per task, the database's own filters answer instead.
 *
 * Ids are compared by type and value: 5 is not "5"; 5 and 5n are the same. Throws PROCESS_FAILED if `id`
 * returns nothing, or a value that several ids may have turned into. Such values are NaN, half of a surrogate
 * pair, and numbers above 2^53 − 1 (pass such ids as text or bigint). A store written by an earlier version,
 * which did not distinguish these ids, is refused with STATE_MISMATCH.
 *
 * ```ts
 * payments.pipe(dedupe({ store: 'seen', id: (record) => record.value.eventId, within: '7d' })); // a, b, a → a, b
 * ```
 *
 * To put versions in order as well, use {@link reorderByVersion}: it drops repeated versions itself.
 */
export function dedupe<K, V, R extends NeedsStream = FactOf<K, V>>(
  options: DedupeOptions<KeyOf<R>, ValueOf<R>>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, ValueOf<R>>> {
  const { store, scope = 'key', within } = options;
  const ttlMs = durationMs(within, `within of dedupe ${store}`);
  return (source) => {
    const current = currentDeclaring('dedupe');
    // Bound here, because the operator itself writes the record's key inside the key of its rows.
    const { key } = current.bound({ key: current.inspect(source).key, value: firstSerde }, 'store', store);
    const ofKeys = scope === 'key' ? key : undefined;
    return current.processor(
      {
        operator: 'dedupe',
        name: store,
        stores: [{ name: store, kind: 'keyValue', key: idSerde(ofKeys), value: firstSerde, ttlMs }],
        keyed: scope === 'key',
        ...whenGiven(options),
        // A record that comes later than this can no longer be recognised as a duplicate.
        nextClosing: withGrace(ttlMs, ttlMs),
        create: (context) => new Dedupe<KeyOf<R>, ValueOf<R>>(context, context.store(store), options, ofKeys),
      },
      [source],
    ) as unknown as Stream<KeyOf<R>, ValueOf<R>>;
  };
}

/** Where the first record of an id came from. */
class First {
  constructor(
    readonly topic: string,
    readonly offset: number,
  ) {}
}

/** Offset (8 bytes, big-endian double), topic (UTF-8). */
const firstSerde: Serde<First> = {
  name: 'dedupe-1',
  // The name of a topic can always be written.
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
  readonly #store: OperatorStore<string, First>;
  readonly #id: DedupeOptions<K, V>['id'];
  readonly #at: string;
  /** Undefined: ids count whatever the keys. */
  readonly #key: AnySerde | undefined;
  /**
   * The current source record, and the ids first seen with it. There is almost always one such id, so the set
   * is created only for further ones.
   */
  #sequence = -1;
  #brought = '';
  #alsoBrought: Set<string> | undefined;

  constructor(
    context: ProcessorContext,
    store: OperatorStore<string, First>,
    { id, store: name }: DedupeOptions<K, V>,
    key: AnySerde | undefined,
  ) {
    this.#context = context;
    this.#store = store;
    this.#id = id;
    this.#at = `dedupe ${name}`;
    this.#key = key;
  }

  prepare(record: AnyRecord, _port: number, lookups: Lookups): string {
    const id = idText(checkedId(this.#id(record), 'the id of a record', this.#at));
    const key = this.#key === undefined ? id : keyPart(this.#key, record.key) + id;
    lookups.add(this.#store, key);
    return key;
  }

  process(record: AnyRecord, _port: number, prepared: unknown): void {
    const { position } = this.#context;
    const key = prepared as string;
    this.#store.advanceTime(record.timestamp);
    const first = this.#store.get(key);
    if (first !== null && !this.#isItself(first, key)) return this.#context.drop('duplicate');
    this.#store.put(key, new First(position.topic, position.offset), record.timestamp);
    this.#bring(key);
    this.#context.emit(record);
  }

  /**
   * Whether the stored first record is the current one, processed again by a reset that keeps the stores. It
   * then has the same position, and no record with this id has come from that position in this run. (Copies
   * that flatMapValues makes share the position, and the second one is a duplicate.)
   */
  #isItself(first: First, key: string): boolean {
    const { position, sequence } = this.#context;
    if (first.offset !== position.offset || first.topic !== position.topic) return false;
    if (sequence !== this.#sequence) return true;
    return this.#brought !== key && this.#alsoBrought?.has(key) !== true;
  }

  #bring(key: string): void {
    const { sequence } = this.#context;
    if (sequence !== this.#sequence) {
      this.#sequence = sequence;
      this.#brought = key;
      this.#alsoBrought = undefined;
    } else {
      this.#alsoBrought ??= new Set();
      this.#alsoBrought.add(key);
    }
  }
}
