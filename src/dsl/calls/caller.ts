import { StreamsError } from '../../model/errors.js';
import { onceReady } from '../../model/not-ready.js';
import { pauseMs } from '../../model/policy/backoff.js';
import { drawnNumber } from '../common/drawn.js';
import type { AnyRecord, OutsideContext, OutsideWork, ProcessorContext } from '../contract/processor.js';
import { Breaker } from './breaker.js';
import { type CallFailure, callFailed, failureOf, timedOut } from './call-errors.js';
import type { EffectContext, ResolvedCalls } from './call-options.js';
import { CallOrder } from './call-order.js';
import { notedOutcome, type Outcome } from './outcome.js';
import type { PendingCall } from './pending-call.js';
import type { Call, PendingCalls } from './pending-calls.js';

/** The index of the internal input of outcomes: it is the only one. */
const INPUT = 0;

export interface CallerOptions {
  /** "effect mails". */
  readonly of: string;
  readonly calls: ResolvedCalls;
  /**
   * A call that fails for good ends the application: its outcome is not noted, and the next start makes it
   * again.
   */
  readonly failsWhole: boolean;
  /** The record as its row has it. */
  readonly recordOf: (row: PendingCall) => AnyRecord;
  readonly run: (record: AnyRecord, context: EffectContext) => unknown;
  /** Encodes what the function returned. */
  readonly encode: (value: unknown) => Buffer | null;
}

/** An attempt under way. The signal is made when it is first asked for. */
class Attempt implements EffectContext {
  isOver = false;
  readonly attempt: number;
  readonly position: EffectContext['position'];
  #abort: AbortController | undefined;
  #reason: StreamsError | undefined;

  constructor(
    readonly call: Call,
    readonly idempotencyKey: string,
    readonly deadline: number,
    readonly isTrial: boolean,
  ) {
    this.attempt = call.row.attempt;
    this.position = call.row.request.position;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#reason && !this.#abort.signal.aborted) this.#abort.abort(this.#reason);
    return this.#abort.signal;
  }

  abort(reason: StreamsError): void {
    this.#reason = reason;
    this.#abort?.abort(reason);
  }
}

/**
 * Makes the calls of one operator in one task. It begins a call when its row is committed, and notes how it
 * ended; what follows from that is decided when the note is read. All of it lives in memory: after a crash,
 * the rows say what to call.
 */
export class Caller implements OutsideWork {
  readonly #context: ProcessorContext;
  readonly #outside: OutsideContext;
  readonly #options: CallerOptions;
  readonly #pending: PendingCalls;
  readonly #order = new CallOrder<Call>();
  readonly #breaker: Breaker;
  /** In the order of their deadlines. */
  #attempts: Attempt[] = [];
  #running = 0;
  #isClosed = false;

  constructor(context: ProcessorContext, outside: OutsideContext, pending: PendingCalls, options: CallerOptions) {
    this.#context = context;
    this.#outside = outside;
    this.#pending = pending;
    this.#options = options;
    this.#breaker = new Breaker(options.calls.breaker);
    outside.add(this);
  }

  get pending(): number {
    return this.#pending.size;
  }

  get running(): number {
    return this.#running;
  }

  get isFull(): boolean {
    return this.#pending.size >= this.#options.calls.maxPending;
  }

  get wantsCommit(): boolean {
    return this.#order.hasFresh && this.#running < this.#options.calls.concurrency;
  }

  get nextTurn(): number {
    const deadline = this.#firstAttempt()?.deadline ?? Number.POSITIVE_INFINITY;
    if (this.#running >= this.#options.calls.concurrency) return deadline;
    return Math.min(deadline, Math.max(this.#order.nextDue, this.#breaker.opensAt));
  }

  /** Rows that are there at the start: they are committed. */
  take(calls: readonly Call[]): void {
    for (const call of calls) {
      call.due = call.row.next;
      this.#order.add(call);
    }
    this.#order.committed();
  }

  add(call: Call): void {
    this.#order.add(call);
  }

  /** The outcome of an attempt was read: another one follows. */
  again(call: Call): void {
    call.due = call.row.next;
    this.#order.queue(call);
  }

  /** The outcome of a call was read. */
  remove(call: Call): void {
    this.#order.remove(call);
  }

  committed(): void {
    this.#order.committed();
  }

  turn(now: number, mayBegin: boolean): void {
    const { of, calls } = this.#options;
    for (let first = this.#firstAttempt(); first && first.deadline <= now; first = this.#firstAttempt()) {
      const error = timedOut(of, calls.timeoutMs);
      this.#context.count('timeouts');
      this.#end(first, failureOf(error, now));
      first.abort(error);
    }
    while (mayBegin && !this.#isClosed && this.#running < calls.concurrency) {
      const allowed = this.#breaker.allows(now);
      const call = allowed === 'no' ? undefined : this.#order.take(now);
      if (call === undefined) return;
      this.#begin(call, now, allowed === 'trial');
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const attempt of this.#attempts)
      if (!attempt.isOver)
        attempt.abort(
          new StreamsError('STOPPED', {
            what: 'the task ended before a call did',
            at: this.#options.of,
            action: 'Nothing to do: the task makes the call again when it runs, under the same key.',
          }),
        );
  }

  #begin(call: Call, now: number, isTrial: boolean): void {
    const { row } = call;
    const { id, position } = row.request;
    const attempt = new Attempt(call, this.#context.idempotencyKey(id), now + this.#options.calls.timeoutMs, isTrial);
    if (isTrial) this.#breaker.tries();
    this.#attempts.push(attempt);
    this.#running++;
    const made = this.#make(attempt, { id, position });
    made.catch(() => undefined);
  }

  async #make(attempt: Attempt, call: Pick<PendingCall['request'], 'id' | 'position'>): Promise<void> {
    const { recordOf, run, encode } = this.#options;
    try {
      const record = await ready(() => recordOf(attempt.call.row));
      if (!this.#outside.allows({ ...call, record })) {
        this.#context.count('silenced');
        return this.#end(attempt, { kind: 'silenced' });
      }
      this.#context.count('called');
      const value = await run(record, attempt);
      this.#end(attempt, { kind: 'done', value: await ready(() => encode(value)) });
    } catch (error) {
      this.#end(attempt, failureOf(error, this.#context.wallTime));
    }
  }

  #end(attempt: Attempt, how: Outcome | CallFailure): void {
    if (this.#isClosed) return;
    if (attempt.isOver) return this.#context.count('late-answer');
    attempt.isOver = true;
    this.#running--;
    const { call } = attempt;
    if ('kind' in how) this.#answered();
    const outcome = 'kind' in how ? how : this.#failed(attempt, how);
    // Its outcome of an earlier process was read meanwhile.
    if (outcome && !call.isGone && call.row.attempt === attempt.attempt)
      this.#context.note(INPUT, notedOutcome(call.row, outcome));
    this.#outside.ended();
  }

  #answered(): void {
    if (this.#breaker.answered()) this.#outside.warn(`${this.#options.of}: an answer again, calls go on`);
  }

  /** Undefined: the attempt does not count. */
  #failed(attempt: Attempt, failure: CallFailure): Outcome | undefined {
    const { of, calls, failsWhole } = this.#options;
    const now = this.#context.wallTime;
    const { call, isTrial } = attempt;
    this.#context.count('call-failed');
    if (failure.isTerminal) this.#answered();
    else if (this.#breaker.failed(now, isTrial)) {
      this.#context.count('breaker-opened');
      this.#outside.warn(`${of}: calls pause for ${calls.breaker?.pauseMs} ms: ${failure.message}`);
    }
    if (isTrial && !failure.isTerminal) {
      // Behind the others: a record that always fails must not be the only trial.
      call.due = failure.notBefore ?? 0;
      this.#order.queue(call);
      return undefined;
    }
    if (!failure.isTerminal && attempt.attempt < calls.attempts)
      return { kind: 'again', next: this.#next(call.row, failure, now), error: failure.message.slice(0, 200) };
    if (!failsWhole) return { kind: 'failed', code: failure.code, message: failure.message };
    this.#outside.fail(callFailed(of, failure, attempt.attempt));
    return undefined;
  }

  #next({ request, attempt }: PendingCall, { notBefore }: CallFailure, now: number): number {
    // The same pause for the same record and attempt.
    const chance = (): number => drawnNumber(`${request.id}\n${attempt}`);
    return Math.ceil(notBefore ?? now + pauseMs(this.#options.calls.backoff, attempt, chance));
  }

  #firstAttempt(): Attempt | undefined {
    while (this.#attempts[0]?.isOver) this.#attempts.shift();
    return this.#attempts[0];
  }
}

/** The result of a function, after what it needs (a schema) was fetched. */
async function ready<T>(make: () => T): Promise<T> {
  try {
    return make();
  } catch (error) {
    return (await onceReady(error, make)) as T;
  }
}
