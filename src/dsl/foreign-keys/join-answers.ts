import { RowChange, type StreamRecord } from '../../model/record.js';
import type { OperatorStore, Row } from '../../state/contract.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { TableJoiner } from '../tables/table-table-join.js';
import type { Rows } from '../tables/table-view.js';
import type { ForeignKey, ForeignKeys } from './foreign-key.js';
import type { Answer } from './messages.js';

export interface AnswerJoining {
  /** The left table. */
  readonly rows: Rows;
  /** The joined table. */
  readonly store: OperatorStore<unknown, unknown>;
  readonly foreignKeys: ForeignKeys;
  readonly join: TableJoiner;
  readonly left: boolean;
}

/** The left side again: joins left rows with the answers, unless a row has changed since it subscribed. */
export class JoinAnswers implements Processor {
  constructor(
    private readonly context: ProcessorContext,
    private readonly options: AnswerJoining,
  ) {}

  prepare({ key }: StreamRecord<unknown, Answer>, _port: number, lookups: Lookups): void {
    this.options.rows.want(key, lookups);
    lookups.add(this.options.store, key);
  }

  process(record: StreamRecord<unknown, Answer>): void {
    this.#answered(record, this.options.join);
  }

  /** The joined row cannot be computed: there is none until the next answer. */
  giveUp(record: StreamRecord<unknown, Answer>): void {
    this.#answered(record, () => null);
  }

  #answered({ key, value: answer, timestamp, headers }: StreamRecord<unknown, Answer>, join: TableJoiner): void {
    const { rows, store, foreignKeys, left } = this.options;
    const row = rows.row(key);
    const refersTo = row === null ? null : foreignKeys.tried(row.value, key);
    const fit = this.#fitOf(answer, row, refersTo);
    if (fit === 'stale') return this.context.drop('stale');
    const missing = row === null || refersTo === 'failed' || (answer.right === null && !left);
    const joined = missing ? null : (join(row.value, answer.right, key) ?? null);
    const previous = store.get(key);
    if ((answer.quiet || fit === 'late') && previous === null) return;
    store.put(key, joined, timestamp);
    this.context.emit(new RowChange(key, joined, previous, timestamp, headers));
  }

  /**
   * Whether the answer belongs to the current left row. A later change of the row has usually sent another
   * subscription, and its answer follows. The exception is an inner join with a row that still refers to
   * nothing: such a row sends nothing. An answer without a foreign key is then late, but still valid.
   */
  #fitOf(answer: Answer, row: Row<unknown> | null, refersTo: ForeignKey | null | 'failed'): 'fresh' | 'late' | 'stale' {
    const bytes = refersTo === null || refersTo === 'failed' ? undefined : refersTo.bytes;
    const isOf = answer.at === (row === null ? null : row.timestamp);
    if (answer.foreignKey === null)
      return bytes !== undefined ? 'stale' : isOf ? 'fresh' : this.options.left ? 'stale' : 'late';
    return isOf && bytes?.equals(answer.foreignKey) ? 'fresh' : 'stale';
  }
}
