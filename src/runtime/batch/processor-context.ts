import type {
  Alarm,
  AnyRecord,
  NotedRecord,
  OriginalRecord,
  Outlet,
  OutsideContext,
  PendingEffect,
  ProcessorContext,
  ProcessorSpec,
} from '../../dsl/contract/processor.js';
import { internalInput, internalInputTopic } from '../../graph/naming.js';
import { isStreamsError, messageOf, StreamsError } from '../../model/errors.js';
import { Headers } from '../../model/headers.js';
import type { Clock, Logger } from '../../model/ports.js';
import type { SourcePosition } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import type { OperatorStore } from '../../state/contract.js';
import type { GlobalView } from '../../state/global/global-view.js';
import type { TaskState } from '../../state/store/task-state.js';
import { typedStore } from '../../state/store/typed-store.js';
import type { EngineConfig } from '../config/config.js';
import type { Metrics } from '../config/metrics.js';
import type { Outside } from '../inputs/outside.js';
import { outsideOf } from '../inputs/outside-context.js';
import type { RunObserver } from '../record/observer.js';
import { deadLetter } from '../send/dead-letter.js';
import type { BatchRunner } from './batch-runner.js';
import type { Stage } from './stage.js';
import { TimerTurns } from './timer-turns.js';

export interface TaskFacts {
  readonly taskId: string;
  readonly partition: number;
  readonly applicationId: string;
  /**
   * The name that random numbers and idempotency keys are derived from: see {@link EngineConfig.schemasOf}.
   */
  readonly drawsFor: string;
  /** The prefix of internal topics. */
  readonly prefix: string;
  readonly deadLetterTopic: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** The task's stores, as its processors see them. */
  readonly state: Pick<TaskState, 'store' | 'cached'> | undefined;
  /** The global tables, by store. */
  readonly globals: ReadonlyMap<string, GlobalView<unknown, unknown>>;
  readonly observer?: RunObserver | undefined;
  /** Undefined: internal inputs are taken as they are. */
  readonly outside: Outside | undefined;
}

/** An alarm of a task that takes internal inputs as they are. */
const NEVER: Alarm = { set: () => undefined, clear: () => undefined };

/** The names of a task, and of the topics that it writes; and its log. */
export const namesOf = ({
  applicationId,
  schemasOf,
  version: { prefix },
  deadLetterTopic,
  logger,
}: EngineConfig): Pick<TaskFacts, 'applicationId' | 'drawsFor' | 'prefix' | 'deadLetterTopic' | 'logger'> => ({
  applicationId,
  drawsFor: schemasOf,
  prefix,
  deadLetterTopic,
  logger,
});

/** The engine as seen by one processor. */
export class TaskProcessorContext implements ProcessorContext {
  readonly #node: string;
  readonly #spec: ProcessorSpec;
  readonly #outlet: Outlet;
  readonly #stage: Stage;
  readonly #runner: BatchRunner;
  readonly #task: TaskFacts;
  /** Number of draws in the current turn. */
  #draws = 0;
  #turn = -1;
  readonly #timers: TimerTurns;
  readonly outside: OutsideContext | undefined;

  constructor(options: {
    node: string;
    spec: ProcessorSpec;
    outlet: Outlet;
    stage: Stage;
    runner: BatchRunner;
    task: TaskFacts;
  }) {
    this.#node = options.node;
    this.#spec = options.spec;
    this.#outlet = options.outlet;
    this.#stage = options.stage;
    this.#runner = options.runner;
    this.#task = options.task;
    this.#timers = new TimerTurns(options.node, options.task.partition);
    this.outside = outsideOf(options.node, options.task, {
      allows: (call) => options.runner.sending.allows(call),
      fail: (error) => options.runner.recordContext.fail(error),
      keyOf: (id) => this.idempotencyKey(id),
    });
  }

  get taskId(): string {
    return this.#task.taskId;
  }

  get partition(): number {
    return this.#task.partition;
  }

  get position(): SourcePosition {
    const { topic, partition, offset } = this.#runner.recordContext.position;
    return { topic, partition, offset };
  }

  get origin(): string {
    return this.#runner.recordContext.originOfItem;
  }

  draw(): string {
    const { turn, origin } = this.#runner.recordContext;
    this.#draws = turn === this.#turn ? this.#draws + 1 : 0;
    this.#turn = turn;
    return `${this.#task.drawsFor}\n${this.#node}\n${origin}\n${this.#draws}`;
  }

  get sequence(): number {
    return this.#runner.recordContext.sequence;
  }

  get timestamp(): number {
    if (this.#runner.recordContext.record) return this.#runner.recordContext.record.timestamp;
    return this.#runner.recordContext.time;
  }

  get headers(): Headers {
    return this.#runner.recordContext.record?.headers ?? Headers.none;
  }

  get streamTime(): number {
    return this.#runner.recordContext.time;
  }

  get mayGiveUp(): boolean {
    return this.#runner.failures.mayGiveUp(this.#node);
  }

  get wallTime(): number {
    return this.#task.clock.now();
  }

  store<K, V>(name: string): OperatorStore<K, V> {
    const { stores, reads = [], globals = [] } = this.#spec;
    const global = globals.includes(name) ? this.#task.globals.get(name) : undefined;
    if (global) return global as unknown as OperatorStore<K, V>;
    const { state } = this.#task;
    if (state && stores.some((store) => store.name === name)) return state.store(name);
    if (state && reads.includes(name))
      return state.cached(name).spec.shown ? typedStore(state.cached(name)) : state.store(name);
    throw new StreamsError('STORE_UNKNOWN', {
      what: `a processor asked for the store ${show(name)}`,
      at: `node ${this.#node}`,
      expected: [...stores.map((store) => store.name), ...reads, ...globals].join(', ') || 'no store: it declares none',
      action: 'Declare the store under stores, or name that of another operator under uses.',
    });
  }

  emit(record: AnyRecord): void {
    this.#task.observer?.emitted(this.#node, record, this.#runner.recordContext.index);
    this.#runner.emit(this.#outlet, record);
  }

  get notes(): boolean {
    return this.#task.outside !== undefined;
  }

  note(input: number, record: NotedRecord): void {
    const { outside, prefix } = this.#task;
    const spec = this.#spec.internalInputs?.[input];
    if (spec) outside?.note(internalInputTopic(prefix, internalInput(spec)), record);
  }

  alarm(ring: (now: number) => void): Alarm {
    return this.#task.outside?.alarm(ring) ?? NEVER;
  }

  schedule(everyMs: number, run: (now: number) => void | Promise<void>): () => void {
    if (!(Number.isFinite(everyMs) && everyMs >= 1)) {
      throw new StreamsError('CONFIG_INVALID', {
        what: 'a timer has no usable interval',
        at: `node ${this.#node}`,
        saw: `${everyMs} ms`,
        expected: 'at least 1 ms',
        action: 'Give an interval such as "1s".',
      });
    }
    const timer = this.#timers.timer(everyMs);
    const cancel = this.#stage.timers.schedule(everyMs, this.#runner.recordContext.time, async (time) => {
      this.#runner.recordContext.enterFiring(timer.turn(time));
      try {
        await run(time);
      } catch (error) {
        if (isStreamsError(error) && error.code === 'SERIALIZE_FAILED')
          return this.#runner.refusedInTimer(this.#node, error, () => run(time));
        if (isStreamsError(error)) throw error;
        throw new StreamsError('PROCESS_FAILED', {
          what: `a timer threw: ${messageOf(error)}`,
          at: `node ${this.#node}`,
          action: 'Fix the function: no record is to blame, so no policy applies.',
          cause: error,
        });
      }
    });
    return () => {
      cancel();
      timer.cancelled();
    };
  }

  deadLetter(record: AnyRecord, error: Error, original?: OriginalRecord): void {
    const { applicationId, deadLetterTopic, metrics } = this.#task;
    const source = this.#runner.recordContext.sourceRecord;
    metrics.deadLetters++;
    metrics.count(this.#node, 'dead-letter');
    this.#runner.send(this.#node, {
      kind: 'raw',
      record: deadLetter({
        topic: deadLetterTopic,
        applicationId,
        operator: this.#node,
        position: original?.position ?? this.#runner.recordContext.position,
        key: original ? original.key : (source?.key ?? null),
        value: original ? original.value : (source?.value ?? null),
        timestamp: record.timestamp,
        headers: record.headers,
        error,
        attempt: 1,
      }),
    });
  }

  idempotencyKey(id: string): string {
    return `${this.#task.drawsFor}/${id}`;
  }

  effect({ id, record, run }: PendingEffect): void {
    const idempotencyKey = this.idempotencyKey(id);
    const { recordContext, sending } = this.#runner;
    sending.effects.add({
      node: this.#node,
      idempotencyKey,
      record,
      position: this.position,
      place: recordContext.place(recordContext.index),
      run: () => run(idempotencyKey),
    });
  }

  drop(reason: string): void {
    this.#task.metrics.count(this.#node, reason);
  }

  count(name: string, by = 1): void {
    this.#task.metrics.count(this.#node, name, by);
  }
}
