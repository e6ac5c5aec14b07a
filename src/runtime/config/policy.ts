import { type Duration, durationMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';

/**
 * What happens to a record that fails for good. `fail`: stop, without committing anything of it. `skip`: drop
 * and count it. `deadLetter`: write it to the dead letter topic.
 */
export type FinalPolicy = 'fail' | 'skip' | 'deadLetter';

/** What happens to a record that fails, either at once or after a number of retries. */
export type ErrorPolicy =
  | FinalPolicy
  | { readonly retry: number; readonly backoff: Duration; readonly then: FinalPolicy };

/** The steps of processing a record that have policies of their own. */
export interface ErrorPolicies {
  readonly deserialize?: ErrorPolicy;
  readonly process?: ErrorPolicy;
  readonly produce?: ErrorPolicy;
}

export type PolicyName = keyof ErrorPolicies;

/** The steps, in their order. */
export const POLICY_NAMES = ['deserialize', 'process', 'produce'] as const satisfies readonly PolicyName[];

export interface ResolvedPolicy {
  readonly retries: number;
  readonly backoffMs: number;
  readonly then: FinalPolicy;
}

const FINAL = ['fail', 'skip', 'deadLetter'];

/** Checks policies and fills in their defaults. CONFIG_INVALID names the step. */
export const resolvePolicies = (onError: ErrorPolicies): Readonly<Record<PolicyName, ResolvedPolicy>> => ({
  deserialize: resolvePolicy('deserialize', onError.deserialize),
  process: resolvePolicy('process', onError.process),
  produce: resolvePolicy('produce', onError.produce),
});

function resolvePolicy(step: PolicyName, policy: ErrorPolicy = 'fail'): ResolvedPolicy {
  const { retry, backoff, then } =
    typeof policy === 'string' ? { retry: 0, backoff: '0ms' as const, then: policy } : policy;
  if (!FINAL.includes(then) || !Number.isInteger(retry) || retry < 0) {
    throw new StreamsError('CONFIG_INVALID', {
      what: `cannot use onError.${step}`,
      saw: show(policy),
      expected: `one of ${FINAL.join(', ')}, or { retry, backoff, then }`,
      action: 'Choose what happens to a record that fails.',
    });
  }
  return { retries: retry, backoffMs: durationMs(backoff, `onError.${step}.backoff`), then };
}
