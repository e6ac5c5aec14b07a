import type { AvscType, Tap } from './avsc.js';

/** avsc's options: pairs that are already resolved, by the names of reader and writer. */
export interface ResolverOptions {
  readonly registry?: Record<string, unknown>;
}

/**
 * The branch of a reader's union for a value of another type. avsc takes the first branch that can read it.
 * It would read bytes as a string and an int as a double, even if they have branches of their own. In Avro
 * the branch of the same type comes first.
 */
export function branchFor(
  branches: readonly AvscType[],
  writer: AvscType,
  options: ResolverOptions,
): { readonly branch: AvscType; readonly resolver: { _read(tap: Tap): unknown } } | undefined {
  const nearest = branches.toSorted((a, b) => distance(a, writer) - distance(b, writer));
  const { registry = {} } = options;
  for (const branch of nearest) {
    const known = new Set(Object.keys(registry));
    try {
      return { branch, resolver: branch.createResolver(writer, options as object) as never };
    } catch {
      // Another branch may succeed. A half-finished resolver of this one must not count as finished the next
      // time.
      for (const pair of Object.keys(registry)) if (!known.has(pair)) delete registry[pair];
    }
  }
  return undefined;
}

/**
 * How far a branch is from the written type: the same type by the same name, the same type, the same bytes,
 * other bytes, and the same bytes with another meaning.
 */
function distance(branch: AvscType, writer: AvscType): number {
  const [mine, written] = [underlying(branch), underlying(writer)];
  if (branch.typeName === writer.typeName) return mine.name === written.name ? 0 : 1;
  if (mine !== branch && written !== writer) return 4;
  return mine.typeName === written.typeName ? 2 : 3;
}

const underlying = (type: AvscType): AvscType =>
  (type as { readonly underlyingType?: AvscType }).underlyingType ?? type;
