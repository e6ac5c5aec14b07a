import type { BrokerRecord, ProducerRecord, RefusedRecord } from '../../broker/port.js';
import { StreamsError } from '../../model/errors.js';
import type { SourcePosition } from '../../model/record.js';
import type { Outgoing } from '../record/outbox.js';
import { contentBytes, shortened } from './dead-letter.js';
import type { FailureHandler } from './failures.js';

/** The record from which an output was made, in case the broker refuses the output. */
export class OutputOrigin {
  constructor(
    readonly node: string,
    readonly source: BrokerRecord | SourcePosition,
  ) {}
}

/** A full dead letter, and its size at the last attempt. */
class LetterOrigin {
  constructor(
    readonly whole: ProducerRecord,
    readonly bytes: number,
  ) {}
}

/** A dead letter that is shortened if the broker refuses it. */
export const asLetter = (record: ProducerRecord): ProducerRecord => ({
  ...record,
  origin: new LetterOrigin(record, contentBytes(record)),
});

export interface RefusalsOptions {
  readonly failures: FailureHandler;
  /** Chooses the partition of a dead letter. */
  place(letter: Omit<ProducerRecord, 'partition'>): ProducerRecord | Promise<ProducerRecord>;
}

/**
 * Collects the records that the broker has refused, and replaces them.
 *
 * - The policy of its sink or repartition handles an output: its own, or `onError.produce`. The output is not
 *   retried, since the broker would refuse it again.
 * - A dead letter is written with half of its bytes, and then with half of these, until the broker accepts
 *   it.
 */
export class Refusals {
  readonly #options: RefusalsOptions;
  #refused: RefusedRecord[] = [];

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** Callback for the writer. */
  readonly add = (refused: RefusedRecord): void => {
    this.#refused.push(refused);
  };

  get any(): boolean {
    return this.#refused.length > 0;
  }

  /**
   * The records to write now. Throws if the policy is to fail, or a dead letter cannot be shortened any
   * further.
   */
  async settled(): Promise<ProducerRecord[]> {
    const refused = this.#refused;
    this.#refused = [];
    const letters: ProducerRecord[] = [];
    for (const { origin, error } of refused) {
      if (origin instanceof LetterOrigin) letters.push(shorter(origin, error));
      else for (const letter of await this.#byPolicy(origin as OutputOrigin, error)) letters.push(asLetter(letter));
    }
    return letters;
  }

  async #byPolicy({ node, source }: OutputOrigin, error: StreamsError): Promise<ProducerRecord[]> {
    const made: Outgoing[] = [];
    await this.#options.failures.handle('produce', { node, error, source }, (outgoing) => void made.push(outgoing));
    const placed: ProducerRecord[] = [];
    for (const outgoing of made) if (outgoing.kind === 'raw') placed.push(await this.#options.place(outgoing.record));
    return placed;
  }
}

function shorter({ whole, bytes }: LetterOrigin, error: StreamsError): ProducerRecord {
  const letter = shortened(whole, Math.floor(bytes / 2));
  const left = contentBytes(letter);
  if (left < bytes) return { ...letter, origin: new LetterOrigin(whole, left) };
  throw new StreamsError('PRODUCE_FAILED', {
    what: 'a dead letter was refused although it contains nothing but the origin of its record',
    at: `${whole.topic}[${whole.partition}]`,
    saw: error.problem,
    expected: 'a topic that accepts it',
    action: 'Correct the configuration of the dead letter topic, for example max.message.bytes.',
    cause: error,
  });
}
