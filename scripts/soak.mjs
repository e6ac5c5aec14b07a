// `npm run soak`: the tests again and again, each time with other random cases, until the time is over. What fails once in fifty
// runs shows here. A line for each run; of one that fails, what mocha said of it. Exit code 1 if any has failed.
//
//   npm run soak -- [--minutes 60] [file.test.ts ...] [-g pattern] [any option of mocha]
import { ensureBuilt } from './ensure-built.mjs';
import { compiled, filesBeside, runMocha } from './run-mocha.mjs';

const args = compiled(process.argv.slice(2));
const at = args.indexOf('--minutes');
const [, minutes] = at < 0 ? ['', '60'] : args.splice(at, 2);
if (!(Number(minutes) > 0)) {
  console.error(`--minutes ${minutes ?? ''}: expected a number of minutes, as in npm run soak -- --minutes 60`);
  process.exit(2);
}
const files = filesBeside(args);

const FAILURES = /^ +\d+ passing[\s\S]*/m;
const secondsSince = (began) => Math.round((performance.now() - began) / 1_000);

ensureBuilt({ tests: true });
const began = performance.now();
let runs = 0;
let failed = 0;
while (secondsSince(began) < Number(minutes) * 60) {
  const printed = [];
  const start = performance.now();
  const run = await runMocha([...args, ...files], { write: (chunk) => printed.push(chunk) });
  runs++;
  console.log(`run ${runs}: ${run.passed} passed, ${run.failed} failed, ${secondsSince(start)} s`);
  if (run.failed === 0) continue;
  failed++;
  const output = Buffer.concat(printed).toString();
  console.log(FAILURES.exec(output)?.[0] ?? output.slice(-5_000));
  if (run.why) console.log(run.why);
}
console.log(`${runs} runs in ${secondsSince(began)} s, of which ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
