import { messageOf, StreamsError } from '../../model/errors.js';
import { KIND, prefixed, prefixOf } from '../layout.js';

/**
 * What a task's database contains, written in the same batch as the data itself. JSON, format 2. Format 1 had
 * neither `logs` nor `emptied`: it does not identify the topics of its positions, so its rows are restored
 * again.
 */
export interface Checkpoint {
  /** Next offset of each source topic: the stores contain everything before it. */
  readonly sources: Readonly<Record<string, number>>;
  /**
   * Next offset of each store's changelog: the store contains everything before it. A global table uses its
   * topic as changelog: see global-state.ts.
   */
  readonly changelogs: Readonly<Record<string, number>>;
  /** The log of each position in `changelogs`, under the same name. A position without a log is not used. */
  readonly logs: ReadonlyMap<string, ReadLog>;
  /** Stream time of each store, and of the task itself under the empty name. */
  readonly streamTimes: Readonly<Record<string, number>>;
  /** The last reset that deleted the stores before these rows were made. Undefined: none did. */
  readonly emptied?: string | undefined;
  /**
   * The epoch (see runtime/changelog/epochs.ts) of each store's changelog up to its position; absent if there
   * is none.
   */
  readonly epochs?: Readonly<Record<string, number>>;
}

/** The topic that a store was read from, and when. */
export interface ReadLog {
  /** Undefined: the broker gave none. */
  readonly topicId?: string | undefined;
  /**
   * The store contains everything that was written to the topic before this time. Milliseconds since the
   * epoch.
   */
  readonly asOf: number;
  /** The topic was read from its beginning, but not yet to its end at that time. */
  readonly partial?: boolean;
}

/** A commit's update of the checkpoint; the stores provide their stream times. */
export type CheckpointUpdate = Omit<Checkpoint, 'streamTimes' | 'logs'> & Partial<Pick<Checkpoint, 'logs'>>;

/** Its key in the database. */
export const CHECKPOINT_KEY: Buffer = prefixed(prefixOf(0, KIND.rows), Buffer.from('checkpoint'));

const FORMAT = 2;

export const EMPTY_CHECKPOINT: Checkpoint = { sources: {}, changelogs: {}, logs: new Map(), streamTimes: {} };

/** JSON has no infinities: unset times are left out. */
export function encodeCheckpoint({ logs, ...checkpoint }: Checkpoint): Buffer {
  const streamTimes = Object.fromEntries(
    Object.entries(checkpoint.streamTimes).filter(([, time]) => Number.isFinite(time)),
  );
  const read = Array.from(logs, ([name, { asOf, topicId, partial }]) => [
    name,
    asOf,
    topicId ?? null,
    ...(partial ? [true] : []),
  ]);
  return Buffer.from(JSON.stringify({ format: FORMAT, ...checkpoint, streamTimes, logs: read }));
}

export function decodeCheckpoint(bytes: Buffer, directory: string): Checkpoint {
  try {
    const { format, sources, changelogs, streamTimes, logs, emptied, epochs } = JSON.parse(bytes.toString('utf8'));
    if (format !== FORMAT && format !== 1) throw new Error(`format ${format}`);
    for (const numbers of [sources, changelogs, streamTimes, epochs ?? {}])
      if (!areNumbers(numbers)) throw new Error('a missing field, or one of another type');
    if (format === 1) return { sources, changelogs, streamTimes, logs: new Map() };
    return {
      ...{ sources, changelogs, streamTimes, logs: readLogs(logs) },
      ...(typeof emptied === 'string' && { emptied }),
      ...(epochs && { epochs }),
    };
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

function readLogs(logs: unknown): Checkpoint['logs'] {
  if (!Array.isArray(logs)) throw new Error('a missing field, or one of another type');
  return new Map(
    logs.map((entry: unknown): [string, ReadLog] => {
      const [name, asOf, topicId, partial] = Array.isArray(entry) ? entry : [];
      if (typeof name !== 'string' || typeof asOf !== 'number') throw new Error('a log without a name or a time');
      return [
        name,
        { asOf, topicId: typeof topicId === 'string' ? topicId : undefined, ...(partial === true && { partial }) },
      ];
    }),
  );
}
