import { messageOf, StreamsError } from '../model/errors.js';
import { KIND, prefixed, prefixOf } from './layout.js';

/**
 * What a task's database contains, written in the same batch as the data itself. JSON, format 1.
 */
export interface Checkpoint {
  /** Next offset of each source topic: everything before it is in the stores. */
  readonly sources: Readonly<Record<string, number>>;
  /** Next offset of each store's changelog: everything before it is in the store. That of a global table is its topic: see global-state.ts. */
  readonly changelogs: Readonly<Record<string, number>>;
  /** Stream time of each store, and of the task itself under the empty name. */
  readonly streamTimes: Readonly<Record<string, number>>;
  /**
   * The epoch (see runtime/epochs.ts) of each store's changelog up to its position; left out where there is
   * none.
   */
  readonly epochs?: Readonly<Record<string, number>>;
}

/** Where it stands in the database. */
export const CHECKPOINT_KEY = prefixed(prefixOf(0, KIND.rows), Buffer.from('checkpoint'));

const FORMAT = 1;

export const EMPTY_CHECKPOINT: Checkpoint = { sources: {}, changelogs: {}, streamTimes: {} };

/** JSON has no infinities: a time that never was is left out. */
export function encodeCheckpoint(checkpoint: Checkpoint): Buffer {
  const streamTimes = Object.fromEntries(
    Object.entries(checkpoint.streamTimes).filter(([, time]) => Number.isFinite(time)),
  );
  return Buffer.from(JSON.stringify({ format: FORMAT, ...checkpoint, streamTimes }));
}

export function decodeCheckpoint(bytes: Buffer, directory: string): Checkpoint {
  try {
    const { format, sources, changelogs, streamTimes, epochs } = JSON.parse(bytes.toString('utf8'));
    if (format !== FORMAT) throw new Error(`format ${format}`);
    for (const numbers of [sources, changelogs, streamTimes, epochs ?? {}])
      if (!areNumbers(numbers)) throw new Error('a field that is missing or of another type');
    return { sources, changelogs, streamTimes, ...(epochs && { epochs }) };
  } catch (error) {
    throw new StreamsError('STATE_CORRUPT', {
      what: 'cannot read the checkpoint',
      at: directory,
      saw: messageOf(error),
      expected: `format ${FORMAT}`,
      action: 'Delete the directory to have it rebuilt from the changelog.',
      cause: error,
    });
  }
}

const areNumbers = (numbers: unknown): boolean =>
  typeof numbers === 'object' &&
  numbers !== null &&
  Object.values(numbers).every((number) => typeof number === 'number');
