import type { OperatorFunction } from 'rxjs';
import { type Duration, durationMs } from '../../model/duration.js';
import type { StreamRecord } from '../../model/record.js';
import { checkedBefore } from '../../serdes/check.js';
import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore } from '../../state/contract.js';
import type { AnySerde, Lookups, Processor, ProcessorContext } from '../processor.js';
import type { AnyRecord } from '../push.js';
import type { FactRecord, Stream } from '../types.js';
import { withGrace } from '../windows/closings.js';
import { currentDeclaring } from './attach.js';
import { checkedId, type Id, idSerde, idText, keyPart } from './ids.js';

export interface DedupeOptions<K, V> {
  /** The store that holds the ids. */
  readonly store: string;
  /** What makes two records the same: an event id. */
  readonly id: (record: StreamRecord<K, V>) => Id;
  /** How long an id is remembered, in stream time, counted from the timestamp of its first record. */
  readonly within: Duration;
  /**
   * `key` (default): an id counts per record key; records of one key must meet in one task, so behind a
   * change of key a repartition is put in front. Keys are told apart by their bytes; all records without a
   * key are taken to have the same. `partition`: an id counts for the whole partition, whatever the keys;
   * cheaper by the bytes of the key.
   */
  readonly scope?: 'key' | 'partition';
}

/**
 * Passes the first record of an id and drops later ones, while `within` lasts.
 *
 * Time is stream time: the highest timestamp that has reached this operator, whether its record passed or
 * not; it is kept over restarts. A record is a duplicate if stream time has not passed the first one's
 * timestamp + `within`. The store keeps timestamp and source position of the first, so a record that is
 * processed again (by a reset that keeps the stores) is not taken for its own duplicate; what a timer of the
 * wall clock caused has no position, and is never the first one again. Order is kept; duplicates are counted
 * (`duplicate`); a null value is a record like any other.
 *
 * State: one row an id in `store`, and its changelog. With n = the bytes of the id, plus those of the key and
 * 3 under scope `key`, and t = the bytes of the source topic's name, an id costs n + 19 + t bytes on disk and
 * n + 4 more in the index by which expired ids are found (before compression), and about n + 41 + 2 t bytes
 * in the changelog. Expired ids are removed from store and changelog at a bounded cost: at most twice as many
 * a commit as were added, or 1,000. In memory, ids are bounded by the record cache; an id never seen before
 * is answered by a filter (2 bytes an id, 8 MB at most; above 4 million ids a task by those of the database),
 * without reading the disk.
 *
 * Ids are told apart by type and value: 5 is not "5"; 5 and 5n are the same. Throws PROCESS_FAILED if `id`
 * returns nothing, or what several ids may have become: a number above 2^53 − 1 (have such ids as text or
 * bigint), NaN, half an emoji. A store that an earlier version wrote, which did not tell them apart, is
 * refused with STATE_MISMATCH.
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
  return (source) => {
    const current = currentDeclaring('dedupe');
    // Bound here, because the operator writes keys itself, in the middle of those of its rows.
    const { key } = current.bound({ key: current.inspect(source).key, value: firstSerde }, 'store', store);
    const ofKeys = scope === 'key' ? key : undefined;
    return current.processor(
      {
        operator: 'dedupe',
        name: store,
        stores: [{ name: store, kind: 'keyValue', key: idSerde(ofKeys), value: firstSerde, ttlMs }],
        keyed: scope === 'key',
        // What comes later than that is not known to be a duplicate any more.
        nextClosing: withGrace(ttlMs, ttlMs),
        create: (context) => new Dedupe<K, V>(context, context.store(store), options, ofKeys),
      },
      [source],
    ) as unknown as Stream<K, V>;
  };
}

/** Where the first record of an id came from. */
class First {
  constructor(
    readonly topic: string,
    readonly offset: number,
  ) {}
}

/** Of what a timer of the wall clock caused: no record that is processed again can be it. */
const NO_RECORD = new First('', -1);

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
  readonly #store: OperatorStore<string, First>;
  readonly #id: DedupeOptions<K, V>['id'];
  readonly #at: string;
  /** Undefined: ids count whatever the keys. */
  readonly #key: AnySerde | undefined;
  /**
   * The source record at hand, and the ids whose first records it has brought: of one almost always, so that
   * the others wait for a set to be made.
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
    const { source } = this.#context;
    const key = prepared as string;
    this.#store.advanceTime(record.timestamp);
    const first = this.#store.get(key);
    if (first !== null && !this.#isItself(first, key)) return this.#context.drop('duplicate');
    this.#store.put(key, source ? new First(source.topic, source.offset) : NO_RECORD, record.timestamp);
    if (source) this.#bring(key);
    this.#context.emit(record);
  }

  /**
   * Whether the first record is the one at hand, which is processed once more, by a reset that keeps the
   * stores: it has its position, and nothing with this id has come from there in this run, as copies that
   * flatMapValues makes would.
   */
  #isItself(first: First, key: string): boolean {
    const { source, sequence } = this.#context;
    if (first.offset !== source?.offset || first.topic !== source.topic) return false;
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
