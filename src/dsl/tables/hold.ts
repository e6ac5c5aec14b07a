import type { Observable } from 'rxjs';
import { type Duration, durationMs } from '../../model/duration.js';
import { PlainRecord } from '../../model/record.js';
import { checkEncodes } from '../../serdes/check.js';
import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore, RowItems } from '../../state/contract.js';
import { type Due, DueQueue, dueStore } from '../buffers/due-queue.js';
import { ByteReader, type ByteWriter, readHeaders, written } from '../common/bytes.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { AnySerde, Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import { withGrace } from '../declare/closings.js';
import type { Declaring } from '../declare/declaring.js';

interface HoldOptions extends PolicyOptions {
  readonly store: string;
  readonly value: AnySerde;
  readonly graceMs: number;
  /** Records without a key pass: a left join emits them. */
  readonly keepsNullKeys: boolean;
}

interface GraceOptions extends Pick<HoldOptions, 'keepsNullKeys'>, PolicyOptions {
  readonly grace?: Duration;
  readonly store?: string;
  readonly value?: AnySerde;
  /** The node of the join, for messages. */
  readonly node: string;
}

/**
 * The source; with a grace, records are held back until late rows of a table with this history may have
 * arrived.
 */
export function heldBack(
  source: Observable<AnyRecord>,
  historyMs: number | undefined,
  { grace, store = '', value = serdes.json(), node, keepsNullKeys, ...policy }: GraceOptions,
  current: Declaring,
): Observable<AnyRecord> {
  if (grace === undefined) return source;
  const graceMs = durationMs(grace, `grace of ${node}`);
  if (historyMs === undefined || graceMs > historyMs) {
    current.problem(
      node,
      historyMs === undefined
        ? 'it has a grace, and the table on the right is not versioned'
        : `its grace, ${grace}, is longer than the history of the table on the right`,
      `Give the table a history of at least ${grace}: t.table(topic, { …, history: '${grace}' }).`,
    );
  }
  // With a grace of 0, each record is joined when it comes.
  if (graceMs === 0) return source;
  return hold(source, { store, value, graceMs, keepsNullKeys, ...whenGiven(policy) }, current);
}

type HeldRecord = Pick<AnyRecord, 'value' | 'headers'>;

/** The records of one key and timestamp, in order of arrival. */
type Held = readonly HeldRecord[];

/**
 * Declares a buffer. A record waits until stream time is past its timestamp by the grace. Records leave in
 * the order of timestamps, then keys, then arrival. A record that is later than the grace passes at once.
 * Only held records advance time; records without a key or a value pass.
 */
function hold(source: Observable<AnyRecord>, options: HoldOptions, current: Declaring): Observable<AnyRecord> {
  const { store, keepsNullKeys } = options;
  const { key, value } = current.bound({ key: current.inspect(source).key, value: options.value }, 'store', store);
  return current.processor(
    {
      operator: 'hold',
      name: store,
      stores: [{ ...dueStore(store, key, heldSerde(value)), items: heldItems(value) }],
      keyed: true,
      takesNullKeys: keepsNullKeys,
      ...whenGiven(options),
      // A record that comes later than the grace is no longer sorted.
      nextClosing: withGrace(options.graceMs, options.graceMs),
      create: (context) => new Hold(context, context.store(store), key, options.graceMs),
    },
    [source],
  );
}

class Hold implements Processor {
  readonly #context: ProcessorContext;
  readonly #store: OperatorStore<Due<unknown>, Held>;
  readonly #queue: DueQueue<unknown, Held>;
  readonly #graceMs: number;

  constructor(
    context: ProcessorContext,
    store: OperatorStore<Due<unknown>, Held>,
    key: Serde<unknown>,
    graceMs: number,
  ) {
    this.#context = context;
    this.#store = store;
    this.#queue = new DueQueue(store, key);
    this.#graceMs = graceMs;
  }

  start(): Promise<void> {
    return this.#queue.start();
  }

  prepare({ key, value, timestamp }: AnyRecord, _port: number, lookups: Lookups): Due<unknown> | undefined {
    if (key === null || value === null) return undefined;
    const place = { due: timestamp, key };
    lookups.add(this.#store, place);
    return place;
  }

  process(record: AnyRecord, _port: number, prepared: unknown): void | Promise<void> {
    const { key, value, headers, timestamp } = record;
    if (prepared === undefined) return this.#context.emit(record);
    this.#store.advanceTime(timestamp);
    const due = this.#store.streamTime - this.#graceMs;
    if (timestamp < due) return this.#context.emit(record);
    const held = this.#store.get(prepared as Due<unknown>);
    const added: HeldRecord = { value, headers };
    if (held === null) this.#queue.add(timestamp, key, [added], timestamp);
    else this.#queue.replace(timestamp, key, [...held, added], timestamp);
    return this.#queue.take(due, (at, records, time) => {
      for (const { value: own, headers: others } of records) this.#context.emit(new PlainRecord(at, own, time, others));
    });
  }
}

/**
 * Waiting records, format 1 (integers big endian): the format in 1 byte and the number of records in 4. Then
 * for each record its value (length in 4 bytes, and bytes) and the number of its headers in 4. For each
 * header its name and value (length in 4 bytes, and bytes; −1: null).
 */
const FORMAT = 1;

function heldSerde(value: AnySerde): Serde<Held> {
  return containing(value, {
    name: `held-${FORMAT}(${value.name})`,
    // The earlier records were checked when they arrived.
    check: (held) => checkEncodes(value, held.at(-1)?.value),
    encode: (held) =>
      written((row) => {
        row.byte(FORMAT);
        row.int32(held.length);
        for (const record of held) writeHeld(row, record, value);
      }),
    decode(bytes) {
      const reader = new ByteReader(bytes, 'records that wait');
      const format = reader.byte();
      if (format !== FORMAT) throw new Error(`saw records that wait of format ${format}, expected ${FORMAT}`);
      const held: HeldRecord[] = [];
      for (let left = reader.int32(); left > 0; left--) {
        const own = value.decode(reader.bytes() ?? Buffer.alloc(0));
        held.push({ value: own, headers: readHeaders(reader) });
      }
      return held;
    },
  });
}

/** Splits a row into pages, because any number of records may have one key and timestamp. */
function heldItems(value: AnySerde): RowItems<Held> {
  // Each record is encoded once to be measured, and once for each page that it is written to.
  const sizes = new WeakMap<HeldRecord, number>();
  const sizeOf = (record: HeldRecord): number => {
    const known = sizes.get(record);
    if (known !== undefined) return known;
    const { length } = written((row) => writeHeld(row, record, value));
    sizes.set(record, length);
    return length;
  };
  return { of: (held) => held, size: sizeOf, with: (_, held) => held as Held };
}

function writeHeld(row: ByteWriter, { value, headers }: HeldRecord, serde: AnySerde): void {
  row.bytes(serde.encode(value));
  row.headers(headers);
}
