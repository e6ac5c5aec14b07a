import { type Change, PlainRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { Processor, ProcessorContext } from '../processor.js';
import type { ForeignKeys } from './foreign-key.js';
import { ASK, type Subscription } from './messages.js';

/** The left side: tells the tasks of the keys that a row refers to, and referred to, of each change. What it emits has the foreign key. */
export class Subscribe implements Processor {
  constructor(
    private readonly context: ProcessorContext,
    private readonly foreignKeys: ForeignKeys,
    private readonly leftKey: Serde<unknown>,
    private readonly left: boolean,
  ) {}

  process(change: Change<unknown, unknown>): void {
    if (change.outOfOrder) return this.context.drop('out-of-order');
    const { key, value, previous, timestamp, headers } = change;
    if (value === null && previous === null) return;
    const now = this.foreignKeys.of(value, key);
    const before = this.foreignKeys.ofEarlier(previous, key);
    const moved = before !== null && !(now?.bytes.equals(before.bytes) ?? false);
    const ask = (foreignKey: unknown, what: Subscription['ask']): void => {
      const subscription = { ask: what, at: value === null ? null : timestamp, leftKey: this.leftKey.encode(key) };
      this.context.emit(new PlainRecord(foreignKey, subscription, timestamp, headers));
    };
    if (this.left) {
      if (moved) ask(before.key, ASK.remove);
      return ask(now === null ? null : now.key, ASK.addAndAnswer);
    }
    if (now === null) {
      // Joined before or not: only the other side knows.
      if (moved) ask(before.key, ASK.removeAndAnswer);
      return;
    }
    if (moved) ask(before.key, ASK.remove);
    // What it was joined with under the old key has to go, even if there is nothing under the new one.
    ask(now.key, moved ? ASK.addAndAnswer : ASK.add);
  }
}
