import { type Change, PlainRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { Processor, ProcessorContext } from '../processor.js';
import type { ForeignKey, ForeignKeys } from './foreign-key.js';
import { ASK, type Subscription } from './messages.js';

/**
 * The left side: tells the tasks of the keys that a row refers to, and referred to, of each change. What it
 * emits has the foreign key.
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

  /** What the new row refers to is not to be had: it is in no join. */
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
      // Joined before or not: only the other side knows. If the function does not say any more what it said
      // once, nobody does: then the answer comes without it.
      if (moved) this.#ask(change, known.key, ASK.removeAndAnswer);
      else if (before === 'failed') this.#ask(change, null, ASK.removeAndAnswer);
      return;
    }
    if (moved) this.#ask(change, known.key, ASK.remove);
    // What it was joined with under the old key has to go, even if there is nothing under the new one.
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
