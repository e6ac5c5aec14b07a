import { hopping, tumbling, unlimited, type Windows } from '#src/index.js';
import type { Op } from './case.js';
import { NotYet } from './not-yet.js';

/** Kafka's own stores keep the vectors' windows for a day. */
const RETENTION = '1d';

export function windows(op: Op): Windows {
  const options = { grace: `${op.graceMs ?? 0}ms`, retention: RETENTION } as const;
  if (op.emit) throw new NotYet(`${op.type} windows, emitted on close`);
  switch (op.type) {
    case 'tumbling':
      return tumbling(`${op.sizeMs}ms`, options);
    case 'hopping':
      return hopping(`${op.sizeMs}ms`, { every: `${op.advanceMs}ms`, ...options });
    case 'unlimited':
      return unlimited({ from: op.startMs });
    default:
      throw new NotYet(`${op.type} windows`);
  }
}
