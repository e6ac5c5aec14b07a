import { StreamsError } from '../../model/errors.js';
import { isHeaders } from '../../model/headers.js';
import { isMoment, MOMENT } from '../../model/record.js';
import { show } from '../../model/text/show.js';

/** Throws PROCESS_FAILED if a record cannot have this timestamp or these headers. */
export function checkForwarded(name: string, timestamp: unknown, headers: unknown): void {
  if (!isMoment(timestamp)) throw unusable(name, 'timestamp', timestamp, MOMENT);
  if (!isHeaders(headers)) throw unusable(name, 'headers', headers, 'Headers, for example Headers.none');
}

const unusable = (name: string, field: string, saw: unknown, expected: string): StreamsError =>
  new StreamsError('PROCESS_FAILED', {
    what: `a record was emitted without ${field === 'headers' ? '' : 'a '}usable ${field}`,
    at: `process ${name}`,
    saw: show(saw),
    expected,
    action: `Leave ${field} out to keep the current record's, or correct it.`,
  });
