import type { BrokerRecord, ProducerRecord } from '../../broker/port.js';
import type { AnyRecord, Outlet, Receiver } from '../../dsl/contract/processor.js';
import { isStreamsError, type StreamsError } from '../../model/errors.js';
import type { JumpState } from '../poll/time-jumps.js';
import type { TopicEntry } from '../poll/topic-entry.js';
import type { RunObserver } from '../record/observer.js';
import type { OutboxItem, Outgoing } from '../record/outbox.js';
import type { Place } from '../record/place.js';
import { RecordContext, type RecordContextOptions } from '../record/record-context.js';
import { RedrivenRecord } from '../record/redriven-record.js';
import type { LettersInput } from '../redrive/letters-input.js';
import type { FailureHandler } from '../send/failures.js';
import { Sending, type SendingOptions } from '../send/sending.js';
import { giveUp } from './give-up.js';
import type { BatchPhases } from './last-batch.js';
import { preparedAgain } from './prepared-again.js';
import { Pusher } from './pusher.js';
import { Item, type Stage, type StageHost, type StageNode } from './stage.js';

const FIRST_PHASE = 'the operators before the first one with state';
const LAST_PHASE = 'encoding what is sent';
const CALLS = 'the calls of effect';

export interface BatchRunnerOptions extends Omit<RecordContextOptions, 'partition' | 'internalOf'>, SendingOptions {
  readonly observer?: RunObserver | undefined;
}

/** What a task's topology is turned into: see pipeline.ts. */
export interface Pipeline {
  /** By topic. */
  readonly entries: ReadonlyMap<string, TopicEntry>;
  /** In the order in which a batch passes through them. */
  readonly stages: readonly Stage[];
  /** Undefined: no letters are fed in. */
  readonly letters: LettersInput | undefined;
}

/**
 * Takes one batch through a task: it pushes every record through the plain operators, runs the stages in
 * order, and encodes what is to be sent.
 */
export class BatchRunner implements StageHost {
  readonly recordContext: RecordContext;
  readonly sending: Sending;
  readonly failures: FailureHandler;
  readonly #pusher: Pusher;
  #pipeline: Pipeline = { entries: new Map(), stages: [], letters: undefined };
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
      internalOf: (topic) => this.entries.get(topic)?.internal,
    });
    this.sending = new Sending(this.recordContext, options);
    this.#pusher = new Pusher({
      recordContext: this.recordContext,
      failures: options.failures,
      sourceOf: (index) => this.sending.sourceOf(index),
      deadLetter: (index) => this.#deadLetter(index),
    });
  }

  /** Sets the entries and stages of the task. Called once, before the first batch. */
  connect(pipeline: Pipeline): void {
    this.#pipeline = pipeline;
  }

  /** The entry of each source topic. */
  get entries(): Pipeline['entries'] {
    return this.#pipeline.entries;
  }

  get letters(): Pipeline['letters'] {
    return this.#pipeline.letters;
  }

  get stages(): Pipeline['stages'] {
    return this.#pipeline.stages;
  }

  /** The state of the time-jump check, for each source that has one. */
  get jumps(): ReadonlyMap<string, JumpState> {
    const known = new Map<string, JumpState>();
    for (const [topic, { jumps }] of this.entries) if (jumps?.state) known.set(topic, jumps.state);
    return known;
  }

  /** Creates a receiver that queues records at a processor. */
  toStage(stage: Stage, node: StageNode, port: number): Receiver {
    const placed = this.#pusher.placing({ node: node.id, port });
    return {
      next: (record, index) => stage.add(new Item(node, port, record, placed(index), this.#pusher.number)),
      error: (error, _index, own) =>
        this.#pusher.caught(node.id, { error, own }, (push) => stage.takeBack(node.id, push)),
    };
  }

  /** Creates a receiver that queues records for sending. */
  toOutbox(node: string, make: (record: AnyRecord, place: Place, push: number) => OutboxItem): Receiver {
    const placed = this.#pusher.placing({ node, port: 0 });
    return {
      next: (record, index) => this.sending.outbox.add(make(record, placed(index), this.#pusher.number)),
      error: (error, _index, own) =>
        this.#pusher.caught(node, { error, own }, (push) => this.sending.outbox.takeBack(node, push)),
    };
  }

  send(node: string, outgoing: Outgoing, index = this.recordContext.index): void {
    this.sending.send(node, outgoing, index, this.#pusher.number);
  }

  /** Pushes a record that a processor has emitted. */
  emit(outlet: Outlet, record: AnyRecord): void {
    this.recordContext.beginEmission();
    if (outlet.used) this.#pusher.push(outlet, record);
  }

  enterTimer(index: number, due: number): void {
    this.recordContext.enterTimer(index, due);
  }

  /**
   * Runs one batch and returns the records to send, in order. If it throws, the task must be given up: its
   * stores hold part of the batch.
   */
  async run(taken: readonly BrokerRecord[], phases?: BatchPhases): Promise<ProducerRecord[]> {
    phases?.enter(FIRST_PHASE);
    const { letters } = this.#pipeline;
    const records = letters?.opened(taken) ?? taken;
    const streamTimes: number[] = new Array(records.length);
    const { recordContext } = this;
    const { entries, stages } = this.#pipeline;
    const batch = recordContext.beginBatch(records, streamTimes);
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as BrokerRecord;
      recordContext.enterSource(i);
      streamTimes[i] = recordContext.streamTime;
      const redriven = letters && record instanceof RedrivenRecord ? record : undefined;
      if (redriven?.failure || (letters && record.topic === letters.topic)) continue;
      const entry = entries.get(record.topic) as TopicEntry;
      let decoded: AnyRecord | undefined;
      try {
        decoded = entry.deserialize(this.#again?.unmarked(record) ?? record);
      } catch (error) {
        decoded = await this.#deserializeAgain(entry, record, error, i);
      }
      if (decoded === undefined) continue;
      if (redriven) {
        await this.#redrive(entry.outlet, decoded, redriven);
        continue;
      }
      const jump = entry.jumps?.check(decoded.timestamp, recordContext.streamTime, record);
      if (jump !== undefined) {
        await this.#refuse(entry, record, jump, i);
        continue;
      }
      if (decoded.timestamp > recordContext.streamTime && !entry.isNoted) recordContext.streamTime = decoded.timestamp;
      streamTimes[i] = recordContext.streamTime;
      this.#pusher.push(entry.outlet, decoded, letters?.receiversOf(record));
      if (this.#pusher.failed) await this.#pusher.resolve();
    }
    for (const stage of stages) {
      phases?.enter(stage.name);
      await stage.run(this, batch, phases);
    }
    phases?.enter(this.sending.effects.any ? CALLS : LAST_PHASE);
    const produced = await this.sending.finish();
    if (letters) produced.push(...letters.settled(records));
    return produced;
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

  async runTimer(run: () => void | Promise<void>): Promise<void> {
    await run();
    if (this.#pusher.failed) await this.#pusher.resolve();
  }

  /**
   * Called when a timer has put a value that its store cannot write. The policy applies to the record that
   * made the timer due.
   */
  async refusedInTimer(node: string, error: StreamsError, again: () => void | Promise<void>): Promise<void> {
    const { index } = this.recordContext;
    await this.failures.handle(
      'process',
      { node, error, source: this.sending.sourceOf(index) },
      this.#deadLetter(index),
      again,
    );
  }

  /** The record moves no stream time, which has passed it once. */
  async #redrive(outlet: Outlet, decoded: AnyRecord, { request: { at } }: RedrivenRecord): Promise<void> {
    this.#pusher.push(outlet, decoded, at === outlet.node ? undefined : [at]);
    if (this.#pusher.failed) await this.#pusher.resolve();
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
    // If its reads failed, a record cannot be processed at all, so `giveUp` is not called for it.
    const { processor } = node;
    if (givenUp && !item.failed && processor.giveUp) {
      const leave = (): void | Promise<void> => {
        this.recordContext.enterGivenUp(item);
        return processor.giveUp?.(item.record, item.port, item.prepared);
      };
      // The rest of the row cannot be written either: the row stays as it was.
      await giveUp(leave, (error) => isStreamsError(error) && error.code === 'SERIALIZE_FAILED');
    }
    // A record that it emitted may have failed downstream.
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

  /** Decoding it again would change nothing, so there is no retry. */
  async #refuse({ node }: TopicEntry, source: BrokerRecord, error: StreamsError, index: number): Promise<void> {
    await this.failures.handle('deserialize', { node, error, source }, this.#deadLetter(index));
  }

  #deadLetter(index: number): (outgoing: Outgoing, node: string) => void {
    return (outgoing, node) => this.send(node, outgoing, index);
  }
}
