// `npm test`: installs and builds what is needed, runs mocha over the compiled tests. The last line is always
// `N passed, N failed`, also if the build fails, a test file cannot be loaded or a test leaves something running.
//
//   npm test -- [file.test.ts ...] [-g pattern] [any option of mocha]
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, root } from './ensure-built.mjs';

/** What hangs must end: in the check, whose suites take ten minutes side by side, before that becomes a quarter of an hour; else those of Kafka come behind all others. */
const RUN_LIMIT_MS = (process.env.CI ? 14 : 30) * 60_000;
/** After the summary only open handles keep mocha alive: long enough for a slow close, short enough to be waited for. */
const EXIT_LIMIT_MS = 15_000;
const SUMMARY = /^(\d+) passed, (\d+) failed$/m;

const args = process.argv
  .slice(2)
  .map((arg) => (/^(?!build\/).*\.test\.ts$/.test(arg) ? join('build', arg.replace(/\.ts$/, '.js')) : arg));
const files = args.some((arg) => /\.js$/.test(arg)) ? [] : ['build/**/*.test.js'];

function finish(passed, failed, why) {
  if (why) console.log(`\n${why}\n${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

try {
  ensureBuilt({ tests: true });
  await runMocha();
} catch (error) {
  finish(0, 1, error.message);
}

async function runMocha() {
  const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const color = process.stdout.isTTY ? ['--color'] : [];
  const child = spawn(process.execPath, ['--enable-source-maps', mocha, ...color, ...args, ...files], {
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
    process.stdout.write(chunk);
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
  if (killed) finish(passed, failed + 1, killed);
  else if (!summary)
    finish(
      0,
      1,
      `Mocha ended before its summary (${signal ?? `exit code ${code}`}): a test file could not be loaded, or a test ended the process.`,
    );
  else if (code !== 0 && failed === 0) finish(passed, 1, `Mocha ended with ${signal ?? `exit code ${code}`}.`);
  else finish(passed, failed);
}
