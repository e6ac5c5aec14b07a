import { StreamsError } from '../../model/errors.js';
import { isMoment, MOMENT } from '../../model/record.js';
import { show } from '../../model/text/show.js';

/** Errors: SERIALIZE_FAILED for the timestamp of a put that no record can have. */
export function checkTimestamp(store: string, timestamp: number | undefined): void {
  if (timestamp === undefined || isMoment(timestamp)) return;
  throw new StreamsError('SERIALIZE_FAILED', {
    what: 'a row was put without a usable timestamp',
    at: `store ${store}`,
    saw: show(timestamp),
    expected: MOMENT,
    action:
      'Correct the timestamp that is passed to put, or leave it out: the row then gets the timestamp of the record.',
  });
}
