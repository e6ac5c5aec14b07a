import { type Change, PlainRecord, type StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { Row } from '../../state/contract.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { Rows } from '../tables/table-view.js';
import { type Answer, ASK, type Subscription } from './messages.js';
import type { Subscribers } from './subscribers.js';

export interface AnsweringOptions {
  readonly rows: Rows;
  readonly subscribers: Subscribers;
  readonly foreignKey: Serde<unknown>;
  readonly leftKey: Serde<unknown>;
}

/** The port of the right table's changes; subscriptions arrive at port 0. */
const CHANGES = 1;

/**
 * The right side of the join. It stores the subscribers of each key, answers new subscriptions, and sends
 * each change of a right row to all its subscribers. The emitted records have the key of the left row.
 */
export class Answering implements Processor {
  readonly #context: ProcessorContext;
  readonly #options: AnsweringOptions;

  constructor(context: ProcessorContext, options: AnsweringOptions) {
    this.#context = context;
    this.#options = options;
  }

  prepare({ key, value }: AnyRecord, port: number, lookups: Lookups): void {
    const { rows, subscribers } = this.#options;
    if (port === CHANGES) return subscribers.want(key, lookups);
    if (key === null) return;
    rows.want(key, lookups);
    subscribers.want(key, lookups, (value as Subscription).leftKey);
  }

  process(record: AnyRecord, port: number): void | Promise<void> {
    if (port === CHANGES) return this.#tellAll(record as Change<unknown, unknown>);
    const subscription = record as StreamRecord<unknown, Subscription>;
    if (record.key === null)
      return this.#answer(subscription, null, null, subscription.value.ask === ASK.removeAndAnswer);
    const pending = this.#options.subscribers.prepare(record.key, subscription.value.leftKey);
    return pending ? pending.then(() => this.#subscribe(subscription)) : this.#subscribe(subscription);
  }

  #subscribe(record: StreamRecord<unknown, Subscription>): void {
    const { rows, subscribers, foreignKey } = this.#options;
    const { key, value } = record;
    const row = rows.row(key);
    // A copy: the bytes are a view of the buffer of a larger read.
    if (value.at !== null && value.ask >= ASK.add)
      subscribers.put(key, { key: Buffer.from(value.leftKey), partition: value.partition, at: value.at });
    else subscribers.remove(key, value.leftKey, value.partition);
    if (value.ask === ASK.removeAndAnswer) this.#answer(record, null, row);
    else if (value.ask !== ASK.remove)
      this.#answer(record, foreignKey.encode(key), row, value.ask === ASK.add && row === null);
  }

  /**
   * Answers with the right row only if the left row refers to the key. The right row's timestamp counts in
   * any case.
   */
  #answer(
    record: StreamRecord<unknown, Subscription>,
    foreignKey: Buffer | null,
    row: Row<unknown> | null,
    quiet = false,
  ): void {
    const timestamp = row === null ? record.timestamp : Math.max(record.timestamp, row.timestamp);
    const right = foreignKey === null || row === null ? null : row.value;
    const { at, leftKey, partition } = record.value;
    this.#emit(leftKey, { at, partition, foreignKey, right, quiet }, timestamp, record);
  }

  #tellAll(change: Change<unknown, unknown>): void | Promise<void> {
    if (change.outOfOrder) return this.#context.drop('out-of-order');
    const { key, value: right, timestamp } = change;
    const foreignKey = this.#options.foreignKey.encode(key);
    return this.#options.subscribers.visit(key, ({ key: leftKey, partition, at }) =>
      this.#emit(leftKey, { at, partition, foreignKey, right }, timestamp, change),
    );
  }

  #emit(leftKey: Buffer, answer: Answer, timestamp: number, { headers }: AnyRecord): void {
    this.#context.emit(new PlainRecord(this.#options.leftKey.decode(leftKey), answer, timestamp, headers));
  }
}
