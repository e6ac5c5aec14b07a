import type { OperatorFunction } from 'rxjs';
import { durationMs } from '../../model/duration.js';
import type { StreamRecord } from '../../model/record.js';
import { serdes } from '../../serdes/serdes.js';
import { timersOf } from '../clock/noted.js';
import { idSerde } from '../common/ids.js';
import { whenGiven } from '../contract/policy-options.js';
import type { FactOf, KeyOf, NeedsStream, Stream, ValueOf } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import { withGrace } from '../declare/closings.js';
import { entityQueueItems, entityQueueSerde, type HeldSerdes } from '../reorder/entity-queue.js';
import { Reorder } from '../reorder/reorder.js';
import type { ReorderByVersionOptions } from '../reorder/reorder-options.js';

/**
 * Passes the records of each entity in the order of their versions: after version n exactly n + 1. A record
 * that comes too early waits in the store. A record with an earlier version is dropped, so a repeated event
 * is never applied twice.
 *
 * State: one row per entity in `store` (the next version and the waiting records), one row per gap that is
 * open at a commit, and the changelog. A row above 32 KiB is split into pages. A changelog record is at most
 * as long as a page, or as a single waiting record. Cost: one look-up per record, which reads the waiting
 * records of that entity and nothing else; never a scan of all entities. A commit writes each changed row
 * once, and of a long row only the changed pages. Memory: about 100 bytes per open gap. While an entity's
 * records are processed, all its waiting records are in memory: up to `maxBuffered` records of any size.
 *
 * A waiting record comes out with its own key, timestamp and headers, at the place of the record that closed
 * the gap. Null values are records like any other; null keys are dropped and counted (`null-key`) unless
 * `entity` is given. Stale records are dropped and counted (`stale`), passed, or sent to the dead letter
 * topic. Records that had to wait (`out-of-order`) and skipped versions (`skipped-versions`) are counted. A
 * record that arrives at the moment its wait ends still closes the gap.
 *
 * Errors: VERSION_INVALID (not an integer, or integers and bigints mixed), VERSION_GAP, REORDER_BUFFER_FULL.
 * PROCESS_FAILED if `entity` returns nothing, or a value that several entities may have turned into.
 * STATE_MISMATCH for a store of an earlier version, unless keys are strings.
 *
 * ```ts
 * orders.pipe(
 *   reorderByVersion({ store: 'order-versions', version: (record) => record.value.version, first: 1, gap: { wait: '30s', then: 'deadLetter' } }),
 * ); // versions 1, 3, 2, 3 → 1, 2, 3
 * ```
 */
export function reorderByVersion<K, V, R extends NeedsStream = FactOf<K, V>>(
  options: ReorderByVersionOptions<KeyOf<R>, ValueOf<R>>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, ValueOf<R>>> {
  const { store, gap, maxBuffered = 10_000 } = options;
  const waitMs = gap ? durationMs(gap.wait, `gap.wait of reorderByVersion ${store}`) : Number.POSITIVE_INFINITY;
  return (source) => {
    const current = currentDeclaring('reorderByVersion');
    if (!(Number.isInteger(maxBuffered) && maxBuffered > 0)) {
      current.problem(
        `reorderByVersion ${store}`,
        `maxBuffered is ${maxBuffered}`,
        'Give a whole number of at least 1.',
      );
    }
    const given: HeldSerdes = {
      key: options.key ?? current.inspect(source).key,
      value: options.value ?? serdes.json(),
    };
    // Bound here, because the queue writes waiting records inside a row.
    const { key, value } = current.bound(given, 'store', store);
    const entity = options.entity ? idSerde() : key;
    return current.processor(
      {
        operator: 'reorderByVersion',
        name: store,
        stores: [
          {
            name: store,
            kind: 'keyValue',
            key: entity,
            value: entityQueueSerde({ key, value }),
            items: entityQueueItems,
          },
          { name: `${store}-gaps`, kind: 'keyValue', key: entity, value: serdes.double },
        ],
        keyed: true,
        ...(options.gap?.clock === 'wall' && { internalInputs: [timersOf(store)] }),
        ...whenGiven(options),
        // The operator no longer waits for a version that comes later than this.
        ...(Number.isFinite(waitMs) && options.gap?.clock !== 'wall' && { nextClosing: withGrace(waitMs, waitMs) }),
        create: (context) =>
          new Reorder<KeyOf<R>, ValueOf<R>>(context, { ...options, maxBuffered }, waitMs, { key, value }, entity),
      },
      [source],
    ) as unknown as Stream<KeyOf<R>, ValueOf<R>>;
  };
}
