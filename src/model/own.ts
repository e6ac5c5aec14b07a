/**
 * Users may choose any word as a name (of stores, topics, fields, options), including `constructor` and
 * `__proto__`. In a Map every name is safe. In an object, names must be looked up with {@link ownOf} and set
 * with {@link setOwn}: every object inherits properties, and an assignment to `__proto__` sets no property.
 * `test/model/own.test.ts` finds code that does not.
 */

/** The object's own property of a name; undefined for an inherited one. */
export const ownOf = <T>(object: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;

/** Sets the object's own property of a name, for any name. */
export function setOwn<T>(object: Record<string, T>, name: string, value: NoInfer<T>): void {
  if (name === '__proto__')
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  else object[name] = value;
}
