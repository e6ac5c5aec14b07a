// `npm test`: installs and builds what is needed, runs mocha over the compiled tests. The last line is always
// `N passed, N failed`, also if the build fails, a test file cannot be loaded or a test leaves something running.
//
//   npm test -- [file.test.ts ...] [-g pattern] [any option of mocha]
//
// Without arguments it runs several processes side by side, since tests wait more than they work: for programs that they start, for the disk.
// What those beside the first print is shown when it is done.
import { ensureBuilt } from './ensure-built.mjs';
import { ALL, compiled, filesBeside, runMocha } from './run-mocha.mjs';

/** Folders of tests. Nothing that needs Kafka: each process would start one. */
const BESIDE = {
  'Tests that start programs': ['cli', 'processes'],
  'Tests of operators and stores': ['dsl', 'integrity', 'state'],
};

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
  const globs = (folders) => folders.map((folder) => `build/test/${folder}/**/*.test.js`);
  const beside = Object.entries(BESIDE).map(([title, folders]) => {
    const printed = [];
    return { title, printed, run: runMocha(globs(folders), { write: (chunk) => printed.push(chunk) }) };
  });
  const ignored = Object.values(BESIDE).flatMap(globs);
  const sum = await runMocha([...ignored.flatMap((glob) => ['--ignore', glob]), ALL], process.stdout);
  if (sum.why) console.log(`\n${sum.why}`);
  for (const { title, printed, run } of beside) {
    const { passed, failed, why } = await run;
    console.log(`\n${title}:`);
    for (const chunk of printed) process.stdout.write(chunk);
    if (why) console.log(`\n${why}`);
    sum.passed += passed;
    sum.failed += failed;
  }
  report({ ...sum, why: 'All together:' });
}

function report({ passed, failed, why }) {
  if (why) console.log(`\n${why}\n${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
