import { type Change, PlainRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { Processor, ProcessorContext } from '../contract/processor.js';
import type { ForeignKey, ForeignKeys } from './foreign-key.js';
import { ASK, type Subscription } from './messages.js';

/**
 * The left side of the join. For each change it notifies the tasks of the keys that the row refers to, and
 * referred to before. The emitted records have the foreign key.
 */
export class Subscribe implements Processor {
  constructor(
    private readonly context: ProcessorContext,
    private readonly foreignKeys: ForeignKeys,
    private readonly leftKey: Serde<unknown>,
    private readonly left: boolean,
  ) {}

  process(change: Change<unknown, unknown>): void {
    if (change.outOfOrder) return this.context.drop('out-of-order');
    if (change.value === null && change.previous === null) return;
    this.#tell(change, this.foreignKeys.of(change.value, change.key));
  }

  /** The new row's foreign key cannot be computed: the row takes part in no join. */
  giveUp(change: Change<unknown, unknown>): void {
    this.#tell(change, 'failed');
  }

  #tell(change: Change<unknown, unknown>, told: ForeignKey | null | 'failed'): void {
    const { key, previous } = change;
    const before = this.foreignKeys.tried(previous, key);
    const known = before === 'failed' ? null : before;
    const now = told === 'failed' ? null : told;
    const moved = known !== null && !(now?.bytes.equals(known.bytes) ?? false);
    if (this.left) {
      if (moved) this.#ask(change, known.key, ASK.remove);
      if (told === 'failed') this.#ask(change, null, ASK.removeAndAnswer);
      else this.#ask(change, told === null ? null : told.key, ASK.addAndAnswer);
      return;
    }
    if (now === null) {
      // Only the right side has the joined keys of a row. If the function now fails for the old row, the old
      // key is unknown, and an answer without a foreign key follows.
      if (moved) this.#ask(change, known.key, ASK.removeAndAnswer);
      else if (before === 'failed') this.#ask(change, null, ASK.removeAndAnswer);
      return;
    }
    if (moved) this.#ask(change, known.key, ASK.remove);
    // The joined row of the old key must be removed, even if there is no right row for the new one.
    this.#ask(change, now.key, moved ? ASK.addAndAnswer : ASK.add);
  }

  #ask(
    { key, value, timestamp, headers }: Change<unknown, unknown>,
    foreignKey: unknown,
    ask: Subscription['ask'],
  ): void {
    const { partition } = this.context;
    const subscription: Subscription = {
      ask,
      partition,
      at: value === null ? null : timestamp,
      leftKey: this.leftKey.encode(key),
    };
    this.context.emit(new PlainRecord(foreignKey, subscription, timestamp, headers));
  }
}
