import { Headers } from '../../model/headers.js';
import { RowChange } from '../../model/record.js';
import { type Windowed, WindowKey } from '../../model/window.js';
import { checkEncodes } from '../../serdes/check.js';
import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import { windowed } from '../../serdes/windowed.js';
import type { OperatorStore, ShownRows } from '../../state/contract.js';
import { added } from '../common/folding.js';
import type { Lookups, Processor } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { CountWindows } from '../windows/windows.js';
import type { FoldKind, FoldSetup } from './window-results.js';
import type { WindowedFolding } from './windowing.js';

/** How many records a key has had, and the contents of the window that they fill. */
interface Filling<A> {
  readonly count: number;
  /** The highest timestamp in the window. */
  readonly last: number;
  readonly aggregate: A | null;
}

/** The store has one row per key. */
export function countFold<K, V, A>(folding: WindowedFolding<K, V, A>, windows: CountWindows): FoldKind<K, V, A> {
  const { store, key, value } = folding;
  const life = Number.isFinite(windows.retentionMs) && { ttlMs: windows.retentionMs };
  return {
    rows: { name: store, kind: 'window', key, value: fillingSerde(value), ...life, shown: shown(key, value, windows) },
    create: (setup) => new CountFold(setup, windows),
  };
}

/** Shows the window that is being filled, or was filled last. */
function shown<K, A>(
  key: Serde<K>,
  value: Serde<A>,
  { records }: CountWindows,
): ShownRows<K, Filling<A>, Windowed<K>, A> {
  return {
    key: windowed(key),
    value,
    rowOf: (window) => window.key,
    of(rowKey, { count, last, aggregate }) {
      if (aggregate === null) return [];
      const start = count - 1 - ((count - 1) % records);
      return [{ key: new WindowKey(rowKey, start, start + records), value: aggregate, timestamp: last }];
    },
  };
}

class CountFold<K, V, A> implements Processor {
  readonly #setup: FoldSetup<K, V, A>;
  readonly #records: number;
  readonly #store: OperatorStore<K, Filling<A>>;

  constructor(setup: FoldSetup<K, V, A>, { records }: CountWindows) {
    this.#setup = setup;
    this.#records = records;
    this.#store = setup.context.store(setup.folding.store);
  }

  prepare(record: AnyRecord, _port: number, lookups: Lookups): void {
    if (record.key !== null) lookups.add(this.#store, record.key);
  }

  process(record: AnyRecord): void {
    const { context, folding } = this.#setup;
    if (record.key === null) return context.drop('null-key');
    this.#store.advanceTime(record.timestamp);
    const filling = this.#store.get(record.key);
    const before = filling?.count ?? 0;
    const inside = before % this.#records;
    const window = inside === 0 ? null : filling;
    const previous = window === null ? null : window.aggregate;
    const next = added(folding, previous, record);
    const timestamp = window === null ? record.timestamp : Math.max(window.last, record.timestamp);
    this.#store.put(record.key, { count: before + 1, last: timestamp, aggregate: next }, timestamp);

    const start = before - inside;
    const key = new WindowKey(record.key, start, start + this.#records);
    if (folding.emit !== 'onClose') context.emit(new RowChange(key, next, previous, timestamp, record.headers));
    else if (inside === this.#records - 1 && next !== null)
      context.emit(new RowChange(key, next, null, timestamp, Headers.none));
  }
}

/** The count and the timestamp as 8-byte integers, then the aggregate: 1 and its bytes, or 0 for none. */
function fillingSerde<A>(value: Serde<A>): Serde<Filling<A>> {
  return containing(value, {
    name: `filling(${value.name})`,
    check({ aggregate }) {
      if (aggregate !== null) checkEncodes(value, aggregate);
    },
    encode({ count, last, aggregate }) {
      const head = [serdes.int64.encode(count), serdes.int64.encode(last)];
      return Buffer.concat(
        aggregate === null ? [...head, Buffer.of(0)] : [...head, Buffer.of(1), value.encode(aggregate)],
      );
    },
    decode: (bytes) => ({
      count: serdes.int64.decode(bytes.subarray(0, 8)),
      last: serdes.int64.decode(bytes.subarray(8, 16)),
      aggregate: bytes[16] === 0 ? null : value.decode(bytes.subarray(17)),
    }),
  });
}
