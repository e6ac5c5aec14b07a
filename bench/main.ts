/**
 * `npm run bench -- engine [CASE…]`: what the engine costs. Each case runs in a process of its own, so that memory is its own too.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CASES, runEmbedded, runEngine } from './engine.js';
import type { Measured } from './measure.js';

const SUITES: Readonly<Record<string, readonly string[]>> = { engine: [...Object.keys(CASES), 'embedded'] };

const [suite = '', ...wanted] = process.argv.slice(2);
if (suite === '--case') {
  const [name = ''] = wanted;
  process.stdout.write(JSON.stringify(name === 'embedded' ? await runEmbedded() : await runEngine(name)));
} else {
  const known = SUITES[suite];
  const names = wanted.length > 0 ? wanted : (known ?? []);
  const unknown = names.filter((name) => !known?.includes(name));
  if (!known || unknown.length > 0) {
    process.stderr.write(
      `Usage: npm run bench -- ${Object.keys(SUITES).join('|')} [${(known ?? SUITES.engine ?? []).join('|')}]…\n`,
    );
    process.exitCode = 2;
  } else {
    process.stdout.write(
      `${'case'.padEnd(26)}${'records/s'.padStart(12)}${'µs CPU/record'.padStart(16)}${'max RSS MB'.padStart(12)}\n`,
    );
    for (const name of names)
      process.stdout.write(`${row(CASES[name]?.title ?? 'embedded end to end', await inChild(name))}\n`);
  }
}

async function inChild(name: string): Promise<Measured> {
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), '--case', name]);
  return JSON.parse(stdout) as Measured;
}

function row(title: string, { recordsPerSecond, cpuMicrosPerRecord, maxRssMb }: Measured): string {
  const rate = Math.round(recordsPerSecond).toLocaleString('en-US');
  return `${title.padEnd(26)}${rate.padStart(12)}${cpuMicrosPerRecord.toFixed(1).padStart(16)}${maxRssMb.toFixed(0).padStart(12)}`;
}
