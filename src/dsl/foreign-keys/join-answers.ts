import { RowChange, type StreamRecord } from '../../model/record.js';
import type { KeyValueStore, Row } from '../../state/contract.js';
import type { Processor, ProcessorContext, Reads } from '../processor.js';
import type { Joiner } from '../tables/table-table-join.js';
import type { Rows } from '../tables/table-view.js';
import type { ForeignKeys } from './foreign-key.js';
import type { Answer } from './messages.js';

export interface AnswerJoining {
  /** The left table. */
  readonly rows: Rows;
  /** The joined table. */
  readonly store: KeyValueStore<unknown, unknown>;
  readonly foreignKeys: ForeignKeys;
  readonly join: Joiner;
  readonly left: boolean;
}

/** The left side again: joins its rows with what was answered, unless the row has changed since it asked. */
export class JoinAnswers implements Processor {
  constructor(
    private readonly context: ProcessorContext,
    private readonly options: AnswerJoining,
  ) {}

  reads({ key }: StreamRecord<unknown, Answer>, _port: number, reads: Reads): void {
    this.options.rows.want(key, reads);
    reads.add(this.options.store, key);
  }

  process({ key, value: answer, timestamp, headers }: StreamRecord<unknown, Answer>): void {
    const { rows, store, join, left } = this.options;
    const row = rows.row(key);
    const fit = this.#fitOf(answer, key, row);
    if (fit === 'stale') return this.context.drop('stale');
    const missing = row === null || (answer.right === null && !left);
    const joined = missing ? null : (join(row.value, answer.right, key) ?? null);
    const previous = store.get(key);
    if ((answer.quiet || fit === 'late') && previous === null) return;
    store.put(key, joined, timestamp);
    this.context.emit(new RowChange(key, joined, previous, timestamp, headers));
  }

  /**
   * Whether the answer is of the row as it is. A later change of it has asked anew, and its answer comes behind this one; but for an inner join, where a row that still refers to nothing asks nothing: then what says that it
   * refers to nothing is late, and holds.
   */
  #fitOf(answer: Answer, key: unknown, row: Row<unknown> | null): 'fresh' | 'late' | 'stale' {
    const refersTo = row === null ? undefined : this.options.foreignKeys.ofEarlier(row.value, key)?.bytes;
    const isOf = answer.at === (row === null ? null : row.timestamp);
    if (answer.foreignKey === null)
      return refersTo !== undefined ? 'stale' : isOf ? 'fresh' : this.options.left ? 'stale' : 'late';
    return isOf && refersTo?.equals(answer.foreignKey) ? 'fresh' : 'stale';
  }
}
