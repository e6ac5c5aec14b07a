// Import directions (.dependency-cruiser.cjs) and the rule that clock, timers and randomness are reached for in one file.
// Fails if the cruiser saw fewer modules than there are files: with a TypeScript whose API it does not know, it sees
// none and reports success.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reachesForMachine } from './machine.mjs';

const FOLDERS = ['src', 'test', 'bench', 'topology-examples', 'templates'].filter((folder) => existsSync(folder));
/** The real clock, timers and randomness, which everything else is given as ports. */
const MACHINE = 'src/runtime/config/system.ts';

const cruiser = join('node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
const args = [cruiser, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...FOLDERS];
const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
let result;
try {
  result = JSON.parse(stdout);
} catch {
  console.log(`dependency-cruiser did not report:\n${stderr || stdout}\n0 passed, 1 failed`);
  process.exit(1);
}

const { modules, summary } = result;
const failures = new Map();
const fail = (name, comment, detail) => {
  if (!failures.has(name)) failures.set(name, { comment, details: new Set() });
  failures.get(name).details.add(detail);
};

const files = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(
      (entry) =>
        entry.isFile() && entry.name.endsWith('.ts') && !/(^|\/)(node_modules|\.millrace)(\/|$)/.test(entry.parentPath),
    )
    .map((entry) => join(entry.parentPath, entry.name).replaceAll('\\', '/')),
);
const seen = new Set(modules.map((module) => module.source));
for (const file of files.filter((file) => !seen.has(file)))
  fail('every-file-is-seen', 'The cruiser must see every file.', file);
if (!files.some((file) => file.startsWith('src/')))
  fail('every-file-is-seen', 'The cruiser must see every file.', 'no file in src');
// A file with an import statement whose imports were not seen: the parser is not the one for this TypeScript.
if (modules.every((module) => module.dependencies.length === 0))
  fail('every-file-is-seen', 'The cruiser must see imports.', 'no import seen');

const rules = summary.ruleSetUsed.forbidden;
for (const { rule, from, to, cycle } of summary.violations) {
  const comment = rules.find((candidate) => candidate.name === rule.name)?.comment ?? '';
  const way = cycle ? [from, ...cycle.map((step) => step.name)].join(' → ') : from === to ? from : `${from} → ${to}`;
  fail(rule.name, comment, way);
}

for (const file of files.filter((file) => file.startsWith('src/') && file !== MACHINE)) {
  for (const { line, text } of reachesForMachine(file, readFileSync(file, 'utf8'))) {
    const comment = `Clock, timers and randomness are passed in (model/ports.ts); only ${MACHINE} has the real ones.`;
    fail('everything-uncertain-is-a-port', comment, `${file}:${line} ${text}`);
  }
}

for (const [name, { comment, details }] of failures) {
  console.log(`\n✗ ${name}: ${comment}`);
  for (const detail of details) console.log(`    ${detail}`);
}
const checks = rules.length + 2;
console.log(`\n${files.length} files, ${summary.totalDependenciesCruised} imports, ${checks} rules`);
console.log(`${checks - failures.size} passed, ${failures.size} failed`);
process.exitCode = failures.size > 0 ? 1 : 0;
