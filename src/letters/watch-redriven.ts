import type { BrokerRecord } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';
import { letterOfKey, parseLedgerRecord } from '../runtime/ledger/ledger-entry.js';
import { ensureLedger } from '../runtime/ledger/ledger-topic.js';
import { type LetterPosition, letterId } from './letter-id.js';
import { LetterSet } from './letter-set.js';
import { type LetterOptions, type LetterTopic, letterTopic } from './letter-topic.js';

export interface WatchRedrivenOptions extends LetterOptions {
  /** The letters to wait for. `request` may add some. */
  readonly letters: LetterSet;
  /**
   * Asks for the letters. It is called when the end of the ledger is known: nothing that follows is missed.
   * Its signal is aborted when the watch ends.
   */
  readonly request: (signal: AbortSignal) => Promise<unknown>;
}

/** What has become of a letter that was fed in again. */
export interface RedrivenLetter extends LetterPosition {
  /** `PARTITION@OFFSET`. */
  readonly id: string;
  /** False: it has failed again, and is open again. */
  readonly ok: boolean;
  /** The code of the error, if it has failed and the ledger says so. */
  readonly code?: string;
  /** The text of the error, if it has failed and the ledger says so. */
  readonly message?: string;
}

const POLL = { maxRecords: 1_000, maxBytes: 4 * 1024 * 1024, maxWaitMs: 500 };

/**
 * What becomes of letters that are fed in again, in the order in which the ledger says it. The first word
 * about a letter counts. It ends when `request` has ended, and something is known of each of the letters.
 * Without a process that runs the application nothing ever is: give it a signal.
 *
 * To end it early, as with `break`, aborts the signal of `request`, and waits until that has ended. Memory:
 * two bits for each letter, and one poll.
 *
 * Errors: those of `request`, STOPPED under a signal, TOPIC_UNKNOWN, TOPIC_FOREIGN, TOPIC_MISMATCH, and those
 * of the broker.
 *
 * ```ts no-run
 * const which = { broker, applicationId: 'payments' };
 * const letters = new LetterSet();
 * const onRequest = (batch: readonly Letter[]): void => batch.forEach((letter) => letters.add(letter));
 * const request = (signal: AbortSignal) =>
 *   redriveLetters({ ...which, topology: shop, letters: listLetters(which), reason: 'fixed', onRequest, signal });
 * for await (const { id, ok, message } of watchRedriven({ ...which, letters, request }))
 *   console.log(id, ok ? 'done' : message);
 * ```
 */
export async function* watchRedriven(options: WatchRedrivenOptions): AsyncGenerator<RedrivenLetter, void> {
  const { broker, applicationId, letters, request, signal } = options;
  const topic = await letterTopic(options);
  const at = { topic: await ensureLedger(broker.admin, applicationId), partition: 0 };
  const [end] = await broker.admin.latestOffsets([at]);
  const reader = await broker.createReader();
  const asking = new Asking(request, () => reader.wakeup());
  const onAbort = (): void => asking.stop();
  signal?.addEventListener('abort', onAbort, { once: true });
  const word = new Word(topic, letters);
  try {
    reader.seek({ ...at, offset: end?.offset ?? 0 });
    while (!asking.isOver || word.known < letters.size) {
      if (signal?.aborted) throw stopped(at.topic);
      for (const { records } of await reader.poll(POLL))
        for (const record of records) {
          const found = word.of(record);
          if (found) yield found;
        }
      asking.check();
    }
    asking.check();
  } finally {
    signal?.removeEventListener('abort', onAbort);
    asking.stop();
    await asking.ended;
    await reader.close();
  }
}

/** The request, while the ledger is read. */
class Asking {
  isOver = false;
  #failure: { readonly error: unknown } | undefined;
  readonly #controller = new AbortController();
  readonly #wakeUp: () => void;
  /** Never rejects. */
  readonly ended: Promise<void>;

  constructor(request: WatchRedrivenOptions['request'], wakeUp: () => void) {
    this.#wakeUp = wakeUp;
    this.ended = this.#run(request).finally(wakeUp);
  }

  stop(): void {
    this.#controller.abort();
    this.#wakeUp();
  }

  /** Throws what the request has thrown. */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async #run(request: WatchRedrivenOptions['request']): Promise<void> {
    try {
      await request(this.#controller.signal);
    } catch (error) {
      this.#failure = { error };
    }
    this.isOver = true;
  }
}

/** What records of the ledger say of the letters, each once. */
class Word {
  readonly #topic: LetterTopic;
  readonly #letters: LetterSet;
  readonly #known = new LetterSet();

  constructor(topic: LetterTopic, letters: LetterSet) {
    this.#topic = topic;
    this.#letters = letters;
  }

  get known(): number {
    return this.#known.size;
  }

  of(record: BrokerRecord): RedrivenLetter | undefined {
    const read = parseLedgerRecord(record);
    if (read.kind !== 'entry') return undefined;
    const { what, fields } = read.entry;
    const at = letterOfKey(read.key);
    const ok = what === 'redrive';
    if (at?.topic !== this.#topic.name || !(ok || what === 'redrive-failed')) return undefined;
    const { topicId } = this.#topic;
    // The topic was deleted and created again: another letter has this position now.
    if (typeof fields.topicId === 'string' && topicId !== undefined && fields.topicId !== topicId) return undefined;
    if (!this.#letters.has(at) || this.#known.has(at)) return undefined;
    this.#known.add(at);
    const { partition, offset } = at;
    const { code, message } = fields;
    const why = {
      ...(typeof code === 'string' && { code }),
      ...(typeof message === 'string' && { message }),
    };
    return { id: letterId(at), partition, offset, ok, ...(!ok && why) };
  }
}

const stopped = (at: string): StreamsError =>
  new StreamsError('STOPPED', {
    what: 'the waiting for letters that are fed in again was stopped',
    at,
    action: 'The list of letters says what has become of them.',
  });
