import { PlainRecord, type StreamRecord } from '../../model/record.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { TableJoiner } from './table-table-join.js';
import type { Rows } from './table-view.js';

export interface StreamTableJoining {
  /** A record without a row is joined with null. */
  readonly left: boolean;
  /** Rows are looked up as of the record's timestamp. */
  readonly asOf: boolean;
  readonly join: TableJoiner;
}

/** Joins each record of a stream with the row of the same key. */
export class StreamTableJoin implements Processor {
  constructor(
    private readonly context: ProcessorContext,
    private readonly rows: Rows,
    private readonly options: StreamTableJoining,
  ) {}

  prepare({ key, timestamp }: StreamRecord<unknown, unknown>, _port: number, lookups: Lookups): void {
    if (key !== null) this.rows.want(key, lookups, this.options.asOf ? timestamp : undefined);
  }

  process(record: StreamRecord<unknown, unknown>): void | Promise<void> {
    const { key, value, timestamp } = record;
    if (value === null) return this.context.drop('null-value');
    if (key === null && !this.options.left) return this.context.drop('null-key');
    const pending = this.options.asOf && key !== null ? this.rows.prepare(key, timestamp) : undefined;
    return pending ? pending.then(() => this.#join(record)) : this.#join(record);
  }

  #join({ key, value, timestamp, headers }: StreamRecord<unknown, unknown>): void {
    const { left, asOf, join } = this.options;
    const row = key === null ? null : this.rows.row(key, asOf ? timestamp : undefined);
    if (row === null && !left) return;
    this.context.emit(new PlainRecord(key, join(value, row === null ? null : row.value, key), timestamp, headers));
  }
}
