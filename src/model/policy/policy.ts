import { StreamsError } from '../errors.js';
import { show } from '../text/show.js';
import { type Backoff, NO_BACKOFF, type ResolvedBackoff, resolveBackoff } from './backoff.js';
import { checkFields, isFields } from './fields.js';

const FINAL = ['fail', 'skip', 'deadLetter'] as const;

/** The names of what can happen to a record that fails for good. */
export type FinalPolicyName = (typeof FINAL)[number];

/**
 * What happens to a record that fails for good. `fail`: stop, without committing anything of it. `skip`: drop
 * and count it. `deadLetter`: write it to the dead letter topic. (A policy with options of its own would be
 * an object with its name as the only field.)
 */
export type FinalPolicy = FinalPolicyName;

/** Tries a record again before it fails for good. */
export interface RetryPolicy {
  /** How often, after the first attempt. */
  readonly retry: number;
  readonly backoff: Backoff;
  readonly then: FinalPolicy;
}

/** What happens to a record that fails, either at once or after a number of retries. */
export type ErrorPolicy = FinalPolicy | RetryPolicy;

/** A policy with its defaults, as plain data. Options of a final policy would stand beside its name. */
export interface ResolvedPolicy {
  readonly retries: number;
  readonly backoff: ResolvedBackoff;
  readonly then: FinalPolicyName;
}

/** Checks a policy and fills in its defaults. CONFIG_INVALID names `where`: `onError.process`. */
export function resolvePolicy(policy: ErrorPolicy, where: string): ResolvedPolicy {
  if (!isFields(policy)) return { retries: 0, backoff: NO_BACKOFF, then: finalOf(policy, policy, where) };
  checkFields(policy, ['retry', 'backoff', 'then'], where);
  const { retry, backoff, then } = policy;
  if (!Number.isInteger(retry) || retry < 0) throw invalid(policy, where);
  return { retries: retry, then: finalOf(then, policy, where), backoff: resolveBackoff(backoff, `${where}.backoff`) };
}

function finalOf(final: FinalPolicy, policy: ErrorPolicy, where: string): FinalPolicyName {
  const name = FINAL.find((each) => each === final);
  if (name === undefined) throw invalid(policy, where);
  return name;
}

const invalid = (policy: ErrorPolicy, where: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: `cannot use ${where}`,
    saw: show(policy),
    expected: `one of ${FINAL.join(', ')}, or { retry, backoff, then }`,
    action: 'Choose what happens to a record that fails.',
  });
