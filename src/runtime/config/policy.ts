import { type ErrorPolicy, type ResolvedPolicy, resolvePolicy } from '../../model/policy/policy.js';

/** The steps of processing a record that have policies of their own. */
export interface ErrorPolicies {
  readonly deserialize?: ErrorPolicy;
  readonly process?: ErrorPolicy;
  readonly produce?: ErrorPolicy;
}

export type PolicyName = keyof ErrorPolicies;

/** The steps, in their order. */
export const POLICY_NAMES = ['deserialize', 'process', 'produce'] as const satisfies readonly PolicyName[];

/** Checks policies and fills in their defaults. CONFIG_INVALID names the step. */
export function resolvePolicies(onError: ErrorPolicies): Readonly<Record<PolicyName, ResolvedPolicy>> {
  const of = (step: PolicyName): ResolvedPolicy => resolvePolicy(onError[step] ?? 'fail', `onError.${step}`);
  return { deserialize: of('deserialize'), process: of('process'), produce: of('produce') };
}
