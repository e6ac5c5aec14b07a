import type { Broker } from '../../broker/port.js';
import { readableOffsets } from '../../runtime/config/application-version.js';
import type { EngineConfig } from '../../runtime/config/config.js';
import { errorPoliciesOf, type KeptPolicies, policiesOf } from '../../runtime/config/kept-policies.js';
import { type ErrorPolicies, resolvePolicies } from '../../runtime/config/policy.js';

/** The policies that are given; for the other steps those that the application keeps in its offsets. */
function policiesWith(kept: KeptPolicies | undefined, given: ErrorPolicies = {}): ErrorPolicies {
  const named = Object.entries(given).filter(([, policy]) => policy !== undefined);
  return { ...(kept && errorPoliciesOf(kept)), ...Object.fromEntries(named) };
}

/**
 * Leaves out records that fail as the application does, unless the caller says otherwise. What the caller
 * says also applies to operators with policies of their own: see policies-in-force.ts.
 */
export function lookingBack(config: EngineConfig, given: ErrorPolicies = {}): EngineConfig {
  const resolved = Object.entries(resolvePolicies(given));
  const overrides = Object.fromEntries(resolved.filter(([step]) => given[step as keyof ErrorPolicies] !== undefined));
  return { ...config, policies: resolvePolicies(policiesWith(config.kept, given)), overrides, looksBack: true };
}

/** The policies with which a past of the application is run, without those that end it. */
export async function policiesOfPast(
  { admin }: Pick<Broker, 'admin'>,
  applicationId: string,
  given?: ErrorPolicies,
): Promise<ErrorPolicies> {
  const policies = policiesWith(policiesOf(await readableOffsets(admin, applicationId)), given);
  return Object.fromEntries(Object.entries(policies).filter(([, policy]) => policy !== 'fail'));
}
