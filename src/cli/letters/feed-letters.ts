import type { Topology } from '../../dsl/contract/processor.js';
import {
  type LetterPosition,
  LetterSet,
  type RedriveAt,
  type RedriveReport,
  redriveLetters,
  watchRedriven,
} from '../../letters/index.js';
import { isStreamsError } from '../../model/errors.js';
import { plainText } from '../../model/text/plain-text.js';
import { actorOf } from '../../runtime/ledger/actor.js';
import { counted, formatCount, Rate } from '../terminal/rate.js';
import { failureText } from './entry-text.js';
import type { GivenPatch } from './letter-patch.js';
import type { LettersLook } from './with-letters.js';

/** Letters that are requested before it is known what becomes of them, if a failure is to end it. */
const STEP = 10;

export interface FeedOptions {
  readonly topology: Topology;
  readonly letters: LetterSet;
  readonly reason: string;
  readonly at: RedriveAt;
  readonly patch: GivenPatch | undefined;
  readonly rate: number | undefined;
  readonly again: boolean;
  readonly stopOnFailure: boolean;
}

/** What became of letters: so far, or at the end. */
export interface Fed {
  readonly requested: number;
  readonly done: number;
  readonly failed: number;
  /** Undefined if it was stopped before it was known. */
  readonly report: RedriveReport | undefined;
}

/** Requests letters, and shows how far it is. */
export class LetterFeed {
  readonly #look: LettersLook;
  readonly #options: FeedOptions;
  readonly #rate: Rate;
  readonly #requested = new LetterSet();
  #done = 0;
  #failed = 0;
  #report: RedriveReport | undefined;
  #waiting: (() => void) | undefined;

  constructor(look: LettersLook, options: FeedOptions) {
    this.#look = look;
    this.#options = options;
    this.#rate = new Rate(look.io.clock);
  }

  /** Requests the letters. */
  async request(): Promise<Fed> {
    const { signal } = this.#look.which;
    await this.#redrive(this.#options.letters, signal);
    return this.#fed();
  }

  /** Requests the letters, and waits until it is known what has become of each. A signal ends it. */
  async run(): Promise<Fed> {
    const { which, say, stop } = this.#look;
    const request = (signal: AbortSignal): Promise<void> => this.#redrive(this.#inSteps(signal), signal);
    try {
      for await (const { id, ok, ...failure } of watchRedriven({ ...which, letters: this.#requested, request })) {
        if (ok) this.#done++;
        else {
          this.#failed++;
          say(plainText(`failed again: ${id} ${failureText(failure)}`));
        }
        this.#show();
        this.#waiting?.();
      }
    } catch (error) {
      if (!stop.requested || !isStreamsError(error) || error.code !== 'STOPPED') throw error;
    }
    return this.#fed();
  }

  async #redrive(
    letters: Iterable<LetterPosition> | AsyncIterable<LetterPosition>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { io, which } = this.#look;
    const { stopOnFailure, ...options } = this.#options;
    this.#report = await redriveLetters({
      ...which,
      ...options,
      ...(stopOnFailure && { batch: STEP }),
      letters,
      signal,
      actor: actorOf(io.env),
      clock: io.clock,
      onRequest: (batch) => {
        for (const letter of batch) this.#requested.add(letter);
      },
      onProgress: () => this.#show(),
    });
  }

  /** The letters; if a failure is to end it, each step after what has become of the one before. */
  async *#inSteps(signal: AbortSignal): AsyncGenerator<LetterPosition> {
    const { letters, stopOnFailure, rate = STEP } = this.#options;
    const step = Math.ceil(Math.min(STEP, rate));
    let taken = 0;
    for (const at of letters) {
      if (stopOnFailure && taken % step === 0) {
        while (this.#known < this.#requested.size && !signal.aborted) await this.#next(signal);
        if (this.#failed > 0 || signal.aborted) return;
      }
      taken++;
      yield at;
    }
  }

  /** Resolves when more is known, or under the signal. */
  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        signal.removeEventListener('abort', go);
        resolve();
      };
      this.#waiting = go;
      signal.addEventListener('abort', go, { once: true });
    });
  }

  get #known(): number {
    return this.#done + this.#failed;
  }

  #fed(): Fed {
    return { requested: this.#requested.size, done: this.#done, failed: this.#failed, report: this.#report };
  }

  #show(): void {
    const { letters } = this.#options;
    this.#look.show(() => {
      this.#rate.sample(this.#known);
      const parts = [
        `requested ${formatCount(this.#requested.size)} of ${counted(letters.size, 'letter')}`,
        `${formatCount(this.#done)} done`,
        `${formatCount(this.#failed)} failed`,
        this.#rate.text(letters.size - this.#known),
      ];
      return `feeding in: ${parts.join(', ')}`;
    });
  }
}
