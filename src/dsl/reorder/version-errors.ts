import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import type { EntityQueue, EntityVersion } from './entity-queue.js';

/** The store of a reorderByVersion, and an entity as shown in messages. */
interface Place {
  readonly store: string;
  readonly entity: string;
}

export const versionInvalid = (store: string, version: unknown, expected: string): StreamsError =>
  new StreamsError('VERSION_INVALID', {
    what: 'a record has no usable version',
    at: `reorderByVersion ${store}`,
    saw: show(version),
    expected,
    action: 'Let version return the same kind of whole number for every record.',
  });

export const versionGap = ({ store, entity }: Place, { next, held }: EntityQueue, wait: string): StreamsError =>
  new StreamsError('VERSION_GAP', {
    what: `version ${next} of ${entity} did not come within ${wait}`,
    at: `reorderByVersion ${store}`,
    saw: `${held.length} later ${held.length === 1 ? 'version' : 'versions'}, ${held[0]?.version} first`,
    expected: `version ${next}`,
    action: "Find out where it was lost, or set gap.then to 'skip' or 'deadLetter'.",
  });

export const reorderBufferFull = (
  { store, entity }: Place,
  version: EntityVersion,
  { next, held }: EntityQueue,
  maxBuffered: number,
): StreamsError =>
  new StreamsError('REORDER_BUFFER_FULL', {
    what: `version ${version} of ${entity} cannot wait: ${held.length} records wait for version ${next}`,
    at: `reorderByVersion ${store}`,
    saw: `${held.length + 1} records`,
    expected: `at most maxBuffered = ${maxBuffered}`,
    action: 'Find out where the missing version was lost, set gap, or raise maxBuffered.',
  });
