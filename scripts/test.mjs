// `npm test`: installs and builds what is needed, runs mocha over the compiled tests. The last line is always
// `N passed, N failed`, also if the build fails, a test file cannot be loaded or a test leaves something running.
//
//   npm test -- [file.test.ts ...] [-g pattern] [any option of mocha]
//
// Without arguments it runs two processes side by side. One has the tests that start programs of their own, which is most of
// their time: what they print is shown when they are done.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, root } from './ensure-built.mjs';

/** What hangs must end: in the check, which has a quarter of an hour, before that is over; else those of Kafka come behind all others. */
const RUN_LIMIT_MS = (process.env.CI ? 14 : 30) * 60_000;
/** After the summary only open handles keep mocha alive: long enough for a slow close, short enough to be waited for. */
const EXIT_LIMIT_MS = 15_000;
const SUMMARY = /^(\d+) passed, (\d+) failed$/m;

const ALL = 'build/**/*.test.js';
/** Nothing that needs Kafka: each process would start one. */
const PROGRAMS = ['build/test/cli/**/*.test.js', 'build/test/processes/**/*.test.js'];
/** A program takes seconds to start where others are at work. */
const PROGRAM_LIMIT_MS = 60_000;

const args = process.argv
  .slice(2)
  .map((arg) => (/^(?!build\/).*\.test\.ts$/.test(arg) ? join('build', arg.replace(/\.ts$/, '.js')) : arg));
const files = args.some((arg) => /\.js$/.test(arg)) ? [] : [ALL];

try {
  ensureBuilt({ tests: true });
  if (args.length > 0) report(await runMocha([...args, ...files], process.stdout));
  else await runSideBySide();
} catch (error) {
  report({ passed: 0, failed: 1, why: error.message });
}

async function runSideBySide() {
  const printed = [];
  const programs = runMocha([...PROGRAMS, '--timeout', String(PROGRAM_LIMIT_MS)], {
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

/** How many passed and failed; `why` if that is not what mocha itself has said last. */
async function runMocha(options, output) {
  const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const color = process.stdout.isTTY ? ['--color'] : [];
  const child = spawn(process.execPath, ['--enable-source-maps', mocha, ...color, ...options], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let tail = '';
  let killed = '';
  const killAfter = (ms, why) =>
    setTimeout(() => {
      killed = why;
      child.kill('SIGKILL');
    }, ms);
  const runTimer = killAfter(RUN_LIMIT_MS, `Stopped: the tests took longer than ${RUN_LIMIT_MS / 60_000} minutes.`);
  let exitTimer;
  child.stdout.on('data', (chunk) => {
    output.write(chunk);
    tail = (tail + chunk).slice(-2_000);
    if (SUMMARY.test(tail)) {
      exitTimer ??= killAfter(
        EXIT_LIMIT_MS,
        'Stopped: a test left a timer, socket or process behind, so that mocha could not end.',
      );
    }
  });
  const { code, signal } = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  clearTimeout(runTimer);
  clearTimeout(exitTimer);
  const summary = SUMMARY.exec(tail);
  const passed = Number(summary?.[1] ?? 0);
  const failed = Number(summary?.[2] ?? 0);
  if (killed) return { passed, failed: failed + 1, why: killed };
  if (!summary) {
    const why = `Mocha ended before its summary (${signal ?? `exit code ${code}`}): a test file could not be loaded, or a test ended the process.`;
    return { passed: 0, failed: 1, why };
  }
  if (code !== 0 && failed === 0)
    return { passed, failed: 1, why: `Mocha ended with ${signal ?? `exit code ${code}`}.` };
  return { passed, failed };
}
