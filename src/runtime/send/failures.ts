import type { BrokerRecord } from '../../broker/port.js';
import type { Graph } from '../../graph/graph.js';
import { isStreamsError, messageOf, StreamsError } from '../../model/errors.js';
import { Headers } from '../../model/headers.js';
import { isNotReady, onceReady, whenReady } from '../../model/not-ready.js';
import { pauseMs } from '../../model/policy/backoff.js';
import type { ResolvedPolicy } from '../../model/policy/policy.js';
import { type Clock, sleep } from '../../model/ports.js';
import { seededRandom } from '../../model/random.js';
import type { SourcePosition } from '../../model/record.js';
import type { EngineConfig } from '../config/config.js';
import type { Metrics } from '../config/metrics.js';
import { leftOutUnder, PoliciesInForce } from '../config/policies-in-force.js';
import type { PolicyName } from '../config/policy.js';
import type { StopLimit } from '../config/stop-limit.js';
import type { Outgoing } from '../record/outbox.js';
import { RedrivenRecord } from '../record/redriven-record.js';
import { murmur2 } from '../topics/partitioner.js';
import { deadLetter } from './dead-letter.js';

/** A record for which a step threw an error. */
export interface FailedRecord {
  readonly node: string;
  readonly error: unknown;
  readonly source: BrokerRecord | SourcePosition;
  /** The topic was chosen for this record, so a topic that does not exist is the record's error. */
  readonly ownTopic?: boolean;
  /**
   * The own policy of the stateless operator that threw, if it has one. Asked again after each attempt, which
   * another operator may have ended. Left out: the node itself failed, and its own policy applies.
   */
  readonly own?: () => ResolvedPolicy | undefined;
}

/** Errors of the program, or limits of it, and not of a record: no policy may continue after them. */
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
  // No process could have read these bytes: skipping them could lose good records.
  'REGISTRY_UNAVAILABLE',
  'REGISTRY_UNAUTHORIZED',
]);

/** Applies the policies to a record that fails. */
export class FailureHandler {
  readonly #config: EngineConfig;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #stop: StopLimit | undefined;
  readonly #policies: PoliciesInForce;
  /** Errors after all attempts, and the number of the last attempt. */
  readonly #tried = new WeakMap<object, number>();

  /** @param stop Ends the pauses between attempts. */
  constructor(config: EngineConfig, graph: Graph, clock: Clock, metrics: Metrics, stop?: StopLimit) {
    this.#config = config;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#stop = stop;
    this.#policies = new PoliciesInForce(config, graph);
  }

  /** Whether the application may continue without a record that fails at this step, at any operator. */
  mayContinue(step: PolicyName): boolean {
    return this.#policies.mayContinue(step);
  }

  /** The same for records that fail in one processor. */
  mayGiveUp(node: string): boolean {
    return this.#policies.of('process', this.#policies.ofNode('process', node)).then !== 'fail';
  }

  count(node: string, name: string): void {
    this.#metrics.count(node, name);
  }

  /**
   * Applies the step's policy: it retries (if there is something to try, and the error may pass), skips,
   * writes a dead letter, or throws. Resolves if the task can continue: true if it continues without the
   * record.
   */
  async handle(
    step: PolicyName,
    failure: FailedRecord,
    send: (outgoing: Outgoing, node: string) => void,
    again?: () => void | Promise<void>,
  ): Promise<boolean> {
    const { node, source } = failure;
    const failed = await this.#tryAgain(step, failure, again);
    if (failed === undefined) return false;
    const { error, attempt } = failed;
    const own = this.#ownOf(step, failure);
    const policy = this.#policies.of(step, own);
    const positioned = atRecord(step, error, node, source);
    if (ends(error, failure)) throw positioned;
    const letter: unknown = source;
    if (letter instanceof RedrivenRecord && letter.isFedInAt(node)) {
      letter.failure = { code: positioned.code, message: positioned.message, attempt };
      this.#metrics.count(node, 'redrive-failed');
      this.#config.logger.warn(
        { node, code: positioned.code, attempt },
        `a letter failed again: ${positioned.message}`,
      );
      return true;
    }
    if (policy.then === 'fail') throw this.#final(step, positioned);
    this.#metrics.leftOut.add(leftOutUnder(step, own));
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
   * Waits for what a record needs to be decoded (a schema), with the retries of the policy. If it cannot be
   * fetched, resolves with the error if the policy can continue without the record, and throws it otherwise.
   */
  async whenFetched(failure: FailedRecord, again: () => void): Promise<unknown> {
    const failed = await this.#tryAgain('deserialize', failure, again);
    if (failed === undefined) return undefined;
    const { then } = this.#policies.of('deserialize', this.#ownOf('deserialize', failure));
    if (then === 'fail' || isFatal(failed.error)) {
      const positioned = atRecord('deserialize', failed.error, failure.node, failure.source);
      throw isFatal(failed.error) ? positioned : this.#final('deserialize', positioned);
    }
    // The record will fail with this error again when its turn comes: nothing is retried then.
    if (typeof failed.error === 'object' && failed.error !== null) this.#tried.set(failed.error, failed.attempt);
    return failed.error;
  }

  #ownOf(step: PolicyName, { node, own }: FailedRecord): ResolvedPolicy | undefined {
    return own ? own() : this.#policies.ofNode(step, node);
  }

  /** The jitter follows from the record and the attempt: nothing here depends on chance. */
  #pause({ backoff }: ResolvedPolicy, { node, source }: FailedRecord, attempt: number): number {
    const { topic, partition, offset } = source;
    const draw = [this.#config.schemasOf, node, topic, partition, offset, attempt].join('\n');
    return pauseMs(backoff, attempt, () => seededRandom(murmur2(Buffer.from(draw)))());
  }

  /** The first retry of a record is a warning, further ones are debug messages. */
  #logRetry(
    { code, problem }: StreamsError,
    { node, attempt }: { readonly node: string; readonly attempt: number },
    { retries, pause }: { readonly retries: number; readonly pause: number },
  ): void {
    const level = attempt === 1 ? 'warn' : 'debug';
    const text = `a record failed, attempt ${attempt + 1} of ${retries + 1} in ${pause} ms: ${problem}`;
    this.#config.logger[level]({ node, code, attempt }, text);
  }

  /** The error of a record that ends the run. In a look back, it says how to look beyond the record. */
  #final(step: PolicyName, error: StreamsError): StreamsError {
    if (!this.#config.looksBack) return error;
    return new StreamsError(error.code, {
      what: error.problem,
      action: `${error.action} To look beyond the record, pass --on-error ${step}=skip (in code: onError: { ${step}: 'skip' }).`,
      cause: error.cause ?? error,
    });
  }

  /** The last error and the number of its attempt; undefined: an attempt succeeded. */
  async #tryAgain(
    step: PolicyName,
    failed: FailedRecord,
    again: (() => void | Promise<void>) | undefined,
  ): Promise<{ readonly error: unknown; readonly attempt: number } | undefined> {
    const { node, source } = failed;
    let { error } = failed;
    const tried = typeof error === 'object' && error !== null ? this.#tried.get(error) : undefined;
    if (tried !== undefined) return { error, attempt: tried };
    // Nothing has failed yet: something must be fetched first.
    if (again && isNotReady(error)) {
      try {
        await onceReady(error, again);
        return undefined;
      } catch (next) {
        // Retries would not help: no schema registry is configured.
        if (isStreamsError(next) && next.code === 'CONFIG_INVALID') throw atRecord(step, next, node, source);
        error = next;
      }
    }
    let attempt = 1;
    for (; again && !isPermanent(error, failed); attempt++) {
      const policy = this.#policies.of(step, this.#ownOf(step, failed));
      if (attempt > policy.retries) break;
      this.#metrics.count(node, 'retries');
      const pause = this.#pause(policy, failed, attempt);
      this.#logRetry(atRecord(step, error, node, source), { node, attempt }, { retries: policy.retries, pause });
      await sleep(this.#clock, pause, this.#stop?.noCalls);
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

/**
 * Errors that another attempt may not meet, although they are not marked as retryable: a function of the user
 * threw, or somebody adds what is missing.
 */
const MAY_PASS = new Set(['PROCESS_FAILED', 'TOPIC_UNKNOWN', 'SCHEMA_UNKNOWN']);

/**
 * Whether another attempt would end in the same way: the same bytes, the same value, the same wrong version.
 */
const isPermanent = (error: unknown, failed: FailedRecord): boolean =>
  ends(error, failed) || (isStreamsError(error) && !error.retryable && !MAY_PASS.has(error.code));

export const isFatal = (error: unknown): boolean => isStreamsError(error) && ALWAYS_FATAL.has(error.code);

/** Whether no policy may continue after this error of this record. */
const ends = (error: unknown, { ownTopic = false }: FailedRecord): boolean =>
  isFatal(error) && !(ownTopic && isStreamsError(error) && error.code === 'TOPIC_UNKNOWN');

/** The codes of errors without a code, by the step that threw them. */
const CODES = {
  deserialize: 'DESERIALIZE_FAILED',
  process: 'PROCESS_FAILED',
  produce: 'SERIALIZE_FAILED',
} as const;

/** Adds the position of the record to the error. */
function atRecord(
  step: PolicyName,
  error: unknown,
  node: string,
  { topic, partition, offset }: SourcePosition,
): StreamsError {
  const where = `${topic}[${partition}]@${offset}`;
  if (isStreamsError(error)) {
    if (error.problem.includes(where)) return error;
    // The text may be long, because it shows the value that cannot be written: the position comes first.
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
    action: `Fix the function, or set onError.${step} to skip, deadLetter or retry.`,
    cause: error,
  });
}
