import type { BrokerRecord } from '../../broker/port.js';
import type { AnyRecord } from '../../dsl/contract/processor.js';
import { isNotReady, type NotReady } from '../../model/not-ready.js';
import { AT_ONCE, type Dates } from './lane.js';

/** An error of decoding. */
class Failed {
  constructor(readonly error: unknown) {}
}

export interface SourceDatesOptions {
  readonly deserialize: (record: BrokerRecord) => AnyRecord;
  /**
   * Fetches what decoding needs, calls `again`, and repeats that if necessary. Resolves with the error of the
   * record, if any. Rejects if the task cannot continue without the record.
   */
  readonly fetch: (record: BrokerRecord, cause: NotReady, again: () => void) => Promise<unknown>;
}

/**
 * Event times of a source with a `timestamp` function. To get a record's event time, the record is decoded
 * when it is the next one of its partition. The result is kept until it is processed, so nothing is decoded
 * twice. It keeps at most a batch, plus one record for each partition.
 */
export class SourceDates implements Dates {
  readonly #options: SourceDatesOptions;
  /** Weak: a record that is left out, for example for its null key, is never requested again. */
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

  /** The decoded record; throws the error of decoding it. A second call decodes it again. */
  deserialize(record: BrokerRecord): AnyRecord {
    const decoded = this.#decoded.get(record);
    if (decoded === undefined) return this.#options.deserialize(record);
    this.#decoded.delete(record);
    if (decoded instanceof Failed) throw decoded.error;
    return decoded;
  }
}
