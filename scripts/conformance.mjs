// `npm run test:conformance -- [DIR] [--group NAME]`: builds what is needed and runs the conformance vectors. The last line is
// always `N passed, N failed`, also if the build fails.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, root } from './ensure-built.mjs';

try {
  ensureBuilt({ tests: true });
  const main = join(root, 'build', 'test', 'conformance', 'main.js');
  const args = ['--enable-source-maps', main, ...process.argv.slice(2)];
  const { status, signal, error } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  process.exitCode = status ?? 1;
  if (status === null) throw new Error(`the runner ended with ${signal ?? error?.message}`);
} catch (error) {
  console.log(`${error.message}\n0 passed, 1 failed`);
  process.exitCode = 1;
}
