import type { BrokerRecord, ProducerRecord } from '../broker/port.js';
import type { AnyRecord, Outlet, Receiver } from '../dsl/processor.js';
import { isStreamsError, type StreamsError } from '../model/errors.js';
import type { Place } from './batch.js';
import type { FailureHandler } from './failures.js';
import { giveUp } from './give-up.js';
import type { BatchPhases } from './last-batch.js';
import type { RunObserver } from './observer.js';
import type { OutboxItem, Outgoing } from './outbox.js';
import { preparedAgain } from './prepared-again.js';
import { Pusher } from './pusher.js';
import { RecordContext, type RecordContextOptions } from './record-context.js';
import { Sending, type SendingOptions } from './sending.js';
import { Item, type Stage, type StageHost, type StageNode } from './stage.js';
import type { JumpState } from './time-jumps.js';
import type { TopicEntry } from './topic-entry.js';

const FIRST_PHASE = 'what stands before the first operator with state';
const LAST_PHASE = 'encoding what is sent';
const CALLS = 'the calls of effect';

export interface BatchRunnerOptions extends Omit<RecordContextOptions, 'partition' | 'repartitionOf'>, SendingOptions {
  readonly observer?: RunObserver | undefined;
}

/** What a task's topology is made into: see pipeline.ts. */
export interface Pipeline {
  /** By topic. */
  readonly entries: ReadonlyMap<string, TopicEntry>;
  /** In the order in which batches come through. */
  readonly stages: readonly Stage[];
}

/**
 * Takes one batch through a task: push every record through the plain operators, run the stages in order,
 * encode what is to be sent.
 */
export class BatchRunner implements StageHost {
  readonly recordContext: RecordContext;
  readonly sending: Sending;
  readonly failures: FailureHandler;
  readonly #pusher: Pusher;
  #pipeline: Pipeline = { entries: new Map(), stages: [] };
  readonly #again: SendingOptions['again'];
  readonly #stop: SendingOptions['stop'];
  readonly #observer: RunObserver | undefined;

  constructor(options: BatchRunnerOptions) {
    this.failures = options.failures;
    this.#observer = options.observer;
    this.#again = options.again;
    this.#stop = options.stop;
    const { partition } = options.produce;
    this.recordContext = new RecordContext({
      ...options,
      partition,
      repartitionOf: (topic) => this.entries.get(topic)?.repartition,
    });
    this.sending = new Sending(this.recordContext, options);
    this.#pusher = new Pusher({
      recordContext: this.recordContext,
      failures: options.failures,
      sourceOf: (index) => this.sending.sourceOf(index),
      deadLetter: (index) => this.#deadLetter(index),
    });
  }

  /** Where records enter, and the stages that they come through. Once, before the first batch. */
  connect(pipeline: Pipeline): void {
    this.#pipeline = pipeline;
  }

  /** Where records of each topic enter. */
  get entries(): Pipeline['entries'] {
    return this.#pipeline.entries;
  }

  get stages(): Pipeline['stages'] {
    return this.#pipeline.stages;
  }

  /** What is known of the jumps of each source's time that is watched. */
  get jumps(): ReadonlyMap<string, JumpState> {
    const known = new Map<string, JumpState>();
    for (const [topic, { jumps }] of this.entries) if (jumps?.state) known.set(topic, jumps.state);
    return known;
  }

  /** A receiver that queues at a processor. */
  toStage(stage: Stage, node: StageNode, port: number): Receiver {
    const placed = this.#pusher.placing({ node: node.id, port });
    return {
      next: (record, index) => stage.add(new Item(node, port, record, placed(index), this.#pusher.number)),
      error: (error) => this.#pusher.caught(node.id, error, (push) => stage.takeBack(node.id, push)),
    };
  }

  /** A receiver that queues for sending. */
  toOutbox(node: string, make: (record: AnyRecord, place: Place, push: number) => OutboxItem): Receiver {
    const placed = this.#pusher.placing({ node, port: 0 });
    return {
      next: (record, index) => this.sending.outbox.add(make(record, placed(index), this.#pusher.number)),
      error: (error) => this.#pusher.caught(node, error, (push) => this.sending.outbox.takeBack(node, push)),
    };
  }

  send(node: string, outgoing: Outgoing, index = this.recordContext.scope.index): void {
    this.sending.send(node, outgoing, index, this.#pusher.number);
  }

  /** Pushes what a processor emits. */
  emit(outlet: Outlet, record: AnyRecord): void {
    this.recordContext.beginEmission();
    if (outlet.used) this.#pusher.push(outlet, record);
  }

  enterTimer(index: number, due: number): void {
    this.recordContext.enterTimer(index, due);
  }

  /**
   * Runs one batch; returns what is to be sent, in order. If it throws, the task must be given up: part of
   * the batch is in its stores.
   */
  async run(records: readonly BrokerRecord[], phases?: BatchPhases): Promise<ProducerRecord[]> {
    phases?.enter(FIRST_PHASE);
    const streamTimes: number[] = new Array(records.length);
    const { recordContext } = this;
    const { entries, stages } = this.#pipeline;
    const batch = recordContext.beginBatch(records, streamTimes);
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as BrokerRecord;
      recordContext.enterSource(i);
      streamTimes[i] = recordContext.streamTime;
      const entry = entries.get(record.topic) as TopicEntry;
      let decoded: AnyRecord | undefined;
      try {
        decoded = entry.deserialize(this.#again?.unmarked(record) ?? record);
      } catch (error) {
        decoded = await this.#deserializeAgain(entry, record, error, i);
      }
      if (decoded === undefined) continue;
      const jump = entry.jumps?.check(decoded.timestamp, recordContext.streamTime, record);
      if (jump !== undefined) {
        await this.#refuse(entry, record, jump, i);
        continue;
      }
      if (decoded.timestamp > recordContext.streamTime) recordContext.streamTime = decoded.timestamp;
      streamTimes[i] = recordContext.streamTime;
      this.#pusher.push(entry.outlet, decoded);
      if (this.#pusher.failed) await this.#pusher.resolve();
    }
    for (const stage of stages) {
      phases?.enter(stage.name);
      await stage.run(this, batch, phases);
    }
    phases?.enter(this.sending.effects.any ? CALLS : LAST_PHASE);
    return this.sending.finish();
  }

  /** Runs wall-clock timers that are due; returns what they send. */
  async runWallTimers(now: number): Promise<ProducerRecord[]> {
    const batch = this.recordContext.beginTimers(now);
    for (const stage of this.#pipeline.stages) await stage.run(this, batch);
    return this.sending.finish();
  }

  process(item: Item): void | Promise<void> {
    if (this.#stop?.callsOver) this.#stop.check();
    this.recordContext.enterItem(item);
    try {
      if (item.failed) throw item.prepared;
      this.#observer?.processing(item.node.id, item.record, item.place.index);
      const pending = item.node.processor.process(item.record, item.port, item.prepared);
      if (pending) return this.#finishAsync(item, pending);
    } catch (error) {
      return this.#processAgain(item, error);
    }
    if (this.#pusher.failed) return this.#pusher.resolve();
  }

  async runTimer(_node: string, run: () => void | Promise<void>): Promise<void> {
    await run();
    if (this.#pusher.failed) await this.#pusher.resolve();
  }

  /**
   * A timer put what its store does not write: by the policy of the record that made it due, or of none if
   * the wall clock did.
   */
  async refusedInTimer(node: string, error: StreamsError, again: () => void | Promise<void>): Promise<void> {
    const { index } = this.recordContext.scope;
    await this.failures.handle(
      'process',
      { node, error, source: this.sending.sourceOf(index) },
      this.#deadLetter(index),
      again,
    );
  }

  async #finishAsync(item: Item, pending: Promise<void>): Promise<void> {
    try {
      await pending;
    } catch (error) {
      return this.#processAgain(item, error);
    }
    if (this.#pusher.failed) await this.#pusher.resolve();
  }

  async #processAgain(item: Item, error: unknown): Promise<void> {
    const { node } = item;
    const { index } = item.place;
    const givenUp = await this.failures.handle(
      'process',
      { node: node.id, error, source: this.sending.sourceOf(index) },
      this.#deadLetter(index),
      async () => {
        this.recordContext.enterItem(item);
        const prepared = item.failed ? await preparedAgain(item) : item.prepared;
        this.#observer?.processing(node.id, item.record, index);
        await node.processor.process(item.record, item.port, prepared);
      },
    );
    // Without its reads there is nothing that it could do.
    const { processor } = node;
    if (givenUp && !item.failed && processor.giveUp) {
      const leave = (): void | Promise<void> => {
        this.recordContext.enterGivenUp(item);
        return processor.giveUp?.(item.record, item.port, item.prepared);
      };
      // What is left of the row cannot be written either: it stays as it was.
      await giveUp(leave, (error) => isStreamsError(error) && error.code === 'SERIALIZE_FAILED');
    }
    // What it emitted may have failed further on.
    if (this.#pusher.failed) await this.#pusher.resolve();
  }

  async #deserializeAgain(
    entry: TopicEntry,
    record: BrokerRecord,
    error: unknown,
    index: number,
  ): Promise<AnyRecord | undefined> {
    let decoded: AnyRecord | undefined;
    await this.failures.handle(
      'deserialize',
      { node: entry.node, error, source: record },
      this.#deadLetter(index),
      () => {
        decoded = entry.deserialize(record);
      },
    );
    return decoded;
  }

  /** Reading it again would change nothing. */
  async #refuse({ node }: TopicEntry, source: BrokerRecord, error: StreamsError, index: number): Promise<void> {
    await this.failures.handle('deserialize', { node, error, source }, this.#deadLetter(index));
  }

  #deadLetter(index: number): (outgoing: Outgoing, node: string) => void {
    return (outgoing, node) => this.send(node, outgoing, index);
  }
}
