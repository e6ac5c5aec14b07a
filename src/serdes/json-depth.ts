/** Whether JSON nests deeper than that. Works without recursion, so no depth can overflow the stack. */
export function isDeeper(json: unknown, depth: number): boolean {
  let level: unknown[] = [json];
  for (let reached = 0; level.length > 0; reached++) {
    if (reached > depth) return true;
    const below: unknown[] = [];
    for (const one of level)
      if (typeof one === 'object' && one !== null) for (const part of Object.values(one)) below.push(part);
    level = below;
  }
  return false;
}
