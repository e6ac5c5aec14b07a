import { hopping, session, sliding, tumbling, unlimited, type Windowing } from '#src/index.js';
import type { Op } from './case.js';
import { NotYet } from './not-yet.js';

/** Kafka's own stores keep the vectors' windows for a day. */
const RETENTION = '1d';

/** What a `windowedBy` says, as folds are told it. */
export function windowing(op: Op): Windowing {
  return { window: windows(op), ...(op.emit === 'onWindowClose' && { emit: 'onClose' }) };
}

function windows(op: Op): Windowing['window'] {
  const options = { grace: `${op.graceMs ?? 0}ms`, retention: RETENTION } as const;
  switch (op.type) {
    case 'tumbling':
      return tumbling(`${op.sizeMs}ms`, options);
    case 'hopping':
      return hopping(`${op.sizeMs}ms`, { every: `${op.advanceMs}ms`, ...options });
    case 'unlimited':
      return unlimited({ from: op.startMs });
    case 'sliding':
      return sliding(`${op.timeDifferenceMs}ms`, options);
    case 'session':
      return session(`${op.inactivityGapMs}ms`, options);
    default:
      throw new NotYet(`${op.type} windows`);
  }
}
