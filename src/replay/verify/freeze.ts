/**
 * Freezes plain objects and arrays at every depth; strict-mode code (modules and classes) that changes one
 * then throws. Leaves bytes, maps and class instances as they are.
 */
export function freezeDeep(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freezeDeep(inner);
}

/** Whether an error, or one of its causes, is an attempt to change a frozen object. */
export function saysFrozen(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof TypeError && /read only|not extensible|Cannot (add|delete) property|frozen/i.test(error.message))
    return true;
  return saysFrozen(error.cause);
}
