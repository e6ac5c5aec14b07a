import type { BrokerRecord } from '../broker/port.js';
import type { AnyRecord } from '../dsl/processor.js';
import { isNotReady, type NotReady } from '../model/not-ready.js';
import { AT_ONCE, type Dates } from './lane.js';

/** What could not be decoded. */
class Failed {
  constructor(readonly error: unknown) {}
}

export interface SourceDatesOptions {
  readonly deserialize: (record: BrokerRecord) => AnyRecord;
  /**
   * Waits for what decoding takes, calls `again`, and so on; resolves with the error, if any, with which the
   * record fails. Rejects if nothing can go on without it.
   */
  readonly fetch: (record: BrokerRecord, cause: NotReady, again: () => void) => Promise<unknown>;
}

/**
 * Event times of a source whose `timestamp` says them: to know one the record is decoded, when it comes next
 * in its partition. What was decoded is kept until it is processed, so nothing is decoded twice: never more
 * than a batch, and a record a partition.
 */
export class SourceDates implements Dates {
  readonly #options: SourceDatesOptions;
  /** Weak: a record that is left out, for its null key say, is never asked for again. */
  readonly #decoded = new WeakMap<BrokerRecord, AnyRecord | Failed>();

  constructor(options: SourceDatesOptions) {
    this.#options = options;
  }

  timeOf(record: BrokerRecord): number {
    let decoded: AnyRecord;
    try {
      decoded = this.#options.deserialize(record);
    } catch (error) {
      if (isNotReady(error)) throw error;
      this.#decoded.set(record, new Failed(error));
      return AT_ONCE;
    }
    this.#decoded.set(record, decoded);
    return decoded.timestamp;
  }

  async timeWhenReady(record: BrokerRecord, cause: NotReady): Promise<number> {
    let time = AT_ONCE;
    const error = await this.#options.fetch(record, cause, () => {
      time = this.timeOf(record);
    });
    if (error !== undefined) this.#decoded.set(record, new Failed(error));
    return time;
  }

  /** The record, decoded; throws what decoding it has thrown. The second call decodes it again. */
  deserialize(record: BrokerRecord): AnyRecord {
    const decoded = this.#decoded.get(record);
    if (decoded === undefined) return this.#options.deserialize(record);
    this.#decoded.delete(record);
    if (decoded instanceof Failed) throw decoded.error;
    return decoded;
  }
}
