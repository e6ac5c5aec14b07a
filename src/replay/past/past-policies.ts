import type { Broker } from '../../broker/port.js';
import { readableOffsets } from '../../runtime/config/application-version.js';
import type { EngineConfig } from '../../runtime/config/config.js';
import { errorPoliciesOf, type KeptPolicies, policiesOf } from '../../runtime/config/kept-policies.js';
import { type ErrorPolicies, type PolicyName, resolvePolicies } from '../../runtime/config/policy.js';
import type { PastOptions } from './past-options.js';

/** Where the policies of a look back come from: what it was given, and what a configuration says. */
type Given = Pick<PastOptions, 'onError' | 'defaultOnError'>;

/** The policies by step, the strongest source first: given, configured, kept by the application. */
function policiesWith(kept: KeptPolicies | undefined, { onError = {}, defaultOnError = {} }: Given): ErrorPolicies {
  return { ...(kept && errorPoliciesOf(kept)), ...named(defaultOnError), ...named(onError) };
}

const named = (policies: ErrorPolicies): ErrorPolicies =>
  Object.fromEntries(Object.entries(policies).filter(([, policy]) => policy !== undefined));

/**
 * Leaves out records that fail as the application does, unless the caller says otherwise. What the caller
 * says also applies to operators with policies of their own: see policies-in-force.ts.
 */
export function lookingBack(config: EngineConfig, given: Given): EngineConfig {
  const steps = Object.keys(named(given.onError ?? {})) as readonly PolicyName[];
  const policies = resolvePolicies(policiesWith(config.kept, given));
  const overrides = Object.fromEntries(steps.map((step) => [step, policies[step]]));
  return { ...config, policies, overrides, looksBack: true };
}

/** The policies with which a past of the application is run, without those that end it. */
export async function policiesOfPast(
  { admin }: Pick<Broker, 'admin'>,
  applicationId: string,
  given: Given,
): Promise<ErrorPolicies> {
  const policies = policiesWith(policiesOf(await readableOffsets(admin, applicationId)), given);
  return Object.fromEntries(Object.entries(policies).filter(([, policy]) => policy !== 'fail'));
}
