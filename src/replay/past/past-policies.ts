import type { Broker } from '../../broker/port.js';
import { readableOffsets } from '../../runtime/config/application-version.js';
import { errorPoliciesOf, type KeptPolicies, policiesOf } from '../../runtime/config/kept-policies.js';
import type { ErrorPolicies } from '../../runtime/config/policy.js';

/** The policies that are given; for the other steps those that the application keeps in its offsets. */
export function policiesWith(kept: KeptPolicies | undefined, given: ErrorPolicies = {}): ErrorPolicies {
  const named = Object.entries(given).filter(([, policy]) => policy !== undefined);
  return { ...(kept && errorPoliciesOf(kept)), ...Object.fromEntries(named) };
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
