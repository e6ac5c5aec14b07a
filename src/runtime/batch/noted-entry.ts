import type { BrokerRecord } from '../../broker/port.js';
import type { AnyRecord, Outlet, Receiver } from '../../dsl/contract/processor.js';
import { PlainRecord } from '../../model/record.js';
import { withoutAfter } from '../inputs/after.js';
import { INPUT_PLACES } from '../poll/input-places.js';
import type { TopicEntry } from '../poll/topic-entry.js';
import { ORIGIN_HEADER } from '../record/origin.js';

/** Delivers the records of an internal input to its operator, with no plain operators in between. */
export class DirectOutlet implements Outlet {
  readonly used = true;

  constructor(
    readonly node: string,
    readonly receiver: Receiver,
    readonly index: () => number,
  ) {}

  push(record: AnyRecord): void {
    this.receiver.next(record, this.index());
  }

  pushTo(record: AnyRecord): void {
    this.push(record);
  }
}

/** The point where the records of an internal input enter. Operators write and read them as bytes. */
export const notedEntry = (outlet: DirectOutlet, internal: string, streamTime: () => number): TopicEntry => ({
  node: `internal input ${internal}`,
  outlet,
  jumps: undefined,
  internal,
  isNoted: true,
  dates: INPUT_PLACES,
  deserialize: ({ key, value, timestamp, headers }: BrokerRecord) =>
    new PlainRecord(
      key,
      value,
      // What it changes must not look later than everything that was read: rows would expire.
      Number.isFinite(streamTime()) ? Math.min(timestamp, streamTime()) : timestamp,
      withoutAfter(headers).without(ORIGIN_HEADER),
    ),
});
