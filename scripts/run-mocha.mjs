// One run of mocha over compiled tests, which always ends: also if a test file cannot be loaded, or a test hangs or leaves something running.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './ensure-built.mjs';

/** What hangs must end: in the check, which has a quarter of an hour, before that is over; else those of Kafka come behind all others. */
const RUN_LIMIT_MS = (process.env.CI ? 14 : 30) * 60_000;
/** After the summary only open handles keep mocha alive: long enough for a slow close, short enough to be waited for. */
const EXIT_LIMIT_MS = 15_000;
const SUMMARY = /^(\d+) passed, (\d+) failed$/m;

/** All compiled tests. */
export const ALL = 'build/**/*.test.js';

/** Arguments of mocha, in which a test file may be named by its source. */
export const compiled = (args) =>
  args.map((arg) => (/^(?!build\/).*\.test\.ts$/.test(arg) ? join('build', arg.replace(/\.ts$/, '.js')) : arg));

/** All of them, unless the arguments name files. */
export const filesBeside = (args) => (args.some((arg) => /^[^-].*\.js$/.test(arg)) ? [] : [ALL]);

/** How many passed and failed; `why` if that is not what mocha itself has said last. */
export async function runMocha(options, output) {
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
