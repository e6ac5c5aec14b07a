import type { PartitionOffset } from '../../broker/port.js';
import type { FinalPolicyName, ResolvedPolicy } from '../../model/policy/policy.js';
import { textOf } from './offset-texts.js';
import { type ErrorPolicies, POLICY_NAMES, type PolicyName } from './policy.js';

/**
 * The error policies of an application, as its committed offsets name them: `"onError": ["dsf", n]`. The
 * letters are those of deserialize, process and produce: fail, skip or deadLetter. They say what happens
 * after all retries, because a record that is processed again later is not retried. So looking back leaves
 * out the records that the application has left out, on any machine.
 */
export interface KeptPolicies {
  /** Counts the changes of the policies: of two texts, the one with the higher number is the latest. */
  readonly n: number;
  /** One letter for each step. */
  readonly letters: string;
}

const POLICIES: ReadonlyMap<string, FinalPolicyName> = new Map([
  ['f', 'fail'],
  ['s', 'skip'],
  ['d', 'deadLetter'],
]);
const LETTERS = new Map(Array.from(POLICIES, ([letter, policy]) => [policy, letter] as const));
const DEFAULT = 'fff';
/** Far more changes than there can be; whoever writes a higher number cannot exhaust the numbers. */
const MAX_CHANGES = 999_999_999;

/**
 * The latest policies that committed offsets name. Undefined: none. Anyone allowed to commit offsets of the
 * group can write them; what does not parse counts as none.
 */
export function policiesOf(committed: readonly PartitionOffset[]): KeptPolicies | undefined {
  let latest: KeptPolicies | undefined;
  for (const { metadata } of committed) {
    const kept = parsed(textOf(metadata).onError);
    if (kept && (latest === undefined || isLater(kept, latest))) latest = kept;
  }
  return latest;
}

function parsed(onError: unknown): KeptPolicies | undefined {
  if (!Array.isArray(onError)) return undefined;
  const [letters, n] = onError as readonly unknown[];
  const isCount = Number.isInteger(n) && (n as number) > 0 && (n as number) <= MAX_CHANGES;
  return isCount && typeof letters === 'string' && /^[fsd]{3}$/.test(letters) ? { n: n as number, letters } : undefined;
}

/** Processes that start at the same time choose the same number: then any order of their policies will do. */
const isLater = (a: KeptPolicies, b: KeptPolicies): boolean => a.n > b.n || (a.n === b.n && a.letters > b.letters);

/**
 * What the offsets of an application must say from now on, if they say `found`. Undefined: nothing, because
 * its policies are the default and were never others.
 */
export function keptFrom(
  policies: Readonly<Record<PolicyName, Pick<ResolvedPolicy, 'then'>>>,
  found: KeptPolicies | undefined,
): KeptPolicies | undefined {
  return following(POLICY_NAMES.map((step) => LETTERS.get(policies[step].then)).join(''), found);
}

/** The same for policies that other offsets name: those of a version that takes over. */
export const keptOver = (own: KeptPolicies | undefined, found: KeptPolicies | undefined): KeptPolicies | undefined =>
  following(own?.letters ?? DEFAULT, found);

function following(letters: string, found: KeptPolicies | undefined): KeptPolicies | undefined {
  if (letters === (found?.letters ?? DEFAULT)) return found;
  return { letters, n: Math.min(MAX_CHANGES, (found?.n ?? 0) + 1) };
}

/** The kept policies as options. */
export function errorPoliciesOf({ letters }: KeptPolicies): ErrorPolicies {
  const policies = POLICY_NAMES.map((step, i) => [step, POLICIES.get(letters.charAt(i))] as const);
  return Object.fromEntries(policies);
}
