import { ERROR_CODES, type ErrorCode, isStreamsError, messageOf, StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import type { WriteResult } from '../port.js';
import { PROTOCOL, type SentProblem, type SentResult } from './protocol.js';

/** The process that served the broker ended while it worked on a call. */
export const outcomeUnknown = (what: string, directory: string): StreamsError =>
  new StreamsError('BROKER_UNAVAILABLE', {
    what: `it is not known whether ${what}`,
    at: `the broker in ${directory}`,
    saw: 'the end of the process that served it',
    expected: 'an answer',
    action: 'Look at the topics, then try again: another process serves the broker now.',
  });

/** A member, or a transactional writer, of a process that no longer serves the broker. */
export const serverGone = (code: 'GROUP_FENCED' | 'PRODUCER_FENCED', directory: string): StreamsError =>
  new StreamsError(code, {
    what: 'cannot continue',
    at: `the broker in ${directory}`,
    saw: 'another process that serves it',
    expected: 'the process that served it before',
    action: 'Drop what is not committed, and join or open it again.',
  });

/** A member that has left its group, or was removed. */
export const memberGone = (groupId: string): StreamsError =>
  new StreamsError('GROUP_FENCED', {
    what: 'cannot act for the group',
    at: `group ${groupId}`,
    saw: 'a member that is not in it any more',
    expected: 'a current member',
    action: 'Drop what is not committed and join again.',
  });

/** Processes of different versions share the directory. */
export const wrongProtocol = (saw: unknown): StreamsError =>
  new StreamsError('STATE_MISMATCH', {
    what: 'cannot use the embedded broker of another process',
    saw: typeof saw === 'number' ? `protocol ${saw}` : `the call ${show(saw)}`,
    expected: `protocol ${PROTOCOL}`,
    action: 'Use the same version of millrace in all processes that share the directory.',
  });

export const sentProblem = (error: unknown): SentProblem =>
  isStreamsError(error)
    ? { code: error.code, problem: error.problem, action: error.action }
    : { code: '', problem: messageOf(error), action: '' };

export const receivedProblem = ({ code, problem, action }: SentProblem): Error =>
  Object.hasOwn(ERROR_CODES, code)
    ? new StreamsError(code as ErrorCode, { what: problem, action })
    : new Error(problem);

export const sentResult = ({ error, ...result }: WriteResult): SentResult =>
  error === undefined ? result : { ...result, error: sentProblem(error) };

export const receivedResult = ({ error, ...result }: SentResult): WriteResult =>
  error === undefined ? result : { ...result, error: receivedProblem(error) as StreamsError };

/** A process has the directory open, and does not serve it. */
export const notServed = (directory: string): StreamsError =>
  new StreamsError('STATE_LOCKED', {
    what: 'cannot use the embedded broker',
    at: directory,
    saw: 'a process that has it open, and does not answer on its socket',
    expected: 'a process that serves it, or none',
    action: 'Stop that process: it may hang, or run an older version of millrace.',
  });
