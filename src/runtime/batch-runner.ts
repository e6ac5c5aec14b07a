import type { BrokerRecord, ProducerRecord } from '../broker/port.js';
import type { AnyRecord, Outlet, PushScope, Receiver } from '../dsl/processor.js';
import type { SourcePosition } from '../model/record.js';
import type { Cause } from '../state/changelog-entry.js';
import { type Batch, BY_RECORD } from './batch.js';
import type { Failure, FailureHandler } from './failures.js';
import { Outbox, type OutboxItem, type Outgoing } from './outbox.js';
import { type ProduceContext, produce } from './produce.js';
import type { Item, Stage, StageHost, StageNode } from './stage.js';

/** Where records of one topic enter. */
export interface Entry {
  readonly node: string;
  readonly outlet: Outlet;
  deserialize(record: BrokerRecord): AnyRecord;
}

const NO_BATCH: Batch = { records: [], streamTimes: [], firstSequence: 0 };

/**
 * Takes one batch through a task: push every record through the plain operators, run the stages in order, encode what is to be sent.
 *
 * It also is the dynamic scope of that: which record is at hand, who pushed, what failed.
 */
export class BatchRunner implements StageHost {
  readonly scope: PushScope;
  readonly entries = new Map<string, Entry>();
  readonly stages: Stage[] = [];
  readonly outbox = new Outbox();
  readonly #cause: Cause | undefined;
  readonly #failures: FailureHandler;
  readonly #produceContext: ProduceContext;
  /** Failures of the push that is under way, handled as soon as it is over. */
  #pending: Failure[] = [];
  #pushing: { readonly outlet: Outlet; readonly record: AnyRecord } | undefined;
  #push = 0;
  #sequence = 0;
  /** When the timer at hand was due. */
  #due = BY_RECORD;
  #wallTime = 0;
  #position: SourcePosition = { topic: '', partition: 0, offset: -1 };
  #record: AnyRecord | undefined;
  #batch: Batch = NO_BATCH;
  streamTime: number;

  constructor(options: {
    readonly cause: Cause | undefined;
    readonly failures: FailureHandler;
    readonly produce: ProduceContext;
    readonly streamTime: number;
    readonly onFatal: (error: Error) => void;
    readonly bind?: PushScope['bind'];
  }) {
    this.#cause = options.cause;
    this.#failures = options.failures;
    this.#produceContext = options.produce;
    this.streamTime = options.streamTime;
    const { onFatal: fail, bind } = options;
    this.scope = { pushing: false, index: 0, key: undefined, from: '', fail, ...(bind && { bind }) };
  }

  get position(): SourcePosition {
    return this.#batch.records[this.scope.index] ?? this.#position;
  }

  /** The record of the log at hand; undefined in a wall-clock timer. */
  get sourceRecord(): BrokerRecord | undefined {
    return this.#batch.records[this.scope.index];
  }

  get sequence(): number {
    return this.#batch.firstSequence + this.scope.index;
  }

  /** The record at hand; undefined inside a timer. */
  get record(): AnyRecord | undefined {
    return this.#record;
  }

  /** Stream time as of the record at hand. */
  get timeAtHand(): number {
    return this.#batch.streamTimes[this.scope.index] ?? this.streamTime;
  }

  /** A receiver that queues at a processor. */
  toStage(stage: Stage, node: StageNode, port: number): Receiver {
    return {
      next: (record, index) =>
        stage.add({ node, port, record, index, due: this.#due, push: this.#push, prepared: undefined, failed: false }),
      error: (error) => this.#caught(node.id, error, () => stage.takeBack(node.id, this.#push)),
    };
  }

  /** A receiver that queues for sending. */
  toOutbox(node: string, make: (record: AnyRecord, index: number, due: number, push: number) => OutboxItem): Receiver {
    return {
      next: (record, index) => this.outbox.add(make(record, index, this.#due, this.#push)),
      error: (error) => this.#caught(node, error, () => this.outbox.takeBack(node, this.#push)),
    };
  }

  send(node: string, outgoing: Outgoing, index = this.scope.index): void {
    this.outbox.add({ ...outgoing, node, index, due: this.#due, push: this.#push } as OutboxItem);
  }

  /** Pushes what a processor emits. */
  emit(outlet: Outlet, record: AnyRecord): void {
    if (outlet.used) this.#deliver(outlet, record);
  }

  enter(index: number, record: AnyRecord | undefined, due: number): void {
    this.scope.index = index;
    this.#due = due;
    this.#record = record;
    const cause = this.#cause;
    if (!cause) return;
    const { topic, offset } = this.position;
    cause.topic = topic;
    cause.offset = offset;
    // A wall-clock timer may fire before the first record: there is no stream time yet.
    cause.timestamp = record ? record.timestamp : Number.isFinite(this.timeAtHand) ? this.timeAtHand : this.#wallTime;
  }

  /** Runs one batch; returns what is to be sent, in order. If it throws, the task must be given up: part of the batch is in its stores. */
  async run(records: readonly BrokerRecord[]): Promise<ProducerRecord[]> {
    const streamTimes: number[] = new Array(records.length);
    this.#batch = { records, streamTimes, firstSequence: this.#sequence };
    this.#sequence += records.length;
    this.#due = BY_RECORD;
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as BrokerRecord;
      this.scope.index = i;
      streamTimes[i] = this.streamTime;
      const entry = this.entries.get(record.topic) as Entry;
      let decoded: AnyRecord | undefined;
      try {
        decoded = entry.deserialize(record);
      } catch (error) {
        decoded = await this.#deserializeAgain(entry, record, error, i);
      }
      if (decoded === undefined) continue;
      if (decoded.timestamp > this.streamTime) this.streamTime = decoded.timestamp;
      streamTimes[i] = this.streamTime;
      this.#deliver(entry.outlet, decoded);
      if (this.#pending.length > 0) await this.#resolveFailures();
    }
    for (const stage of this.stages) await stage.run(this, this.#batch);
    return this.#finish(records.at(-1));
  }

  /** Runs wall-clock timers that are due; returns what they send. */
  async runWallTimers(now: number): Promise<ProducerRecord[]> {
    this.#wallTime = now;
    this.#batch = { records: [], streamTimes: [this.streamTime], wallTime: now, firstSequence: this.#sequence };
    for (const stage of this.stages) await stage.run(this, this.#batch);
    return this.#finish(undefined);
  }

  process(item: Item): void | Promise<void> {
    this.enter(item.index, item.record, item.due);
    try {
      if (item.failed) throw item.prepared;
      const pending = item.node.processor.process(item.record, item.port, item.prepared);
      if (pending) return this.#finishAsync(item, pending);
    } catch (error) {
      return this.#processAgain(item, error);
    }
    if (this.#pending.length > 0) return this.#resolveFailures();
  }

  async runTimer(_node: string, run: () => void | Promise<void>): Promise<void> {
    await run();
    if (this.#pending.length > 0) await this.#resolveFailures();
  }

  async #finish(last: BrokerRecord | undefined): Promise<ProducerRecord[]> {
    const produced: ProducerRecord[] = [];
    // A record that cannot be encoded may become a dead letter, which is then sent as well.
    for (let items = this.outbox.drain(); items.length > 0; items = this.outbox.drain()) {
      for (const item of items) {
        try {
          const made = produce(item, this.#produceContext);
          const record = made instanceof Promise ? await made : made;
          if (record) produced.push(record);
          else this.#failures.dropped(item.node, 'null-key');
        } catch (error) {
          await this.#produceAgain(item, error, produced);
        }
      }
    }
    if (last) this.#position = { topic: last.topic, partition: last.partition, offset: last.offset };
    this.#batch = NO_BATCH;
    this.#record = undefined;
    this.scope.index = 0;
    return produced;
  }

  #deliver(outlet: Outlet, record: AnyRecord): void {
    const before = this.#pushing;
    this.#pushing = { outlet, record };
    this.#push++;
    outlet.push(record);
    this.#pushing = before;
  }

  #caught(node: string, error: unknown, takeBack: () => void): void {
    takeBack();
    if (this.#pushing) this.#pending.push({ ...this.#pushing, node, error, index: this.scope.index });
  }

  async #finishAsync(item: Item, pending: Promise<void>): Promise<void> {
    try {
      await pending;
    } catch (error) {
      return this.#processAgain(item, error);
    }
    if (this.#pending.length > 0) await this.#resolveFailures();
  }

  /** What threw while a record was pushed: tries that node's ways again, as the policy says. */
  async #resolveFailures(): Promise<void> {
    for (let failure = this.#pending.shift(); failure !== undefined; failure = this.#pending.shift()) {
      const { node, outlet, record, error, index } = failure;
      this.enter(index, record, this.#due);
      await this.#failures.handle(
        'process',
        { node, error, source: this.#sourceOf(index) },
        this.#deadLetter(index),
        () => {
          this.#push++;
          this.#pushing = { outlet, record };
          outlet.pushTo(record, node);
          this.#pushing = undefined;
          const again = this.#pending.pop();
          if (again) throw again.error;
        },
      );
    }
  }

  async #processAgain(item: Item, error: unknown): Promise<void> {
    const { node, index } = item;
    await this.#failures.handle(
      'process',
      { node: node.id, error, source: this.#sourceOf(index) },
      this.#deadLetter(index),
      async () => {
        this.enter(index, item.record, item.due);
        const loads: Promise<unknown>[] = [];
        const prepared = item.failed
          ? node.processor.reads?.(item.record, item.port, { add: (store, key) => void loads.push(store.load(key)) })
          : item.prepared;
        await Promise.all(loads);
        await node.processor.process(item.record, item.port, prepared);
      },
    );
    // What it emitted may have failed further on.
    if (this.#pending.length > 0) await this.#resolveFailures();
  }

  async #deserializeAgain(
    entry: Entry,
    record: BrokerRecord,
    error: unknown,
    index: number,
  ): Promise<AnyRecord | undefined> {
    let decoded: AnyRecord | undefined;
    await this.#failures.handle(
      'deserialize',
      { node: entry.node, error, source: record },
      this.#deadLetter(index),
      () => {
        decoded = entry.deserialize(record);
      },
    );
    return decoded;
  }

  async #produceAgain(item: OutboxItem, error: unknown, produced: ProducerRecord[]): Promise<void> {
    const { node, index } = item;
    await this.#failures.handle(
      'produce',
      { node, error, source: this.#sourceOf(index) },
      this.#deadLetter(index),
      async () => {
        const record = await produce(item, this.#produceContext);
        if (record) produced.push(record);
      },
    );
  }

  #sourceOf(index: number): BrokerRecord | SourcePosition {
    return this.#batch.records[index] ?? this.#position;
  }

  #deadLetter(index: number): (outgoing: Outgoing, node: string) => void {
    return (outgoing, node) => this.send(node, outgoing, index);
  }
}
