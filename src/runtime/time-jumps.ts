import type { BrokerRecord } from '../broker/port.js';
import { formatMs } from '../model/duration.js';
import { StreamsError } from '../model/errors.js';

/**
 * So many records in a row that agree on a time far ahead are believed: a clock that is wrong seldom has a
 * partition for itself for so long, and after a silence time must go on without anybody's help.
 */
const BELIEVED = 10;

/** What is known of the records of one source partition, since its first. */
export interface JumpState {
  /** How many in a row have been refused. */
  readonly refused: number;
  /** The timestamp of the last one refused. */
  readonly last: number;
}

/**
 * Refuses records of one source partition whose timestamps are too far ahead of the task's stream time. It
 * looks at nothing but timestamps, and its state travels with the committed offsets, so that the same records
 * are refused whenever they are read.
 *
 * The first record of the partition is believed. Of records that follow each other in the partition, all too
 * far ahead and none further than the limit from the one before, the tenth is believed, and those behind it
 * are as far as time then goes.
 */
export class TimeJumps {
  readonly #limitMs: number;
  /** Undefined: the partition has brought no record yet. */
  #state: JumpState | undefined;

  constructor(limitMs: number, state: JumpState | undefined) {
    this.#limitMs = limitMs;
    this.#state = state;
  }

  get state(): JumpState | undefined {
    return this.#state;
  }

  /** The error of a record that is refused; undefined: it is believed, and may move stream time. */
  check(timestamp: number, streamTime: number, record: BrokerRecord): StreamsError | undefined {
    const before = this.#state;
    if (before === undefined || timestamp <= streamTime + this.#limitMs) {
      if (before === undefined || before.refused > 0) this.#state = CALM;
      return undefined;
    }
    const agrees = before.refused > 0 && Math.abs(timestamp - before.last) <= this.#limitMs;
    const refused = agrees ? before.refused + 1 : 1;
    this.#state = refused < BELIEVED ? { refused, last: timestamp } : CALM;
    return refused < BELIEVED ? this.#jump(timestamp, streamTime, record) : undefined;
  }

  #jump(timestamp: number, streamTime: number, { topic, partition, offset }: BrokerRecord): StreamsError {
    return new StreamsError('TIME_JUMP', {
      what: 'a record is too far ahead of stream time',
      at: `${topic}[${partition}]@${offset}`,
      saw: `the timestamp ${timestamp}, ${formatMs(timestamp - streamTime)} ahead`,
      expected: `at most maxTimeJump = ${formatMs(this.#limitMs)}`,
      action:
        'Correct the clock of the producer and set onError.deserialize to skip or deadLetter; if time has really gone on so far, raise maxTimeJump.',
    });
  }
}

const CALM: JumpState = { refused: 0, last: 0 };
