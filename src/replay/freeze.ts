/**
 * Freezes plain objects and arrays, all the way down: code in modules and classes that changes one then
 * throws. Bytes, maps and objects of classes are left as they are.
 */
export function freezeDeep(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freezeDeep(inner);
}

/** Whether an error, or what caused it, says that something frozen was to be changed. */
export function saysFrozen(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof TypeError && /read only|not extensible|Cannot (add|delete) property|frozen/i.test(error.message))
    return true;
  return saysFrozen(error.cause);
}
