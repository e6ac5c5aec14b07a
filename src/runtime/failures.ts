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
import type { Step } from './policy.js';
import type { StopLimit } from './stop-limit.js';

/** A push that threw on its way to one node. */
export interface Failure {
  readonly node: string;
  readonly outlet: Outlet;
  readonly record: AnyRecord;
  readonly error: unknown;
  readonly index: number;
}

/** Mistakes of the program, or bounds of it, not of a record: no policy may go on over them. */
const ALWAYS_FATAL = new Set([
  'KEY_CHANGED',
  'LATE_EMISSION',
  'TOPOLOGY_INVALID',
  'STORE_UNKNOWN',
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

  /** `stop`: ends pauses between attempts. */
  constructor(config: EngineConfig, clock: Clock, metrics: Metrics, stop?: StopLimit) {
    this.#config = config;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#stop = stop;
  }

  count(node: string, name: string): void {
    this.#metrics.count(node, name);
  }

  /** Tries again (if there is something to try), skips, writes a dead letter, or throws: as the step's policy says. Resolves if the task can go on. */
  async handle(
    step: Step,
    failure: { readonly node: string; readonly error: unknown; readonly source: BrokerRecord | SourcePosition },
    send: (outgoing: Outgoing, node: string) => void,
    again?: () => void | Promise<void>,
  ): Promise<void> {
    const { node, source } = failure;
    const policy = this.#config.policies[step];
    let { error } = failure;
    // Nothing has failed yet: something has to be fetched first.
    if (again && isNotReady(error)) {
      try {
        await onceReady(error, again);
        return;
      } catch (next) {
        // The same: there is no registry to ask.
        if (isStreamsError(next) && next.code === 'CONFIG_INVALID') throw atRecord(next, node, source);
        error = next;
      }
    }
    let attempt = 1;
    for (; again && attempt <= policy.retries && !isFatal(error); attempt++) {
      await sleep(this.#clock, policy.backoffMs, this.#stop?.noCalls);
      this.#stop?.check();
      try {
        await whenReady(again);
        return;
      } catch (next) {
        error = next;
      }
    }
    const positioned = atRecord(error, node, source);
    if (policy.then === 'fail' || isFatal(error)) throw positioned;
    this.#metrics.count(node, policy.then === 'skip' ? 'skipped' : 'dead-letter');
    this.#config.logger.warn(
      { node, code: positioned.code, attempt },
      `${policy.then === 'skip' ? 'skipped' : 'dead-lettered'} a record: ${positioned.message}`,
    );
    if (policy.then === 'skip') return;
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
  }
}

const isFatal = (error: unknown): boolean => isStreamsError(error) && ALWAYS_FATAL.has(error.code);

/** The error with the place of the record that it is about. */
function atRecord(error: unknown, node: string, { topic, partition, offset }: SourcePosition): StreamsError {
  const where = `${topic}[${partition}]@${offset}`;
  if (isStreamsError(error)) {
    if (error.problem.includes(where)) return error;
    return new StreamsError(error.code, {
      what: `${error.problem} (while processing ${where})`,
      action: error.action,
      cause: error.cause ?? error,
    });
  }
  return new StreamsError('PROCESS_FAILED', {
    what: `a function of the topology threw: ${messageOf(error)}`,
    at: `${where}, node ${node}`,
    action: 'Mend the function, or set onError.process to skip, deadLetter or retry.',
    cause: error,
  });
}
