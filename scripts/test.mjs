// `npm test`: installs and builds what is needed, runs mocha over the compiled tests. The last line is always
// `N passed, N failed`, also if the build fails, a test file cannot be loaded or a test leaves something running.
//
//   npm test -- [file.test.ts ...] [-g pattern] [any option of mocha]
//
// Without arguments it runs two processes side by side. One has the tests that start programs of their own, which is most of
// their time: what they print is shown when they are done.
import { ensureBuilt } from './ensure-built.mjs';
import { ALL, compiled, filesBeside, runMocha } from './run-mocha.mjs';

/** Nothing that needs Kafka: each process would start one. */
const PROGRAMS = ['build/test/cli/**/*.test.js', 'build/test/processes/**/*.test.js'];

const args = compiled(process.argv.slice(2));
const files = filesBeside(args);

try {
  ensureBuilt({ tests: true });
  if (args.length > 0) report(await runMocha([...args, ...files], process.stdout));
  else await runSideBySide();
} catch (error) {
  report({ passed: 0, failed: 1, why: error.message });
}

async function runSideBySide() {
  const printed = [];
  const programs = runMocha(PROGRAMS, {
    write: (chunk) => printed.push(chunk),
  });
  const others = await runMocha([...PROGRAMS.flatMap((glob) => ['--ignore', glob]), ALL], process.stdout);
  if (others.why) console.log(`\n${others.why}`);
  console.log('\nTests that start programs:');
  const beside = await programs;
  for (const chunk of printed) process.stdout.write(chunk);
  const sum = { passed: others.passed + beside.passed, failed: others.failed + beside.failed };
  report({ ...sum, why: beside.why ?? 'Both together:' });
}

function report({ passed, failed, why }) {
  if (why) console.log(`\n${why}\n${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
