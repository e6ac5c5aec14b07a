import { plainText } from './text/plain-text.js';
import { show } from './text/show.js';

/**
 * The closed list of errors. `retryable`: the same call may succeed later without any change by a person. A
 * test compares the table in docs/errors.md with this one.
 */
export const ERROR_CODES = {
  // declaring
  TOPOLOGY_INVALID: {
    retryable: false,
    summary: 'The topology cannot run as declared; every problem is listed with what to write instead.',
  },
  TOPOLOGY_NOT_FOUND: {
    retryable: false,
    summary: 'The file does not exist, cannot be loaded, or does not export a topology by default.',
  },
  TOPOLOGY_NOT_DETERMINISTIC: {
    retryable: false,
    summary: 'The topology function declared a different topology when it ran again.',
  },
  TOPOLOGY_MISMATCH: {
    retryable: false,
    summary: 'Other processes of the application run a topology that contradicts this one.',
  },
  CONFIG_INVALID: { retryable: false, summary: 'An option has a value that is not allowed.' },
  // one record
  DESERIALIZE_FAILED: { retryable: false, summary: 'The bytes of a key or value could not be decoded.' },
  SERIALIZE_FAILED: { retryable: false, summary: 'A key or value could not be encoded.' },
  PROCESS_FAILED: { retryable: false, summary: 'A function of the topology threw.' },
  KEY_CHANGED: { retryable: false, summary: 'A plain operator changed the key of a record before a keyed operator.' },
  LATE_EMISSION: {
    retryable: false,
    summary: 'An RxJS operator emitted asynchronously, not while it received a record.',
  },
  VERSION_INVALID: { retryable: false, summary: 'A version is not an integer, or integers and bigints are mixed.' },
  VERSION_GAP: { retryable: false, summary: 'A missing version did not arrive in time and the gap policy is to fail.' },
  REORDER_BUFFER_FULL: {
    retryable: false,
    summary: 'More records wait for a missing version than maxBuffered allows.',
  },
  RECORD_LATE: { retryable: false, summary: 'A record arrived after all its windows had closed.' },
  SUPPRESS_BUFFER_FULL: {
    retryable: false,
    summary: 'More rows wait in suppress than maxRecords or maxBytes allows, and whenFull is to fail.',
  },
  TIME_JUMP: {
    retryable: false,
    summary: 'The timestamp of a record is further ahead of stream time than maxTimeJump allows.',
  },
  STORE_KEY_NOT_LOADED: {
    retryable: false,
    summary: 'A processor read a key synchronously that it did not declare in reads.',
  },
  PARTITION_INVALID: { retryable: false, summary: 'A partitioner returned a partition that the topic does not have.' },
  PRODUCE_FAILED: { retryable: true, summary: 'The broker did not accept a record.' },
  // calls
  CALL_FAILED: {
    retryable: false,
    summary: 'A call of effect or mapAsync failed for good, and onFailure is to fail.',
  },
  CALL_TIMEOUT: { retryable: true, summary: 'A call of effect or mapAsync gave no answer within its timeout.' },
  OUTCOME_MISSING: {
    retryable: false,
    summary: 'The topic with the outcomes of calls no longer has all that a look into the past needs.',
  },
  // state
  STATE_LOCKED: { retryable: true, summary: 'Another process or engine has the directory open.' },
  STATE_MISMATCH: {
    retryable: false,
    summary:
      "The stores belong to another application, topology, store or serde, or the group's offsets do not match them.",
  },
  STATE_IO: { retryable: true, summary: 'The disk failed: full, read-only or broken.' },
  STATE_CORRUPT: { retryable: false, summary: 'Bytes on disk are not what was written.' },
  STATE_UNSUPPORTED: { retryable: false, summary: 'RocksDB cannot be loaded on this machine.' },
  STORE_READ_ONLY: {
    retryable: false,
    summary: 'A processor wrote to the store of a global table, or of a fold over sessions or sliding windows.',
  },
  STORE_UNKNOWN: { retryable: false, summary: 'There is no store of that name.' },
  // broker
  BROKER_UNKNOWN_SCHEME: { retryable: false, summary: 'No broker adapter has that scheme.' },
  BROKER_UNAVAILABLE: {
    retryable: true,
    summary: 'The brokers cannot be reached, or refuse the request; the message names the reason.',
  },
  BROKER_UNAUTHENTICATED: {
    retryable: false,
    summary: 'Brokers and client do not trust each other: a login, token or certificate was refused.',
  },
  BROKER_UNAUTHORIZED: {
    retryable: false,
    summary: 'The principal lacks permission; the message names each missing right.',
  },
  BROKER_CLOSED: { retryable: false, summary: 'The broker connection was closed by this process.' },
  TOPIC_UNKNOWN: { retryable: false, summary: 'Topics that the topology reads or writes do not exist.' },
  TOPIC_EXISTS: { retryable: false, summary: 'A topic of that name exists already.' },
  TOPIC_MISMATCH: {
    retryable: false,
    summary: 'A topic does not have the required number of partitions or cleanup policy.',
  },
  TOPIC_FOREIGN: {
    retryable: false,
    summary: 'A topic with the name of an internal topic, or of an output of a shadow, belongs to somebody else.',
  },
  OFFSET_OUT_OF_RANGE: {
    retryable: false,
    summary: 'The log no longer (or not yet) holds the requested offset.',
  },
  LOG_CORRUPT: {
    retryable: false,
    summary: 'A record batch fails its checksum or does not parse; or the embedded log lacks synced data.',
  },
  PRODUCER_FENCED: { retryable: false, summary: 'Another producer took over the transactional id.' },
  FENCED_REPEATEDLY: {
    retryable: false,
    summary: 'Another writer repeatedly uses the transactional id of a task, or writes to its changelogs.',
  },
  CHANGELOG_DISTURBED: {
    retryable: true,
    summary: 'Another writer wrote to the changelog of a task; the task reopens and ignores those records.',
  },
  TRANSACTION_INVALID: { retryable: false, summary: 'The writer was used outside the begin/commit order.' },
  GROUP_FENCED: { retryable: true, summary: 'The member is no longer in the group, or acts for an old generation.' },
  INSTANCE_FENCED: { retryable: false, summary: 'Another process joined the group with the same instance id.' },
  // schemas
  SCHEMA_INVALID: {
    retryable: false,
    summary: 'A schema cannot be used: it does not parse, or needs a feature that millrace does not support.',
  },
  SCHEMA_INCOMPATIBLE: {
    retryable: false,
    summary: 'A schema is not compatible with what was registered or written before; the message says why.',
  },
  SCHEMA_UNKNOWN: { retryable: false, summary: 'The schema registry has no such schema, version, subject or id.' },
  REGISTRY_UNAVAILABLE: {
    retryable: true,
    summary: 'The schema registry cannot be reached, or its answer cannot be understood.',
  },
  REGISTRY_UNAUTHORIZED: {
    retryable: false,
    summary: 'The schema registry refused the login or the operation.',
  },
  // tools
  APPLICATION_RUNNING: { retryable: true, summary: 'The application is running; it must be stopped first.' },
  RESET_UNFINISHED: { retryable: false, summary: 'A reset of the application was interrupted; run it again.' },
  GENERATION_CHANGED: {
    retryable: true,
    summary: 'Another version of the application was promoted after this process started.',
  },
  SHADOW_MISSING: { retryable: false, summary: 'There is no shadow to promote, or no earlier version to go back to.' },
  SHADOW_AHEAD: {
    retryable: true,
    summary: 'The version to be promoted has processed records that the live one has not.',
  },
  PROMOTION_UNFINISHED: { retryable: false, summary: 'A promotion or a rollback was interrupted; run it again.' },
  INPUT_INVALID: { retryable: false, summary: 'A line of input does not parse or lacks a field.' },
  PREDICATE_FAILED: { retryable: false, summary: 'A predicate threw: of a bisect, or of a list of dead letters.' },
  LETTER_UNKNOWN: {
    retryable: false,
    summary: 'The dead letter topic has no such letter of the application.',
  },
  LETTER_INCOMPLETE: {
    retryable: false,
    summary: 'A dead letter holds only a part of its record, and cannot be fed in again.',
  },
  PATCH_FAILED: {
    retryable: false,
    summary: 'The patch of a dead letter threw, or its key or value cannot be encoded and decoded again.',
  },
  REDRIVE_TARGET_UNKNOWN: {
    retryable: false,
    summary: 'The operator that is to get the record of a dead letter is gone, or reads it from another operator.',
  },
  USAGE: { retryable: false, summary: 'The command line is wrong.' },
  STOPPED: { retryable: false, summary: 'The engine was stopped at once, before its work was committed.' },
} as const satisfies Record<string, { readonly retryable: boolean; readonly summary: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** What failed: "cannot decode the value". */
  readonly what: string;
  /** Where: "payments[0]@42", "store balances", "node by-account". */
  readonly at?: string;
  readonly saw?: string;
  readonly expected?: string;
  /** What the reader can do about it, as a full sentence. */
  readonly action: string;
  /** Lines listed after the action. */
  readonly list?: readonly string[];
  readonly cause?: unknown;
}

/**
 * Every error that millrace throws. The message reads `<what failed> at <where>: saw <x>, expected <y>. <what
 * to do>.`
 *
 * It may contain text from others (names, values, messages of servers). So it is on one line, except for a
 * list, and characters that could move a cursor are escaped (see plain-text.ts).
 */
export class StreamsError extends Error {
  override readonly name = 'StreamsError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly action: string;
  /** The message without code and action, for lists of several problems. */
  readonly problem: string;

  constructor(code: ErrorCode, details: ErrorDetails) {
    const { what, at, saw, expected, list = [], cause } = details;
    const seen = [saw && `saw ${saw}`, expected && `expected ${expected}`].filter(Boolean).join(', ');
    const problem = plainText(`${what}${at ? ` at ${at}` : ''}${seen ? `: ${seen}` : ''}`);
    const action = plainText(details.action);
    const lines = list.map((line) => `\n  - ${plainText(line)}`).join('');
    super(`${problem}. ${action}${lines}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = ERROR_CODES[code].retryable;
    this.action = action;
    this.problem = problem;
  }

  /** `STATE_LOCKED: cannot open …`: logs and messages that hold an error as text name its code. */
  override toString(): string {
    return `${this.code}: ${this.message}`;
  }
}

/**
 * Whether a value is a StreamsError, of this or another copy of the library (a user's file may have loaded
 * its own).
 */
export function isStreamsError(error: unknown): error is StreamsError {
  return (
    error instanceof Error && error.name === 'StreamsError' && Object.hasOwn(ERROR_CODES, (error as StreamsError).code)
  );
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  if (typeof error === 'string') return error;
  try {
    if (error instanceof Error) return String(error.message);
  } catch {
    // The thrown value may itself throw when it is read, and still needs a text.
  }
  return show(error);
}
