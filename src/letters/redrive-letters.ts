import { transactionalId } from '../graph/naming.js';
import { StreamsError } from '../model/errors.js';
import { type Clock, sleep } from '../model/ports.js';
import { currentVersion, readableOffsets } from '../runtime/config/application-version.js';
import { systemClock } from '../runtime/config/system.js';
import { actorOf } from '../runtime/ledger/actor.js';
import { checkText, MAX_ACTOR, MAX_REASON } from '../runtime/ledger/ledger-entry.js';
import { ensureLedger } from '../runtime/ledger/ledger-topic.js';
import { checkResetFinished } from '../runtime/offsets/reset-marks.js';
import { batches } from './batches.js';
import type { Letter } from './letter.js';
import type { LetterPosition } from './letter-id.js';
import { letterTopic } from './letter-topic.js';
import { OpenLetters } from './open-letters.js';
import { readLetters } from './read-letters.js';
import { RedriveRequests, type RequestOptions } from './redrive-requests.js';

/** The steps of a redrive, in their order; the second one repeats. */
export type RedriveStep = '1 topics' | '2 requests' | '3 done';

export interface RedriveOptions extends RequestOptions {
  /** Which letters: those of `listLetters`, or positions. */
  readonly letters: Iterable<LetterPosition> | AsyncIterable<LetterPosition>;
  /** Who says so. Default: `MILLRACE_ACTOR` of the environment, else the user of the operating system. */
  readonly actor?: string | undefined;
  readonly clock?: Clock | undefined;
  /** Letters in a second, at most. Default: as fast as the broker takes them. */
  readonly rate?: number | undefined;
  /** Letters of one transaction, at most. Default: 1,000, and never more than `rate`. */
  readonly batch?: number | undefined;
  /** Also letters that were requested before, and of which nothing has become. */
  readonly again?: boolean | undefined;
  /** Called with letters that are about to be requested: {@link watchRedriven} may wait for them. */
  readonly onRequest?: ((letters: readonly Letter[]) => void) | undefined;
  /** Called after each batch. */
  readonly onProgress?: ((report: RedriveReport) => void) | undefined;
  /** Called after each step: a crash test throws here. */
  readonly afterStep?: (step: RedriveStep) => void | Promise<void>;
}

export interface RedriveReport {
  /** Letters that the application will get. */
  readonly requested: number;
  /** Letters that were settled or requested before; they stay as they were. */
  readonly before: number;
  /** Letters that the topic no longer keeps. */
  readonly gone: number;
  /** Whether a process of the application is running. If not, it gets them when it starts. */
  readonly running: boolean;
  /** The internal inputs that were created: a process that was running before reads them after a restart. */
  readonly created: readonly string[];
  /** False if the signal has ended the work. */
  readonly complete: boolean;
}

/**
 * Asks the application to process the records of letters again, at the operator that gave them up. Each
 * letter gets one request, however often this is called: request and ledger entry are one transaction, and a
 * call ends one that still runs. The task writes to the ledger what has become of a letter, in the commit
 * that has its effect: `redrive`, or `redrive-failed` if the operator fails again. Such a letter is open
 * again. No other application sees anything: nothing is written to the source.
 *
 * The record keeps topic, partition, offset, timestamp and headers of the one that failed. It moves no stream
 * time: windows that are closed by now drop it as late.
 *
 * | step | what | a crash after it |
 * |---|---|---|
 * | 1 topics | ledger and internal inputs exist | nothing is requested |
 * | 2 requests | a transaction has the requests of at most 1,000 letters, and their entries; again for the next ones | these are requested; call it again, and it continues with the others |
 * | 3 done | all of them are requested | nothing: it is whole |
 *
 * Memory: one batch. Errors: REDRIVE_TARGET_UNKNOWN, LETTER_INCOMPLETE, LETTER_UNKNOWN (nothing of the batch
 * is requested then), RESET_UNFINISHED, CONFIG_INVALID for an empty reason, TOPIC_FOREIGN, and those of the
 * broker.
 *
 * ```ts no-run
 * const letters = listLetters({ broker, applicationId: 'payments', code: 'PROCESS_FAILED' });
 * await redriveLetters({ broker, applicationId: 'payments', topology: shop, letters, reason: 'fixed in 2.4.1' });
 * ```
 */
export async function redriveLetters(options: RedriveOptions): Promise<RedriveReport> {
  const { broker, applicationId, reason, clock = systemClock, actor = actorOf(process.env) } = options;
  const { signal, rate, batch: most = 1_000 } = options;
  checkText('reason', reason, MAX_REASON);
  checkText('actor', actor, MAX_ACTOR);
  if (rate !== undefined && !(rate > 0)) throw noRate(rate);
  if (!(Number.isSafeInteger(most) && most > 0)) throw noBatch(most);
  const topic = await letterTopic(options);
  checkResetFinished(applicationId, await readableOffsets(broker.admin, applicationId));
  const version = await currentVersion(broker.admin, applicationId);
  const requests = new RedriveRequests({ ...options, actor }, topic, version);
  const settling = new OpenLetters(
    options,
    topic,
    { name: 'requested', actor, time: clock.now(), reason },
    ({ name }) => name === 'open' || (name === 'requested' && options.again === true),
  );
  const running = (await broker.admin.groupMembers(applicationId)).length > 0;
  let [requested, gone] = [0, 0];
  const reportOf = (complete: boolean): RedriveReport => ({
    ...{ requested, running, complete },
    before: settling.before,
    gone: settling.gone + gone,
    created: requests.created,
  });
  // It ends the transaction of another call that still runs.
  const writer = await broker.createWriter({ transactionalId: transactionalId(applicationId, 'redrive') });
  const started = clock.monotonic();
  try {
    await ensureLedger(broker.admin, applicationId);
    await options.afterStep?.('1 topics');
    for await (const batch of batches(options.letters, Math.ceil(Math.min(most, rate ?? most)))) {
      if (signal?.aborted) return reportOf(false);
      const taken = await settling.take(batch);
      const open = await readLetters(options, topic, taken);
      gone += taken.length - open.length;
      if (open.length > 0) {
        const records = await requests.of(open);
        options.onRequest?.(open);
        await writer.begin();
        await writer.write(records.flatMap(({ request, entry }) => [request, entry(clock.now())]));
        await writer.commit();
        requested += open.length;
        await options.afterStep?.('2 requests');
      }
      options.onProgress?.(reportOf(false));
      if (rate !== undefined) await sleep(clock, (requested / rate) * 1_000 - (clock.monotonic() - started), signal);
    }
    await options.afterStep?.('3 done');
    return reportOf(true);
  } finally {
    await writer.close();
  }
}

const noRate = (rate: number): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'cannot use the rate',
    saw: `${rate} letters a second`,
    expected: 'a number above 0',
    action: 'Leave it out to feed letters in as fast as the broker takes them.',
  });

const noBatch = (batch: number): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'cannot use the size of a batch',
    saw: `${batch} letters`,
    expected: 'a whole number above 0',
    action: 'Leave it out to request up to 1,000 letters at once.',
  });
