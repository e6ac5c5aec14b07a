import type { KeyRange } from '../../model/database.js';
import type { Progress } from '../engine/progress.js';

/**
 * The calls to a running process of an application. A change that older processes do not understand gets a
 * number.
 */
export const CONTROL_PROTOCOL = 1;

/** What a process says of itself. */
export interface ProcessInfo {
  readonly protocol: number;
  readonly pid: number;
  readonly applicationId: string;
  readonly topology: string;
  /** The directories of the databases that it has open. */
  readonly databases: readonly string[];
}

export interface ControlCalls {
  hello: { readonly input: null; readonly value: ProcessInfo };
  progress: { readonly input: null; readonly value: Progress };
  /** Answered when the application has stopped. */
  stop: { readonly input: null; readonly value: null };
  /** The topology as it runs, as `millrace describe` prints it. */
  describe: { readonly input: null; readonly value: string };
  /** The keys are parts of the call, the values parts of the answer. Value: which keys there are. */
  'database.get': { readonly input: { readonly directory: string }; readonly value: readonly boolean[] };
  /** Begins a scan. Value: its number. The ends of the range are parts of the call. */
  'database.scan': {
    readonly input: { readonly directory: string } & Pick<KeyRange, 'reverse' | 'limit'> & {
        readonly has: readonly ('gte' | 'lt')[];
      };
    readonly value: number;
  };
  /** The next entries of a scan: keys and values are parts of the answer, in turns. None: it is over. */
  'database.next': { readonly input: { readonly scan: number }; readonly value: null };
  'database.end': { readonly input: { readonly scan: number }; readonly value: null };
}
