import type { BrokerRecord } from '../../broker/port.js';
import { formatMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';

/**
 * The number of consecutive records with agreeing far-ahead times after which their time is accepted. A wrong
 * clock rarely fills a partition alone for that long, and after a silence, time must advance without manual
 * help.
 */
const BELIEVED = 10;

/** The state of one source partition since its first record. */
export interface JumpState {
  /** Number of records refused in a row. */
  readonly refused: number;
  /** The timestamp of the last refused record. */
  readonly last: number;
}

/**
 * Refuses records of one source partition with timestamps too far ahead of the task's stream time. It only
 * uses timestamps, and its state is committed with the offsets. So the same records are refused whenever they
 * are read.
 *
 * The first record of the partition is accepted. If consecutive records are all too far ahead, each within
 * the limit of the one before, the tenth is accepted. Stream time then advances to it, so the records after
 * it are no longer too far ahead.
 */
export class TimeJumps {
  readonly #limitMs: number;
  /** Undefined: the partition has had no record yet. */
  #state: JumpState | undefined;

  constructor(limitMs: number, state: JumpState | undefined) {
    this.#limitMs = limitMs;
    this.#state = state;
  }

  get state(): JumpState | undefined {
    return this.#state;
  }

  /** The error of a refused record; undefined: it is accepted, and may advance stream time. */
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
