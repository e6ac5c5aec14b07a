// `npm run fuzz`: every parser of what others wrote, with a hundred thousand inputs each (those of servers: ten thousand). The last line
// is `N passed, N failed`; what failed is shown with the seed that shows it again.
//
//   npm run fuzz -- [--inputs 100000]
import { ensureBuilt } from './ensure-built.mjs';
import { runMocha } from './run-mocha.mjs';

const args = process.argv.slice(2);
const at = args.indexOf('--inputs');
const [, inputs] = at < 0 ? ['', '100000'] : args.splice(at, 2);
if (!(Number(inputs) >= 1) || args.length > 0) {
  console.error(
    `${process.argv.slice(2).join(' ')}: expected --inputs and a number, as in npm run fuzz -- --inputs 100000`,
  );
  process.exit(2);
}
process.env.FUZZ_RUNS = inputs;
ensureBuilt({ tests: true });
const { passed, failed, why } = await runMocha(
  ['--timeout', '0', 'build/test/trust/parsers.test.js', 'build/test/trust/text.test.js'],
  process.stdout,
);
if (why) console.log(why);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
