import { Observable, type Subscriber } from 'rxjs';
import { StreamsError } from '../../model/errors.js';
import type { AnyRecord, AnySerde, Outlet, PushScope } from '../contract/processor.js';
import type { Windows } from '../windows/windows.js';
import { declaring, type Rekey, subscribing } from './ambient.js';
import { beginPush, endPush } from './async-guard.js';
import { OWN } from './own-operators.js';
import { RowBefores } from './row-befores.js';

interface Subscription {
  readonly node: string;
  readonly subscriber: Subscriber<AnyRecord>;
}

/**
 * Where records enter RxJS: the output of a source or of a processor. It notes which nodes subscribe, through
 * any operators in between. The graph is drawn from these subscriptions, and records are delivered to them.
 */
export class Origin<T extends AnyRecord> extends Observable<T> implements Outlet {
  readonly [OWN] = true;
  #subscriptions: Subscription[] = [];
  /** The store that holds this table's rows; undefined for a stream. */
  readonly table: string | undefined;
  /** The key serde, if known. */
  readonly key: AnySerde | undefined;
  /** A key change that has not been repartitioned yet. */
  readonly rekey: Rekey | undefined;
  /** The windows of its keys, if the keys are windowed and the windows are known. */
  readonly window: Windows | undefined;
  readonly node: string;
  readonly #scope: PushScope;
  #befores: RowBefores | undefined;

  constructor(
    node: string,
    scope: PushScope,
    {
      table,
      key,
      rekey,
      window,
    }: {
      readonly table?: string | undefined;
      readonly key?: AnySerde | undefined;
      readonly rekey?: Rekey | undefined;
      readonly window?: Windows | undefined;
    } = {},
  ) {
    super((subscriber) => {
      const consumer = subscribing();
      if (!consumer) {
        const what = 'a stream was subscribed to by hand';
        const action =
          'Remove the call of subscribe: streams end in to(), a table, or a processor, and millrace subscribes.';
        const current = declaring();
        if (!current) throw new StreamsError('TOPOLOGY_INVALID', { what, at: `node ${node}`, action });
        // RxJS would report an error thrown here later, where nothing catches it, and the topology would pass
        // as valid.
        current.problem(node, what, action);
        return;
      }
      consumer.reached(this);
      const subscription = { node: consumer.node, subscriber: subscriber as Subscriber<AnyRecord> };
      this.#subscriptions = [...this.#subscriptions, subscription];
      return () => {
        this.#subscriptions = this.#subscriptions.filter((other) => other !== subscription);
      };
    });
    this.node = node;
    this.table = table;
    this.key = key;
    this.rekey = rekey;
    this.window = window;
    this.#scope = scope;
  }

  get used(): boolean {
    return this.#subscriptions.length > 0;
  }

  /** From now on, remembers what rows were before the current record. */
  keepBefores(key: AnySerde, now: () => number): RowBefores {
    this.#befores ??= new RowBefores(key, now);
    return this.#befores;
  }

  push(record: AnyRecord): void {
    this.#befores?.note(record);
    const before = this.#enter(record);
    // The array is replaced, never changed, so a subscription that ends or begins during a push does not
    // disturb the loop.
    const subscriptions = this.#subscriptions;
    try {
      for (let i = 0; i < subscriptions.length; i++) subscriptions[i]?.subscriber.next(record);
    } finally {
      this.#leave(before);
    }
  }

  pushTo(record: AnyRecord, nodes: readonly string[]): void {
    const before = this.#enter(record);
    try {
      for (const subscription of this.#subscriptions) {
        if (nodes.includes(subscription.node)) subscription.subscriber.next(record);
      }
    } finally {
      this.#leave(before);
    }
  }

  #enter(record: AnyRecord): unknown {
    const before = this.#scope.key;
    this.#scope.pushing = true;
    beginPush(this.#scope);
    this.#scope.key = record.key;
    this.#scope.from = this.node;
    return before;
  }

  #leave(key: unknown): void {
    this.#scope.pushing = false;
    endPush();
    this.#scope.key = key;
  }
}
