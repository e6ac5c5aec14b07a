import { StreamsError } from '../../model/errors.js';
import { PlainRecord } from '../../model/record.js';
import { checkedId, type Id, idText } from '../common/ids.js';
import type { AnyRecord, InternalInputSpec, Processor, ProcessorContext } from '../contract/processor.js';
import { callFailed } from './call-errors.js';
import type { EffectContext, ResolvedCalls } from './call-options.js';
import { Caller } from './caller.js';
import { readOutcome } from './outcome.js';
import { PendingCall, type RequestSerdes, recordOf, requestOf } from './pending-call.js';
import { type Call, PendingCalls, pendingStoreName } from './pending-calls.js';

/** The internal input of an operator that calls. */
export const outcomesOf = (name: string): InternalInputSpec => ({ name, holds: 'outcomes' });

/** Why a call has failed for good. */
export interface CallProblem {
  /** The code of a `StreamsError`, such as `CALL_TIMEOUT`; `CALL_FAILED` for any other error. */
  readonly code: string;
  readonly message: string;
  /** How often it was called. */
  readonly attempts: number;
}

export interface CallingOptions {
  readonly operator: string;
  readonly name: string;
  readonly calls: ResolvedCalls;
  readonly onFailure: 'fail' | 'deadLetter' | 'value';
  readonly request: RequestSerdes;
  readonly id: ((record: AnyRecord) => Id) | undefined;
  readonly run: (record: AnyRecord, context: EffectContext) => unknown;
  /** How the results are written. Undefined: there are none. */
  readonly result?: { encode(value: unknown): Buffer | null; decode(bytes: Buffer | null): unknown };
  /** The value to emit for a result. */
  readonly passOn?: (result: unknown) => unknown;
  readonly passOnProblem?: (problem: CallProblem) => unknown;
}

/**
 * Keeps each record in a row until its call is done, and passes it on then. What happens is decided by what
 * is read: a record adds a row, an outcome removes it, or says when the next attempt is. So it is the same in
 * a replay, which calls nothing.
 */
export class Calling implements Processor {
  readonly #context: ProcessorContext;
  readonly #options: CallingOptions;
  readonly #pending: PendingCalls;
  /** Undefined: nothing is called. */
  readonly #caller: Caller | undefined;
  readonly #of: string;

  constructor(context: ProcessorContext, options: CallingOptions) {
    const { operator, name, calls, request, run, result, onFailure } = options;
    this.#context = context;
    this.#options = options;
    this.#of = `${operator} ${name}`;
    this.#pending = new PendingCalls(context.store(pendingStoreName(name)));
    const { outside } = context;
    this.#caller =
      outside &&
      new Caller(context, outside, this.#pending, {
        of: this.#of,
        calls,
        failsWhole: onFailure === 'fail',
        recordOf: (row) => recordOf(row.request, request),
        run,
        encode: (value) => (result ? result.encode(value) : null),
      });
  }

  async start(): Promise<void> {
    const calls = await this.#pending.load((row) => this.#keyIdOf(row));
    this.#caller?.take(calls);
  }

  process(record: AnyRecord, port: number): void {
    if (port > 0) return this.#outcome(record);
    const { name, id, request } = this.#options;
    const { origin, position } = this.#context;
    const own = id ? idText(checkedId(id(record), 'the id of a record', this.#of)) : origin;
    const row = new PendingCall(requestOf(record, { origin, id: `${name}/${own}`, position }, request, this.#of));
    const call = this.#pending.add(row, this.#keyIdOf(row));
    this.#caller?.add(call);
  }

  /** The policy has given up on an outcome: what was called cannot be read. */
  giveUp(record: AnyRecord, port: number): void {
    const read = port > 0 ? readOutcome(record.value) : undefined;
    const call = read && this.#pending.find(read.origin, read.attempt);
    if (call !== undefined && call !== 'late') this.#remove(call);
  }

  #outcome({ value }: AnyRecord): void {
    const read = readOutcome(value);
    if (read === undefined) return this.#context.drop('unknown-note');
    const { origin, attempt, outcome } = read;
    const call = this.#pending.find(origin, attempt);
    // A crash has made it twice, or the attempt was made twice.
    if (call === undefined || call === 'late')
      return this.#context.drop(call === undefined ? 'outcome-gone' : 'outcome-late');
    switch (outcome.kind) {
      case 'again':
        this.#context.count('retries');
        this.#pending.replace(call, call.row.again(outcome.next, outcome.error));
        return this.#caller?.again(call);
      case 'failed':
        return this.#failed(call, outcome);
      default:
        return this.#done(call, outcome.kind === 'done' ? outcome.value : undefined);
    }
  }

  /** @param bytes Undefined: no call was made, which counts as done. */
  #done(call: Call, bytes: Buffer | null | undefined): void {
    const { result, request, passOn = (value) => value } = this.#options;
    if (!result) {
      // Decoded before anything is changed: a schema may have to be fetched first.
      const record = recordOf(call.row.request, request);
      this.#remove(call);
      return this.#context.emit(record);
    }
    if (bytes === undefined) {
      this.#remove(call);
      return this.#context.drop('without-result');
    }
    this.#emit(call, passOn(result.decode(bytes)));
  }

  #failed(call: Call, { code, message }: { readonly code: string; readonly message: string }): void {
    const { onFailure, request, passOnProblem } = this.#options;
    const { attempt } = call.row;
    if (onFailure === 'value' && passOnProblem)
      return this.#emit(call, passOnProblem({ code, message, attempts: attempt }));
    const error = callFailed(this.#of, { code, message }, attempt);
    if (onFailure !== 'deadLetter') throw failedBefore(error);
    const record = recordOf(call.row.request, request);
    this.#remove(call);
    const { position, key, value } = call.row.request;
    this.#context.deadLetter(record, error, { position, key, value });
  }

  /** A record with the key, timestamp and headers of the request. */
  #emit(call: Call, value: unknown): void {
    const { key, timestamp, headers } = call.row.request;
    const decoded = key && this.#options.request.key.decode(key);
    this.#remove(call);
    this.#context.emit(new PlainRecord(decoded, value, timestamp, headers));
  }

  #remove(call: Call): void {
    this.#pending.remove(call);
    this.#caller?.remove(call);
  }

  #keyIdOf({ request: { key } }: PendingCall): string | undefined {
    return this.#options.calls.ordered && key !== null ? key.toString('latin1') : undefined;
  }
}

/** With `fail`, no failure is noted: this one is of a time when the option was another. */
const failedBefore = (error: StreamsError): StreamsError =>
  new StreamsError(error.code, {
    what: error.problem,
    action: 'The outcome was noted when onFailure was not fail. Set it as it was, or set onError for this operator.',
  });
