import type { AvscType, Tap } from './avsc.js';

/** Those of avsc: what is resolved already, by the names of reader and writer. */
export interface ResolverOptions {
  readonly registry?: Record<string, unknown>;
}

/**
 * The branch of a reader's union for what another type wrote. avsc takes the first that can read it: bytes
 * would be read as a string, and an int as a double, where they have branches of their own. Avro has that of
 * the same type first.
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
      // Another one may. What is half done of this one must not be taken for done the next time.
      for (const pair of Object.keys(registry)) if (!known.has(pair)) delete registry[pair];
    }
  }
  return undefined;
}

/**
 * How far a branch is from what was written: the same type by the same name, the same type, the same bytes,
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
