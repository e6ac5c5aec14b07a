import type { Folding } from '../common/folding.js';
import type { Lookups, Processor } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';

/** Creates a fold. With several inputs, the fold uses the adder of the input that a record came by. */
export const byPort = <K, V, A, F extends Folding<K, V, A>>(
  folding: F & Folding<K, V, A>,
  create: (folding: F) => Processor,
): Processor =>
  folding.adders
    ? new ByPort(folding.adders, (add) => create({ ...folding, add: add as Adder<K, V, A> }))
    : create(folding);

type Adder<K, V, A> = Folding<K, V, A>['add'];
// biome-ignore lint/suspicious/noExplicitAny: it only passes on what the fold and the adders know
type AnyAdder = Adder<any, any, any>;

/**
 * Remembers the input of the current record. A stage awaits the promise of a record before it processes the
 * next, so the input is known until the record is folded.
 */
class ByPort implements Processor {
  readonly #fold: Processor;
  #port = 0;

  constructor(adders: readonly AnyAdder[], create: (add: AnyAdder) => Processor) {
    this.#fold = create((aggregate, record) => (adders[this.#port] as AnyAdder)(aggregate, record));
  }

  start(): void | Promise<void> {
    return this.#fold.start?.();
  }

  prepare(record: AnyRecord, port: number, lookups: Lookups): unknown {
    return this.#fold.prepare?.(record, port, lookups);
  }

  process(record: AnyRecord, port: number, prepared: unknown): void | Promise<void> {
    this.#port = port;
    return this.#fold.process(record, port, prepared);
  }

  giveUp(record: AnyRecord, port: number, prepared: unknown): void | Promise<void> {
    this.#port = port;
    return this.#fold.giveUp?.(record, port, prepared);
  }
}
