// `npm run test:nodes`: what depends on Node itself (the native module, the loader of topologies, signals, the main job), on every version that
// is in use. They come from npm, as `node-<platform>-<arch>`. The last line is `N passed, N failed`.
//
//   npm run test:nodes -- [22 24 ...]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ensureBuilt, root } from './ensure-built.mjs';

const VERSIONS = ['22', '24', '26'];
const TESTS = [
  'test/state/database/rocksdb.test.ts',
  'test/testing/driver.test.ts',
  'test/cli/load/load-topology.test.ts',
  'test/cli/commands/new.test.ts',
  'test/cli/signals.test.ts',
  'topology-examples/**/*.test.ts',
];
const SUMMARY = /^(\d+) passed, (\d+) failed$/m;

const wanted = process.argv.length > 2 ? process.argv.slice(2) : VERSIONS;
const packageName = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const directory = mkdtempSync(join(tmpdir(), 'millrace-nodes-'));
let [passed, failed] = [0, 0];
try {
  ensureBuilt({ tests: true });
  for (const version of wanted) {
    const result = test(version);
    passed += result.passed;
    failed += result.failed;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

function test(version) {
  const bin = install(version);
  if (!bin) return { passed: 0, failed: 1 };
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, KAFKA_TESTS: '0' };
  const node = join(bin, 'node');
  const shown = (args) => spawnSync(node, args, { cwd: root, env, encoding: 'utf8' });
  console.log(`Node ${shown(['--version']).stdout.trim()}`);
  const tests = shown([join('scripts', 'test.mjs'), ...TESTS, '--timeout', '60000']);
  const [, ok = '0', bad = '1'] = SUMMARY.exec(tests.stdout) ?? [];
  if (tests.status !== 0) console.log(tests.stdout + tests.stderr);
  const job = shown([join('topology-examples', '05-source-history', 'main.mjs')]);
  const agrees = job.status === 0;
  if (!agrees) console.log(job.stdout + job.stderr);
  console.log(`  ${ok} passed, ${bad} failed; the main job ${agrees ? 'agrees with git' : 'FAILED'}`);
  return { passed: Number(ok) + Number(agrees), failed: Number(bad) + Number(!agrees) };
}

/** The folder of its programs; undefined if it cannot be had. */
function install(version) {
  const args = ['install', '--prefix', directory, '--no-save', '--no-audit', '--no-fund', `${packageName}@${version}`];
  const { status, stderr } = spawnSync('npm', args, { encoding: 'utf8', shell: process.platform === 'win32' });
  if (status === 0) return join(directory, 'node_modules', packageName, 'bin');
  console.log(`Node ${version} cannot be installed:\n${stderr}`);
  return undefined;
}
