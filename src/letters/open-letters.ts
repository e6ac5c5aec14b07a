import { isDeepStrictEqual } from 'node:util';
import type { LetterState } from './letter.js';
import { byPosition, type LetterPosition } from './letter-id.js';
import { type LetterOptions, type LetterTopic, unknownLetter } from './letter-topic.js';
import { Settlements } from './settlements.js';

/** A letter that is to be settled, and what had become of it. */
export interface OpenLetter extends LetterPosition {
  readonly state: LetterState;
}

/**
 * Knows which letters are still to be settled. Each is taken once, in whatever order and however often it is
 * named.
 */
export class OpenLetters {
  readonly #options: LetterOptions;
  readonly #topic: LetterTopic;
  readonly #becomes: LetterState;
  readonly #isOpen: (state: LetterState) => boolean;
  #settlements: Settlements | undefined;
  /** Letters that were settled before, or taken. */
  before = 0;
  /** Letters that the topic no longer keeps. */
  gone = 0;

  /**
   * @param becomes What becomes of a letter that is taken.
   * @param isOpen Whether a letter in this state is still to be settled.
   */
  constructor(
    options: LetterOptions,
    topic: LetterTopic,
    becomes: LetterState,
    isOpen: (state: LetterState) => boolean = ({ name }) => name === 'open',
  ) {
    this.#options = options;
    this.#topic = topic;
    this.#becomes = becomes;
    this.#isOpen = isOpen;
  }

  /** Errors: LETTER_UNKNOWN for a letter that does not exist, and those of the broker. */
  async take(letters: readonly LetterPosition[]): Promise<readonly OpenLetter[]> {
    const open: OpenLetter[] = [];
    // In the order of the topic: what one reading of the ledger does not cover comes behind it.
    for (const { partition, offset } of letters.toSorted(byPosition)) {
      const at = { partition, offset };
      const part = this.#topic.partitions[partition];
      // An entry about a letter that does not exist yet would hide the letter that comes there.
      if (!part || !(offset >= 0 && offset < part.latest)) throw unknownLetter(this.#topic, at);
      if (offset < part.earliest) {
        this.gone++;
        continue;
      }
      if (!this.#settlements?.covers(at))
        this.#settlements = await Settlements.read({ ...this.#options, signal: undefined }, this.#topic, at);
      const state = this.#settlements.stateOf(at);
      if (!this.#isOpen(state) || isDeepStrictEqual(state, this.#becomes)) {
        this.before++;
        continue;
      }
      this.#settlements.settle(at, this.#becomes);
      open.push({ ...at, state });
    }
    return open;
  }
}
