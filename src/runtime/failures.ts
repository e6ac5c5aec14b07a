import type { BrokerRecord } from '../broker/port.js';
import type { AnyRecord, Outlet } from '../dsl/processor.js';
import { isStreamsError, messageOf, StreamsError } from '../model/errors.js';
import { Headers } from '../model/headers.js';
import { isNotReady, onceReady, whenReady } from '../model/not-ready.js';
import { type Clock, sleep } from '../model/ports.js';
import type { SourcePosition } from '../model/record.js';
import type { EngineConfig } from './config.js';
import { deadLetter } from './dead-letter.js';
import type { Metrics } from './metrics.js';
import type { Outgoing } from './outbox.js';
import type { PolicyName } from './policy.js';
import type { StopLimit } from './stop-limit.js';

/** A push that threw on its way to one node. */
export interface Failure {
  readonly node: string;
  readonly outlet: Outlet;
  readonly record: AnyRecord;
  readonly error: unknown;
  readonly index: number;
  /** Which push it was; and takes back what that push has brought to the node by other ways. */
  readonly push: number;
  readonly takeBack: (push: number) => void;
  /** Which emission of what was at hand. */
  readonly emission: number;
}

/** A record for which something threw. */
export interface FailedRecord {
  readonly node: string;
  readonly error: unknown;
  readonly source: BrokerRecord | SourcePosition;
  /** Its topic was chosen for this record: that there is none such is the record's error. */
  readonly ownTopic?: boolean;
}

/** Mistakes of the program, or bounds of it, not of a record: no policy may go on over them. */
const ALWAYS_FATAL = new Set([
  'KEY_CHANGED',
  'LATE_EMISSION',
  'TOPOLOGY_INVALID',
  'STORE_UNKNOWN',
  'STORE_KEY_NOT_LOADED',
  'STORE_READ_ONLY',
  'STATE_CORRUPT',
  'SUPPRESS_BUFFER_FULL',
  'STATE_IO',
  'STATE_UNSUPPORTED',
  'TOPIC_UNKNOWN',
  // Nobody could have read the bytes: to skip them would lose what may be good.
  'REGISTRY_UNAVAILABLE',
  'REGISTRY_UNAUTHORIZED',
]);

/** Decides by the policies what becomes of a record that fails. */
export class FailureHandler {
  readonly #config: EngineConfig;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #stop: StopLimit | undefined;
  /** Errors that records failed with after all attempts, and which attempt that was. */
  readonly #tried = new WeakMap<object, number>();

  /** `stop`: ends pauses between attempts. */
  constructor(config: EngineConfig, clock: Clock, metrics: Metrics, stop?: StopLimit) {
    this.#config = config;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#stop = stop;
  }

  /** Whether the first record that fails for good ends the application. */
  fails(step: PolicyName): boolean {
    return this.#config.policies[step].then === 'fail';
  }

  count(node: string, name: string): void {
    this.#metrics.count(node, name);
  }

  /**
   * Tries again (if there is something to try), skips, writes a dead letter, or throws: as the step's policy
   * says. Resolves if the task can go on: to whether it has to do so without the record.
   */
  async handle(
    step: PolicyName,
    failure: FailedRecord,
    send: (outgoing: Outgoing, node: string) => void,
    again?: () => void | Promise<void>,
  ): Promise<boolean> {
    const { node, source } = failure;
    const policy = this.#config.policies[step];
    const failed = await this.#tryAgain(step, failure, again);
    if (failed === undefined) return false;
    const { error, attempt } = failed;
    const positioned = atRecord(step, error, node, source);
    if (policy.then === 'fail' || ends(error, failure)) throw positioned;
    this.#metrics.count(node, policy.then === 'skip' ? 'skipped' : 'dead-letter');
    this.#config.logger.warn(
      { node, code: positioned.code, attempt },
      `${policy.then === 'skip' ? 'skipped' : 'dead-lettered'} a record: ${positioned.message}`,
    );
    if (policy.then === 'skip') return true;
    const raw =
      'timestamp' in source ? source : { key: null, value: null, timestamp: this.#clock.now(), headers: Headers.none };
    const record = deadLetter({
      topic: this.#config.deadLetterTopic,
      applicationId: this.#config.applicationId,
      operator: node,
      position: source,
      key: raw.key,
      value: raw.value,
      timestamp: raw.timestamp,
      headers: raw.headers,
      error: positioned,
      attempt,
    });
    this.#metrics.deadLetters++;
    send({ kind: 'raw', record }, node);
    return true;
  }

  /**
   * Waits for what decoding a record takes (a schema), with the retries of the policy. Resolves with the
   * error if it cannot be had and the policy can go on without the record; throws it if not.
   */
  async whenFetched(failure: FailedRecord, again: () => void): Promise<unknown> {
    const failed = await this.#tryAgain('deserialize', failure, again);
    if (failed === undefined) return undefined;
    if (this.#config.policies.deserialize.then === 'fail' || isFatal(failed.error))
      throw atRecord('deserialize', failed.error, failure.node, failure.source);
    // The record fails with it once more, when it is its turn: then nothing is tried again.
    if (typeof failed.error === 'object' && failed.error !== null) this.#tried.set(failed.error, failed.attempt);
    return failed.error;
  }

  /** The last error, and which attempt that was; undefined: one of them went well. */
  async #tryAgain(
    step: PolicyName,
    failed: FailedRecord,
    again: (() => void | Promise<void>) | undefined,
  ): Promise<{ readonly error: unknown; readonly attempt: number } | undefined> {
    const { node, source } = failed;
    const policy = this.#config.policies[step];
    let { error } = failed;
    const tried = typeof error === 'object' && error !== null ? this.#tried.get(error) : undefined;
    if (tried !== undefined) return { error, attempt: tried };
    // Nothing has failed yet: something has to be fetched first.
    if (again && isNotReady(error)) {
      try {
        await onceReady(error, again);
        return undefined;
      } catch (next) {
        // The same: there is no registry to ask.
        if (isStreamsError(next) && next.code === 'CONFIG_INVALID') throw atRecord(step, next, node, source);
        error = next;
      }
    }
    let attempt = 1;
    for (; again && attempt <= policy.retries && !ends(error, failed); attempt++) {
      await sleep(this.#clock, policy.backoffMs, this.#stop?.noCalls);
      this.#stop?.check();
      try {
        await whenReady(again);
        return undefined;
      } catch (next) {
        error = next;
      }
    }
    return { error, attempt };
  }
}

export const isFatal = (error: unknown): boolean => isStreamsError(error) && ALWAYS_FATAL.has(error.code);

/** Whether no policy may go on over that error of that record. */
const ends = (error: unknown, { ownTopic = false }: FailedRecord): boolean =>
  isFatal(error) && !(ownTopic && isStreamsError(error) && error.code === 'TOPIC_UNKNOWN');

/** What an error without a code is, by where it was thrown. */
const CODES = {
  deserialize: 'DESERIALIZE_FAILED',
  process: 'PROCESS_FAILED',
  produce: 'SERIALIZE_FAILED',
} as const;

/** The error with the place of the record that it is about. */
function atRecord(
  step: PolicyName,
  error: unknown,
  node: string,
  { topic, partition, offset }: SourcePosition,
): StreamsError {
  const where = `${topic}[${partition}]@${offset}`;
  if (isStreamsError(error)) {
    if (error.problem.includes(where)) return error;
    // What cannot be written is shown in the text, which may be long: the place stands before it.
    const [before, after] =
      error.code === 'SERIALIZE_FAILED' ? [`cannot process ${where}: `, ''] : ['', ` (while processing ${where})`];
    return new StreamsError(error.code, {
      what: `${before}${error.problem}${after}`,
      action: error.action,
      cause: error.cause ?? error,
    });
  }
  return new StreamsError(CODES[step], {
    what: `a function of the topology threw: ${messageOf(error)}`,
    at: `${where}, node ${node}`,
    action: `Mend the function, or set onError.${step} to skip, deadLetter or retry.`,
    cause: error,
  });
}
