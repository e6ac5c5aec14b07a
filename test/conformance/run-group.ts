import type { Group } from './case.js';
import { differences } from './compare.js';
import { DIFFERENCES, differing } from './differences.js';
import { NotYet } from './not-yet.js';
import { runCase } from './run-case.js';

export interface GroupReport {
  readonly name: string;
  /** Those that differ knowingly are among them. */
  readonly passed: number;
  readonly failed: readonly { readonly name: string; readonly found: readonly string[] }[];
  readonly notYet: readonly { readonly name: string; readonly operator: string }[];
  readonly different: readonly { readonly name: string; readonly reason: string }[];
}

/** Runs all cases of a group. */
export async function runGroup({ name, cases }: Group): Promise<GroupReport> {
  const failed: GroupReport['failed'][number][] = [];
  const notYet: GroupReport['notYet'][number][] = [];
  const different: GroupReport['different'][number][] = [];
  let passed = 0;
  for (const target of cases) {
    try {
      const outcome = await runCase(target);
      const difference = DIFFERENCES[target.name];
      const found = differences(difference ? differing(target, difference) : target, outcome);
      if (found.length > 0) failed.push({ name: target.name, found });
      else passed++;
      if (difference) different.push({ name: target.name, reason: difference.reason });
    } catch (error) {
      const operator = missing(error);
      if (operator !== undefined) notYet.push({ name: target.name, operator });
      else failed.push({ name: target.name, found: [String(error)] });
    }
  }
  return { name, passed, failed, notYet, different };
}

/** The operator a case needs, wherever the error that says so was wrapped. */
function missing(error: unknown): string | undefined {
  if (error instanceof NotYet) return error.operator;
  return error instanceof Error && error.cause ? missing(error.cause) : undefined;
}
