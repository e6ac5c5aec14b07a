import type { BrokerRecord } from '../../broker/port.js';
import type { Declaration } from '../../dsl/contract/processor.js';
import { isNotReady, onceReady } from '../../model/not-ready.js';
import { deserialize } from '../../runtime/poll/deserialize.js';
import { AT_ONCE, type Dates } from '../../runtime/poll/lane.js';
import { PastPlaces } from './past-places.js';
import type { Slice } from './slice.js';

type Dated = Declaration['sources'][number] | Declaration['globalTables'][number];

/**
 * Event times of records of the past, from the `timestamp` of their source; the serdes are open. A running
 * task gets the same times.
 */
export class PastDates {
  readonly #byTopic: ReadonlyMap<string, Dates>;
  /** The topics of internal inputs: their records have places, and no times. */
  readonly inputs: ReadonlySet<string>;

  constructor(inputs: Iterable<string>, ...declarations: readonly Declaration[]) {
    this.inputs = new Set(inputs);
    const dated = declarations
      .flatMap(({ sources, globalTables }) => [...globalTables, ...sources])
      .filter(({ timestamp }) => timestamp !== undefined)
      .map((source) => [source.topic, datesOf(source)] as const);
    // If two versions read a topic, the first one decides.
    this.#byTopic = new Map(dated.reverse());
  }

  /** True if all records have the time of the log. */
  get isEmpty(): boolean {
    return this.#byTopic.size === 0;
  }

  readonly of = (topic: string): Dates | undefined => this.#byTopic.get(topic);

  /** The same with the places of internal inputs in a slice. */
  inside(slice: Pick<Slice, 'until' | 'parts'>): (topic: string) => Dates | undefined {
    const places = new PastPlaces(slice);
    return (topic) => (this.inputs.has(topic) ? places : this.of(topic));
  }

  /**
   * The event time of a record; fetches the schemas that this needs. NaN for a record of an internal input:
   * it has none.
   */
  timeOf(record: BrokerRecord): number | Promise<number> {
    if (this.inputs.has(record.topic)) return Number.NaN;
    const dates = this.of(record.topic);
    if (dates === undefined) return record.timestamp;
    try {
      return dates.timeOf(record);
    } catch (error) {
      if (!isNotReady(error)) throw error;
      return dates.timeWhenReady(record, error);
    }
  }
}

function datesOf(source: Dated): Dates {
  const timeOf = (record: BrokerRecord): number => {
    try {
      return deserialize(source, record).timestamp;
    } catch (error) {
      if (isNotReady(error)) throw error;
      return AT_ONCE;
    }
  };
  return { timeOf, timeWhenReady: (record, cause) => onceReady(cause, () => timeOf(record)) };
}
