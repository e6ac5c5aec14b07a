import type { Clock } from '../model/ports.js';
import { systemClock } from '../runtime/config/system.js';
import { actorOf } from '../runtime/ledger/actor.js';
import { checkText, letterKey, MAX_ACTOR, MAX_REASON, type NewLedgerEntry } from '../runtime/ledger/ledger-entry.js';
import { LedgerWriter } from '../runtime/ledger/ledger-writer.js';
import { batches } from './batches.js';
import type { LetterPosition } from './letter-id.js';
import { type LetterOptions, type LetterTopic, letterTopic } from './letter-topic.js';
import { OpenLetters } from './open-letters.js';

/** The steps of a discard, in their order; the second one repeats. */
export type DiscardStep = '1 ledger' | '2 entries' | '3 done';

export interface DiscardOptions extends LetterOptions {
  /** Which letters: those of `listLetters`, or positions. */
  readonly letters: Iterable<LetterPosition> | AsyncIterable<LetterPosition>;
  /** Why they need no more work. */
  readonly reason: string;
  /** Who says so. Default: `MILLRACE_ACTOR` of the environment, else the user of the operating system. */
  readonly actor?: string | undefined;
  readonly clock?: Clock | undefined;
  /** Called after each batch. */
  readonly onProgress?: ((report: DiscardReport) => void) | undefined;
  /** Called after each step: a crash test throws here. */
  readonly afterStep?: (step: DiscardStep) => void | Promise<void>;
}

export interface DiscardReport {
  /** Letters that are discarded now. */
  readonly discarded: number;
  /** Letters that were discarded or fed in again before; they stay as they were. */
  readonly before: number;
  /** Letters that the topic no longer keeps: nothing is said about them. */
  readonly gone: number;
  /** The topic with the entries; null if there was nothing to write. */
  readonly ledger: string | null;
  /** False if the signal has ended the work. */
  readonly complete: boolean;
}

/**
 * Says in the ledger of the application that letters need no more work. The letters themselves stay as they
 * are. Each gets one entry; one that is settled already gets none.
 *
 * | step | what | a crash after it |
 * |---|---|---|
 * | 1 ledger | the topic of the ledger exists | nothing is discarded |
 * | 2 entries | the broker has the entries of at most 1,000 letters; again for the next ones | these are discarded; call it again, and it continues with the others |
 * | 3 done | all of them are discarded | nothing: it is whole |
 *
 * Under a signal it ends after a step, and says so. Two processes that discard the same letter at once may
 * both write an entry: the later one counts.
 *
 * Errors: LETTER_UNKNOWN for a letter that does not exist, CONFIG_INVALID for an empty reason, TOPIC_UNKNOWN,
 * TOPIC_FOREIGN if the ledger belongs to somebody else, and those of the broker.
 *
 * ```ts no-run
 * const letters = listLetters({ broker, applicationId: 'payments', code: 'DESERIALIZE_FAILED' });
 * await discardLetters({ broker, applicationId: 'payments', letters, reason: 'test data' });
 * ```
 */
export async function discardLetters(options: DiscardOptions): Promise<DiscardReport> {
  const { broker, applicationId, reason, clock = systemClock, actor = actorOf(process.env), signal } = options;
  checkText('reason', reason, MAX_REASON);
  checkText('actor', actor, MAX_ACTOR);
  const topic = await letterTopic(options);
  let writer: LedgerWriter | undefined;
  let discarded = 0;
  const letters = new OpenLetters(options, topic, { name: 'discarded', actor, time: clock.now(), reason });
  const reportOf = (complete: boolean): DiscardReport => ({
    discarded,
    before: letters.before,
    gone: letters.gone,
    ledger: writer?.topic ?? null,
    complete,
  });
  try {
    for await (const batch of batches(options.letters)) {
      if (signal?.aborted) return reportOf(false);
      const open = await letters.take(batch);
      if (open.length > 0) {
        if (!writer) {
          writer = await LedgerWriter.open(broker, applicationId, clock);
          await options.afterStep?.('1 ledger');
        }
        await writer.write(open.map((at) => entryOf(topic, at, { actor, reason })));
        discarded += open.length;
        await options.afterStep?.('2 entries');
      }
      options.onProgress?.(reportOf(false));
    }
    await options.afterStep?.('3 done');
    return reportOf(true);
  } finally {
    await writer?.close();
  }
}

function entryOf(
  { name, topicId }: LetterTopic,
  { partition, offset }: LetterPosition,
  by: { readonly actor: string; readonly reason: string },
): NewLedgerEntry {
  const key = letterKey({ topic: name, partition, offset });
  return { key, what: 'discard', ...by, ...(topicId !== undefined && { fields: { topicId } }) };
}
