/**
 * Names that a user gives (of stores, topics, fields, options) are any words, `constructor` and `__proto__`
 * among them. In a Map they are only names. In an object they must be looked up by {@link ownOf} and set by
 * {@link setOwn}: every object inherits properties, and assigning to `__proto__` sets none.
 * `test/model/own.test.ts` finds who does otherwise.
 */

/** What the object itself has under that name; undefined for what it would only inherit. */
export const ownOf = <T>(object: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;

/** Sets what the object has under that name, whatever the name. */
export function setOwn<T>(object: Record<string, T>, name: string, value: NoInfer<T>): void {
  if (name === '__proto__')
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  else object[name] = value;
}
