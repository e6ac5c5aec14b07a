/**
 * `npm run test:conformance -- [DIR] [--group NAME]`: runs the vectors of a directory (default: those of the repository) and prints what differs.
 * A line a group; alone on the last line, `N passed, N failed`. What millrace has no operator for counts as failed.
 */
import { parseArgs } from 'node:util';
import { loadGroups, VECTORS } from './case.js';
import { type GroupReport, runGroup } from './run-group.js';

const { values, positionals } = parseArgs({ options: { group: { type: 'string' } }, allowPositionals: true });
const [directory = VECTORS] = positionals;
const groups = loadGroups(directory).filter(({ name }) => values.group === undefined || name === values.group);
if (groups.length === 0) console.log(`there is no group ${values.group} in ${directory}`);

const reports: GroupReport[] = [];
for (const group of groups) {
  const report = await runGroup(group);
  reports.push(report);
  for (const { name, found } of report.failed) console.log(`\n${name}\n  ${found.join('\n  ')}`);
  for (const { name, reason } of report.different) console.log(`\n${name} differs knowingly: ${reason}`);
}

console.log('');
for (const { name, passed, failed, notYet } of reports) {
  const missing = new Map<string, number>();
  for (const { operator } of notYet) missing.set(operator, (missing.get(operator) ?? 0) + 1);
  const needs = [...missing].map(([operator, cases]) => `${operator} (${cases})`).join(', ');
  console.log(
    `${name}: ${passed} passed, ${failed.length} failed, ${notYet.length} not yet${needs && `; missing: ${needs}`}`,
  );
}
const sum = (of: (report: GroupReport) => number): number => reports.reduce((total, report) => total + of(report), 0);
const failed = sum((report) => report.failed.length + report.notYet.length) + (groups.length === 0 ? 1 : 0);
console.log(`\n${sum((report) => report.passed)} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
