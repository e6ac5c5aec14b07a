import { type ErrorPolicy, type ResolvedPolicy, resolvePolicy } from '../../model/policy/policy.js';
import { ambient } from './ambient.js';

/**
 * The policy of a stateless operator, which has no node. Two operators never share the object, so it also
 * says which operator has failed. CONFIG_INVALID names the operator.
 */
export const ownPolicy = (operator: string, onError: ErrorPolicy | undefined): ResolvedPolicy | undefined =>
  onError === undefined ? undefined : resolvePolicy(onError, `onError of ${operator}`);

/** Notes which policy an error follows until it arrives at an input, which is before anything else runs. */
export function noteThrown(error: unknown, policy: ResolvedPolicy | undefined): void {
  const now = ambient();
  if (policy !== undefined) now.thrown = { error, policy, push: now.pushes };
}

/**
 * The policy of the operator that threw this error; undefined if it has none of its own. The note is taken:
 * another operator may throw the same object.
 */
export function thrownUnder(error: unknown): ResolvedPolicy | undefined {
  const now = ambient();
  const { thrown, pushes } = now;
  now.thrown = undefined;
  return thrown?.push === pushes && Object.is(thrown.error, error) ? thrown.policy : undefined;
}

/** A function of an operator with a policy of its own. Without one it stays what it is. */
export function underPolicy<I, O>(fn: (input: I) => O, policy: ResolvedPolicy | undefined): (input: I) => O {
  if (policy === undefined) return fn;
  return (input) => {
    try {
      return fn(input);
    } catch (error) {
      noteThrown(error, policy);
      throw error;
    }
  };
}

/** The same for a function whose results are made one by one. */
export function eachUnderPolicy<I, O>(
  fn: (input: I) => Iterable<O>,
  policy: ResolvedPolicy | undefined,
): (input: I) => Iterable<O> {
  if (policy === undefined) return fn;
  return function* (input) {
    try {
      yield* fn(input);
    } catch (error) {
      noteThrown(error, policy);
      throw error;
    }
  };
}
